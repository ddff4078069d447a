"""The names that a running 3D Slicer 5.13 has; whatever else is asked for is refused.

`make_names.py` wrote names.json.gz from such an application.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

#: Works on every Qt object of the application although dir() does not list it: the object name.
UNLISTED = {"name"}


class HostGap(NotImplementedError):  # noqa: N818
    """The real application has it; the test host does not imitate it yet."""


@cache
def _data() -> dict:
    packed = (Path(__file__).parent / "names.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))


@cache
def of_module(module: str) -> frozenset[str]:
    """Names in ``qt``, ``ctk``, ``slicer``, ``slicer.util`` or ``slicer.modules``."""
    return frozenset(_data()["modules"][module])


@cache
def of_class(name: str) -> frozenset[str] | None:
    """Names of a class such as ``qt.QTimer``, inherited ones included; None if it is not known."""
    entry = _data()["classes"].get(name)
    if entry is None:
        return None
    base, *own = entry
    return frozenset(own) | (of_class(base) if base else frozenset())


def refusal(owner: str, name: str) -> AttributeError:
    return AttributeError(f"{owner} has no {name!r} in the real application (Slicer 5.13)")


def gap(owner: str, name: str) -> HostGap:
    return HostGap(f"the real application has {owner}.{name}; the test host does not imitate it")
