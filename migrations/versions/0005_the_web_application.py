"""The web application: users, roles, sessions, feedback, quotas, and what operators want of workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHECKS = {
    ("site", "active_limit_positive"): "active_limit > 0",
    ("site", "stored_bytes_limit_positive"): "stored_bytes_limit > 0",
    ("worker", "wish_known"): "wish IN ('drain', 'restart', 'run')",
}
# The Site of nobody, whose audit chain is the platform's own (`db.repositories.sites.PLATFORM`).
PLATFORM = """
INSERT INTO site (id, name, disabled_at) VALUES ('00000000-0000-0000-0000-000000000000', '(platform)', now())
ON CONFLICT (id) DO NOTHING"""
# Its records are append-only: where there are any, the row stays.
NO_PLATFORM = """
DELETE FROM site WHERE id = '00000000-0000-0000-0000-000000000000'
AND NOT EXISTS (SELECT FROM audit_record WHERE site_id = site.id)"""
SCOPES = "scopes <@ ARRAY['admin', %s'read', 'submit']::text[]"
ACTIONS = """
    'erased', 'expired', 'identity_opened', 'image_received', 'image_retrieved', 'key_issued', 'key_revoked',
    'quarantine_released', 'result_delivered', 'result_exported', 'site_changed'"""
NEW_ACTIONS = """,
    'feedback_given', 'jobs_cancelled', 'jobs_replayed', 'model_moved', 'sign_in_locked', 'signed_in', 'user_added',
    'user_changed', 'worker_controlled'"""

# Channel `changed`: `<site or *> <kind> <ids>`, ids with commas between, or `*` for many: what changed, never what it
# is now, and nothing of a patient. One notification a statement, whatever the number of rows: a notifying transaction
# holds one lock of the server from the start of its commit to the end.
TELLING = """
CREATE FUNCTION tell_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        FOR told IN
            SELECT after.site_id || ' jobs ' ||
                CASE WHEN count(*) <= 128 THEN string_agg(after.id::text, ',') ELSE '*' END
            FROM after JOIN before USING (id) WHERE after.state <> before.state GROUP BY after.site_id
        LOOP
            PERFORM pg_notify('changed', told);
        END LOOP;
    ELSE
        FOR told IN
            SELECT site_id || ' jobs ' || CASE WHEN count(*) <= 128 THEN string_agg(id::text, ',') ELSE '*' END
            FROM after GROUP BY site_id
        LOOP
            PERFORM pg_notify('changed', told);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_jobs_made AFTER INSERT ON job REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_jobs();
CREATE TRIGGER tell_jobs_moved AFTER UPDATE ON job REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_jobs();
CREATE TRIGGER tell_jobs_removed AFTER DELETE ON job REFERENCING OLD TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_jobs();

CREATE FUNCTION tell_files() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    FOR told IN
        SELECT DISTINCT batch.site_id || ' batches ' || batch.id FROM after JOIN batch ON batch.id = after.batch_id
    LOOP
        PERFORM pg_notify('changed', told);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_files_named AFTER INSERT ON batch_item REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_files();
CREATE TRIGGER tell_files_judged AFTER UPDATE ON batch_item REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_files();

CREATE FUNCTION tell_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Arguments: the kind, and the column whose id is told; `*` for the Site: everyone.
    PERFORM pg_notify('changed', coalesce(to_jsonb(NEW) ->> 'site_id', '*') || ' ' || TG_ARGV[0] || ' ' ||
        coalesce(to_jsonb(NEW) ->> TG_ARGV[1], '*'));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_batch AFTER INSERT OR UPDATE ON batch FOR EACH ROW EXECUTE FUNCTION tell_row('batches', 'id');
CREATE TRIGGER tell_study_opened AFTER INSERT ON study_result FOR EACH ROW
    EXECUTE FUNCTION tell_row('studies', 'study_id');
CREATE TRIGGER tell_study AFTER UPDATE ON study_result FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR OLD.revision <> NEW.revision) EXECUTE FUNCTION tell_row('studies', 'study_id');
CREATE TRIGGER tell_delivery_made AFTER INSERT ON delivery FOR EACH ROW
    EXECUTE FUNCTION tell_row('deliveries', 'job_id');
