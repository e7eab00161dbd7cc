"""What holds for all tests: a machine that is busy is no failure; benchmarks can be imported."""

import sys
from pathlib import Path

from hypothesis import settings

settings.register_profile("toolkit", deadline=None)
settings.load_profile("toolkit")
sys.path.append(str(Path(__file__).resolve().parent.parent))
