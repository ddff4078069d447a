"""Log lines as JSON or text on stderr; never a voxel, name, prompt, token, address or identifier.

Only what is listed in `medseg.server.gate` is told of a request, and of a fault only its type and
the places in the code, since the text of an exception may quote what a user sent.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

LOGGER = logging.getLogger("medseg.server")


def set_up(form: Literal["json", "text"]) -> None:
    """Send what medseg, uvicorn and asyncio log to stderr, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(form))
    for name, level in (("medseg", "INFO"), ("uvicorn", "ERROR"), ("asyncio", "ERROR")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def event(name: str, level: int = logging.INFO, **facts: Any) -> None:
    """Log what happened, with JSON-able facts."""
    LOGGER.log(level, name, extra={"facts": facts})


def fault(error: BaseException) -> None:
    """Log a fault of ours without what its text may quote."""
    event("fault", logging.ERROR, **_blame(error, error.__traceback__))


def _blame(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = traceback.extract_tb(trace)[-12:]
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    return {"error": type(error).__name__, "where": places}


class _Lines(logging.Formatter):
    def __init__(self, form: Literal["json", "text"]) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {"time": _iso(record.created), "level": record.levelname.lower()}
        facts["event"] = record.getMessage()
        facts.update(getattr(record, "facts", {}))
        if record.exc_info and record.exc_info[1] is not None:
            facts.update(_blame(record.exc_info[1], record.exc_info[2]))
        if self._form == "json":
            return json.dumps(facts)
        stamp, level = facts.pop("time"), facts.pop("level")
        return " ".join([stamp, level, facts.pop("event"), *(f"{k}={v}" for k, v in facts.items())])


def _iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
