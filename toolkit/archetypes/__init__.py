"""The five source archetypes as messy raw dumps, with the planted truth beside them.

``synth(out, records, seed)`` writes a dump and a spec that runs on it. See ``synth`` for the
method, ``truth`` for what is planted, and one file an archetype for what is messy in each.
"""

from toolkit.archetypes.result import Synth
from toolkit.archetypes.synth import file_names, sources, synth

__all__ = ["Synth", "file_names", "sources", "synth"]
