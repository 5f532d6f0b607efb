"""The hospital: batches, sealed identities and policies of Sites, study results, deliveries, the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE FUNCTION audit_record_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_record is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_record_append_only BEFORE UPDATE OR DELETE ON audit_record FOR EACH ROW
    EXECUTE FUNCTION audit_record_append_only();
CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON audit_record FOR EACH STATEMENT
    EXECUTE FUNCTION audit_record_append_only();

CREATE FUNCTION audit_record_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number = 1 THEN
        INSERT INTO audit_head (site_id, number, hash) VALUES (NEW.site_id, 1, NEW.hash);
    ELSE
        UPDATE audit_head SET number = NEW.number, hash = NEW.hash
        WHERE site_id = NEW.site_id AND number = NEW.number - 1 AND hash = NEW.previous_hash;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'audit_record does not follow the head' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_record_follows AFTER INSERT ON audit_record FOR EACH ROW
    EXECUTE FUNCTION audit_record_follows();

CREATE FUNCTION audit_head_only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_head follows audit_record alone' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_head_only_forward BEFORE UPDATE OR DELETE ON audit_head FOR EACH ROW
    EXECUTE FUNCTION audit_head_only_forward();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT
    EXECUTE FUNCTION audit_head_only_forward();
"""

STATES = "'cancelled', 'dead', 'expired', 'failed', 'queued', 'retry_wait', 'running', 'succeeded'"
HELD_STATES = "'cancelled', 'dead', 'expired', 'failed', 'held', 'queued', 'retry_wait', 'running', 'succeeded'"

TRANSITION = """
CREATE OR REPLACE FUNCTION job_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT ((OLD.state = 'queued' AND NEW.state IN ('running', 'cancelled', 'expired'))
         OR (OLD.state = 'retry_wait' AND NEW.state IN ('running', 'cancelled', 'expired')){held}
         OR (OLD.state = 'running'
             AND NEW.state IN ('succeeded', 'failed', 'retry_wait', 'dead', 'cancelled', 'queued'))) THEN
        RAISE EXCEPTION 'job % may not go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.finished_at IS NOT NULL THEN
        PERFORM pg_notify('job_finished', NEW.id::text);
    END IF;
    RETURN NEW;
END $$;
"""
HELD_MOVES = """
         OR (OLD.state = 'held' AND NEW.state IN ('queued', 'cancelled'))"""

# Erasure (db.repositories.erasure) names the Site whose jobs it removes, for its own transaction; nothing else may
# remove an event, and nothing at all may change one.
JOB_EVENT = """
CREATE OR REPLACE FUNCTION job_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {erasing}RAISE EXCEPTION 'job_event is append-only' USING ERRCODE = 'check_violation';
END $$;
"""
ERASING = """IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM job WHERE id = OLD.job_id AND site_id::text = current_setting('lucency.erasing', true)
    ) THEN
        RETURN OLD;
    END IF;
    """
QUARANTINE = TRANSITION.format(held=HELD_MOVES) + JOB_EVENT.format(erasing=ERASING)
BEFORE_QUARANTINE = TRANSITION.format(held="") + JOB_EVENT.format(erasing="")
CANCEL_HELD = """
WITH moved AS (
    UPDATE job SET state = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE state = 'held'
    RETURNING id, fence
)
INSERT INTO job_event (job_id, kind, state, fence) SELECT id, 'cancelled', 'cancelled', fence FROM moved;
ALTER TABLE job_event DISABLE TRIGGER job_event_append_only;
UPDATE job_event SET state = 'queued' WHERE state = 'held';
ALTER TABLE job_event ENABLE TRIGGER job_event_append_only;
"""

# The Studies of the release before are judged together as well.
OPEN_STUDIES = """
INSERT INTO study_result (study_id, site_id, last_image_at, created_at)
SELECT study.id, study.site_id, max(image.created_at), study.created_at
FROM study JOIN image ON image.study_id = study.id GROUP BY study.id
"""

