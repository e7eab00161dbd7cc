"""What holds for all tests: a machine that is busy is no failure."""

from hypothesis import settings

settings.register_profile("toolkit", deadline=None)
settings.load_profile("toolkit")
