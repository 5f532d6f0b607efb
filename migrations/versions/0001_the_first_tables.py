"""The first tables: sites, keys, images, jobs and their results; the triggers that guard a job's life."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TRANSITIONS = """
CREATE FUNCTION job_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT ((OLD.state = 'queued' AND NEW.state IN ('running', 'cancelled', 'expired'))
         OR (OLD.state = 'retry_wait' AND NEW.state IN ('running', 'cancelled', 'expired'))
         OR (OLD.state = 'running'
             AND NEW.state IN ('succeeded', 'failed', 'retry_wait', 'dead', 'cancelled', 'queued'))) THEN
        RAISE EXCEPTION 'job % may not go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.finished_at IS NOT NULL THEN
        PERFORM pg_notify('job_finished', NEW.id::text);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_transition BEFORE UPDATE OF state ON job FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION job_transition();

CREATE FUNCTION job_fence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the fence of job % may not go back', OLD.id USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER job_fence BEFORE UPDATE OF fence ON job FOR EACH ROW
    WHEN (NEW.fence < OLD.fence) EXECUTE FUNCTION job_fence();

CREATE FUNCTION job_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'job_event is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER job_event_append_only BEFORE UPDATE OR DELETE ON job_event FOR EACH ROW
    EXECUTE FUNCTION job_event_append_only();

