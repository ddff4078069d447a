"""What the endpoints share, and how they get hold of it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ..service import Service, UserBackend
from .bodies import Inflow
from .menu import Menu
from .metrics import Metrics
from .rules import Rules
from .threads import Threads
from .traffic import Traffic


@dataclass(frozen=True)
class Context:
    service: Service
    menu: Menu
    rules: Rules
    inflow: Inflow
    threads: Threads
    metrics: Metrics
    traffic: Traffic


def context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def backend(request: Request) -> UserBackend:
    """The service as the user of this request sees it (the gate has found out who that is)."""
    return context(request).service.backend(request.state.user)
