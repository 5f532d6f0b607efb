"""Worker processes that are alive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from core.vocabulary import WorkerWish
from db.tables.base import Base, now_column, one_of


class Worker(Base):
    """A worker process as it last told of itself; `progress_at` is its last poll or claim.

    `failed_digest`: the active ModelVersion that it could not load, with the error's code; it serves the one before.
    `wish`: what an operator wants of it.
    """

    __tablename__ = "worker"
    __table_args__ = (one_of("wish", WorkerWish),)
    name: Mapped[str] = mapped_column(primary_key=True)
    pid: Mapped[int]
    engine: Mapped[str]
    device: Mapped[str | None]
    host: Mapped[str | None]
    wish: Mapped[str] = mapped_column(server_default=WorkerWish.RUN.value)
    model_digest: Mapped[str | None]
    failed_digest: Mapped[str | None]
    failed_code: Mapped[str | None]
    state: Mapped[str]
    started_at: Mapped[datetime] = now_column()
    seen_at: Mapped[datetime] = now_column()
    progress_at: Mapped[datetime] = now_column()