NOTIFICATIONS = """
CREATE FUNCTION delivery_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Alike notifications of one transaction are one.
    PERFORM pg_notify('delivery_due', '');
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_due AFTER INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION delivery_due();
"""


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_audit_head_site_id")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "action IN ('erased', 'expired', 'identity_opened', 'image_received', 'image_retrieved', 'key_issued', "
            "'key_revoked', 'quarantine_released', 'result_delivered', 'result_exported', 'site_changed')",
            name=op.f("ck_audit_record_action_known"),
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_audit_record_number_positive")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_audit_record_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_record")),
        sa.UniqueConstraint("site_id", "number", name=op.f("uq_audit_record_site_id_number")),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("explain", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_batch_closed_means_dated")),
        sa.CheckConstraint("state IN ('closed', 'open')", name=op.f("ck_batch_state_known")),
        sa.CheckConstraint("files > 0", name=op.f("ck_batch_files_positive")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_batch_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_batch_site_id_idempotency_key")),
    )
    op.create_index("ix_batch_site", "batch", ["site_id", "created_at", "id"], unique=False)
    op.create_table(
        "delivery_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("reports", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("with_identity", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('c_store', 'stow', 'webhook')", name=op.f("ck_delivery_rule_kind_known")),
        sa.CheckConstraint(
            "events <@ ARRAY['cancelled', 'dead', 'expired', 'failed', 'succeeded']::text[]",
            name=op.f("ck_delivery_rule_events_known"),
        ),
        sa.CheckConstraint(
            "reports <@ ARRAY['csv', 'fhir', 'gsps', 'json', 'overlay', 'pdf', 'sc', 'sr']::text[]",
            name=op.f("ck_delivery_rule_reports_known"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_delivery_rule_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_rule")),
        sa.UniqueConstraint("site_id", "name", name=op.f("uq_delivery_rule_site_id_name")),
    )
    op.create_table(
        "site_policy",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("burned_in", sa.Text(), server_default="refuse", nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "burned_in IN ('accept', 'quarantine', 'refuse')", name=op.f("ck_site_policy_burned_in_known")
        ),
        sa.CheckConstraint("retention_days > 0", name=op.f("ck_site_policy_retention_positive")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_policy_site_id")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_site_policy")),
    )
    op.create_table(
        "study_result",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("images", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_images", sa.Integer(), server_default="0", nullable=False),
        sa.Column("other_images", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_image_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("look_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "failed_images >= 0 AND other_images >= 0 AND failed_images + other_images <= images",
            name=op.f("ck_study_result_images_add_up"),
        ),
        sa.CheckConstraint(
            "(state = 'settled') <= (settled_at IS NOT NULL)", name=op.f("ck_study_result_settled_means_dated")
        ),
        sa.CheckConstraint("rule IN ('max', 'mean')", name=op.f("ck_study_result_rule_known")),
        sa.CheckConstraint("state IN ('open', 'settled')", name=op.f("ck_study_result_state_known")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_study_result_model_version_id")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_study_result_site_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_result_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study_result")),
    )
    op.create_index(
        "ix_study_result_open",
        "study_result",
        ["look_after"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_study_result_site", "study_result", ["site_id", "created_at", "study_id"], unique=False)
    op.create_index(
        "ix_study_result_site_open",
        "study_result",
        ["site_id", "created_at", "study_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "sealed_identity",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("patient", sa.Text(), server_default="", nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_sealed_identity_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_sealed_identity_site_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_sealed_identity")),
    )
    op.create_index("ix_sealed_identity_patient", "sealed_identity", ["site_id", "patient"], unique=False)
    op.create_table(
        "batch_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sealed_path", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("repeated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("altered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default="awaiting", nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(state = 'rejected') = (code IS NOT NULL)", name=op.f("ck_batch_item_rejected_means_code")),
        sa.CheckConstraint(
            "job_id IS NULL OR state IN ('job', 'duplicate')", name=op.f("ck_batch_item_job_means_judged")
        ),
        sa.CheckConstraint(
            "state IN ('awaiting', 'duplicate', 'job', 'rejected')", name=op.f("ck_batch_item_state_known")
        ),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_batch_item_sha256_length")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_item_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_batch_item_job_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_item")),
        sa.UniqueConstraint("batch_id", "position", name=op.f("uq_batch_item_batch_id_position")),
    )
    op.create_index("ix_batch_item_content", "batch_item", ["batch_id", "sha256"], unique=False)
    op.create_index("ix_batch_item_job", "batch_item", ["job_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("redelivery_of", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'delivered') = (delivered_at IS NOT NULL)", name=op.f("ck_delivery_delivered_means_dated")
        ),
        sa.CheckConstraint("leased_until IS NULL OR state = 'pending'", name=op.f("ck_delivery_leased_means_pending")),
        sa.CheckConstraint("state IN ('dead', 'delivered', 'pending')", name=op.f("ck_delivery_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_delivery_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["redelivery_of"], ["delivery.id"], name=op.f("fk_delivery_redelivery_of"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["delivery_rule.id"], name=op.f("fk_delivery_rule_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_delivery_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "rule_id",
            "job_id",
            "redelivery_of",
            name=op.f("uq_delivery_rule_id_job_id_redelivery_of"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["rule_id", "run_after"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_delivery_job", "delivery", ["job_id"], unique=False)
    op.create_index("ix_delivery_site", "delivery", ["site_id", "created_at", "id"], unique=False)
    op.add_column("image", sa.Column("series_instance_uid", sa.Text(), nullable=True))
    op.add_column("image", sa.Column("received_sha256", sa.Text(), nullable=True))
    op.add_column("image", sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("image", sa.Column("quarantined", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_image_received", "image", ["site_id", "received_sha256"], unique=False)
    op.create_check_constraint(op.f("ck_image_received_sha256_length"), "image", "length(received_sha256) = 64")
    op.create_index("ix_image_study", "image", ["study_id"], unique=False)
    op.create_index("ix_job_image", "job", ["image_id"], unique=False)
    _states(HELD_STATES)
    op.create_index(
        "ix_job_held",
        "job",
        ["site_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.execute(QUARANTINE)
    op.execute(APPEND_ONLY)
    op.execute(NOTIFICATIONS)
    op.execute(OPEN_STUDIES)


def _states(known: str) -> None:
    for table in ("job", "job_event"):
        op.drop_constraint(op.f(f"ck_{table}_state_known"), table)
        op.create_check_constraint(op.f(f"ck_{table}_state_known"), table, f"state IN ({known})")


def downgrade() -> None:
    # A held job has no place in the release before; nobody may run it unseen.
    op.execute(CANCEL_HELD)
    op.drop_index("ix_job_held", table_name="job", postgresql_where=sa.text("state = 'held'"))
    op.execute(BEFORE_QUARANTINE)
    _states(STATES)
    op.drop_index("ix_job_image", table_name="job")
    op.drop_index("ix_image_study", table_name="image")
    op.drop_index("ix_image_received", table_name="image")
    op.drop_column("image", "quarantined")
    op.drop_column("image", "attributes")
    op.drop_column("image", "received_sha256")
    op.drop_column("image", "series_instance_uid")
    op.drop_index("ix_delivery_site", table_name="delivery")
    op.drop_index("ix_delivery_job", table_name="delivery")
    op.drop_index("ix_delivery_due", table_name="delivery", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("delivery")
    op.drop_index("ix_batch_item_job", table_name="batch_item")
    op.drop_index("ix_batch_item_content", table_name="batch_item")
    op.drop_table("batch_item")
    op.drop_index("ix_sealed_identity_patient", table_name="sealed_identity")
    op.drop_table("sealed_identity")
    op.drop_index("ix_study_result_site_open", table_name="study_result", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_study_result_site", table_name="study_result")
    op.drop_index("ix_study_result_open", table_name="study_result", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("study_result")
    op.drop_table("site_policy")
    op.drop_table("delivery_rule")
    op.drop_index("ix_batch_site", table_name="batch")
    op.drop_table("batch")
    op.drop_table("audit_record")
    op.drop_table("audit_head")
    op.execute("DROP FUNCTION audit_record_append_only, audit_record_follows, audit_head_only_forward, delivery_due")
