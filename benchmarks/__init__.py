"""Benchmarks, one a topic: `python -m benchmarks.<word>`."""
