"""The demo's ready login."""

from __future__ import annotations

from core.passwords import verify_password
from core.settings import Settings
from core.vocabulary import Role
from db.repositories import users
from db.session import Database
from lucency.demo import DEMO_USER, demo_login


def test_the_login_opens_and_stays_the_same(settings: Settings, database: Database) -> None:
    settings.home.mkdir()
    email, password = demo_login(settings)
    assert email == DEMO_USER
    kept = settings.home / "demo" / "password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert demo_login(settings) == (email, password)
    # Lost: another one is set.
    kept.unlink()
    _email, another = demo_login(settings)
    assert another != password
    with database.unit_of_work() as session:
        user = users.by_email(session, DEMO_USER)
        assert user is not None
        assert user.operator
        assert [(post.site, post.role) for post in users.posts(session, user.id)] == [("local", Role.ADMIN)]
        assert verify_password(another, user.password_hash)[0]
