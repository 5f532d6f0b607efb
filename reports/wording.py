"""What a result says, in plain words."""

from __future__ import annotations

from datetime import UTC, datetime

from core.result_record import ReportedFinding, ResultRecord
from core.vocabulary import SanityFlag, ThreeWay
from reports.codes import readable

FLAGS = {
    SanityFlag.NOT_RADIOGRAPH: "The picture is not like the radiographs that the model knows",
    SanityFlag.UNSUPPORTED_REGION: "It seems to show a part of the body that the model was not made for",
    SanityFlag.INVERTED_POLARITY: "Black and white seem to be exchanged",
    SanityFlag.BLURRED: "It is more blurred than the radiographs that the model knows",
    SanityFlag.TOO_SMALL: "It has too few pixels",
}
PHASES = {
    "queued": "waiting",
    "fetch": "fetching",
    "decode": "decoding",
    "preprocess": "preparing",
    "infer": "network",
    "stability": "shifts",
    "explain": "heatmap",
    "store": "storing",
    "total": "in all",
}


def percent(value: float) -> str:
    """`83.0 %`. Only 0 and 1 themselves are called 0 and 100."""
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return f"{value:.1%}".replace("%", " %")


def three_way(finding: ReportedFinding) -> str:
    """The decision with stated coverage, and why; empty where the model was not fitted for one."""
    found = finding.three_way
    if found is None:
        return ""
    name, probability = readable(finding.label), percent(finding.probability)
    refer = found["decision"] == ThreeWay.REFER
    if found["lower"] is None or found["upper"] is None:
        return f"{name}: referred, because the input is doubtful; a person must decide." if refer else ""
    lower, upper = percent(found["lower"]), percent(found["upper"])
    if not refer:
        where = f"above {upper}" if found["decision"] == ThreeWay.POSITIVE else f"below {lower}"
        return f"{name}: {found['decision']}, for {probability} lies {where}."
    if found["lower"] <= finding.probability <= found["upper"]:
        why = f"{probability} lies between {lower} and {upper}, where neither answer is sure enough"
    else:
        why = "the input is doubtful, whatever the probability"
    return f"{name}: referred, a person must decide: {why}."


def coverage(record: ResultRecord) -> str:
    """What the decisions with stated coverage promise; empty where none states any."""
    stated = sorted({one.three_way["coverage"] for one in record.judged if one.three_way and one.three_way["coverage"]})
    if not stated:
        return ""
    shares = " or ".join(f"{value:.4g} %" for value in (100 * share for share in stated))
    return (
        f"Stated coverage {shares}: of images like those that the limits were fitted on, at least so many are decided "
        "rightly or referred. It promises nothing for other kinds of images."
    )


def sanity(record: ResultRecord) -> list[str]:
    """Doubts about the input, a sentence each; or that there is none; or that the model does not look."""
    if record.sanity is None:
        return ["This model does not judge whether its input is of the kind that it knows."]
    said = [
        f"{FLAGS.get(code, readable(str(code)))} (score {flag['score']:.2f}, limit {flag['limit']:.2f})."
        for flag in record.sanity["flags"]
        for code in [flag["code"]]
    ]
    if record.routing is not None and record.routing["referred"]:
        said.append("The model is unsure which part of the body it sees.")
    return said or ["No doubt: kind of picture, part of the body, polarity, sharpness and size are as the model knows."]


def doubtful(record: ResultRecord) -> bool:
    """Whether every Finding is referred because of the input."""
    return (record.sanity is not None and not record.sanity["accepted"]) or (
        record.routing is not None and bool(record.routing["referred"])
    )


def region(record: ResultRecord) -> str:
    """The body region that the model sees."""
    if record.region is None:
        return "not judged by this model"
    others = sorted(
        ((value, label) for label, value in record.region_probabilities.items() if label != record.region), reverse=True
    )
    first = f"{readable(record.region)} ({percent(record.region_probability or 0.0)})"
    rest = ", ".join(f"{readable(label).lower()} {percent(value)}" for value, label in others[:3])
    specialist = f"; judged by the network for {record.routing['specialist']}" if record.routing else ""
    return first + (f"; then {rest}" if rest else "") + specialist


def timings(record: ResultRecord) -> str:
    """`waiting 812 ms, …, in all 1.00 s`."""
    return ", ".join(f"{PHASES.get(phase, phase)} {_duration(value)}" for phase, value in record.timings_ms.items())


def moment(when: datetime) -> str:
    """`2026-11-21 09:30:05 UTC`."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
