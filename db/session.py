"""The engine and the unit of work: the only place that commits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from core.errors import DatabaseUnavailable
from core.settings import Settings
from db.prepared import Connection, Cursor

__all__ = ["BIND", "Database", "Session", "bind", "make_database"]

CONNECT_TIMEOUT = 3
POOL_TIMEOUT = 5.0
# A pooled connection that lay so long is asked whether it lives.
IDLE_S = 0.5


# The role of migration 0005, whose policies compare a row's Site with this setting. Both end with the transaction.
BIND = "SELECT set_config('role', 'lucency_site', true), set_config('lucency.site_id', :site, true)"
_BIND = text(BIND)


def bind(session: Session, site_id: UUID) -> None:
    """Until the transaction ends, the database shows and takes rows of this Site alone, whatever a statement asks for.

    Tables of the platform are read only then, or not at all. For all work on behalf of a caller.
    """
    session.flush()  # what authentication changed is none of the Site's
    session.execute(_BIND, {"site": str(site_id)})


class Database:
    """One process's connections. After a fork the child calls `dispose(close=False)` first."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def unit_of_work(self, *, site_id: UUID | None = None) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises; with `site_id` bound to that Site.

        Rows stay readable after the commit. Raises DatabaseUnavailable where the server is away, too slow, or the
        connection is lost; when that happens at COMMIT the outcome is unknown, and callers must be safe to repeat.
        """
        session = Session(self.engine, expire_on_commit=False)
        try:
            with session.begin():
                if site_id is not None:
                    bind(session, site_id)
                yield session
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable from error
            raise
        finally:
            try:
                session.close()
            except (OperationalError, InterfaceError):
                # The connection is gone: what mattered was raised above.
                session.invalidate()

    def check(self) -> None:
        """Readiness: the server answers and its schema is there. Raises DatabaseUnavailable."""
        with self.unit_of_work() as session:
            if session.scalar(text("SELECT to_regclass('job')")) is None:
                raise DatabaseUnavailable("The database is not migrated")

    def dispose(self, *, close: bool = True) -> None:
        """Drop the pool. `close=False` in a forked child: the connections are the parent's."""
        self.engine.dispose(close=close)


def make_database(settings: Settings, *, application_name: str, pool_size: int | None = None) -> Database:
    """A Database on the settings' URL. Connects to nothing yet."""
    timeout_ms = int(settings.database_statement_timeout * 1000)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        pool_size=pool_size or settings.database_pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        hide_parameters=True,
        connect_args={
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT,
            **({"connection_factory": Connection, "cursor_factory": Cursor} if settings.database_prepared else {}),
            # jit: compiling costs more than any statement of ours. bitmapscan: ours read an index in order and stop at
            # a limit, where a bitmap reads all first; just after a flood the statistics make it look cheaper.
            # random_page_cost: what is asked often is in memory, where a page costs the same wherever it is; with the
            # 4 of disks a filter that matches nothing is looked for in the whole table, not in its index.
            # tcp_user_timeout: a cut network is noticed in time.
            "options": f"-c statement_timeout={timeout_ms} -c timezone=UTC -c jit=off -c enable_bitmapscan=off "
            "-c random_page_cost=1.1 "
            "-c idle_in_transaction_session_timeout=60000",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": timeout_ms,
        },
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _see_whether_it_lives)
    return Database(engine)


def _note_use(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _see_whether_it_lives(
    connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Ask one that lay idle, so that nobody meets what a restart of the server left of it. One in use is not asked:
    that would be a round trip for each transaction, and no server is away and back within IDLE_S.
    """
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < IDLE_S:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        # The pool drops it and takes another.
        raise DisconnectionError from error
