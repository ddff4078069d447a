"""The application: the service, its endpoints, and the gate in front of them."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from .. import __version__
from ..service import Service
from . import answers, openapi, routes_health, routes_images, routes_jobs, routes_sessions
from .access import Access
from .bodies import Inflow
from .context import Context
from .gate import Gate
from .menu import Menu
from .metrics import Metrics
from .rules import Rules
from .threads import Threads
from .traffic import Traffic


def make_app(
    service: Service,
    access: Access | None = None,
    rules: Rules | None = None,
    menu: Menu | None = None,
    more: Sequence[APIRouter] = (),
) -> FastAPI:
    """The ASGI application around ``service``.

    ``access`` defaults to one user without a token, ``menu`` to all models. ``more``: routers of
    other protocols; the gate is in front of theirs, too, so `medseg.server.context.backend` works
    there as well.
    """
    access, rules = access or Access(), rules or Rules()
    metrics, traffic = Metrics(), Traffic()
    app = FastAPI(title="medseg", version=__version__, docs_url=None, redoc_url=None)
    app.state.context = Context(
        service,
        menu or Menu(),
        rules,
        Inflow(rules.inflow),
        Threads(rules.work),
        metrics,
        traffic,
    )
    answers.install(app)
    for part in (routes_images, routes_sessions, routes_jobs, routes_health):
        app.include_router(part.router)
    for router in more:
        app.include_router(router)
    openapi.publish(app)
    app.add_middleware(Gate, access=access, rules=rules, metrics=metrics, traffic=traffic)
    return app
