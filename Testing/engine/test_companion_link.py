"""The GUI half of the helper process: order, cancelling, jobs, images, strangers, and sentences."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from companion_kit import Kit, environment, is_alive, kits
from medseg import Image, Point, PromptError, Session, find
from medseg.actions import Reset
from medseg.companion import launch, link, shared, wire
from medseg.companion.link import STOPPED, Server
from medseg.companion.wire import BrokenWireError, Parser, frame, nonce, proof
from medseg.errors import (
    CancelledError,
    ConnectionProblem,
    InputError,
    MemoryShortError,
    ModelError,
    RemoteError,
    VersionError,
)
from medseg.protocol.images import digest
from medseg.protocol.messages import EstimateRequest, JobRequest, encode
from phantoms import at as at_voxel
from phantoms import ball, middle
from phantoms import image as phantom
from session_contract import an_image, at, voxels

GUI_MODULES = "link linked blocking images channel helper launch pending shared steps watch wire"


@pytest.fixture(scope="module")
def kit():
    kit = Kit(env=environment(MEDSEG_TEST_SECONDS="0.05"))
    yield kit
    kit.close()
    assert kit.files() == []


@pytest.fixture
def start():
    with kits() as start:
        yield start


def test_the_gui_half_loads_numpy_and_the_standard_library_only():
    program = "import sys\n" + "".join(
        f"import medseg.companion.{name}\n" for name in GUI_MODULES.split()
    )
    program += (
        "top = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(top - sys.stdlib_module_names - {'__main__', '__mp_main__'}))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name for name in json.loads(done.stdout.replace("'", '"')) if name[0] != "_"}
    assert not loaded & {"scipy", "SimpleITK", "requests", "torch", "fastapi", "blosc2"}
    assert {"numpy", "medseg"} <= loaded


def test_actions_asked_for_at_once_are_done_in_order(kit):
    session = kit.companion.session(an_image(), "slow")
    told = []
    steps = [session.add(at(i, 0, 0)) for i in range(3)]
    steps += [session.undo(), session.remove(0), session.add(at(5, 4, 3))]
    for number, step in enumerate(steps):
        step.then(lambda _, n=number: told.append(n))
    assert not session.prompts
    kit.until(lambda: steps[-1].finished)
    assert told == [0, 1, 2, 3, 4, 5]
    assert voxels(session) == [(1, 0, 0), (5, 4, 3)]
    assert session.waiting == 0


def test_an_action_that_fails_does_not_stop_the_next(kit):
    session = kit.companion.session(an_image(), "painter")
    failed, told = session.remove(7), []
    failed.then(failed=told.append)
    later = session.add(at(1, 1, 1))
    kit.until(lambda: later.finished)
    assert isinstance(failed.error, PromptError)
    assert told == [failed.error]
    assert voxels(session) == [(1, 1, 1)]


def test_cancelling_what_has_not_begun_drops_it(kit):
    session = kit.companion.session(an_image(), "slow")
    first, second, third = (session.add(at(i, 0, 0)) for i in range(3))
    second.cancel()
    kit.until(lambda: third.finished)
    assert isinstance(second.error, CancelledError)
    assert first.result.voxels == 1
    assert voxels(session) == [(0, 0, 0), (2, 0, 0)]


def test_cancelling_what_is_under_way_takes_it_back(kit):
    session = kit.companion.session(an_image(), "slow")
    kit.wait(session.add(at(0, 0, 0)))
    second, third = session.add(at(1, 0, 0)), session.add(at(2, 0, 0))
    second.cancel()
    assert isinstance(second.error, CancelledError)
    kit.wait(third)
    assert voxels(session) == [(0, 0, 0), (2, 0, 0)]
    undo = session.undo()
    undo.cancel()
    kit.wait(session.add(at(3, 0, 0)))
    assert voxels(session) == [(0, 0, 0), (2, 0, 0), (3, 0, 0)]


def test_two_sessions_at_once_share_an_image_and_nothing_else(kit):
    image = an_image()
    first, second = (kit.companion.session(image, "slow") for _ in range(2))
    steps = [s.add(at(n, k, 0)) for k in range(4) for n, s in enumerate((first, second))]
    kit.until(lambda: all(step.finished for step in steps))
    assert [i for i, _, _ in voxels(first)] == [0] * 4
    assert [i for i, _, _ in voxels(second)] == [1] * 4


def test_a_prepared_session_is_open_when_it_is_asked_for_and_given_away_once(kit):
    image, other, companion = an_image(), an_image(), kit.companion
    companion.prepare(image, "painter")
    companion.prepare(image, "painter")
    companion.prepare(other, "painter")
    companion.prepare(image, "painter")
    first, second = (companion.session(image, "painter") for _ in range(2))
    kit.until(lambda: first.opened.finished)
    assert first is not second
    assert kit.wait(first.add(at(2, 1, 1))).voxels
    companion.prepare(other, "painter")
    assert companion.session(image, "painter").image is image
    spare = companion._spare
    companion.unprepare()
    companion.unprepare()
    assert isinstance(spare.opened.error, CancelledError)
    first.close()
    second.close()


def test_a_job_tells_its_frames_and_its_end_can_be_accepted(kit):
    truth = ball((6, 14, 16), radius=4.0)
    image = phantom(truth)
    session = kit.session(image, "geodesic-cut")
    k, j, i = middle(truth)
    local = Session(image, find())
    for each in (session, local):
        each.add(at_voxel(image, (k, j, i)))
    frames = []
    job = session.linked.propagate([int(k)], on_event=frames.append)
    accepted = []
    job.then(lambda end: accepted.append(session.linked.accept(end)))
    kit.until(lambda: bool(accepted) and accepted[0].finished)
    assert sorted(f.index for f in frames) == [n for n in range(6) if n != k]
    assert session.mask[k].any()
    np.testing.assert_array_equal(session.mask[k], local.mask[k])
    assert session.baked == 1


def test_a_cancelled_job_ends_with_what_it_has(kit):
    session = kit.companion.session(an_image(), "slow")
    objects = [
        {"name": str(n), "prompts": [{"kind": "point", "position": [0, 0, 0]}]} for n in range(100)
    ]
    frames = []
    job = session.start_job(JobRequest("", "batch", objects=objects), frames.append)
    later = session.add(at(1, 1, 1))
    kit.until(lambda: len(frames) == 2)
    job.cancel()
    kit.until(lambda: job.finished)
    assert job.result.event == "cancelled"
    assert len(frames) < 10
    assert kit.wait(later).voxels == 1


def test_a_large_image_arrives_whole_in_short_turns(kit):
    rng = np.random.default_rng(3)
    voxels = rng.integers(-1000, 3000, (100, 512, 512), np.int16)
    image = Image(voxels, np.diag([0.7, 0.7, 1.5, 1.0]), modality="CT")
    sizes = [slab.nbytes for slab in shared.slabs(voxels)]
    assert max(sizes) <= shared.SLAB_BYTES
    assert sum(sizes) == voxels.nbytes
    info = kit.wait(kit.companion.session(image, "painter").opened)
    assert info.image == digest(image)
    assert kit.files() == []


@pytest.mark.parametrize(
    "voxels",
    [
        np.arange(60, dtype=">i4").reshape(3, 4, 5),
        np.arange(480).reshape(6, 8, 10)[::2, ::-1, 1::2],
        np.asfortranarray(np.arange(60.0).reshape(3, 4, 5)),
        np.arange(180, dtype=np.uint8).reshape(3, 4, 5, 3),
        np.arange(60).reshape(3, 4, 5) % 2 == 0,
    ],
    ids=["big endian", "view", "fortran", "colour", "bool"],
)
def test_voxels_of_every_layout_arrive_as_they_are(voxels, tmp_path):
    file = shared.SharedFile(tmp_path, "test-")
    for slab in shared.slabs(voxels):
        file.write(slab)
    dtype = voxels.dtype.newbyteorder("<").str
    got = shared.open_voxels(file.path, "test-", dtype, voxels.shape)
    file.remove()
    np.testing.assert_array_equal(got, voxels)
    assert not got.flags.writeable
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_voxels_belongs_to_its_owner_and_cannot_be_passed_off(tmp_path):
    file = shared.SharedFile(tmp_path, "test-")
    file.write(np.zeros(8, np.uint8))
    if os.name == "posix":
        assert file.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="cannot be used"):
        shared.open_voxels(file.path, "other-", "|u1", (2, 2, 2))
    with pytest.raises(InputError, match="not arrive whole"):
        shared.open_voxels(file.path, "test-", "|u1", (2, 2, 3))
    file.remove()
    with pytest.raises(RemoteError, match="could not be taken over"):
        shared.open_voxels(file.path, "test-", "|u1", (2, 2, 2))


def test_a_full_folder_is_passed_over_and_full_folders_are_told(kit, monkeypatch, tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.setattr(shared, "folders", lambda: [tmp_path / "absent", tmp_path, second])
    used = []

    def write(self, data):
        used.append(self.path.parent)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared.SharedFile, "write", write)
    session = kit.companion.session(an_image(5), "painter")
    with pytest.raises(MemoryShortError, match="no room to hand the image"):
        kit.wait(session.opened)
    assert used == [tmp_path, second]
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    monkeypatch.undo()
    assert kit.wait(session.add(at(0, 0, 0))).voxels == 1


def test_a_session_that_the_other_side_gave_up_is_put_back(kit):
    session = kit.companion.session(an_image(), "painter")
    kit.wait(session.add(at(0, 0, 0)))
    kit.wait(session.add(at(1, 0, 0)))
    kit.wait(session.undo())
    before, closed = session.name, []
    kit.companion.call("close_session", {"session": before}, lambda *_: closed.append(True))
    kit.until(lambda: bool(closed))
    kit.wait(session.redo())
    assert session.name != before
    assert voxels(session) == [(0, 0, 0), (1, 0, 0)]


def test_a_session_that_somebody_else_moved_on_is_put_back(kit):
    session = kit.companion.session(an_image(), "painter")
    kit.wait(session.add(at(0, 0, 0)))
    request = encode(session.mirror.action_request(Reset()))
    moved = []
    args = {"session": session.name, "request": request}
    kit.companion.call("act", args, lambda *_: moved.append(True))
    kit.until(lambda: bool(moved))
    kit.wait(session.add(at(1, 0, 0)))
    assert voxels(session) == [(0, 0, 0), (1, 0, 0)]


def test_welcome_and_estimate_come_from_the_other_side(kit):
    assert "painter" in [m.name for m in kit.wait(kit.companion.welcome()).models]
    assert kit.wait(kit.companion.estimate(EstimateRequest([10, 20, 30]))).fits


def test_a_session_that_is_closed_takes_no_more(kit):
    session = kit.companion.session(an_image(), "painter")
    pending = session.add(at(0, 0, 0))
    session.close()
    assert isinstance(pending.error, CancelledError)
    with pytest.raises(InputError, match="closed"):
        _ = session.add(at(0, 0, 0)).result


# Strangers and broken wires


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00\x00\x00\x02[]",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x04\xff\xfe\x00{",
    frame({"nonce": "0" * 2000}),
    frame({"proof": "00"}) * 2,
    frame({"nonce": nonce()}) + frame({"proof": proof("wrong", "helper", "", "")}),
]


def test_strangers_are_turned_away_and_do_not_keep_the_helper_out(start):
    kit = start()
    port = kit.companion._helper._door.port
    with contextlib.ExitStack() as stack:
        strangers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            for _ in range(2 * len(GARBAGE))
        ]
        for number, sock in enumerate(strangers):
            sock.sendall(GARBAGE[number % len(GARBAGE)])
        kit.until(lambda: kit.companion.ready)
        for sock in strangers:
            with contextlib.suppress(ConnectionResetError):
                (*answers,) = Parser().feed(sock.makefile("rb").read())
                assert [sorted(a) for a in answers] in ([], [["nonce", "proof"]])
    assert kit.wait(kit.companion.welcome()).medseg
    assert kit.lines == []


def test_the_helper_does_not_serve_a_gui_without_the_secret():
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = {"port": server.getsockname()[1], "secret": "right", "prefix": "x-"}
        process = subprocess.Popen(
            [sys.executable, "-m", "medseg.companion"], stdin=-1, stderr=-1, env=environment()
        )
        process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
        with server.accept()[0] as sock:
            (hello,) = Parser().feed(sock.recv(1000))
            ours = nonce()
            false = proof("wrong", "gui", hello["nonce"], ours)
            sock.sendall(frame({"nonce": ours, "proof": false}))
            assert sock.recv(1000) == b""
        assert process.wait(60) == 1
        stderr = process.communicate()[1]
    assert b"does not know the secret" in stderr


def test_frames_survive_any_cut_and_broken_ones_are_told():
    messages = [{"a": 1}, {"b": "é" * 300}, {}]
    data = b"".join(map(wire.frame, messages))
    parser = Parser()
    assert [m for byte in data for m in parser.feed(bytes([byte]))] == messages
    with pytest.raises(BrokenWireError, match="too much"):
        list(Parser(most=10).feed(b"\x00\x00\x00\x0b"))
    with pytest.raises(BrokenWireError, match="not JSON"):
        list(Parser().feed(b"\x00\x00\x00\x01{"))
    with pytest.raises(BrokenWireError, match="not JSON"):
        list(Parser().feed(len(b"[" * 99999).to_bytes(4, "big") + b"[" * 99999))


# Starting, giving up, moving


def test_a_python_that_is_not_there_is_named(start):
    kit = start(python="/no/such/python")
    assert "/no/such/python" in kit.lines[0]
    with pytest.raises(ConnectionProblem, match="choose another Python"):
        kit.wait(kit.companion.welcome())


def test_a_python_that_lacks_a_package_is_given_up_with_its_reason(start, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy in here')\n")
    kit = start(env=environment(tmp_path, PYTHONSAFEPATH="1"))
    session = kit.companion.session(an_image(), "painter")
    kit.until(lambda: session.opened.finished)
    with pytest.raises(ConnectionProblem, match="no numpy in here"):
        _ = session.opened.result
    assert kit.lines[0] == STOPPED
    assert len(kit.lines) == 3
    assert session.add(at(0, 0, 0)).error is session.opened.error


BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError(name + " is blocked by the test")

sys.meta_path.insert(0, Blocker())
"""


