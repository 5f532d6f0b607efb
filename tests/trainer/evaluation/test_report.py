"""Any folder with a CSV can be judged; decoded images are kept, and never served stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import DataInvalid
from core.vocabulary import EngineName
from lucency.commands import app, main
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.preprocessing import Preprocessing
from tests.data import encoded, generated_radiograph, pydicom_file
from trainer.datasets import UNKNOWN, of_split, read_csv, truth
from trainer.evaluation import evaluate, required_columns

SMALL = Preprocessing(size=32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """PNG, JPEG, DICOM in subfolders; three files that cannot be read."""
    made = tmp_path / "images"
    (made / "a" / "b").mkdir(parents=True)
    (made / "a" / "b" / "one.png").write_bytes(encoded(generated_radiograph(60, 50)))
    jpeg = encoded(generated_radiograph(64, 64, seed=1), "JPEG")
    (made / "a" / "two.jpg").write_bytes(jpeg)
    shutil.copy(pydicom_file("RG3_J2KI.dcm"), made / "three")
    (made / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (made / "text.png").write_text("no picture")
    return made


def _csv(folder: Path, *rows: str, head: str = "path,fractured,region") -> Path:
    file = folder.parent / "labels.csv"
    file.write_text("\n".join([head, *rows]) + "\n")
    return file


ROWS = ("a/b/one.png,1,hand", "a/two.jpg,0,LEG", "three,,elbow")
BAD = ("cut.jpg,1,leg", "text.png,0,leg", "absent.png,0,leg")


def _report(bundle, folder, *rows):
    loaded = Bundle.load(bundle)
    records = read_csv(_csv(folder, *rows), images=folder, required=required_columns(loaded))
    return evaluate(loaded, make_engine(EngineName.ONNXRUNTIME, loaded), records)


def test_a_folder(bundle, folder):
    absolute = f"{folder}/a/two.jpg,0,leg"
    report = _report(bundle, folder, *ROWS, absolute, *BAD)
    assert report["n"] == 4
    codes = {entry["path"]: entry["code"] for entry in report["unreadable"]["files"]}
    assert codes == {"cut.jpg": "image_truncated", "text.png": "type_unsupported", "absent.png": "file_missing"}
    fracture, region = report["findings"]["fracture"], report["regions"]["region"]
    assert (fracture["n"], fracture["positives"], fracture["unknown"]) == (3, 1, 1)
    assert (region["n"], region["unknown"]) == (3, 1)
    assert "1 images" in region["notes"][0]
    assert list(fracture["by_region"]) == ["hand", "leg"]
    json.dumps(report, allow_nan=False)


def test_one_class(bundle, folder):
    fracture = _report(bundle, folder, ROWS[0])["findings"]["fracture"]
    assert (fracture["auc"], fracture["specificity"]) == (None, None)
    assert fracture["notes"]


def test_nothing_to_judge(bundle, folder):
    with pytest.raises(DataInvalid, match="none of the images"):
        _report(bundle, folder, *BAD)


@pytest.mark.parametrize(
    ("head", "row", "said"),
    [
        ("path,fractured", "a/two.jpg,1", "lacks the columns region"),
        ("file,fractured,region", "x,1,leg", "lacks the columns path"),
        ("path,fractured,region", ",1,leg", "empty path"),
    ],
)
def test_csv_refused(folder, head, row, said):
    with pytest.raises(DataInvalid, match=said):
        read_csv(_csv(folder, row, head=head), images=folder, required=("fractured", "region"))


def test_csv_files_refused(folder):
    for content in (b"", b"path,fractured,region\n", b"\xff\xfe\x00"):
        (folder / "x.csv").write_bytes(content)
        with pytest.raises(DataInvalid):
            read_csv(folder / "x.csv", images=folder, required=("fractured",))
    with pytest.raises(DataInvalid, match="not there"):
        read_csv(folder / "absent.csv", images=folder)


def test_splits_and_truth(folder):
    file = _csv(folder, "x,1,hand,train", "y,0.0,Leg,val", "z,,,val", head="path,fractured,region,split")
    records = read_csv(file, images=folder)
    chosen = of_split(records, "val")
    assert [record.name for record in chosen] == ["y", "z"]
    with pytest.raises(DataInvalid, match="there are: train, val"):
        of_split(records, "test")
    found = truth(chosen, kind="sigmoid", labels=("fracture",), columns=("fractured",))
    assert found.tolist() == [[0], [UNKNOWN]]
    assert truth(records, kind="softmax", labels=("hand", "leg"), columns=("region",)).tolist() == [0, 1, UNKNOWN]
    bad = read_csv(_csv(folder, "x,maybe,hand"), images=folder)
    with pytest.raises(DataInvalid, match="'maybe'"):
        truth(bad, kind="sigmoid", labels=("fracture",), columns=("fractured",))


def test_the_command(bundle, folder):
    arguments = [
        "evaluate",
        "--bundle",
        str(bundle),
        "--images",
        str(folder),
        "--split",
        str(_csv(folder, *ROWS, *BAD)),
    ]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["unreadable"]["count"] == 3
    assert "cut.jpg: image_truncated" in done.stderr
    readable = CliRunner().invoke(app, arguments)
    assert "region accuracy" in readable.stdout
    assert "note: region: 1 images" in readable.stdout
    _csv(folder, *ROWS)
    assert CliRunner().invoke(app, arguments).exit_code == 0


def test_an_error_is_one_line(bundle, folder, monkeypatch, capsys):
    arguments = ["evaluate", "--bundle", str(bundle), "--images", str(folder), "--split", str(folder / "absent.csv")]
    monkeypatch.setattr("sys.argv", ["lucency", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
