"""The spec: its tables, how it is read with errors that help, and how it is written back."""

from toolkit.pipeline.spec.reader import load_spec, parse_spec
from toolkit.pipeline.spec.tables import Spec
from toolkit.pipeline.spec.writer import to_toml

__all__ = ["Spec", "load_spec", "parse_spec", "to_toml"]
