"""Log lines with facts that name nobody: no voxel, identifier, prompt or token."""

from __future__ import annotations

import logging
from typing import Any

LOGGER = logging.getLogger("medseg.service")


def event(name: str, level: int = logging.INFO, **facts: Any) -> None:
    """Log what happened; a formatter finds the JSON-able ``facts`` on the record."""
    LOGGER.log(level, name, extra={"facts": facts})
