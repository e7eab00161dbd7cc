"""All jobs, imported once by the server that worker processes are forked from."""

from toolkit.pipeline import stage_dedup, stage_gold, stage_ingest, stage_refine, stage_silver, stage_tokens

__all__ = ["stage_dedup", "stage_gold", "stage_ingest", "stage_refine", "stage_silver", "stage_tokens"]
