"""Another Site with something of everything, as its own people made it: what a stranger must never see or touch."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import inspect, text

from core.vocabulary import Role, Scope, Verdict
from db.repositories import sites
from db.session import Database
from db.tables import Base, Feedback
from storage.s3 import S3Store
from tests.api.batches.conftest import Files, made, picture, put, sha256_of
from tests.api.conftest import Api
from tests.api.people import make_user
from tests.api.test_jobs import finish, key_of, submit
from tests.data import pydicom_file

NAME = "The Other Hospital"
HOOK = {
    "name": "elsewhere",
    "kind": "webhook",
    "target": {"url": "https://elsewhere.example.org/hook"},
    "events": ["succeeded"],
}


@dataclass(frozen=True)
class Other:
    """The other Site: a key of it, and its things by the names of path parameters."""

    site_id: UUID
    key: str
    user_id: UUID
    things: dict[str, str]
    content: str

    @property
    def marks(self) -> list[str]:
        """What would give it away in an answer."""
        shown = [value for name, value in self.things.items() if name != "sha256"]
        return [*shown, NAME, HOOK["name"], "other@example.org"]


def furnish(api: Api, database: Database, store: S3Store, model: UUID) -> Other:
    """Make it, by HTTP where there is a way."""
    with database.unit_of_work() as session:
        site = sites.create_site(session, NAME).id
    key = key_of(database, site, Scope.READ, Scope.SUBMIT, Scope.ADMIN)
    user = make_user(database, "other@example.org", roles={site: Role.ADMIN})
    with api.client(key) as client:
        rule = client.post("/v1/delivery-rules", json=HOOK).json()["id"]
        job = submit(client, pydicom_file("RG3_UNCR.dcm").read_bytes()).json()["id"]
        assert finish(database, store, model) == 1
        batch = made(client, Files().add("a.png", picture(1)).add("b.png", picture(2)))
        assert put(client, batch, picture(1)).is_success
        delivery = client.get("/v1/deliveries").json()["items"][0]["id"]
        study = client.get("/v1/studies").json()["items"][0]["id"]
        named = client.get("/dicom-web/instances").json()[0]
    verdict = {"label": "fracture", "verdict": Verdict.ACCEPT.value, "decision": "positive"}
    with database.unit_of_work() as session:
        session.add(Feedback(site_id=site, job_id=UUID(job), user_id=user, **verdict))
        key_id = session.scalars(text("SELECT id FROM api_key WHERE site_id = :site"), {"site": site}).one()
        session_id = session.scalars(
            text(
                "INSERT INTO user_session (id, token_sha256, user_id, site_id, provider, expires_at) VALUES"
                " (gen_random_uuid(), repeat('0', 64), :user, :site, 'password', now() + interval '1 h') RETURNING id"
            ),
            {"user": user, "site": site},
        ).one()
    things = {
        "site_id": str(site), "job_id": job, "batch_id": batch["id"], "rule_id": rule, "delivery_id": delivery,
        "study_id": study, "key_id": str(key_id), "user_id": str(user), "session_id": str(session_id),
        "study": named["0020000D"]["Value"][0], "series": named["0020000E"]["Value"][0],
        "instance": named["00080018"]["Value"][0], "sha256": sha256_of(picture(2)),
    }  # fmt: skip
    return Other(site, key, user, things, content(database, site))


def content(database: Database, site: UUID) -> str:
    """A digest of every row that is the Site's, whichever table it is in; the platform's users and its own alike."""
    with database.unit_of_work(site_id=site) as session:
        tables = set(inspect(session.connection()).get_table_names()) & set(Base.metadata.tables)
        found = []
        for table in sorted(tables - {"user_session", "stranger", "user_account", "worker"}):
            rows = f"SELECT md5(coalesce(string_agg(one::text, '|' ORDER BY one::text), '')) FROM {table} AS one"
            found.append(f"{table} {session.scalar(text(rows))}")
    return "\n".join(found)
