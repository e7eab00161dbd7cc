"""Wires the stages: the only room that knows their order."""