CREATE TRIGGER tell_delivery AFTER UPDATE ON delivery FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR OLD.attempt <> NEW.attempt) EXECUTE FUNCTION tell_row('deliveries', 'job_id');
CREATE TRIGGER tell_delivery_rule AFTER INSERT OR UPDATE ON delivery_rule FOR EACH ROW
    EXECUTE FUNCTION tell_row('delivery_rules', 'id');
CREATE TRIGGER tell_feedback AFTER INSERT OR UPDATE ON feedback FOR EACH ROW
    EXECUTE FUNCTION tell_row('feedback', 'job_id');
CREATE TRIGGER tell_model AFTER INSERT OR UPDATE ON model_version FOR EACH ROW
    EXECUTE FUNCTION tell_row('models', 'id');
CREATE TRIGGER tell_worker_started AFTER INSERT ON worker FOR EACH ROW EXECUTE FUNCTION tell_row('workers', '');
CREATE TRIGGER tell_worker AFTER UPDATE ON worker FOR EACH ROW
    WHEN ((OLD.pid, OLD.state, OLD.wish, OLD.model_digest, OLD.failed_digest, OLD.failed_code)
        IS DISTINCT FROM (NEW.pid, NEW.state, NEW.wish, NEW.model_digest, NEW.failed_digest, NEW.failed_code))
    EXECUTE FUNCTION tell_row('workers', '');

CREATE FUNCTION tell_workers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('changed', '* workers *');
    RETURN NULL;
END $$;
CREATE TRIGGER tell_worker_ended AFTER DELETE ON worker FOR EACH STATEMENT EXECUTE FUNCTION tell_workers();
"""
TOLD = (
    ("job", "tell_jobs_made", "tell_jobs_moved", "tell_jobs_removed"),
    ("batch_item", "tell_files_named", "tell_files_judged"),
    ("batch", "tell_batch"),
    ("study_result", "tell_study_opened", "tell_study"),
    ("delivery", "tell_delivery_made", "tell_delivery"),
    ("delivery_rule", "tell_delivery_rule"),
    ("model_version", "tell_model"),
    ("worker", "tell_worker_started", "tell_worker", "tell_worker_ended"),
)


# --- Row-level security: a session that was bound to a Site (db.session.bind) sees and writes that Site's rows alone --
# Roles belong to the server, not to the database: another installation's migration may make it at the same moment.
# Superusers may take any role; others must be granted it, and need CREATEROLE where it is not there yet.
SITE_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lucency_site') THEN
        BEGIN
            CREATE ROLE lucency_site NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'lucency_site', 'SET') THEN
        EXECUTE format('GRANT lucency_site TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO lucency_site', current_schema());
END $$;
"""
CHANGED = "SELECT, INSERT, UPDATE, DELETE"
BOUND = "NULLIF(current_setting('lucency.site_id', true), '')::uuid"
# What a caller's work does with each table, and whose a row is. What is not here it cannot touch at all.
SITE_TABLES = {
    "api_key": ("SELECT, INSERT, UPDATE", "site_id"),
    "audit_head": ("SELECT, INSERT, UPDATE", "site_id"),
    "audit_record": ("SELECT, INSERT", "site_id"),
    "batch": (CHANGED, "site_id"),
    "delivery": (CHANGED, "site_id"),
    "delivery_rule": (CHANGED, "site_id"),
    "feedback": (CHANGED, "site_id"),
    "image": (CHANGED, "site_id"),
    "job": ("SELECT, INSERT, UPDATE", "site_id"),
    "membership": ("SELECT", "site_id"),
    "sealed_identity": (CHANGED, "site_id"),
    "site": ("SELECT", "id"),
    "site_policy": ("SELECT, INSERT, UPDATE", "site_id"),
    "study": (CHANGED, "site_id"),
    "study_result": (CHANGED, "site_id"),
}
# Rows that are a Site's by their parent, which has a policy of its own.
CHILD_TABLES = {
    "batch_item": (CHANGED, "batch", "id", "batch_id"),
    "explanation": ("SELECT", "finding", "id", "finding_id"),
    "finding": ("SELECT", "prediction", "id", "prediction_id"),
    "prediction": ("SELECT", "job", "id", "job_id"),
    "shadow_prediction": ("SELECT", "job", "id", "job_id"),
    "user_account": ("SELECT (id, email, name)", "membership", "user_id", "id"),
}
# No Site's: the models and the workers of the platform.
SHARED_TABLES = ("model_version", "model_version_event", "worker")
# A statement that makes a job notes it in the same breath, and its snapshot does not have the job yet: a volatile
# function looks with one of its own. And the queue's limit counts the jobs of all Sites, so its count is the owner's.
SITE_FUNCTIONS = """
CREATE FUNCTION own_job(asked uuid) RETURNS boolean LANGUAGE sql VOLATILE AS
    'SELECT EXISTS (SELECT FROM job WHERE id = asked)';
CREATE FUNCTION active_jobs(most bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT AS $$
SELECT count(*) FROM (SELECT FROM job WHERE state IN ('queued', 'retry_wait', 'running')
    ORDER BY site_id, created_at, id LIMIT most) AS active
$$;
REVOKE ALL ON FUNCTION active_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION active_jobs TO lucency_site;
"""
JOB_EVENTS = """
GRANT SELECT, INSERT ON job_event TO lucency_site;
GRANT USAGE ON SEQUENCE job_event_id_seq TO lucency_site;
ALTER TABLE job_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY site_reads ON job_event FOR SELECT TO lucency_site
    USING (EXISTS (SELECT FROM job WHERE job.id = job_event.job_id));
CREATE POLICY site_writes ON job_event FOR INSERT TO lucency_site WITH CHECK (own_job(job_id));
"""


