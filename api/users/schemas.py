"""The JSON of users."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import NAME_LENGTH, Body, Schema
from core.vocabulary import Role


class UserRequest(Body):
    """Someone to be let in; known by the e-mail address, or new."""

    email: str = Field(max_length=320)
    name: str = Field(default="", max_length=NAME_LENGTH, description="Of a new user; the address, if not given.")
    role: Role
    site_id: UUID | None = Field(default=None, description="Null: the Site in view. Another needs `operate`.")
    password: bool = Field(
        default=True, description="Of a new user: give it a password; else it signs in by single sign-on alone."
    )


class UserChange(Body):
    """What is to be changed; what is left out stays."""

    name: str | None = Field(default=None, max_length=NAME_LENGTH)
    role: Role | None = Field(default=None, description="At the Site.")
    site_id: UUID | None = Field(default=None, description="Null: the Site in view. Another needs `operate`.")
    disabled: bool | None = None
    operator: bool | None = Field(default=None, description="Needs `operate`.")


class PostAtSite(Schema):
    site_id: UUID
    site: str
    role: Role


class UserView(Schema):
    """A user; of its roles an administrator of a Site sees the one there."""

    id: UUID
    email: str
    name: str
    operator: bool
    disabled: bool
    locked_until: datetime | None = Field(description="After wrong passwords in a row.")
    has_password: bool
    signed_in_at: datetime | None
    created_at: datetime
    roles: list[PostAtSite]
    manageable: bool = Field(
        description="Whether the caller may rename or disable the user or give it a password: not where it is a member "
        "of other Sites too, or an operator, but for operators."
    )


class UserMade(UserView):
    password: str | None = Field(description="Its first password. It is shown here and nowhere else.")


class UserList(Schema):
    items: list[UserView]


class PasswordMade(Schema):
    password: str = Field(description="The new password. It is shown here and nowhere else.")
