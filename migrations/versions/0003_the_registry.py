"""The registry: a history of each ModelVersion, shadows and what they found, and what produced a Prediction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE FUNCTION model_version_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'model_version_event is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER model_version_event_append_only BEFORE UPDATE OR DELETE ON model_version_event FOR EACH ROW
    EXECUTE FUNCTION model_version_event_append_only();
"""

# What is known of the time before: a version's first registration, and its last activation.
HISTORY = """
INSERT INTO model_version_event (model_version_id, kind, state, actor, at)
SELECT id, kind, state, 'migration', at FROM (
    SELECT id, 'registered' AS kind, 'candidate' AS state, created_at AS at FROM model_version
    UNION ALL
    SELECT id, 'activated', 'active', activated_at FROM model_version WHERE activated_at IS NOT NULL
) AS known ORDER BY at, kind DESC;
"""


def upgrade() -> None:
    op.create_table(
        "model_version_event",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Double(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('activated', 'registered', 'replaced', 'retired', 'rolled_back', 'shadowed')",
            name=op.f("ck_model_version_event_kind_known"),
        ),
        sa.CheckConstraint(
            "state IN ('active', 'candidate', 'retired', 'shadow')", name=op.f("ck_model_version_event_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_model_version_event_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version_event")),
    )
    op.create_index("ix_model_version_event_model", "model_version_event", ["model_version_id", "id"])
    op.create_table(
        "shadow_prediction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("probabilities", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decisions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("infer_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("engine IN ('onnxruntime', 'tensorflow')", name=op.f("ck_shadow_prediction_engine_known")),
        sa.CheckConstraint("infer_ms >= 0", name=op.f("ck_shadow_prediction_infer_ms_positive")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_shadow_prediction_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_shadow_prediction_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_prediction")),
        sa.UniqueConstraint("job_id", "model_version_id", name=op.f("uq_shadow_prediction_job_id_model_version_id")),
    )
    op.create_index("ix_shadow_prediction_model", "shadow_prediction", ["model_version_id", "id"])
    op.add_column("model_version", sa.Column("shadow_share", sa.Double(), nullable=True))
    op.create_check_constraint(
        op.f("ck_model_version_shadow_has_share"),
        "model_version",
        "(state = 'shadow') = (shadow_share IS NOT NULL) AND (shadow_share > 0 AND shadow_share <= 1) IS NOT FALSE",
    )
    op.add_column("worker", sa.Column("failed_digest", sa.Text(), nullable=True))
    op.add_column("worker", sa.Column("failed_code", sa.Text(), nullable=True))
    op.add_column(
        "prediction",
        sa.Column("produced_by", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.execute(APPEND_ONLY)
    op.execute(HISTORY)


def downgrade() -> None:
    op.drop_column("prediction", "produced_by")
    op.drop_column("worker", "failed_code")
    op.drop_column("worker", "failed_digest")
    # A shadow needs its share, which goes: it is a candidate again.
    op.execute("UPDATE model_version SET state = 'candidate', shadow_share = NULL WHERE state = 'shadow'")
    op.drop_constraint(op.f("ck_model_version_shadow_has_share"), "model_version")
    op.drop_column("model_version", "shadow_share")
    op.drop_index("ix_shadow_prediction_model", table_name="shadow_prediction")
    op.drop_table("shadow_prediction")
    op.drop_index("ix_model_version_event_model", table_name="model_version_event")
    op.drop_table("model_version_event")
    op.execute("DROP FUNCTION model_version_event_append_only")