def secure_rows() -> None:
    op.execute(SITE_ROLE)
    op.execute(SITE_FUNCTIONS)
    for table, (grants, column) in SITE_TABLES.items():
        secure(table, grants, f"{column} = {BOUND}")
    for table, (grants, parent, key, column) in CHILD_TABLES.items():
        secure(table, grants, f"EXISTS (SELECT FROM {parent} WHERE {parent}.{key} = {table}.{column})")
    op.execute(JOB_EVENTS)
    for table in SHARED_TABLES:
        op.execute(f"GRANT SELECT ON {table} TO lucency_site")


def secure(table: str, grants: str, own: str) -> None:
    op.execute(f"GRANT {grants} ON {table} TO lucency_site")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own_site ON {table} TO lucency_site USING ({own})")


def open_rows() -> None:
    """The role stays: other databases of the server may use it."""
    for table in (*SITE_TABLES, *CHILD_TABLES):
        op.execute(f"DROP POLICY own_site ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM lucency_site")
    op.execute("DROP POLICY site_reads ON job_event; DROP POLICY site_writes ON job_event;")
    op.execute("ALTER TABLE job_event DISABLE ROW LEVEL SECURITY; REVOKE ALL ON job_event FROM lucency_site;")
    op.execute("REVOKE ALL ON SEQUENCE job_event_id_seq FROM lucency_site")
    for table in SHARED_TABLES:
        op.execute(f"REVOKE ALL ON {table} FROM lucency_site")
    op.execute("DROP FUNCTION own_job, active_jobs")


