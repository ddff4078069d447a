"""The server put together: service, application, connections, process."""

from __future__ import annotations

import socket

import uvicorn

from ..service import Service
from . import listen, log, nninteractive
from .access import LOCAL
from .app import make_app
from .connection import KEEP_ALIVE, protocol
from .plan import Plan
from .process import Process
from .ray_runner import RayRunner

#: Seconds that connections get to close once nothing is in work.
LAST_SECONDS = 5


def serve(plan: Plan, bound: socket.socket) -> None:
    """Serve at a bound socket until SIGTERM or SIGINT."""
    log.set_up(plan.log_form)
    service = make_service(plan)
    app = make_app(
        service, plan.access, plan.rules, plan.menu, more=[nninteractive.router(service)]
    )
    traffic = app.state.context.traffic
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol(plan.rules, traffic),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=plan.address.cert,
        ssl_keyfile=plan.address.key,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    where = listen.url(plan.address, bound)
    process = Process(config, service, traffic, plan.access, plan.rules.grace, where)
    try:
        service.backend(LOCAL).welcome()  # loads the models, so that nobody waits for that
        process.run([bound])
    finally:
        service.close(seconds=0.0)
    log.event("stopped")


def make_service(plan: Plan) -> Service:
    """The service with the runner that the plan asks for."""
    runner = None if plan.ray is None else RayRunner(plan.ray, plan.settings)
    return Service(plan.settings, runner)
