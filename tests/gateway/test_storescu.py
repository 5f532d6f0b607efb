"""deploy/storescu.cfg, by which dcmtk's storescu proposes all that the gateway takes."""

from __future__ import annotations

import re
from pathlib import Path

from core.settings import Settings
from core.transfer_syntaxes import SUPPORTED
from gateway.listener import sop_classes

CONFIGURATION = (Path(__file__).parents[2] / "deploy" / "storescu.cfg").read_text()


def test_every_class_and_syntax_that_is_taken_is_proposed_and_no_other() -> None:
    syntaxes = dict(re.findall(r"\[(Syntax\d+)\]\nTransferSyntax1 = ([\d.]+)\n", CONFIGURATION))
    contexts = re.findall(r"PresentationContext\d+ = ([\d.]+)\\(Syntax\d+)\n", CONFIGURATION)
    taken = sop_classes(Settings(gateway_accept_secondary_capture=True))
    assert set(syntaxes.values()) == SUPPORTED
    assert sorted(contexts) == sorted((sop_class, syntax) for sop_class in taken for syntax in syntaxes)
