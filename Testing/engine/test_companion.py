"""The helper process does what a session in this process does."""

from __future__ import annotations

import pytest
from companion_kit import Kit
from session_contract import SessionContract


@pytest.fixture(scope="module")
def kit():
    kit = Kit()
    yield kit
    kit.close()
    assert kit.files() == []
    assert kit.lines == []


class TestCompanionSession(SessionContract):
    @pytest.fixture
    def make(self, kit):
        return kit.session
