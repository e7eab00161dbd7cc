"""The HTML report of a lake: one page, nothing fetched, user text escaped."""

from toolkit.pipeline.report.page import report

__all__ = ["report"]
