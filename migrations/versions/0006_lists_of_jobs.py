"""Lists of jobs: the headline of a result beside its job, and what lists are filtered by in their indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A list's filters and the headline of a result, beside the job: lists are answered by an index alone.
LISTS = {
    "ix_job_held": ("state = 'held'", ["priority"]),
    "ix_job_site_active": ("state IN ('queued', 'retry_wait', 'running')", ["state", "priority", "error_code"]),
    "ix_job_site_unsuccessful": (
        "state IN ('cancelled', 'dead', 'expired', 'failed')",
        ["state", "priority", "error_code"],
    ),
    "ix_job_site_succeeded": (
        "state = 'succeeded'",
        ["priority", "model_version_id", "result_label", "result_decision", "result_three_way", "result_region"],
    ),
}
RESULT = ("result_label", "result_decision", "result_three_way", "result_region")
HEADLINES = """
UPDATE job SET model_version_id = headline.model_version_id, result_region = headline.region,
    result_label = headline.label, result_probability = headline.probability, result_decision = headline.decision,
    result_three_way = headline.three_way
FROM (
    SELECT DISTINCT ON (prediction.job_id) prediction.job_id, prediction.model_version_id, prediction.region,
        coalesce(finding.label, class.key) AS label,
        coalesce(finding.probability, class.value::float8) AS probability, finding.decision,
        finding.three_way ->> 'decision' AS three_way
    FROM prediction
    LEFT JOIN finding ON finding.prediction_id = prediction.id
        AND NOT prediction.region_probabilities ? finding.label
        AND NOT coalesce(prediction.probabilities, '{}') ? finding.label
    LEFT JOIN LATERAL jsonb_each_text(coalesce(prediction.probabilities, prediction.region_probabilities)) AS class
        ON finding.id IS NULL
    ORDER BY prediction.job_id, finding.decision = 'positive' DESC, finding.probability DESC,
        class.value::float8 DESC
) AS headline
WHERE headline.job_id = job.id AND job.state = 'succeeded'
"""
RESULT_RULE = (
    "state = 'succeeded' OR num_nonnulls(model_version_id, result_label, result_probability, result_decision,"
    " result_three_way, result_region) = 0"
)


def upgrade() -> None:
    op.add_column("job", sa.Column("model_version_id", sa.Uuid(), nullable=True))
    op.add_column("job", sa.Column("result_probability", sa.Double(), nullable=True))
    for name in RESULT:
        op.add_column("job", sa.Column(name, sa.Text(), nullable=True))
    op.execute(HEADLINES)
    op.create_foreign_key(op.f("fk_job_model_version_id"), "job", "model_version", ["model_version_id"], ["id"])
    op.create_check_constraint(op.f("ck_job_result_means_succeeded"), "job", RESULT_RULE)
    op.create_index("ix_job_replay", "job", ["replay_of"], postgresql_where=sa.text("replay_of IS NOT NULL"))
    for name, (where, included) in LISTS.items():
        if name != "ix_job_site_succeeded":
            op.drop_index(name, table_name="job")
        _list_index(name, where, included)


def downgrade() -> None:
    for name, (where, _included) in LISTS.items():
        op.drop_index(name, table_name="job")
        if name != "ix_job_site_succeeded":
            _list_index(name, where, [])
    op.drop_index("ix_job_replay", table_name="job")
    for name in ("model_version_id", "result_probability", *RESULT):
        op.drop_column("job", name)


def _list_index(name: str, where: str, included: list[str]) -> None:
    columns = ["site_id", "created_at", "id"]
    op.create_index(name, "job", columns, postgresql_include=included, postgresql_where=sa.text(where))
