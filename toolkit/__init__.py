"""The data half of post-training: messy raw dumps in, packed batches out, nothing lost on the way."""

__version__ = "0.1.0"
