"""A server behind the helper process: the GUI half cannot tell it from this machine."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from serving import Running

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from companion_kit import Kit, kits
from medseg.companion.link import STOPPED, Server
from medseg.errors import AccessError
from session_contract import SessionContract, an_image, at, voxels

TOKEN = "carl-token-5tR7yUi0pQ"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("companion-server")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"carl:{TOKEN}\n")
    with Running(folder, "--token-file", str(tokens), MEDSEG_TEST_SECONDS="0.05") as running:
        yield running


@pytest.fixture(scope="module")
def kit(server):
    kit = Kit(server=Server(server.url, TOKEN))
    yield kit
    kit.close()


@pytest.fixture
def start():
    with kits() as start:
        yield start


class TestSessionOnAServer(SessionContract):
    @pytest.fixture
    def make(self, kit):
        def make(image, model):
            sessions.append(kit.session(image, model))
            return sessions[-1]

        sessions = []
        yield make
        for session in sessions:
            session.close()


def test_a_session_moves_to_a_server_and_back_with_all_its_steps(server, start):
    kit = start()
    session = kit.companion.session(an_image(), "slow")
    for i in range(3):
        session.add(at(i, 0, 0))
    kit.wait(session.add(at(0, 1, 0)))
    under_way = session.add(at(1, 1, 0))
    kit.wait(kit.companion.connect(Server(server.url, TOKEN)))
    kit.wait(under_way)
    kit.wait(session.undo())
    kit.wait(kit.companion.connect(None))
    kit.wait(session.undo())
    kit.wait(session.redo())
    assert voxels(session) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (2, 0, 0)]
    assert session.can_redo
    assert kit.lines == []


def test_a_killed_helper_finds_its_session_on_the_server_again(server, start):
    kit = start(server=Server(server.url, TOKEN))
    session = kit.companion.session(an_image(7), "slow")
    kit.wait(session.add(at(0, 0, 0)))
    steps = [session.add(at(i, 1, 0)) for i in range(3)]
    os.kill(kit.companion.pid, signal.SIGKILL)
    kit.until(lambda: all(step.finished for step in steps))
    assert voxels(session) == [(0, 0, 0), (0, 1, 0), (1, 1, 0), (2, 1, 0)]
    assert kit.lines == [STOPPED]


def test_a_wrong_token_is_told(server, start):
    kit = start(server=Server(server.url, "wrong-token-1234567"))
    session = kit.companion.session(an_image(), "painter")
    with pytest.raises(AccessError, match="does not accept the token"):
        kit.wait(session.opened)
