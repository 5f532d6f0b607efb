"""What the site needs besides `docs/`: files of the repository that pages link to, and scripts that come by npm.

Pages link as GitHub wants it, by paths between files of the repository. What lies outside of `docs/` becomes a part of
the site below `repository/`, under its own path, and links are turned accordingly. A link to what is not there is left
as it stands, so that the strict build names it and fails.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# Pages of the site that lie outside of `docs/`; more come by being linked to.
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bundles/default/MODEL_CARD.md")
MERMAID = "assets/mermaid.js"
ASSETS = {
    MERMAID: "ui/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js",
    "assets/iframe-worker.js": "ui/node_modules/iframe-worker/shim/index.js",
    "assets/icon.svg": "ui/public/icon.svg",
}
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every decision in the menu, without a line for each."""
    decisions = sorted(file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs/decisions").glob("0*.md"))
    for section in config.nav or []:
        for entry in next(iter(section.values())):
            if isinstance(entry, dict) and "Decisions" in entry:
                entry["Decisions"] += decisions
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the documents, all files that pages link to, and the scripts."""
    waiting = [*DOCUMENTS, *(_repository_path(page.src_uri) for page in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith("docs/"):
            files.append(File.generated(config, _site_path(path), abs_src_path=str(ROOT / path)))
        linked = set(_linked(path)) if path.endswith(".md") else set()
        waiting += [other for other in linked - seen if not other.startswith("docs/")]
        seen |= linked
    for name, source in ASSETS.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Links between files of the repository as links between pages of the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(_repository_path(here))

    def turned(link: re.Match[str]) -> str:
        path = _target(folder, link["path"])
        if path is None:
            return link[0]
        if (ROOT / path).is_dir():
            return link["text"]  # A folder is on GitHub to look at, and nowhere here.
        address = posixpath.relpath(_site_path(path), posixpath.dirname(here))
        return f"[{link['text']}]({address}{link['anchor'] or ''})"

    return LINK.sub(turned, markdown)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """The script that draws diagrams, before the theme's own asks for it, where a page has one."""
    if 'class="mermaid"' not in output:
        return output
    script = posixpath.relpath(MERMAID, posixpath.dirname(page.file.dest_uri))
    return output.replace("</head>", f'<script src="{script}"></script></head>', 1)


def _linked(path: str) -> Iterator[str]:
    for link in LINK.finditer((ROOT / path).read_text()):
        target = _target(posixpath.dirname(path), link["path"])
        if target is not None and (ROOT / target).is_file():
            yield target


def _target(folder: str, link: str) -> str | None:
    """The repository's path that a link in `folder` leads to, of a folder its page's, if it has one; None: of none."""
    path = posixpath.normpath(posixpath.join(folder, link))
    if path.startswith("..") or not (ROOT / path).exists():
        return None
    return f"{path}.md" if (ROOT / path).is_dir() and (ROOT / f"{path}.md").is_file() else path


def _site_path(path: str) -> str:
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def _repository_path(site_path: str) -> str:
    inside, _, rest = site_path.partition("/")
    return rest if inside == "repository" else f"docs/{site_path}"
