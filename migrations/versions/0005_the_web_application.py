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
    'model_moved', 'sign_in_locked', 'signed_in', 'user_added', 'user_changed', 'worker_controlled'"""


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


def known(table: str, name: str, rule: str) -> None:
    """The check `name` of the table anew."""
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)


def downgrade() -> None:
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
