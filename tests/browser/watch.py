"""What a browser did that it must not do: errors, refused resources, requests that leave the house."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

# Made by the page itself out of what it has; nothing is fetched for them.
OWN_SCHEMES = frozenset({"blob", "data", "about"})
# The browser's word for an answer of 400 and above, which `_answered` judges with its address and status.
ANSWER_MESSAGE = "Failed to load resource"
# A page that is left takes its running requests with it.
LEFT = "net::ERR_ABORTED"
AWAY = (
    "net::ERR_CONNECTION_REFUSED",
    "net::ERR_CONNECTION_RESET",
    "net::ERR_EMPTY_RESPONSE",
    "net::ERR_NETWORK_CHANGED",
)
AWAY += ("net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_SOCKET_NOT_CONNECTED")

REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) =>
  window.lucencyViolation(`${event.violatedDirective} refused ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Watch:
    """Everything amiss in one browser context, as sentences; `allow` takes out what a test means to provoke."""

    origin: str
    amiss: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    _allowed: list[re.Pattern[str]] = field(default_factory=list)

    def over(self, context: BrowserContext) -> Watch:
        """Begin to listen, before the context has a page."""
        context.expose_binding("lucencyViolation", lambda _source, text: self._add(f"CSP: {text}"))
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("request", self._requested)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)
        context.on("console", self._said)
        context.on("weberror", self._threw)
        return self

    def allow(self, pattern: str) -> None:
        """From now on whatever this regular expression finds is meant."""
        self._allowed.append(re.compile(pattern))

    @contextlib.contextmanager
    def api_away(self) -> Iterator[None]:
        """Inside, the API may be gone: connections fail, and pages may say so."""
        before = list(self._allowed)
        for reason in AWAY:
            self.allow(re.escape(reason))
        yield
        self._allowed = before

    def check(self) -> None:
        """Fail with all that was amiss."""
        assert not self.amiss, "The browser met:\n" + "\n".join(self.amiss)

    def _add(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in self._allowed):
            self.amiss.append(text)

    def _requested(self, request: Request) -> None:
        self.requested.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme not in OWN_SCHEMES and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self._add(f"Foreign request: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != LEFT:
            self._add(f"Failed: {request.method} {urlsplit(request.url).path}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._add(f"{response.status}: {response.request.method} {urlsplit(response.url).path}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(ANSWER_MESSAGE):
            self._add(f"Console: {message.text}")

    def _threw(self, error: WebError) -> None:
        self._add(f"Uncaught: {error.error}")


def violations(axe: dict[str, Any]) -> list[str]:
    """axe's findings that are serious or critical, one line each with the first elements that it means."""
    return [
        f"{found['id']} ({found['impact']}): {found['help']}: "
        + "; ".join(f"{node['target'][0]} {_detail(node)}" for node in found["nodes"][:4])
        for found in axe["violations"]
        if found["impact"] in {"serious", "critical"}
    ]


def _detail(node: dict[str, Any]) -> str:
    lines = str(node.get("failureSummary", "")).splitlines()
    return lines[1].strip() if len(lines) > 1 else ""