def test_what_slicer_ships_is_enough(start, tmp_path):
    heavy = {"torch", "fastapi", "uvicorn", "ray", "blosc2", "httpx", "pydantic", "safetensors"}
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(heavy=heavy))
    kit = start(env=environment(tmp_path))
    truth = ball((10, 12, 14), radius=4.0)
    image = phantom(truth)
    session = kit.session(image, "default")
    assert session.add(at_voxel(image, middle(truth))).voxels > 100


def test_another_python_gets_nothing_that_was_meant_for_this_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONHOME", "/home/of/this")
    monkeypatch.setenv("PYTHONPATH", "/path/of/this")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    root = str(launch.ROOT)
    own, other = (launch.environment(python) for python in (sys.executable, "/other/python"))
    assert own["PYTHONPATH"] == os.pathsep.join([root, "/path/of/this"])
    assert (own["PYTHONHOME"], own["OMP_NUM_THREADS"]) == ("/home/of/this", "7")
    assert other["PYTHONPATH"] == root
    assert "PYTHONHOME" not in other
    monkeypatch.setattr(launch, "ROOT", tmp_path / "site-packages")
    assert "PYTHONPATH" not in launch.environment("/other/python")


def test_another_version_of_the_messages_is_refused(start, monkeypatch):
    monkeypatch.setattr(link, "VERSIONS", (99,))
    kit = start()
    with pytest.raises(VersionError, match="update medseg"):
        kit.wait(kit.companion.welcome())
    assert kit.lines == [
        "The helper process runs another version of medseg; update medseg in its Python."
    ]


