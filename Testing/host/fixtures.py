"""Fixtures for tests of the face: ``from host.fixtures import *`` in a conftest.

The same tests run with the test host and inside a real Slicer.
"""

from __future__ import annotations

import sys

import pytest

from . import real

__all__ = ["host", "slicer_app"]


class Skipper:
    """On `sys.meta_path`: a test file that imports `qt` or `ctk` is skipped, with the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in ("qt", "ctk"):
            raise pytest.skip.Exception(self.reason, allow_module_level=True)


def prepare() -> None:
    """Let test files import `qt`, `ctk` and Slicer's modules at their top, or be skipped."""
    import host as stand_in

    reason = None if real.is_application() else stand_in.why_not()
    if reason:
        sys.meta_path.insert(0, Skipper(reason))
    elif not real.is_application():
        stand_in.prepare()


@pytest.fixture(scope="module")
def slicer_app():
    """`slicer.app`: the host's or the real one."""
    if real.is_application():
        real.start()
        stop = real.stop
    else:
        import host as stand_in

        reason = stand_in.why_not()
        if reason:
            pytest.skip(reason)
        stand_in.start()
        stop = stand_in.stop
    import slicer

    yield slicer.app
    stop()


@pytest.fixture
def host(slicer_app):
    """Hands and eyes; the scene is empty. The test fails when an exception was swallowed.

    A test that expects some takes them out of ``host.errors``.
    """
    import host as stand_in

    from .driver import Host
    from .faults import faults

    clear = real.clear if real.is_application() else stand_in.clear
    clear()
    yield Host(faults)
    swallowed = list(faults)
    clear()
    assert not swallowed, f"exceptions were printed and swallowed: {swallowed}"
