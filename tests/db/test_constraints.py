"""Every CHECK and unique rule of the schema is broken once in SQL, and every illegal transition is tried."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from psycopg2 import errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.vocabulary import TERMINAL_STATES, AuditAction, JobState, Role, Scope, SignIn, Verdict
from db.repositories import audit, feedback, jobs, sessions, shadow_predictions, sign_in, sites, users
from db.repositories.sites import Principal
from db.session import Database
from db.tables import Batch, BatchItem, DeliveryRule, SitePolicy
from tests.factories import make_image, make_job, make_model, make_outcome

JOB = "id, site_id, image_id, explain, request_hash, max_attempts, deadline_at"
COPY = "SELECT gen_random_uuid(), site_id, image_id, explain, request_hash, 5, deadline_at"


def job_with(column: str, value: str) -> str:
    return f"INSERT INTO job ({JOB}, {column}) {COPY}, {value} FROM job"


IMAGE = "id, site_id, size_bytes, media_kind, rows, columns, bits_stored, sha256, sop_instance_uid"


def image_with(sha256: str, sop: str) -> str:
    return (
        f"INSERT INTO image ({IMAGE}) SELECT gen_random_uuid(), site_id, size_bytes, media_kind, rows, columns,"
        f" bits_stored, {sha256}, {sop} FROM image"
    )


MODEL = "id, state, labels, explainable, manifest, name, version, digest"


def model_with(state: str, name: str, version: str, digest: str) -> str:
    return (
        f"INSERT INTO model_version ({MODEL}) SELECT gen_random_uuid(), {state}, labels, explainable, manifest,"
        f" {name}, {version}, {digest} FROM model_version"
    )


EVENT = "INSERT INTO job_event (job_id, kind, state, fence) SELECT job_id, {}, {}, fence FROM job_event LIMIT 1"
PREDICTION = (
    "id, job_id, model_version_id, fence, engine, region, region_probability, region_probabilities, rows, columns,"
    ' preview_key, "window", timings_ms'
)

AUDIT = "id, site_id, actor, subject, detail, previous_hash, hash, action, number"


def audit_with(action: str, number: str) -> str:
    return (
        f"INSERT INTO audit_record ({AUDIT}) SELECT gen_random_uuid(), site_id, actor, subject, detail, previous_hash,"
        f" hash, {action}, {number} FROM audit_record LIMIT 1"
    )


# Each breaks the one rule that it stands with, and no other.
BROKEN = [
    ("ck_api_key_scopes_known", "UPDATE api_key SET scopes = '{read,root}'"),
    ("ck_api_key_secret_sha256_length", "UPDATE api_key SET secret_sha256 = 'abc'"),
    ("ck_audit_record_action_known", audit_with("'looked'", "9")),
    ("ck_audit_record_number_positive", audit_with("action", "0")),
    ("ck_batch_closed_means_dated", "UPDATE batch SET state = 'closed'"),
    ("ck_batch_closed_means_dated", "UPDATE batch SET closed_at = now()"),
    ("ck_batch_files_positive", "UPDATE batch SET files = 0"),
    ("ck_batch_item_job_means_judged", "UPDATE batch_item SET job_id = (SELECT id FROM job)"),
    ("ck_batch_item_rejected_means_code", "UPDATE batch_item SET code = 'x'"),
    ("ck_batch_item_rejected_means_code", "UPDATE batch_item SET state = 'rejected'"),
    ("ck_batch_item_sha256_length", "UPDATE batch_item SET sha256 = 'abc'"),
    ("ck_batch_item_state_known", "UPDATE batch_item SET state = 'lost'"),
    ("ck_batch_state_known", "UPDATE batch SET state = 'ajar'"),
    ("ck_delivery_delivered_means_dated", "UPDATE delivery SET state = 'delivered'"),
    ("ck_delivery_delivered_means_dated", "UPDATE delivery SET delivered_at = now()"),
    ("ck_delivery_leased_means_pending", "UPDATE delivery SET state = 'dead', leased_until = now()"),
    ("ck_delivery_rule_events_known", "UPDATE delivery_rule SET events = '{running}'"),
    ("ck_delivery_rule_kind_known", "UPDATE delivery_rule SET kind = 'fax'"),
    ("ck_delivery_rule_reports_known", "UPDATE delivery_rule SET reports = '{sr,letter}'"),
    ("ck_delivery_state_known", "UPDATE delivery SET state = 'lost'"),
    ("ck_feedback_decision_known", "UPDATE feedback SET decision = 'perhaps'"),
    ("ck_feedback_one_reader", "UPDATE feedback SET key_id = NULL"),
    ("ck_feedback_verdict_known", "UPDATE feedback SET verdict = 'perhaps'"),
    ("ck_finding_decision_known", "UPDATE finding SET decision = 'perhaps'"),
    ("ck_finding_probability_range", "UPDATE finding SET probability = 1.01"),
    ("ck_finding_probability_range", "UPDATE finding SET probability = 'NaN'"),
    ("ck_finding_probability_range", "UPDATE finding SET threshold = -0.01"),
    ("ck_finding_stability_range", "UPDATE finding SET stability = 1.01"),
    ("ck_image_media_kind_known", "UPDATE image SET media_kind = 'gif'"),
    ("ck_image_received_sha256_length", "UPDATE image SET received_sha256 = 'abc'"),
    ("ck_image_sha256_length", "UPDATE image SET sha256 = 'abc'"),
    *(("ck_image_sizes_positive", f"UPDATE image SET {name} = 0") for name in ("size_bytes", "rows", "columns")),
    ("ck_image_sizes_positive", "UPDATE image SET bits_stored = 0"),
    ("ck_job_counts_positive", job_with("attempt", "-1")),
    ("ck_job_counts_positive", job_with("crash_count", "-1")),
    ("ck_job_counts_positive", job_with("fence", "-1")),
    ("ck_job_counts_positive", "UPDATE job SET max_attempts = 0"),
    ("ck_job_event_kind_known", EVENT.format("'vanished'", "'queued'")),
    ("ck_job_event_state_known", EVENT.format("'submitted'", "'lost'")),
    ("ck_job_key_length", "UPDATE job SET idempotency_key = ''"),
    ("ck_job_key_length", "UPDATE job SET idempotency_key = repeat('k', 256)"),
    ("ck_job_priority_range", "UPDATE job SET priority = 11"),
    ("ck_job_priority_range", "UPDATE job SET priority = -11"),
    ("ck_job_result_means_succeeded", job_with("result_label", "'fracture'")),
    ("ck_job_result_means_succeeded", job_with("result_probability", "0.5")),
    ("ck_job_running_means_leased", "UPDATE job SET lease_owner = 'w'"),
    ("ck_job_running_means_leased", "UPDATE job SET lease_expires_at = now()"),
    ("ck_job_running_means_leased", job_with("state", "'running'")),
    ("ck_job_running_means_leased", job_with("state, lease_owner", "'running', 'w'")),
    ("ck_job_running_means_leased", job_with("state, lease_expires_at", "'running', now()")),
    ("ck_job_state_known", job_with("state", "'lost'")),
    ("ck_job_terminal_means_finished", "UPDATE job SET finished_at = NULL"),
    ("ck_job_terminal_means_finished", job_with("finished_at", "now()")),
    ("ck_job_terminal_means_finished", job_with("state", "'dead'")),
    ("ck_membership_role_known", "UPDATE membership SET role = 'root'"),
    ("ck_model_version_event_kind_known", "INSERT INTO model_version_event (model_version_id, kind, state, actor)"
        " SELECT id, 'sold', 'active', 'me' FROM model_version"),
    ("ck_model_version_event_state_known", "INSERT INTO model_version_event (model_version_id, kind, state, actor)"
        " SELECT id, 'activated', 'golden', 'me' FROM model_version"),
    ("ck_model_version_shadow_has_share", "UPDATE model_version SET shadow_share = 0.5"),
    ("ck_model_version_shadow_has_share", "UPDATE model_version SET state = 'shadow'"),
    *(("ck_model_version_shadow_has_share", f"UPDATE model_version SET state = 'shadow', shadow_share = {share}")
        for share in ("0", "1.01", "'NaN'")),
    ("ck_model_version_state_known", "UPDATE model_version SET state = 'golden'"),
    ("ck_prediction_engine_known", "UPDATE prediction SET engine = 'abacus'"),
    ("ck_prediction_probability_range", "UPDATE prediction SET region_probability = 'NaN'"),
    ("ck_prediction_region_whole", "UPDATE prediction SET region = NULL"),
    ("ck_prediction_region_whole", "UPDATE prediction SET region_probability = NULL"),
    ("ck_prediction_sizes_positive", "UPDATE prediction SET rows = 0"),
    ("ck_prediction_sizes_positive", "UPDATE prediction SET columns = 0"),
    ("ck_prediction_window_corners", "UPDATE prediction SET \"window\" = '{0,1}'"),
    ("ck_shadow_prediction_engine_known", "UPDATE shadow_prediction SET engine = 'abacus'"),
    ("ck_shadow_prediction_infer_ms_positive", "UPDATE shadow_prediction SET infer_ms = -1"),
    ("ck_site_active_limit_positive", "UPDATE site SET active_limit = 0"),
    ("ck_site_policy_burned_in_known", "UPDATE site_policy SET burned_in = 'ignore'"),
    ("ck_site_policy_retention_positive", "UPDATE site_policy SET retention_days = 0"),
    ("ck_site_stored_bytes_limit_positive", "UPDATE site SET stored_bytes_limit = 0"),
    ("ck_stranger_email_sha256_length", "UPDATE stranger SET email_sha256 = 'abc'"),
    ("ck_stranger_failures_positive", "UPDATE stranger SET failures = -1"),
    ("ck_study_result_images_add_up", "UPDATE study_result SET images = 1, failed_images = 2"),
    ("ck_study_result_images_add_up", "UPDATE study_result SET other_images = -1"),
    ("ck_study_result_rule_known", "UPDATE study_result SET rule = 'median'"),
    ("ck_study_result_settled_means_dated", "UPDATE study_result SET state = 'settled'"),
    ("ck_study_result_state_known", "UPDATE study_result SET state = 'ajar'"),
    ("ck_user_account_email_lower", "UPDATE user_account SET email = 'Ada@example.org'"),
    ("ck_user_account_failures_positive", "UPDATE user_account SET failures = -1"),
    ("ck_user_account_oidc_whole", "UPDATE user_account SET oidc_issuer = NULL"),
    ("ck_user_session_provider_known", "UPDATE user_session SET provider = 'guess'"),
    ("ck_user_session_token_sha256_length", "UPDATE user_session SET token_sha256 = 'abc'"),
    ("ck_worker_wish_known", "INSERT INTO worker (name, pid, engine, state, wish) VALUES ('w', 1, 'e', 's', 'stop')"),
    ("uq_api_key_prefix", "INSERT INTO api_key (id, site_id, name, prefix, secret_sha256, scopes)"
        " SELECT gen_random_uuid(), site_id, name, prefix, secret_sha256, scopes FROM api_key"),
    ("uq_audit_record_site_id_number", audit_with("action", "number")),
    ("uq_batch_item_batch_id_position", "INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256)"
        " SELECT gen_random_uuid(), batch_id, position, sealed_path, sha256 FROM batch_item"),
    ("uq_batch_site_id_idempotency_key", "INSERT INTO batch (id, site_id, idempotency_key, request_hash, files)"
        " SELECT gen_random_uuid(), site_id, idempotency_key, request_hash, files FROM batch"),
    ("uq_delivery_rule_id_job_id_redelivery_of", "INSERT INTO delivery (id, site_id, rule_id, job_id)"
        " SELECT gen_random_uuid(), site_id, rule_id, job_id FROM delivery"),
    ("uq_delivery_rule_site_id_name", "INSERT INTO delivery_rule (id, site_id, name, kind, target, reports, events)"
        " SELECT gen_random_uuid(), site_id, name, kind, target, reports, events FROM delivery_rule"),
    ("ck_image_reduced_whole", "UPDATE image SET reduced_revision = 'r'"),
    ("ck_explanation_heatmap_somewhere", "UPDATE explanation SET heatmap_key = 'out/x'"),
    ("uq_explanation_finding_id", "INSERT INTO explanation (id, finding_id, heatmap, regions)"
        " SELECT gen_random_uuid(), finding_id, heatmap, regions FROM explanation"),
    ("uq_finding_prediction_id_label",
        "INSERT INTO finding (id, prediction_id, position, label, probability, threshold, decision)"
        " SELECT gen_random_uuid(), prediction_id, 1, label, probability, threshold, decision FROM finding"),
    ("uq_image_site_id_sha256", image_with("sha256", "'9.9'")),
    ("uq_image_site_id_sop_instance_uid", image_with("repeat('9', 64)", "sop_instance_uid")),
    ("uq_job_site_id_idempotency_key", job_with("idempotency_key", "idempotency_key")),
    ("uq_model_version_active", model_with("'active'", "'other'", "'9'", "'d'")),
    ("uq_model_version_digest", model_with("'retired'", "'other'", "'9'", "digest")),
    ("uq_feedback_reader", "INSERT INTO feedback (id, site_id, job_id, label, key_id, verdict, decision)"
        " SELECT gen_random_uuid(), site_id, job_id, label, key_id, 'reject', decision FROM feedback"),
    ("uq_model_version_name_version", model_with("'retired'", "name", "version", "'d'")),
    ("uq_prediction_job_id", f"INSERT INTO prediction ({PREDICTION}) SELECT gen_random_uuid(), {PREDICTION[4:]}"
        " FROM prediction"),
    ("uq_shadow_prediction_job_id_model_version_id",
        "INSERT INTO shadow_prediction (id, job_id, model_version_id, engine, probabilities, decisions, infer_ms)"
        " SELECT gen_random_uuid(), job_id, model_version_id, engine, probabilities, decisions, infer_ms"
        " FROM shadow_prediction"),
    ("uq_site_name", "INSERT INTO site (id, name) SELECT gen_random_uuid(), name FROM site"),
    ("uq_study_site_id_study_instance_uid", "INSERT INTO study (id, site_id, study_instance_uid)"
        " SELECT gen_random_uuid(), site_id, study_instance_uid FROM study"),
    ("uq_user_account_email", "INSERT INTO user_account (id, email, name)"
        " SELECT gen_random_uuid(), email, name FROM user_account"),
    ("uq_user_account_oidc_issuer_oidc_subject", "INSERT INTO user_account (id, email, name, oidc_issuer, oidc_subject)"
        " SELECT gen_random_uuid(), 'other', name, oidc_issuer, oidc_subject FROM user_account"),
    ("uq_user_session_token_sha256", "INSERT INTO user_session (id, token_sha256, user_id, provider, expires_at)"
        " SELECT gen_random_uuid(), token_sha256, user_id, provider, expires_at FROM user_session"),
]  # fmt: skip


@pytest.fixture
def one_of_each(database: Database, site: UUID, api_key: str) -> Database:
    """A database with one row in every table: a job that succeeded, and all it stands on."""
    with database.unit_of_work() as session:
        image = make_image(session, site, sop_instance_uid="1.2.3", study_instance_uid="1.2")
        session.add(SitePolicy(site_id=site, sealed_key=b"k"))
        batch = Batch(site_id=site, idempotency_key="key", request_hash="h", files=1)
        session.add(batch)
        session.flush()
        session.add(BatchItem(batch_id=batch.id, position=0, sealed_path=b"p", sha256="0" * 64))
        session.add(
            DeliveryRule(
                site_id=site, name="one", kind="webhook", target={}, reports=[], events=[JobState.SUCCEEDED.value]
            )
        )
        session.flush()
        make_job(session, site, image_id=image.id, idempotency_key="key")
        model = make_model(session).id
        (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
        assert jobs.succeed(session, [make_outcome(claim, model)])
        assert shadow_predictions.record(
            session,
            job_id=claim.job_id,
            model_version_id=model,
            engine="onnxruntime",
            probabilities={},
            decisions={},
            infer_ms=1.0,
        )
        ada = users.add(session, email="ada@example.org", name="Ada")
        ada.oidc_issuer, ada.oidc_subject = "https://id.example", "ada"
        users.set_role(session, ada.id, site_id=site, role=Role.VIEWER)
        sign_in.attempt(session, "nobody@example.org", locking=sign_in.Locking(failures=5, lock_s=60, cap_s=60))
        sessions.begin(session, user_id=ada.id, provider=SignIn.OIDC, lifetime_s=60)
        reader = sites.issue_key(session, site_id=site, name="reader", scopes=[Scope.READ])[0]
        feedback.give(
            session,
            Principal(site_id=site, scopes=frozenset({Scope.READ}), key_id=reader.id),
            job_id=claim.job_id,
            label="fracture",
            verdict=Verdict.ACCEPT,
            sealed_comment=None,
        )
        audit.append(session, site_id=site, actor="tests", action=AuditAction.SITE_CHANGED, subject=f"site {site}")
    return database


def test_each_rule_holds(one_of_each: Database) -> None:
    for name, statement in BROKEN:
        with pytest.raises(IntegrityError) as caught, one_of_each.unit_of_work() as session:
            session.execute(text(statement))
        assert isinstance(caught.value.orig, errors.IntegrityError)
        assert caught.value.orig.diag.constraint_name == name, statement


def test_no_rule_is_forgotten(database: Database) -> None:
    with database.unit_of_work() as session:
        rules = session.scalars(
            text(
                "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u') AND conrelid <> 0"
                " AND connamespace = 'public'::regnamespace UNION"
                " SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
                " WHERE indisunique AND NOT indisprimary AND relnamespace = 'public'::regnamespace"
            )
        )
        assert {name for name, _ in BROKEN} == set(rules)


LEGAL = {
    "queued": {"running", "cancelled", "expired"},
    "running": {"succeeded", "failed", "retry_wait", "dead", "cancelled", "queued"},
    "retry_wait": {"running", "cancelled", "expired"},
    "held": {"queued", "cancelled"},
}


def test_transitions_by_hand(database: Database, site: UUID) -> None:
    """Whatever the repositories do, Postgres refuses a transition that guarantees.md does not name."""
    with database.unit_of_work() as session:
        image = make_image(session, site).id

    def move(old: JobState, new: JobState) -> None:
        values = {"site": site, "image": image, "old": old.value, "new": new.value}
        with database.unit_of_work() as session:
            values["id"] = session.scalar(
                text(
                    f"INSERT INTO job ({JOB}, state, lease_owner, lease_expires_at, finished_at) VALUES"
                    " (gen_random_uuid(), :site, :image, '{}', 'h', 5, now(), :old,"
                    f" {leased(old)}, {finished(old)}) RETURNING id"
                ),
                values,
            )
            changed = session.execute(
                text(
                    "UPDATE job SET state = :new, (lease_owner, lease_expires_at, finished_at) ="
                    f" ROW({leased(new)}, {finished(new)}) WHERE id = :id"
                ),
                values,
            )
            assert changed.rowcount == 1  # type: ignore[attr-defined]

    for old, new in itertools.permutations(JobState, 2):
        if new in LEGAL.get(old, ()):
            move(old, new)
        else:
            with pytest.raises(DBAPIError, match=f"may not go from {old} to {new}"):
                move(old, new)


def leased(state: JobState) -> str:
    return "'w', now()" if state is JobState.RUNNING else "CAST(NULL AS text), CAST(NULL AS timestamptz)"


def finished(state: JobState) -> str:
    return "now()" if state in TERMINAL_STATES else "CAST(NULL AS timestamptz)"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE job SET fence = fence - 1", "may not go back"),
        ("UPDATE job_event SET code = 'x'", "append-only"),
        ("DELETE FROM job_event", "append-only"),
        ("UPDATE audit_record SET actor = 'x'", "append-only"),
        ("DELETE FROM audit_record", "append-only"),
        ("TRUNCATE audit_record", "append-only"),
        ("DELETE FROM audit_head", "alone"),
        ("UPDATE model_version_event SET actor = 'x'", "append-only"),
        ("DELETE FROM model_version_event", "append-only"),
    ],
)
def test_history_is_kept(one_of_each: Database, statement: str, words: str) -> None:
    with pytest.raises(DBAPIError, match=words), one_of_each.unit_of_work() as session:
        session.execute(text(statement))
