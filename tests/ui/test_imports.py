"""Who imports whom in the web application: no circle of files, and none of folders. Types count as well."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "ui" / "src"
# `from '…'`, `import '…'` and `import('…')`, of our own files alone.
IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)['"]((?:@|\.{1,2})/[^'"]+)['"]""")

Graph = dict[str, set[str]]


def imported(file: Path, sources: Path) -> set[Path]:
    """The files of `sources` that `file` imports; what is no file there (the generated client) is left out."""
    found = set()
    for name in IMPORT.findall(file.read_text()):
        target = sources / name[2:] if name.startswith("@/") else file.parent / name
        target = target.resolve()
        names = (
            target,
            target.with_name(f"{target.name}.ts"),
            target.with_name(f"{target.name}.tsx"),
            target / "index.ts",
        )
        found |= {next((one for one in names if one.is_file()), target)}
    return {one for one in found if one.is_file() and one.is_relative_to(sources)}


def files(sources: Path) -> Graph:
    """Each file below `sources`, and which of the others it imports."""
    every = [file for pattern in ("*.ts", "*.tsx") for file in sources.rglob(pattern)]
    ours = [file for file in every if not file.is_relative_to(sources / "client")]
    return {
        str(file.relative_to(sources)): {str(one.relative_to(sources)) for one in imported(file, sources)}
        for file in ours
    }


def folders(graph: Graph) -> Graph:
    """The same by folders. A file at the top counts as one: the router knows all pages, and all know `problem`."""
    found: Graph = {}
    for file, others in graph.items():
        found.setdefault(folder(file), set()).update(folder(other) for other in others)
    return {name: others - {name} for name, others in found.items()}


def folder(file: str) -> str:
    return file if "/" not in file else str(Path(file).parent)


def circle(graph: Graph) -> list[str]:
    """One circle of it, its first name again at its end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_circle_of_files_or_folders() -> None:
    graph = files(SOURCES.resolve())
    assert len(graph) > 150
    assert "pages/submit/SubmitPage.tsx" in graph["router.tsx"]
    assert not circle(graph)
    by_folder = folders(graph)
    assert {"components", "live", "auth"} <= by_folder["pages/jobs"]
    assert not circle(by_folder)


def test_circles_are_found(tmp_path: Path) -> None:
    """Of types, of what comes later (`import()`), and of folders whose files make none."""
    for name, text in {
        "one/A.tsx": "import type { B } from '@/two/B';",
        "two/B.tsx": "export type B = string;",
        "two/C.tsx": "const D = lazy(() => import('../one/D'));",
        "one/D.tsx": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = files(tmp_path.resolve())
    assert not circle(graph)
    assert set(circle(folders(graph))) == {"one", "two"}
    (tmp_path / "one/D.tsx").write_text("import { C } from '@/two/C';")
    assert set(circle(files(tmp_path.resolve()))) == {"one/D.tsx", "two/C.tsx"}
