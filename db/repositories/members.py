"""Users as administrators see them: who is a member of a Site, and who may do what to whom.

Users are the platform's, so that one person may be a member of several Sites. An administrator decides on roles at the
own Site alone; over the person itself (its name, its password, whether it may sign in) it decides only where the Site
is the person's only one, or it could take over what the person may do elsewhere. Operators decide on everyone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Forbidden, NotFound, OwnAccount
from core.vocabulary import AuditAction, Role, Scope
from db.repositories import audit, users
from db.repositories.sites import PLATFORM, Principal
from db.repositories.users import Post
from db.tables import Membership, Site, User


@dataclass(frozen=True, slots=True)
class Member:
    """A User, the roles that the asker may see, and whether it may manage the person."""

    user: User
    posts: tuple[Post, ...]
    manageable: bool


def seen_by(session: Session, principal: Principal, found: Collection[User]) -> list[Member]:
    """These Users as `principal` may see them."""
    posts = _posts(session, [user.id for user in found])
    operates = Scope.OPERATE in principal.scopes
    return [
        Member(
            user,
            tuple(post for post in posts[user.id] if operates or post.site_id == principal.site_id),
            operates or _only_here(user, posts[user.id], principal.site_id),
        )
        for user in found
    ]


def get(session: Session, principal: Principal, user_id: UUID) -> User:
    """A User whom `principal` may see: a member of its Site, or, for an operator, anyone. Raises NotFound."""
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise NotFound
    if Scope.OPERATE not in principal.scopes and session.get(Membership, (user_id, principal.site_id)) is None:
        raise NotFound
    return user


def require_manageable(session: Session, principal: Principal, user: User) -> None:
    """Raises Forbidden where the person is not `principal`'s to manage, OwnAccount for oneself."""
    if user.id == principal.user_id:
        raise OwnAccount("That is you: change your own account on its page, or ask another administrator.")
    if Scope.OPERATE in principal.scopes:
        return
    if not _only_here(user, _posts(session, [user.id])[user.id], principal.site_id):
        raise Forbidden("This user belongs to other Sites too, or runs the platform: an operator may change it.")


def site_of(session: Session, principal: Principal, wanted: UUID | None) -> UUID:
    """The Site that is meant: the one in view, or, for an operator, any. Raises NotFound."""
    site_id = wanted or principal.site_id
    elsewhere = site_id != principal.site_id or Scope.ADMIN not in principal.scopes
    if (elsewhere and Scope.OPERATE not in principal.scopes) or site_id == PLATFORM:
        raise NotFound("There is no such Site.")
    if session.get(Site, site_id) is None:
        raise NotFound("There is no such Site.")
    return site_id


def set_role(session: Session, principal: Principal, user: User, *, site_id: UUID, role: Role | None) -> None:
    """What the User is at the Site from now on, null: nothing; audited there. Raises OwnAccount for one's own."""
    if user.id == principal.user_id and Scope.OPERATE not in principal.scopes:
        raise OwnAccount("That is your own role: ask another administrator.")
    users.set_role(session, user.id, site_id=site_id, role=role)
    audit.append(
        session,
        site_id=site_id,
        actor=principal.actor,
        action=AuditAction.USER_CHANGED,
        subject=f"user {user.id}",
        detail={"role": role.value if role is not None else None},
    )


def _only_here(user: User, posts: Collection[Post], site_id: UUID) -> bool:
    return not user.operator and {post.site_id for post in posts} <= {site_id}


def _posts(session: Session, user_ids: Collection[UUID]) -> dict[UUID, list[Post]]:
    """Of all Sites, those that are disabled too."""
    rows = session.execute(
        select(Membership.user_id, Site.id, Site.name, Membership.role)
        .join(Site, Site.id == Membership.site_id)
        .where(Membership.user_id.in_(user_ids))
        .order_by(Site.name)
    )
    found: defaultdict[UUID, list[Post]] = defaultdict(list)
    for row in rows:
        found[row.user_id].append(Post(row.id, row.name, Role(row.role)))
    return found
