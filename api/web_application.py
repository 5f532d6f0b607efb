"""The web application's files: what no route of the API answers, a browser gets from the folder that it was built into.

Every page is the same document, whose script knows the addresses; it comes with a fresh nonce for the styles that the
script writes (CSP 3, 2.3.1). Files of `assets/` are named by their content and are kept for ever.
"""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core import shipped
from core.settings import Settings

# What `html.cspNonce` of ui/vite.config.ts writes into the document.
NONCE = "__CSP_NONCE__"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=3600"
# Addresses of the API: what is not there is a problem document for browsers as well.
OURS = ("/v1/", "/dicom-web/", "/predict", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics")
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Lucency</title></head><body>
<h1>The web application is not built</h1>
<p>Run <code>make ui</code> in the source tree, or name the folder that it was built into by the setting
<code>LUCENCY_UI_FOLDER</code>. The API itself works: see <a href="/docs">its documentation</a>.</p>
</body></html>"""


@dataclass(slots=True)
class WebApplication:
    """The built files of `folder`. `missing` answers what is none of them: it is the router's own 404."""

    folder: Path
    missing: ASGIApp
    _files: dict[str, Path] = field(default_factory=dict)
    _document: str = ""
    _built: float = -1.0

    @classmethod
    def of(cls, settings: Settings, *, missing: ASGIApp) -> WebApplication:
        return cls(settings.ui_folder or shipped.WEB_APPLICATION, missing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(Request(scope)) if scope["type"] == "http" else None
        await (found or self.missing)(scope, receive, send)

    def find(self, request: Request) -> Response | None:
        """The file of this address, or the page for a browser that opens it; None where the address is the API's."""
        path = unquote(request.url.path)
        if request.method not in {"GET", "HEAD"} or path.startswith(OURS):
            return None
        self._refresh()
        file = self._files.get(path)
        if file is not None:
            return _file_response(file, request.headers, kept=FOR_EVER if path.startswith("/assets/") else FOR_A_WHILE)
        return self.page() if wants_page(request) and not path.startswith("/assets/") else None

    def page(self) -> Response:
        """The document, with a nonce of its own; 503 where nothing was built."""
        self._refresh()
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "Cross-Origin-Opener-Policy": "same-origin",
            # A new build is seen at once, and a nonce serves once.
            "Cache-Control": "no-store",
        }
        if not self._document:
            return HTMLResponse(NOT_BUILT, status_code=503, headers=headers)
        return HTMLResponse(self._document.replace(NONCE, nonce), headers=headers)

    def _refresh(self) -> None:
        """Look at the folder again when it was built anew."""
        index = self.folder / "index.html"
        try:
            built = index.stat().st_mtime
        except OSError:
            self._document, self._files, self._built = "", {}, -1.0
            return
        if built == self._built:
            return
        self._document = index.read_text(encoding="utf-8")
        # By name, so that no address leads out of the folder; not the documents, nor what a build notes for itself.
        self._files = {
            "/" + file.relative_to(self.folder).as_posix(): file
            for file in self.folder.rglob("*")
            if file.is_file() and file.suffix not in {".html", ".gz"} and ".vite" not in file.parts
        }
        self._built = built


def wants_page(request: Request) -> bool:
    """Whether a browser opens this address, rather than a program that asks for it."""
    return "text/html" in request.headers.get("accept", "")


def _file_response(file: Path, headers: Headers, *, kept: str) -> Response:
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    answered = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    packed = file.with_name(file.name + ".gz")
    if "gzip" in headers.get("accept-encoding", "") and packed.is_file():
        return FileResponse(packed, media_type=media_type, headers=answered | {"Content-Encoding": "gzip"})
    return FileResponse(file, media_type=media_type, headers=answered)
