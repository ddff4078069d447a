"""Fixtures ``slicer_app`` and ``host``: the application, or what stands in for it."""

from host import fixtures
from host.fixtures import *  # noqa: F403

fixtures.prepare()