def upgrade() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_issuer", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("operator", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name=op.f("ck_user_account_oidc_whole")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_user_account_email_lower")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_user_account_failures_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("email", name=op.f("uq_user_account_email")),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name=op.f("uq_user_account_oidc_issuer_oidc_subject")),
    )
    op.create_table(
        "membership",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('admin', 'submitter', 'viewer')", name=op.f("ck_membership_role_known")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_membership_site_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_membership_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "site_id", name=op.f("pk_membership")),
    )
    op.create_index("ix_membership_site", "membership", ["site_id"], unique=False)
    op.create_table(
        "stranger",
        sa.Column("email_sha256", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(email_sha256) = 64", name=op.f("ck_stranger_email_sha256_length")),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_stranger_failures_positive")),
        sa.PrimaryKeyConstraint("email_sha256", name=op.f("pk_stranger")),
    )
    op.create_index("ix_stranger_seen", "stranger", ["seen_at"], unique=False)
    op.create_table(
        "user_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("provider IN ('oidc', 'password')", name=op.f("ck_user_session_provider_known")),
        sa.CheckConstraint("length(token_sha256) = 64", name=op.f("ck_user_session_token_sha256_length")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_user_session_site_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_user_session_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_user_session_token_sha256")),
    )
    op.create_index("ix_user_session_expiry", "user_session", ["expires_at"], unique=False)
    op.create_index("ix_user_session_user", "user_session", ["user_id"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("sealed_comment", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("decision IN ('negative', 'positive')", name=op.f("ck_feedback_decision_known")),
        sa.CheckConstraint("verdict IN ('accept', 'reject')", name=op.f("ck_feedback_verdict_known")),
        sa.CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name=op.f("ck_feedback_one_reader")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_feedback_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_feedback_key_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_feedback_site_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_feedback_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_site", "feedback", ["site_id", "created_at", "id"], unique=False)
    op.create_index(
        "uq_feedback_reader",
        "feedback",
        ["job_id", "label", sa.literal_column("COALESCE(user_id, key_id)")],
        unique=True,
    )
    op.add_column("api_key", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("prediction", sa.Column("input_statistics", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index("ix_prediction_model", "prediction", ["model_version_id", "created_at"], unique=False)
    op.add_column("site", sa.Column("active_limit", sa.Integer(), nullable=True))
    op.add_column("site", sa.Column("stored_bytes_limit", sa.BigInteger(), nullable=True))
    op.add_column("site", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("worker", sa.Column("device", sa.Text(), nullable=True))
    op.add_column("worker", sa.Column("host", sa.Text(), nullable=True))
    op.add_column("worker", sa.Column("wish", sa.Text(), server_default="run", nullable=False))
    for (table, name), rule in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    op.execute(PLATFORM)
    known("api_key", "scopes_known", SCOPES % "'operate', ")
    known("audit_record", "action_known", f"action IN ({ACTIONS}{NEW_ACTIONS})")
    secure_rows()
    op.execute(TELLING)
    op.create_index(
        "ix_job_finished",
        "job",
        ["site_id", "finished_at", "state"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )


def known(table: str, name: str, rule: str) -> None:
    """The check `name` of the table anew."""
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)


def downgrade() -> None:
    op.drop_index("ix_job_finished", table_name="job")
    op.execute("DROP TRIGGER tell_feedback ON feedback")
    for table, *triggers in TOLD:
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("tell_jobs", "tell_files", "tell_row", "tell_workers"):
        op.execute(f"DROP FUNCTION {function}()")
    open_rows()
    known("audit_record", "action_known", f"action IN ({ACTIONS})")
    known("api_key", "scopes_known", SCOPES % "")
    for table, name in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.execute(NO_PLATFORM)
    op.drop_column("worker", "wish")
    op.drop_column("worker", "host")
    op.drop_column("worker", "device")
    op.drop_column("site", "disabled_at")
    op.drop_column("site", "stored_bytes_limit")
    op.drop_column("site", "active_limit")
    op.drop_index("ix_prediction_model", table_name="prediction")
    op.drop_column("prediction", "input_statistics")
    op.drop_column("api_key", "used_at")
    op.drop_index("uq_feedback_reader", table_name="feedback")
    op.drop_index("ix_feedback_site", table_name="feedback")
    op.drop_table("feedback")
    op.drop_index("ix_user_session_user", table_name="user_session")
    op.drop_index("ix_user_session_expiry", table_name="user_session")
    op.drop_table("user_session")
    op.drop_index("ix_stranger_seen", table_name="stranger")
    op.drop_table("stranger")
    op.drop_index("ix_membership_site", table_name="membership")
    op.drop_table("membership")
    op.drop_table("user_account")
