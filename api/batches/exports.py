"""The results of a Batch, whatever its size: read a page at a time, each in a session of its own, and sent at once."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import anyio.to_thread

from api.backends import Backends
from api.batches.schemas import ItemView
from api.batches.views import item_view
from api.batches.zip_stream import ZipStream
from api.uploads.spool import Scratch
from core.errors import InputIntegrity, NotFound
from core.logs import logger
from core.result_record import ResultRecord
from core.sealing import SiteKey
from core.vocabulary import Decision, ReportKind
from db.repositories import batches, results
from reports import render, tables
from reports.document import as_mapping

log = logger(__name__)

PAGE = 200
COLUMNS = (
    "position",
    "path",
    "sha256",
    "state",
    "job",
    "job_state",
    "label",
    "decision",
    "probability",
    "threshold",
    "three_way",
    "region",
    "region_probability",
    "flags",
    "model",
    "code",
    "detail",
)
# A table of a hundred thousand files is some 30 MB.
CSV_BYTES = 4 * 1024**3 - 1


@dataclass(frozen=True, slots=True)
class Export:
    """A Batch to be exported, and the key that opens its paths."""

    backends: Backends
    site_id: UUID
    batch_id: UUID
    key: SiteKey

    def csv(self) -> Iterator[bytes]:
        """One row a file, in the manifest's order; the header first."""
        yield tables.csv_text([], columns=COLUMNS).encode()
        for page in self._pages():
            rows = [_row(item, record) for item, record in page]
            yield tables.csv_text(rows, columns=COLUMNS, header=False).encode()

    def ndjson(self) -> Iterator[bytes]:
        """One line a file: the names of the table, and all `findings`."""
        for page in self._pages():
            yield b"".join(_line(item, record) for item, record in page)

    async def zip(self, kinds: Sequence[ReportKind]) -> AsyncIterator[bytes]:
        """`results.csv`, and for each job that succeeded its reports of `kinds`, as `<job>/…`."""
        folder = self.backends.settings.temporary_folder
        with ZipStream(folder) as stream, Scratch(folder, limit=CSV_BYTES) as table:
            crc = await anyio.to_thread.run_sync(self._write_table, table)
            with table.reading() as file:
                for piece in stream.add_file("results.csv", file, size=table.size, crc=crc):
                    yield piece
            done: set[UUID] = set()
            after = -1
            while page := await anyio.to_thread.run_sync(self._page, after, True):
                after = page[-1][0].position
                for _item, record in page:
                    if record is None or record.job_id in done:
                        continue
                    done.add(record.job_id)
                    for kind in kinds:
                        drawn = await self.backends.drawing.run(self._draw, record, kind)
                        if drawn is not None:
                            yield stream.add(*drawn)
            for piece in stream.finish():
                yield piece

    def _pages(self) -> Iterator[list[tuple[ItemView, ResultRecord | None]]]:
        after = -1
        while page := self._page(after):
            after = page[-1][0].position
            yield page

    def _page(self, after: int, heatmaps: bool = False) -> list[tuple[ItemView, ResultRecord | None]]:
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            items = batches.items(session, batch_id=self.batch_id, after=after, limit=PAGE)
            wanted = {item.job_id for item in items if item.job_id is not None}
            found = results.records(session, site_id=self.site_id, job_ids=wanted, heatmaps=heatmaps)
        views = [item_view(item, batch_id=self.batch_id, key=self.key) for item in items]
        return [(view, found.get(view.job) if view.job is not None else None) for view in views]

    def _write_table(self, table: Scratch) -> int:
        crc = 0
        for piece in self.csv():
            table.write(piece)
            crc = zlib.crc32(piece, crc)
        return crc

    def _draw(self, record: ResultRecord, kind: ReportKind) -> tuple[str, bytes] | None:
        """Name and content; None, with a line in the log, where this result cannot have this form."""
        try:
            drawn_from = self.backends.pictures.fetch(record) if kind.form.pictures else None
            drawn = render.render(kind, record, drawn_from)
        except (NotFound, InputIntegrity) as error:
            log.warning("report_left_out", job_id=str(record.job_id), kind=kind.value, code=error.code)
            return None
        stem = "overlay" if kind is ReportKind.OVERLAY else "report"
        return f"{record.job_id}/{stem}{drawn.suffix}", drawn.content


def _row(item: ItemView, record: ResultRecord | None) -> dict[str, str]:
    row = {
        name: "" if value is None else str(value)
        for name, value in item.model_dump(mode="json", exclude={"size", "title", "result"}).items()
    }
    if record is None:
        return row
    chosen = max(tables.rows(record), key=_prominence)
    row |= {name: chosen[name] for name in COLUMNS if name in chosen and name not in ("code", "detail")}
    return row | {"model": f"{record.model_name} {record.model_version}"}


def _prominence(row: dict[str, str]) -> tuple[bool, float]:
    """Of several Findings the most probable positive one, or, where none is positive, the most probable."""
    return row["decision"] == Decision.POSITIVE.value, float(row["probability"] or 0)


def _line(item: ItemView, record: ResultRecord | None) -> bytes:
    line = item.model_dump(mode="json", exclude={"result"})
    if record is not None:
        chosen = _row(item, record)
        line |= {name: chosen[name] for name in ("label", "decision", "model")}
        line["result"] = as_mapping(record)
    return (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
