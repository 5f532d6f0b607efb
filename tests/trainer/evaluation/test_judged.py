"""Every kind of task through the one path: marginals, hierarchies, several labels, studies, parts of the data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from core.errors import DataInvalid
from tests.trainer.evaluation.made import (
    CLASSES,
    MURA,
    bundle_of,
    fracture_bundle,
    mura_rows,
    predictions,
    record,
)
from trainer.evaluation import judged


def test_fourteen_classes_and_their_sums():
    random = np.random.default_rng(1)
    truth = random.integers(0, 4, 200)
    classes = random.dirichlet(np.ones(4), 200) + 0.3 * np.eye(4)[truth]
    classes /= classes.sum(axis=1, keepdims=True)
    bundle = bundle_of(**MURA)
    records = [record(i, **{"class": CLASSES[truth[i]], "region": CLASSES[truth[i]].split(".")[0]}) for i in range(200)]
    report = judged(bundle, predictions(bundle, records, mura_rows(classes)))
    assert list(report["regions"]) == ["class", "region"]
    assert report["regions"]["class"]["accuracy"] == pytest.approx((classes.argmax(axis=1) == truth).mean(), abs=1e-4)
    region = classes.reshape(200, 2, 2).sum(axis=2).argmax(axis=1)
    assert report["regions"]["region"]["accuracy"] == pytest.approx((region == truth // 2).mean(), abs=1e-4)
    assert report["regions"]["region"]["labels"] == ["hand", "wrist"]
    abnormal = report["findings"]["abnormal"]
    expected = sk.roc_auc_score(truth % 2, classes[:, 1] + classes[:, 3])
    assert abnormal["auc"] == pytest.approx(expected, abs=1e-4)
    assert list(abnormal["by_region"]) == ["hand", "wrist"]
    assert sum(row["n"] for row in abnormal["by_region"].values()) == 200
    json.dumps(report, allow_nan=False)


def test_sums_are_judged_by_columns_where_the_class_is_unknown():
    bundle = bundle_of(**MURA)
    records = [record(0, abnormal=1, region="hand"), record(1, abnormal=0, region="wrist"), record(2, region="knee")]
    report = judged(bundle, predictions(bundle, records, mura_rows([[0.1, 0.7, 0.1, 0.1]] * 3)))
    assert (report["regions"]["class"]["n"], report["regions"]["class"]["unknown"]) == (0, 3)
    assert (report["findings"]["abnormal"]["n"], report["findings"]["abnormal"]["accuracy"]) == (2, 0.5)
    assert (report["regions"]["region"]["n"], report["regions"]["region"]["accuracy"]) == (2, 0.5)


def test_several_labels():
    random = np.random.default_rng(2)
    labels = ["mass", "nodule", "hernia"]
    score = random.random((120, 3))
    truth = (random.random((120, 3)) < score).astype(int)
    truth[:, 2] = 0  # a label that no image has: not in the mean
    bundle = bundle_of(
        heads=[{"name": "findings", "kind": "sigmoid", "labels": labels}],
        thresholds={label: {"value": 0.5} for label in labels},
    )
    records = [record(i, **dict(zip(labels, truth[i], strict=True))) for i in range(120)]
    records[0] = record(0, mass="", nodule=truth[0, 1], hernia=0)
    report = judged(bundle, predictions(bundle, records, score))
    assert report["findings"]["mass"]["unknown"] == 1
    assert report["multi_label"]["labels"] == ["mass", "nodule"]
    areas = [sk.roc_auc_score(truth[1:, 0], score[1:, 0]), sk.roc_auc_score(truth[:, 1], score[:, 1])]
    assert report["multi_label"]["auc_macro"] == pytest.approx(np.mean(areas), abs=1e-4)
    pooled = sk.roc_auc_score(np.append(truth[1:, 0], truth[:, 1]), np.append(score[1:, 0], score[:, 1]))
    assert report["multi_label"]["auc_micro"] == pytest.approx(pooled, abs=1e-4)
    low, high = report["multi_label"]["auc_macro_ci95"]
    assert low < report["multi_label"]["auc_macro"] < high


def _specialist(threshold: float) -> dict:
    rule = {"coverage": 0.9, "lower": threshold - 0.1, "upper": threshold + 0.1}
    return {
        "keras_model": "a.keras",
        "serving_graph": "a.onnx",
        "temperatures": {"fracture": 1.0},
        "thresholds": {"fracture": {"value": threshold}},
        "conformal": {"fracture": rule},
    }


def test_each_specialist_decides_by_its_own_limits():
    bundle = bundle_of(
        heads=[
            {"name": "region", "kind": "softmax", "labels": ["hand", "knee"]},
            {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"]},
        ],
        thresholds={"fracture": {"value": 0.5}},
        routing={
            "head": "region",
            "refer_below": 0.6,
            "specialists": {"hand": _specialist(0.2), "knee": _specialist(0.8)},
        },
    )
    # hand at 0.35: positive; knee at 0.35: negative; knee at 0.85: within its limits; and a router at 0.55.
    rows = [[0.9, 0.1, 0.35], [0.1, 0.9, 0.35], [0.1, 0.9, 0.85], [0.55, 0.45, 0.99]]
    records = [record(i, fractured=value, region="hand") for i, value in enumerate((1, 0, 1, 0))]
    found = judged(bundle, predictions(bundle, records, rows))["findings"]["fracture"]
    assert found["threshold"] is None
    assert found["confusion_matrix"] == {"tp": 2, "fp": 1, "tn": 1, "fn": 0}
    assert found["three_way"]["stated_coverage"] == 0.9
    assert found["three_way"]["answers"] == {
        "positives": {"positive": 1, "negative": 0, "refer": 1},
        "negatives": {"positive": 0, "negative": 1, "refer": 1},
    }


def test_three_way_of_a_plain_bundle():
    bundle = fracture_bundle(conformal={"fracture": {"coverage": 0.8, "lower": 0.3, "upper": 0.7}})
    records = [record(i, fractured=value) for i, value in enumerate((1, 1, 0, 0))]
    # On a limit is referred, as the Bundle's own rule says.
    found = judged(bundle, predictions(bundle, records, [0.71, 0.7, 0.3, 0.9]))["findings"]["fracture"]["three_way"]
    assert (found["coverage"], found["referred"], found["decided_accuracy"]) == (0.75, 0.5, 0.5)


def test_studies():
    """Three studies: means 0.7, 0.3, 0.5; maxima 0.9, 0.3, 0.8; the second patient's study has the first one's name."""
    bundle = fracture_bundle()
    rows = [("a", "1", 1, 0.5), ("a", "1", 1, 0.9), ("b", "1", 0, 0.3), ("b", "2", 0, 0.8), ("b", "2", 0, 0.2)]
    records = [
        record(i, fractured=truth, study=f"{patient}/{study}", group=patient)
        for i, (patient, study, truth, _) in enumerate(rows)
    ]
    records.append(record(9, fractured=1))  # of no study
    found = judged(bundle, predictions(bundle, records, [*(row[3] for row in rows), 0.1]))["findings"]["fracture"]
    studies = found["by_study"]
    assert (studies["n"], studies["images"], studies["positives"]) == (3, 5, 1)
    assert studies["mean"]["confusion_matrix"] == {"tp": 1, "fp": 1, "tn": 1, "fn": 0}
    assert studies["mean"]["kappa"] == pytest.approx(sk.cohen_kappa_score([1, 0, 0], [1, 0, 1]), abs=1e-4)
    assert studies["mean"]["auc"] == 1.0
    assert studies["max"]["confusion_matrix"] == {"tp": 1, "fp": 1, "tn": 1, "fn": 0}
    assert (studies["rule"], "three_way" in studies["mean"]) == ("mean", False)
    assert found["n"] == 6


def test_three_way_of_studies():
    """Between the limits 0.3 and 0.7 a study is referred as an image is; on the mean two of three are right."""
    bundle = fracture_bundle(study="max", conformal={"fracture": {"coverage": 0.8, "lower": 0.3, "upper": 0.7}})
    rows = [("1", 1, 0.5), ("1", 1, 0.95), ("2", 0, 0.1), ("2", 0, 0.8), ("3", 0, 0.1), ("3", 0, 0.3)]
    records = [record(i, fractured=truth, study=study) for i, (study, truth, _) in enumerate(rows)]
    studies = judged(bundle, predictions(bundle, records, [row[2] for row in rows]))["findings"]["fracture"]["by_study"]
    assert studies["rule"] == "max"
    means, maxima = studies["mean"]["three_way"], studies["max"]["three_way"]
    assert means["answers"] == {
        "positives": {"positive": 1, "negative": 0, "refer": 0},
        "negatives": {"positive": 0, "negative": 1, "refer": 1},
    }
    assert maxima["answers"]["negatives"] == {"positive": 1, "negative": 0, "refer": 1}
    assert (means["coverage"], means["stated_coverage"]) == (1.0, None)


def test_studies_of_a_hierarchy_have_the_mean_of_their_thresholds():
    """Images of two regions: 0.4 and 0.5 against thresholds 0.3 and 0.5. The mean reaches the mean; as the maximum it
    stands against the threshold of its own specialist.
    """
    own = {"keras_model": "a.keras", "serving_graph": "a.onnx", "temperatures": {"fracture": 1.0}}
    bundle = bundle_of(
        heads=[
            {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"]},
            {"name": "region", "kind": "softmax", "labels": ["hand", "knee"]},
        ],
        thresholds={"fracture": {"value": 0.9}},
        routing={
            "head": "region",
            "refer_below": 0.0,
            "specialists": {
                "hand": {**own, "thresholds": {"fracture": {"value": 0.3}}},
                "knee": {**own, "thresholds": {"fracture": {"value": 0.55}}},
            },
        },
    )
    records = [record(i, fractured=1, study="one") for i in range(2)]
    rows = [[0.4, 0.9, 0.1], [0.5, 0.1, 0.9]]
    studies = judged(bundle, predictions(bundle, records, rows))["findings"]["fracture"]["by_study"]
    assert studies["mean"]["confusion_matrix"]["tp"] == 1
    assert studies["max"]["confusion_matrix"]["fn"] == 1


def test_views_and_hardware():
    random = np.random.default_rng(3)
    score = random.random(100)
    truth = (random.random(100) < score).astype(int)
    hardware = (random.random(100) < 0.3).astype(int)
    bundle = fracture_bundle()
    records = [
        record(i, fractured=truth[i], hardware=hardware[i], frontal=1, lateral=i % 2, oblique=0) for i in range(100)
    ]
    found = judged(bundle, predictions(bundle, records, score))["findings"]["fracture"]
    assert {name: row["n"] for name, row in found["by_view"].items()} == {"frontal": 100, "lateral": 50}
    without = sk.roc_auc_score(truth[hardware == 0], score[hardware == 0])
    assert found["by_hardware"]["without"]["auc"] == pytest.approx(without, abs=1e-4)
    assert found["by_hardware"]["without"]["n"] + found["by_hardware"]["with"]["n"] == 100
    difference = found["by_hardware"]["auc_all_minus_without"]
    assert difference == pytest.approx(sk.roc_auc_score(truth, score) - without, abs=1e-4)
    low, high = found["by_hardware"]["auc_all_minus_without_ci95"]
    assert low < difference < high
    assert "by_region" not in found


def test_one_image():
    bundle = fracture_bundle()
    found = predictions(bundle, [record(0, fractured=1, region="hand", hardware=0, study="s")], [[0.9]])
    report = judged(bundle, found)
    json.dumps(report, allow_nan=False)
    assert report["findings"]["fracture"]["accuracy"] == 1.0
    assert report["findings"]["fracture"]["by_study"]["mean"]["kappa"] is None


def test_nothing_is_known():
    bundle = fracture_bundle()
    with pytest.raises(DataInvalid, match="fractured"):
        judged(bundle, predictions(bundle, [record(0, abnormal=1)], [[0.9]]))
    with pytest.raises(DataInvalid, match="none of the images"):
        judged(bundle, predictions(bundle, [], np.empty((0, 1))))
