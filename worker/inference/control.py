"""What an operator wants of this process, as its Worker row says: to go on, to claim nothing more, or to end."""

from __future__ import annotations

import psutil

from core.vocabulary import WorkerWish
from db.repositories import workers
from db.session import Database


class WorkerControl:
    """The wish as it was last seen. `follow` is called every two seconds; a claim asks `may_claim`."""

    def __init__(self, *, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self.wish = WorkerWish.RUN

    @property
    def may_claim(self) -> bool:
        return self.wish is WorkerWish.RUN

    def begin(self) -> None:
        """A process that starts is wanted, whatever was wanted of the one before. Raises DatabaseUnavailable.

        Those of this machine that died without a word are no longer told of: nobody else can know so soon.
        """
        machine = self._name.rpartition(":")[0] + ":"
        with self._database.unit_of_work() as session:
            workers.reset_wish(session, self._name)
            for other in workers.listing(session, prefix=machine):
                if other.name != self._name and not psutil.pid_exists(other.pid):
                    workers.remove(session, other.name)

    def follow(self) -> bool:
        """Look again; whether it is another wish than before. Raises DatabaseUnavailable.

        Once it is to end, that is not taken back: the next process follows what is wanted then.
        """
        before = self.wish
        if before is not WorkerWish.RESTART:
            with self._database.unit_of_work() as session:
                self.wish = workers.wish(session, self._name)
        return self.wish is not before
