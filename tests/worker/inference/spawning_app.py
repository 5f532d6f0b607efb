"""The worker's application on a platform whose default is to spawn children, as macOS' is."""

from __future__ import annotations

import billiard

from worker.app import celery  # noqa: F401

billiard.set_start_method("spawn", force=True)
