"""Batches: their manifests, what becomes of each file, how they end, and what is read of them.

All files of one content are decided together, by one guarded statement, in the transaction that makes their Job.
"""

from db.repositories.batches.closing import cancel, complete
from db.repositories.batches.items import Decision, find_answer, hold, look, note_altered, reject, settle
from db.repositories.batches.manifests import Entry, add_entries, adopt_known, begin, find_by_key
from db.repositories.batches.queries import Item, Tally, awaited, get, items, needed, page, tallies

__all__ = [
    "Decision",
    "Entry",
    "Item",
    "Tally",
    "add_entries",
    "adopt_known",
    "awaited",
    "begin",
    "cancel",
    "complete",
    "find_answer",
    "find_by_key",
    "get",
    "hold",
    "items",
    "look",
    "needed",
    "note_altered",
    "page",
    "reject",
    "settle",
    "tallies",
]
