"""The few HTML parts that the page is built from. Everything that is not ours is escaped; nothing is ever fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { --ink: #1f2933; --soft: #5b6672; --line: #d9dee4; --band: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1.25rem 3rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem;
  border-bottom: 1px solid var(--line); padding-bottom: .25rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .87rem; }
.notice { border-left: 4px solid #b45309; background: #fff7ed; padding: .5rem .8rem; margin: .8rem 0; }
.alarm { border-left: 4px solid #b91c1c; background: #fef2f2; padding: .5rem .8rem; margin: .8rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.4rem, 1fr)); gap: .6rem; margin: .8rem 0; }
.tile { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .8rem; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .45rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { background: var(--band); white-space: nowrap; } td { white-space: nowrap; }
td small { color: var(--soft); display: block; font-size: .78rem; }
.pictures { display: grid; gap: .8rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); }
.pictures img { width: 100%; height: auto; } .pictures .wide { grid-column: 1 / -1; }
figure { margin: 0; break-inside: avoid; }
figcaption { font-size: .78rem; color: var(--soft); overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .7rem; }
.gallery img { width: 100%; height: 13rem; object-fit: contain; background: #111; border-radius: .3rem; }
@media (max-width: 40rem) { body { padding: .6rem .8rem 2rem; font-size: 14px; } th, td { padding: .28rem .4rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } h2, h3 { break-after: avoid; }
  table, .tile, .tiles, figure { break-inside: avoid; } .gallery { grid-template-columns: repeat(3, 1fr); }
  .pictures { grid-template-columns: repeat(2, 1fr); } .scroll { overflow: visible; }
  td, th { white-space: normal; padding: .2rem .35rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
# No script, no request of any kind: only the page's own style and pictures that stand in it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, body: Iterable[str]) -> str:
    """The whole page around the parts of its body."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Header texts are escaped; cells are HTML already (`text`, `measured`)."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def tiles(figures: Mapping[str, Any], names: Iterable[tuple[str, str]]) -> str:
    """The figures of these names (key, title), each with its interval below."""
    parts = (
        f'<div class="tile"><span>{escape(title)}</span><b>{value_of(figures, name)}</b>'
        f"<span>{interval_of(figures, name)}</span></div>"
        for name, title in names
    )
    return f'<div class="tiles">{"".join(parts)}</div>'


def picture(content: bytes, *, kind: str, alt: str, caption: str = "", wide: bool = False) -> str:
    """An image that stands in the page itself; `kind` is png or jpeg."""
    encoded = base64.b64encode(content).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    wideness = ' class="wide"' if wide else ""
    return f'<figure{wideness}><img alt="{escape(alt)}" src="data:image/{kind};base64,{encoded}">{below}</figure>'


def heading(level: int, title: str) -> str:
    return f"<h{level}>{escape(title)}</h{level}>"


def paragraph(content: str, *, of: str = "") -> str:
    """A paragraph of plain text, in the class `of`."""
    return f'<p class="{of}">{escape(content)}</p>' if of else f"<p>{escape(content)}</p>"


def text(value: object) -> str:
    return escape(str(value))


def value_of(figures: Mapping[str, Any], name: str) -> str:
    """A figure without its interval."""
    value = figures.get(name)
    return "–" if value is None else _number(value)


def interval_of(figures: Mapping[str, Any], name: str) -> str:
    """A figure's 95 % interval, or nothing."""
    span = figures.get(f"{name}_ci95")
    if not span:
        return ""
    # A dash between two numbers, one of which has a minus, cannot be read.
    return f"{_number(span[0])}{' to ' if min(span) < 0 else '–'}{_number(span[1])}"


def measured(figures: Mapping[str, Any], name: str) -> str:
    """A table's cell: the figure and, small below it, its interval."""
    span = interval_of(figures, name)
    return value_of(figures, name) + (f"<small>{span}</small>" if span else "")


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
