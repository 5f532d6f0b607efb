"""The live display says what a watcher wants to know, and its lines stay."""

from __future__ import annotations

import io

from rich.console import Console

from trainer.training.progress import Lines, Live, Step, on_terminal

STEP = Step(
    phase="fine-tune",
    epoch=2,
    epochs=12,
    done=5,
    steps=40,
    loss=0.4321,
    images_per_second=17.3,
    input_per_second=950.0,
    score=0.9123,
)


def test_live():
    text = io.StringIO()
    with Live(Console(file=text, force_terminal=True, width=160)) as live:
        live.line("backbone: 80 layers from [a].keras")
        live.step(STEP)
    shown = text.getvalue()
    for said in ("backbone: 80 layers from [a].keras", "fine-tune 2/12", "5/40", "loss 0.4321", "val 0.9123"):
        assert said in shown
    for said in ("17 images/s", "input 950 images/s"):
        assert said in shown


def test_lines_without_a_terminal(capsys):
    lines: list[str] = []
    display = Lines(lines.append)
    display.step(STEP)
    display.line("val 0.9")
    assert lines == ["val 0.9"]
    with on_terminal() as shown:
        shown.step(STEP)
        shown.line("val 0.8")
    assert capsys.readouterr().err.endswith(" val 0.8\n")
