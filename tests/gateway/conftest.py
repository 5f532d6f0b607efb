"""A real API on real servers for the gateways of a module; each test has its own Site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from core.vocabulary import Scope
from db.repositories import sites
from db.tables import Image, Job
from tests.chaos.harness import Platform
from tests.gateway.running import Gateway


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Platform]:
    """Running servers and API, migrated and with a model."""
    made = Platform(tmp_path_factory.mktemp("platform"), bundle)
    made.start("api")
    yield made
    made.close()


@dataclass(frozen=True)
class Hospital:
    """A Site of its own and its key; counts what arrived there."""

    platform: Platform
    site: UUID
    key: str

    def jobs(self, state: str | None = None) -> int:
        """How many jobs there are, or are in a state."""
        counted = select(func.count()).select_from(Job).where(Job.site_id == self.site)
        with self.platform.database.unit_of_work() as session:
            return session.scalar(counted if state is None else counted.where(Job.state == state)) or 0

    def images(self) -> int:
        with self.platform.database.unit_of_work() as session:
            return session.scalar(select(func.count()).select_from(Image).where(Image.site_id == self.site)) or 0


def make_hospital(platform: Platform) -> Hospital:
    """A new Site with a key that may only submit."""
    with platform.database.unit_of_work() as session:
        site = sites.create_site(session, f"Hospital {uuid4()}")
        session.flush()
        key = sites.issue_key(session, site_id=site.id, name="gateway", scopes=[Scope.SUBMIT])[1]
        return Hospital(platform, site.id, key)


@pytest.fixture
def hospital(platform: Platform) -> Hospital:
    platform.start("api")
    return make_hospital(platform)


@pytest.fixture
def start_gateway(hospital: Hospital, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways that forward to the hospital's Site; overrides are settings."""
    made: list[Gateway] = []

    def start(**overrides: Any) -> Gateway:
        settings = hospital.platform.settings.model_copy(
            update={"api_url": hospital.platform.address, "api_key": SecretStr(hospital.key)}
        )
        gateway = Gateway(tmp_path / f"gateway-{len(made)}", settings, **overrides)
        made.append(gateway)
        gateway.folder.mkdir(mode=0o700)
        gateway.start()
        return gateway

    yield start
    for gateway in made:
        gateway.kill()
