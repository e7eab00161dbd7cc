"""Our dedup of a whole corpus of files, in the shape of a workflow of NeMo Curator.

It needs neither Ray nor a card; the evidence lies beside the survivors. Needs the extra ``curator``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import MissingExtra
from toolkit.pipeline.dedup import dedup

try:
    from nemo_curator.pipeline.workflow import WorkflowBase, WorkflowRunResult
    from nemo_curator.tasks import FileGroupTask
except ImportError:
    raise MissingExtra("toolkit.curator", "curator") from None


@dataclass
class NearDuplicatesWorkflow(WorkflowBase):
    """Dedup of ``input_path`` (files, folders, globs of JSON lines or Parquet) into ``output_path``.

    ``options`` are further arguments of ``toolkit.dedup``: threshold, shingle, device, workers and so on.
    """

    input_path: str | list[str]
    output_path: str
    text_field: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, *_args: Any, **_more: Any) -> WorkflowRunResult:
        """Run it; the one task of ``dedup`` holds the survivors' files."""
        found = dedup(self.input_path, self.output_path, self.text_field, **self.options)
        out = Path(self.output_path).resolve()
        survivors = sorted(str(path) for path in out.glob("part-*"))
        facts = {
            "num_removed": found.evidence.num_rows,
            "total_time": found.seconds,
            "evidence": str(out / "evidence" / "duplicates.parquet"),
        }
        result = WorkflowRunResult("near_duplicates", metadata=facts)
        result.add_pipeline_tasks("dedup", [FileGroupTask(dataset_name=out.name, data=survivors)])
        return result
