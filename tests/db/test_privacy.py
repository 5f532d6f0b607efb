"""A Site's key and policy, and sealed identities."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.errors import IdentityKeyMissing, SealBroken
from core.identity import Identity
from core.sealing import InstallationKey, new_installation_key
from core.settings import Settings
from core.vocabulary import BurnedInPolicy
from db.repositories import identities, policies, sites
from db.session import Database
from tests.factories import make_image


@pytest.fixture
def installation(settings: Settings) -> InstallationKey:
    return InstallationKey.of(settings)


def test_a_sites_key_is_made_once_and_is_its_own(database: Database, site: UUID, installation: InstallationKey) -> None:
    def derived(site_id: UUID) -> bytes:
        with database.unit_of_work() as session:
            return policies.site_key(session, site_id=site_id, installation=installation).keyed_hash("x", purpose="p")

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(derived, [site] * 12))
    assert len(found) == 1
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other").id
    assert derived(other) not in found


def test_another_installations_key_opens_nothing(database: Database, site: UUID, installation: InstallationKey) -> None:
    with database.unit_of_work() as session:
        policies.site_key(session, site_id=site, installation=installation)
    with pytest.raises(SealBroken), database.unit_of_work() as session:
        policies.site_key(session, site_id=site, installation=InstallationKey(new_installation_key()))


def test_a_sites_key_cannot_be_given_to_another_site(
    database: Database, site: UUID, installation: InstallationKey
) -> None:
    with database.unit_of_work() as session:
        policies.site_key(session, site_id=site, installation=installation)
        other = sites.create_site(session, "Other").id
        policies.site_key(session, site_id=other, installation=installation)
        session.flush()
        session.execute(
            text(
                "UPDATE site_policy SET sealed_key = (SELECT sealed_key FROM site_policy WHERE site_id = :site)"
                " WHERE site_id = :other"
            ),
            {"site": site, "other": other},
        )
    with pytest.raises(SealBroken), database.unit_of_work() as session:
        policies.site_key(session, site_id=other, installation=installation)


def test_no_key_is_said_plainly(settings: Settings) -> None:
    with pytest.raises(IdentityKeyMissing) as raised:
        InstallationKey.of(settings.model_copy(update={"identity_key": None}))
    assert (raised.value.code, raised.value.status) == ("identity_key_missing", 503)


def test_a_site_has_the_defaults_until_it_changes_them(
    database: Database, site: UUID, installation: InstallationKey
) -> None:
    with database.unit_of_work() as session:
        found = policies.policy(session, site_id=site)
        assert (found.burned_in, found.retention_days) == ("refuse", None)
    with database.unit_of_work() as session:
        values = {"burned_in": BurnedInPolicy.QUARANTINE.value, "retention_days": 30}
        policies.change(session, site_id=site, installation=installation, values=values, actor="cli")
    with database.unit_of_work() as session:
        found = policies.policy(session, site_id=site)
        assert (found.burned_in, found.retention_days) == ("quarantine", 30)
        policies.change(session, site_id=site, installation=installation, values={"retention_days": None}, actor="cli")
    with database.unit_of_work() as session:
        found = policies.policy(session, site_id=site)
        assert (found.burned_in, found.retention_days) == ("quarantine", None)
    for values in ({"retention_days": 0}, {"burned_in": "sell"}):
        with pytest.raises(IntegrityError), database.unit_of_work() as session:
            policies.change(session, site_id=site, installation=installation, values=dict(values), actor="cli")


def test_an_identity_is_kept_once_sealed_and_is_its_sites(
    database: Database, site: UUID, installation: InstallationKey
) -> None:
    with database.unit_of_work() as session:
        image_id = make_image(session, site).id
        key = policies.site_key(session, site_id=site, installation=installation)
        for name in ("FIRST^ONE", "SECOND^ONE"):
            sealed = key.seal(Identity(patient_name=name).to_bytes(), context=identities.context_of(image_id))
            identities.keep(session, site_id=site, image_id=image_id, sealed=sealed)
        other = sites.create_site(session, "Other").id
    with database.unit_of_work() as session:
        sealed_now = identities.sealed_of(session, site_id=site, image_id=image_id)
        assert sealed_now is not None
        assert b"FIRST" not in sealed_now
        key = policies.site_key(session, site_id=site, installation=installation)
        opened = Identity.from_bytes(key.open(sealed_now, context=identities.context_of(image_id)))
        assert opened.patient_name == "FIRST^ONE"
        assert identities.sealed_of(session, site_id=other, image_id=image_id) is None
