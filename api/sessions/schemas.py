"""The JSON of signing in and of one's own sessions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Schema
from core.vocabulary import Role, Scope, SignIn


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(Body):
    """What signs in."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=4096)


class SiteChoice(Body):
    """The Site to look at."""

    site_id: UUID


class PasswordChange(Body):
    """The password as it is, and as it shall be: 12 to 1024 characters."""

    current: str = Field(max_length=4096)
    new: str = Field(max_length=4096)


class SignedInUserView(Schema):
    id: UUID
    email: str
    name: str
    operator: bool = Field(description="Runs the platform, beside any roles at Sites.")
    has_password: bool = Field(description="False of one who signs in by OpenID Connect alone.")


class PostView(Schema):
    """A Site that the user is a member of, and what it is there."""

    id: UUID
    name: str
    role: Role


class SessionView(Schema):
    """Who is signed in, where, and what that allows."""

    user: SignedInUserView
    sites: list[PostView]
    site: PostView | None = Field(description="The Site in view; null of one who is a member of none.")
    scopes: list[Scope]
    csrf_token: str = Field(description="What requests that change something bear as `X-CSRF-Token`.")
    expires_at: datetime = Field(description="The session ends then, whatever happens.")
    idle_seconds: float = Field(description="It ends earlier when nobody used it for so long.")
    provider: SignIn


class MethodsView(Schema):
    """How one may sign in here."""

    password: bool
    oidc: str | None = Field(description="What the provider of single sign-on is called; null where there is none.")
    users: bool = Field(description="Whether there is any user; where not, `lucency user add` makes the first.")


class OwnSessionView(Schema):
    id: UUID
    current: bool
    provider: SignIn
    agent: str = Field(description="The browser, as it named itself.")
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class OwnSessionList(Schema):
    items: list[OwnSessionView]