def test_a_server_that_cannot_be_reached_is_told_and_one_can_go_back(start):
    kit = start(server=Server("http://127.0.0.1:1", token="secret"))
    session = kit.companion.session(an_image(), "painter")
    assert "secret" not in repr(Server("http://127.0.0.1:1", token="secret"))
    with pytest.raises(ConnectionProblem):
        kit.wait(session.opened)
    kit.wait(kit.companion.connect(None))
    assert kit.wait(session.add(at(1, 1, 1))).voxels == 1
    moved = kit.companion.connect(Server("ftp://nowhere"))
    with pytest.raises(InputError, match="http"):
        kit.wait(moved)
    with pytest.raises(InputError, match="http"):
        kit.wait(session.add(at(2, 2, 2)))
    kit.wait(kit.companion.connect(None))
    assert kit.wait(session.add(at(2, 2, 2))).voxels == 2


def test_an_unknown_model_is_told_and_the_session_can_be_asked_again(kit):
    session = kit.companion.session(an_image(), "no-such-model")
    with pytest.raises(ModelError, match="no model"):
        kit.wait(session.add(Point([0, 0, 0])))


def test_the_helper_goes_when_the_connection_breaks(start):
    kit = start()
    kit.until(lambda: kit.companion.ready)
    pid = kit.companion.pid
    kit.companion._helper._channel._socket.shutdown(socket.SHUT_WR)
    kit.until(lambda: not is_alive(pid))
    kit.until(lambda: kit.companion.ready and kit.companion.pid != pid)
    assert kit.lines == [STOPPED]
