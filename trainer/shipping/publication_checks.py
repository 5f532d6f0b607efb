"""Whether a Bundle may be published: not while its split leaks, unless that is allowed and its card says so in red.

The mark is content of the Bundle, so a marked Bundle has a digest of its own: what is published, stored, served and
shown says that it leaks, and the unmarked one never reaches a registry.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import SplitLeaks
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from trainer.shipping.model_card import leak_banner


def reasons(bundle: Bundle) -> list[str]:
    """Why the Bundle's split leaks, as its audit says; none where it is clean or no audit is recorded."""
    audit = recorded(bundle)
    counts = {kind: count for kind, count in dict(audit.get("leaks") or {}).items() if count}
    if not counts:
        return []
    told = [str(reason) for reason in audit.get("reasons") or []]
    return told or [f"{count} × {kind} in more than one split" for kind, count in counts.items()]


def recorded(bundle: Bundle) -> Mapping[str, Any]:
    """The audit in the manifest (`trainer.audit.AuditSummary`); empty where there is none."""
    audit = bundle.manifest.training.get("audit")
    return audit if isinstance(audit, Mapping) else {}


def cleared(bundle: Bundle, *, allow_leak: bool, workspace: Path) -> Bundle:
    """The Bundle that may be published: `bundle` itself, or, where it leaks and that is allowed, a marked copy of it in
    `workspace` (an empty folder). The same Bundle always gives the same copy.

    Raises SplitLeaks where it leaks and that is not allowed. A Bundle without an audit passes: see `warning`.
    """
    told = reasons(bundle)
    if not told:
        return bundle
    if not allow_leak:
        raise SplitLeaks(
            f"the split that {bundle.manifest.name} {bundle.manifest.version} was trained and measured on leaks: "
            f"{'; '.join(told)}. Train on a clean split (`lucency data audit` proposes one); --allow-leak publishes it "
            "all the same, marked in its model card"
        )
    if recorded(bundle).get("leaks_allowed"):
        return bundle
    copy = workspace / "bundle"
    shutil.copytree(bundle.path, copy)
    audit = {**recorded(bundle), "leaks_allowed": True, "reasons": told}
    card = copy / MODEL_CARD
    card.write_text(_marked(card.read_text(encoding="utf-8") if card.exists() else "", audit), encoding="utf-8")
    fields = bundle.manifest.model_dump(mode="json")
    fields["training"]["audit"] = audit
    return write_manifest(copy, fields)


def warning(bundle: Bundle) -> str | None:
    """What a person should know who publishes this Bundle."""
    if not recorded(bundle):
        return "no audit of its training data is recorded: nobody looked whether its split leaks"
    if reasons(bundle):
        return "its split leaks; the published copy says so in its model card and manifest"
    return None


def _marked(card: str, audit: Mapping[str, Any]) -> str:
    """The banner below the title, which is the first line of a card."""
    title, _, rest = card.partition("\n")
    return f"{title}\n\n{leak_banner(audit)}\n{rest}" if title.startswith("# ") else f"{leak_banner(audit)}\n\n{card}"
