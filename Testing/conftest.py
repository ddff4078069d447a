"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real test images; MEDSEG_SHARED_DATA, or ../shared/data."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MEDSEG_SHARED_DATA", default))
    if not (folder / "MANIFEST.sha256").exists():
        pytest.skip(f"no test data in {folder}; set MEDSEG_SHARED_DATA")
    return folder
