"""What one ModelVersion saw and said, counted by day in the bins of its own reference: aggregated in the database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.drift import Quantity

SCORE, INPUT = "score.", "input."
# The word of a bin that the reference does not have: a region that its split never showed.
OTHER = "other"

# Each quantity is one of four kinds, read where it is kept; all of one pass over the predictions of the time. Their
# days are UTC's. The Site is that of the Job; without one, all Sites.
_SEEN = """
WITH seen AS MATERIALIZED (
    SELECT prediction.id, (prediction.created_at AT TIME ZONE 'UTC')::date AS day, region,
        input_statistics AS statistics, sanity ->> 'accepted' AS accepted
    FROM prediction %s
    WHERE prediction.model_version_id = :model_version_id AND prediction.created_at >= :since %s
), watched AS MATERIALIZED (
    SELECT name, key, kind, ARRAY(SELECT value::float8 FROM jsonb_array_elements_text(edges)) AS edges
    FROM jsonb_to_recordset(CAST(:quantities AS jsonb)) AS asked (name text, key text, kind text, edges jsonb)
)
SELECT day, name, width_bucket((statistics ->> key)::float8, edges)::text AS bin, count(*) AS n
FROM seen CROSS JOIN watched WHERE kind = 'input' AND statistics ? key GROUP BY 1, 2, 3
UNION ALL
SELECT day, name, width_bucket(finding.probability, edges)::text, count(*)
FROM seen JOIN finding ON finding.prediction_id = seen.id JOIN watched ON kind = 'score' AND key = finding.label
GROUP BY 1, 2, 3
UNION ALL
SELECT day, 'region', region, count(*) FROM seen WHERE region IS NOT NULL GROUP BY 1, 2, 3
UNION ALL
SELECT day, 'sanity', CASE accepted WHEN 'true' THEN 'accepted' ELSE 'flagged' END, count(*) FROM seen
WHERE accepted IS NOT NULL GROUP BY 1, 2, 3
UNION ALL
SELECT day, '', '', count(*) FROM seen GROUP BY 1
"""
EVERYWHERE = text(_SEEN % ("", ""))
OF_SITE = text(_SEEN % ("JOIN job ON job.id = prediction.job_id", "AND job.site_id = :site_id"))


@dataclass(frozen=True, slots=True)
class Seen:
    """`predictions` by day, and by (day, quantity) the counts of its bins; words have one bin more, for others."""

    predictions: dict[date, int]
    counts: dict[tuple[date, str], list[int]]


def seen(
    session: Session, model_version_id: UUID, quantities: Sequence[Quantity], *, since: datetime, site_id: UUID | None
) -> Seen:
    """Count what this ModelVersion gave since then: for one Site's Jobs, or for all where `site_id` is None."""
    values = values_of(model_version_id, quantities, since=since)
    if site_id is None:
        rows = session.execute(EVERYWHERE, values).all()
    else:
        rows = session.execute(OF_SITE, values | {"site_id": site_id}).all()
    by_name = {quantity.name: quantity for quantity in quantities}
    found: dict[tuple[date, str], Counter[str]] = {}
    for day, name, word, n in rows:
        found.setdefault((day, name), Counter())[word] += n
    return Seen(
        predictions={day: counts[""] for (day, name), counts in sorted(found.items()) if not name},
        counts={(day, name): _bins(by_name[name], counts) for (day, name), counts in found.items() if name in by_name},
    )


def values_of(model_version_id: UUID, quantities: Sequence[Quantity], *, since: datetime) -> dict[str, object]:
    """The parameters of `EVERYWHERE`; those of `OF_SITE` but for `site_id`."""
    asked = [
        {
            "name": quantity.name,
            "key": quantity.name.partition(".")[2],
            "kind": "score" if quantity.name.startswith(SCORE) else "input",
            "edges": list(quantity.edges),
        }
        for quantity in quantities
        if quantity.edges
    ]
    return {"model_version_id": model_version_id, "since": since, "quantities": json.dumps(asked)}


def _bins(quantity: Quantity, counts: Counter[str]) -> list[int]:
    if quantity.edges:
        return [counts[str(index)] for index in range(len(quantity.edges) + 1)]
    known = [counts[word] for word in quantity.words]
    return [*known, sum(counts.values()) - sum(known)]
