"""Every route of the API but the pages and the index, in the order of the documentation."""

from __future__ import annotations

from fastapi.routing import APIRoute
from fastapi.utils import generate_unique_id
from starlette.routing import BaseRoute

from api.audit import routes as audit
from api.batches import file_routes as batch_files
from api.batches import result_routes as batch_results
from api.batches import routes as batches
from api.deliveries import routes as deliveries
from api.deliveries import rule_routes as delivery_rules
from api.dicomweb import routes as dicomweb
from api.events import routes as events
from api.feedback import routes as feedback
from api.health import routes as health
from api.jobs import list_routes as job_lists
from api.jobs import routes as jobs
from api.keys import routes as keys
from api.models import move_routes as model_moves
from api.models import routes as models
from api.overview import routes as overview
from api.reports import routes as reports
from api.results import predict_routes as predict
from api.results import routes as results
from api.samples import routes as samples
from api.sessions import oidc_routes as session_oidc
from api.sessions import routes as session
from api.sites import own_routes as site
from api.sites import routes as sites
from api.studies import routes as studies
from api.users import routes as users
from api.viewer import routes as radiographs
from api.workers import routes as workers


def operation_id(route: APIRoute) -> str:
    """`jobs_listing`: what the functions of generated clients are named by.

    DICOMweb's, which have clients of their own and one function for several paths, keep their paths.
    """
    tag = str(route.tags[0]) if route.tags else "api"
    return generate_unique_id(route) if tag == "dicomweb" else f"{tag}_{route.name.strip('_')}".replace("-", "_")


def _all() -> list[BaseRoute]:
    work = (
        job_lists,
        jobs,
        results,
        radiographs,
        feedback,
        reports,
        predict,
        batches,
        batch_files,
        batch_results,
        studies,
        samples,
    )
    signing_in = (session, session_oidc)
    place = (model_moves, models, delivery_rules, deliveries, dicomweb, site, *signing_in)
    running = (events, overview, workers, keys, users, sites, audit, health)
    found = [route for module in (*work, *place, *running) for route in module.router.routes]
    for route in found:
        if isinstance(route, APIRoute):
            route.unique_id = operation_id(route)
    return found


# As they are, for all applications of a process. Of routers that are included FastAPI reads all signatures anew with
# the first request, 0.2 s, and looks through both for each.
ROUTES = _all()
