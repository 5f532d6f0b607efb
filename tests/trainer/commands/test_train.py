"""`lucency train` as people type it: the list, flags that a recipe has or has not, a whole run."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from core.settings import inherited_environment
from networks.bundle import Bundle
from tests.trainer import tiny_sets


def _train(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = f"{sysconfig.get_path('scripts')}/lucency"
    return subprocess.run(
        [program, "train", *arguments],
        env=inherited_environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_list():
    done = _train("--list")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == set(tiny_sets.SETS)
    assert "DenseNet169" in lines["bonify"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lucency", "--epochs", "3"], "--epochs is no option of lucency"),
        (["bonify", "--model", "resnet50"], "--model is no option of bonify"),
        (["bonecnn", "--model", "alexnet"], "none of custom, vgg16, resnet50, densenet121"),
        (["bonecnn", "--image-size", "3"], "preprocessing.size"),
        (["nothing.yaml"], "no YAML file that can be read"),
        (["lucency", "--set", "phases.7.epochs=1"], "no such place"),
    ],
)
def test_refused_in_one_line(arguments, said, tmp_path):
    done = _train(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.keras
@pytest.mark.timeout(600)
def test_bonecnn_with_its_own_flags(tmp_path):
    data = tiny_sets.folder_tree(tmp_path / "data")
    flags = ["--epochs", "2", "--batch-size", "8", "--learning-rate", "0.001", "--model", "custom"]
    flags += ["--image-size", "64"]
    done = _train("bonecnn", "--data", str(data), "--out", str(tmp_path / "run"), *flags)
    assert done.returncode == 0, done.stderr
    bundle = Bundle.load(Path(done.stdout.strip()))
    recipe = bundle.manifest.training["recipe"]
    (phase,) = recipe["phases"]
    assert (phase["epochs"], phase["batch_size"], phase["learning_rate"]) == (2, 8, 0.001)
    assert (recipe["backbone"], bundle.preprocessing.size) == ("custom_cnn", 64)
    assert "backbone: random weights" in done.stderr
    assert "train 2/2: val fracture_auc" in done.stderr
    again = _train("bonecnn", "--data", str(data), "--out", str(tmp_path / "run"), *flags)
    # TensorFlow may have said something of its own before.
    assert again.returncode == 1
    assert "use --resume" in again.stderr.splitlines()[-1]
    assert "Traceback" not in again.stderr
