"""The contract of all sessions, on the session in this process."""

from pathlib import Path

import pytest
from medseg import Session, find
from session_contract import SessionContract

PLUGIN = Path(__file__).parents[1] / "plugin"


class TestLocalSession(SessionContract):
    @pytest.fixture
    def make(self, monkeypatch):
        monkeypatch.syspath_prepend(PLUGIN)
        return lambda image, model: Session(image, find(model))
