"""Studies: what the images of one exam say together. See docs/studies.md."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.cursors import decode_cursor, encode_cursor
from api.dependencies import CallerOf
from api.studies.schemas import StudyDetailView, StudyPage
from api.studies.views import member_view, study_path, study_view
from core.vocabulary import Scope, StudyState
from db.repositories import studies

router = APIRouter(prefix="/v1/studies", tags=["studies"])

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]


@router.get("", response_model=StudyPage)
def listing(
    caller: CallerOf,
    response: Response,
    state: Annotated[StudyState | None, Query(description="Only studies in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> StudyPage:
    """The site's Studies, by when their first image came, newest first."""
    before = decode_cursor(cursor) if cursor is not None else None
    with caller.session(Scope.READ) as (session, principal):
        rows = studies.page(session, site_id=principal.site_id, state=state, limit=limit + 1, before=before)
        items = [study_view(row) for row in rows[:limit]]
    following = None
    if len(rows) > limit:
        last = rows[limit - 1].result
        following = encode_cursor((last.created_at, last.study_id))
        chosen = f"&state={state.value}" if state is not None else ""
        response.headers["Link"] = f'</v1/studies?limit={limit}{chosen}&cursor={following}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return StudyPage(items=items, next=following)


@router.get("/{study_id}", response_model=StudyDetailView)
def one(
    caller: CallerOf, response: Response, study_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> StudyDetailView:
    """One Study with its images and their Jobs; `limit` and `cursor` are of the images."""
    before = decode_cursor(cursor) if cursor is not None else None
    with caller.session(Scope.READ) as (session, principal):
        row = studies.get(session, site_id=principal.site_id, study_id=study_id)
        rows = studies.page_of_members(
            session,
            study_id=study_id,
            model_version_id=row.result.model_version_id,
            limit=limit + 1,
            before=before,
        )
        settled = row.result.state == StudyState.SETTLED
        members = [member_view(member, settled=settled) for member in rows[:limit]]
        view = study_view(row)
    following = None
    if len(rows) > limit:
        following = encode_cursor((rows[limit - 1].created_at, rows[limit - 1].image_id))
        response.headers["Link"] = f'<{study_path(study_id)}?limit={limit}&cursor={following}>; rel="next"'
    response.headers["Cache-Control"] = "no-store"
    return StudyDetailView(**view.model_dump(), members=members, next=following)