-- The queue's rows change state several times each: vacuum early, so that claims meet few dead index entries, and
-- analyse early, since the metrics of a large table are its statistics.
ALTER TABLE job SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.02);
"""


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("explainable", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('active', 'candidate', 'retired', 'shadow')", name=op.f("ck_model_version_state_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("digest", name=op.f("uq_model_version_digest")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_model_version_name_version")),
    )
    op.create_index(
        "uq_model_version_active", "model_version", ["state"], unique=True, postgresql_where=sa.text("state = 'active'")
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("progress_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scopes <@ ARRAY['admin', 'read', 'submit']::text[]", name=op.f("ck_api_key_scopes_known")),
        sa.CheckConstraint("length(secret_sha256) = 64", name=op.f("ck_api_key_secret_sha256_length")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_api_key_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )
    op.create_table(
        "study",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_study_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("site_id", "study_instance_uid", name=op.f("uq_study_site_id_study_instance_uid")),
    )
    op.create_table(
        "image",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_kind", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("bits_stored", sa.Integer(), nullable=False),
        sa.Column("transfer_syntax", sa.Text(), nullable=True),
        sa.Column("photometric_interpretation", sa.Text(), nullable=True),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("body_part", sa.Text(), nullable=True),
        sa.Column("sop_class_uid", sa.Text(), nullable=True),
        sa.Column("sop_instance_uid", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("media_kind IN ('dicom', 'jpeg', 'png')", name=op.f("ck_image_media_kind_known")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_image_sha256_length")),
        sa.CheckConstraint(
            "size_bytes > 0 AND rows > 0 AND columns > 0 AND bits_stored > 0", name=op.f("ck_image_sizes_positive")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_image_site_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_image_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("site_id", "sha256", name=op.f("uq_image_site_id_sha256")),
        sa.UniqueConstraint("site_id", "sop_instance_uid", name=op.f("uq_image_site_id_sop_instance_uid")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("explain", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("replay_of", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("crash_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) AND (state = 'running') = (lease_expires_at IS NOT NULL)",
            name=op.f("ck_job_running_means_leased"),
        ),
        sa.CheckConstraint(
            "(state IN ('cancelled', 'dead', 'expired', 'failed', 'succeeded')) = (finished_at IS NOT NULL)",
            name=op.f("ck_job_terminal_means_finished"),
        ),
        sa.CheckConstraint(
            "state IN ('cancelled', 'dead', 'expired', 'failed', 'queued', 'retry_wait', 'running', 'succeeded')",
            name=op.f("ck_job_state_known"),
        ),
        sa.CheckConstraint(
            "(idempotency_key IS NULL) OR (length(idempotency_key) BETWEEN 1 AND 255)", name=op.f("ck_job_key_length")
        ),
        sa.CheckConstraint(
            "attempt >= 0 AND crash_count >= 0 AND fence >= 0 AND max_attempts > 0", name=op.f("ck_job_counts_positive")
        ),
        sa.CheckConstraint("priority BETWEEN -10 AND 10", name=op.f("ck_job_priority_range")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_job_image_id")),
        sa.ForeignKeyConstraint(["replay_of"], ["job.id"], name=op.f("fk_job_replay_of")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_job_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("site_id", "idempotency_key", name=op.f("uq_job_site_id_idempotency_key")),
    )
    op.create_index(
        "ix_job_claim",
        "job",
        [sa.literal_column("priority DESC"), "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND crash_count = 0"),
    )
    op.create_index(
        "ix_job_deadline",
        "job",
        ["deadline_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'retry_wait')"),
    )
    op.create_index(
        "ix_job_lease", "job", ["lease_expires_at"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "ix_job_retry",
        "job",
        ["priority", "run_after"],
        unique=False,
        postgresql_where=sa.text("state = 'retry_wait' AND crash_count = 0"),
    )
    op.create_index("ix_job_site", "job", ["site_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_job_site_active",
        "job",
        ["site_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'retry_wait', 'running')"),
    )
    op.create_index(
        "ix_job_site_unsuccessful",
        "job",
        ["site_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('cancelled', 'dead', 'expired', 'failed')"),
    )
    op.create_index(
        "ix_job_suspect",
        "job",
        ["run_after"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'retry_wait') AND crash_count > 0"),
    )
    op.create_table(
        "job_event",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('cancelled', 'claimed', 'died', 'expired', 'failed', 'lease_expired', 'released', 'replayed', 'retry_scheduled', 'submitted', 'succeeded')",  # noqa: E501
            name=op.f("ck_job_event_kind_known"),
        ),
        sa.CheckConstraint(
            "state IN ('cancelled', 'dead', 'expired', 'failed', 'queued', 'retry_wait', 'running', 'succeeded')",
            name=op.f("ck_job_event_state_known"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_event_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_event")),
    )
    op.create_index("ix_job_event_job", "job_event", ["job_id", "id"], unique=False)
    op.create_table(
        "prediction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("model_version_id", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("region_probability", sa.Double(), nullable=False),
        sa.Column("region_probabilities", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("preview_key", sa.Text(), nullable=False),
        sa.Column("window", postgresql.ARRAY(sa.Double()), nullable=False),
        sa.Column("timings_ms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("engine IN ('onnxruntime', 'tensorflow')", name=op.f("ck_prediction_engine_known")),
        sa.CheckConstraint('cardinality("window") = 4', name=op.f("ck_prediction_window_corners")),
        sa.CheckConstraint("region_probability BETWEEN 0 AND 1", name=op.f("ck_prediction_probability_range")),
        sa.CheckConstraint("rows > 0 AND columns > 0", name=op.f("ck_prediction_sizes_positive")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_prediction_job_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_prediction_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
        sa.UniqueConstraint("job_id", name=op.f("uq_prediction_job_id")),
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.CheckConstraint("decision IN ('negative', 'positive')", name=op.f("ck_finding_decision_known")),
        sa.CheckConstraint(
            "probability BETWEEN 0 AND 1 AND threshold BETWEEN 0 AND 1", name=op.f("ck_finding_probability_range")
        ),
        sa.ForeignKeyConstraint(["prediction_id"], ["prediction.id"], name=op.f("fk_finding_prediction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        sa.UniqueConstraint("prediction_id", "label", name=op.f("uq_finding_prediction_id_label")),
    )
    op.create_table(
        "explanation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("finding_id", sa.Uuid(), nullable=False),
        sa.Column("heatmap_key", sa.Text(), nullable=False),
        sa.Column("regions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["finding.id"], name=op.f("fk_explanation_finding_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explanation")),
        sa.UniqueConstraint("finding_id", name=op.f("uq_explanation_finding_id")),
    )
    op.execute(TRANSITIONS)


def downgrade() -> None:
    op.drop_table("explanation")
    op.drop_table("finding")
    op.drop_table("prediction")
    op.drop_index("ix_job_event_job", table_name="job_event")
    op.drop_table("job_event")
    op.drop_index(
        "ix_job_suspect",
        table_name="job",
        postgresql_where=sa.text("state IN ('queued', 'retry_wait') AND crash_count > 0"),
    )
    op.drop_index(
        "ix_job_site_unsuccessful",
        table_name="job",
        postgresql_where=sa.text("state IN ('cancelled', 'dead', 'expired', 'failed')"),
    )
    op.drop_index(
        "ix_job_site_active", table_name="job", postgresql_where=sa.text("state IN ('queued', 'retry_wait', 'running')")
    )
    op.drop_index("ix_job_site", table_name="job")
    op.drop_index(
        "ix_job_retry", table_name="job", postgresql_where=sa.text("state = 'retry_wait' AND crash_count = 0")
    )
    op.drop_index("ix_job_lease", table_name="job", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_job_deadline", table_name="job", postgresql_where=sa.text("state IN ('queued', 'retry_wait')"))
    op.drop_index("ix_job_claim", table_name="job", postgresql_where=sa.text("state = 'queued' AND crash_count = 0"))
    op.drop_table("job")
    op.drop_table("image")
    op.drop_table("study")
    op.drop_table("api_key")
    op.drop_table("worker")
    op.drop_table("site")
    op.drop_index("uq_model_version_active", table_name="model_version", postgresql_where=sa.text("state = 'active'"))
    op.drop_table("model_version")
    op.execute("DROP FUNCTION job_event_append_only, job_transition, job_fence")
