"""The life of a Job. This package alone moves a job's state, each time by one guarded statement with its JobEvent.

Every transition to a terminal state also notifies the channel `job_finished`, by the trigger that refuses illegal
moves.
"""

from db.repositories.jobs.bulk import Bulk, cancel_chosen, replay_chosen
from db.repositories.jobs.bulk_submit import answering, cancel_many, submit_many
from db.repositories.jobs.claims import Claim, claim, heartbeat, release
from db.repositories.jobs.finish import FindingRecord, Outcome, fail, succeed
from db.repositories.jobs.listing import Cause, Filter, causes, count, ids, page
from db.repositories.jobs.queries import counts_by_state, events, get, oldest_due_age, recorded, result
from db.repositories.jobs.requests import Submission, cancel, find_by_key, release_held, replay, submit
from db.repositories.jobs.sweeping import SweepReport, due, sweep
from db.repositories.locks import try_lock

__all__ = [
    "Bulk",
    "Cause",
    "Claim",
    "Filter",
    "FindingRecord",
    "Outcome",
    "Submission",
    "SweepReport",
    "answering",
    "cancel",
    "cancel_chosen",
    "cancel_many",
    "causes",
    "claim",
    "count",
    "counts_by_state",
    "due",
    "events",
    "fail",
    "find_by_key",
    "get",
    "heartbeat",
    "ids",
    "oldest_due_age",
    "page",
    "recorded",
    "release",
    "release_held",
    "replay",
    "replay_chosen",
    "result",
    "submit",
    "submit_many",
    "succeed",
    "sweep",
    "try_lock",
]
