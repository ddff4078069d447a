"""``medseg serve --ray``: the same sessions, computed by two replica processes."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import WAIT, Api, Running, picture, point

pytest.importorskip("ray.serve", reason="needs medseg[ray], which has no wheel for every Python")

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugin"))
import phantoms
from medseg import Image, InputError, Point, PromptError, Session, find
from medseg.cli import ray_options
from medseg.cli.arguments import parser
from medseg.client import HttpBackend, RemoteSession
from medseg.server.ray_keeper import left_over
from session_contract import SessionContract

OPTIONS = ("--ray", "--ray-replicas", "2", "--ray-cpus-per-replica", "0.5", "--images-gb", "0.2")
Make = Callable[..., RemoteSession]


@pytest.fixture(scope="module")
def ray_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("ray"), *OPTIONS, MEDSEG_TEST_SECONDS="0.3") as running:
        yield running
        family = descendants(running.process.pid)
        assert any("raylet" in name for name in family.values())
        folder = re.search(r"(/\S+/medseg-\w+)/session", " ".join(family.values()))
        assert running.stop() == 0
    await_end(family)
    assert folder
    assert not Path(folder[1]).exists()
    assert left_over(folder[1], but=os.getpid()) == []


@pytest.fixture
def make(ray_server: Running) -> Iterator[Make]:
    """Opens sessions through HTTP, and closes them in the end."""
    backend = HttpBackend(ray_server.url)
    opened: list[RemoteSession] = []

    def make(image: Image, model: str = "painter") -> RemoteSession:
        opened.append(RemoteSession(backend, image, model))
        return opened[-1]

    yield make
    for session in opened:
        session.close()
    backend.close()


class TestRaySession(SessionContract):
    @pytest.fixture
    def make(self, make: Make) -> Make:
        return make


def stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process, None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def alive(pid: int) -> bool:
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def descendants(pid: int) -> dict[int, str]:
    """All processes below ``pid`` and their command lines."""
    parents = {int(p.name): stat(int(p.name)) for p in Path("/proc").glob("[0-9]*")}
    found: dict[int, str] = {}
    below = {pid}
    while below:
        below = {child for child, facts in parents.items() if facts and facts[1] in below}
        for child in below:
            try:
                raw = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            found[child] = raw.replace(b"\0", b" ").decode()
    return found


def replicas(server: Running) -> set[int]:
    return {p for p, name in descendants(server.process.pid).items() if "ServeReplica" in name}


def await_end(family: dict[int, str]) -> None:
    end = time.monotonic() + WAIT
    while left := {name for pid, name in family.items() if alive(pid)}:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def numbers(server: Running) -> dict[str, float]:
    """What /metrics says about Ray."""
    with Api(server.url) as api:
        text = api.get("/metrics").text
    return {n: float(v) for n, v in re.findall(r"^medseg_ray_(\w+) (\S+)$", text, re.M)}


@pytest.fixture(scope="module")
def phantom() -> Image:
    return phantoms.image(phantoms.ball(shape=(24, 28, 32), radius=6))


CLICKS = ((12, 14, 16, True), (12, 14, 24, True), (12, 14, 25, False), (8, 14, 16, True))


def clicked(session: Session, image: Image) -> list[np.ndarray]:
    """The masks of a short life: clicks, a hand edit, a correction, undo and redo."""
    masks = []
    for k, j, i, include in CLICKS:
        session.add(phantoms.at(image, (k, j, i), include))
        masks.append(np.array(session.mask))
    hand = masks[-1].copy()
    hand[:, :4] = True
    session.set_mask(hand)
    session.add(phantoms.at(image, (16, 14, 16)))
    masks.append(np.array(session.mask))
    session.undo()
    session.undo()
    session.redo()
    session.redo()
    return [*masks, np.array(session.mask)]


def test_the_masks_are_those_of_this_process(make: Make, phantom: Image) -> None:
    here = clicked(Session(phantom, find("geodesic-cut")), phantom)
    there = clicked(make(phantom, "geodesic-cut"), phantom)
    assert here[0].any()
    assert all((a == b).all() for a, b in zip(here, there, strict=True))


def test_images_spread_over_the_replicas_and_stay(ray_server: Running, make: Make) -> None:
    before = numbers(ray_server)
    sessions = [make(picture(seed)) for seed in range(4)]
    for turn in range(5):
        for number, session in enumerate(sessions):
            session.add(Point([2.0 + number + turn, 8.0, 4.0]))
    after = numbers(ray_server)
    assert after["replicas_in_use"] == 2
    assert after["sessions_on_fullest_replica"] == 2
    assert after["opened_total"] - before["opened_total"] == 4
    assert after["moved_total"] == before["moved_total"]


def test_a_killed_replica_loses_nothing(ray_server: Running, make: Make, phantom: Image) -> None:
    """Killed between two prompts of one session on each replica, and over those of two jobs."""
    here = Session(phantom, find("geodesic-cut"))
    sessions = [here, *(make(phantom, "geodesic-cut") for _ in range(2))]
    objects = [{"name": f"o{n}", "prompts": [point(n, 8, 4)]} for n in range(4)]
    click(sessions, CLICKS[:2])
    before = numbers(ray_server)
    assert before["sessions_on_fullest_replica"] == 1
    with Api(ray_server.url) as api:
        jobs, stories = [api.open(picture(seed), "slow") for seed in range(2)], []
        for session in jobs:
            wanted = {"request": "j", "kind": "batch", "objects": objects}
            job = api.post(f"/v1/sessions/{session}/jobs", wanted).json()["job"]
            stories.append(api.events(job))
        for story in stories:
            assert next(story)["event"] == "frame"
        assert numbers(ray_server)["sessions_on_fullest_replica"] == 2
        time.sleep(0.15)  # the middle of a prompt: at its begin, Ray itself sends it elsewhere
        os.kill(max(replicas(ray_server)), signal.SIGKILL)
        for story in stories:
            rest = list(story)
            assert [line["event"] for line in rest] == ["frame"] * 3 + ["done"]
            assert not any("problem" in line for line in rest)
        after = numbers(ray_server)
        for session in jobs:
            api.send("DELETE", f"/v1/sessions/{session}")
    assert after["lost_total"] > before["lost_total"]
    click(sessions, CLICKS[2:])
    for session in sessions:
        assert (session.mask == here.mask).all()
    assert numbers(ray_server)["moved_total"] >= before["moved_total"] + 2


def click(sessions: Iterable[Session], clicks: Iterable[tuple[int, int, int, bool]]) -> None:
    for k, j, i, include in clicks:
        for session in sessions:
            session.add(phantoms.at(session.image, (k, j, i), include))


def test_errors_keep_class_and_sentence(make: Make) -> None:
    flat = Image(np.zeros((8, 8, 8), np.int16))
    with pytest.raises(InputError) as here:
        Session(flat, find("geodesic-cut"))
    with pytest.raises(InputError) as there:
        make(flat, "geodesic-cut")
    assert str(there.value) == str(here.value)
    session = make(phantoms.image(phantoms.ball(shape=(24, 28, 32), radius=6)), "geodesic-cut")
    with pytest.raises(PromptError, match="nothing to exclude from yet"):
        session.add(phantoms.at(session.image, (12, 14, 16), False))
    assert session.prompts == ()


def listening(pids: set[int]) -> set[tuple[int, str, int]]:
    """Process, address (as in /proc/net) and port of what these processes listen on."""
    sockets = {}
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets[os.readlink(entry)] = pid
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            pid = sockets.get(f"socket:[{fields[9]}]")
            if fields[3] == "0A" and pid is not None:
                address, port = fields[1].split(":")
                found.add((pid, address, int(port, 16)))
    return found


def test_nobody_else_can_run_code_in_a_replica(ray_server: Running) -> None:
    """All ports are on the loopback address; Ray binds one of each replica to all, with a token."""
    import grpc
    from ray.serve.generated import serve_pb2, serve_pb2_grpc

    ports = listening(set(descendants(ray_server.process.pid)) | {ray_server.process.pid})
    local = {"0100007F", "0000000000000000FFFF00000100007F"}
    wide = [(pid, port) for pid, address, port in ports if address not in local]
    assert {pid for pid, _ in wide} <= replicas(ray_server)
    assert len(ports) > len(wide)
    for _, port in wide:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = serve_pb2_grpc.ASGIServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.HandleRequest(serve_pb2.ASGIRequest(), timeout=WAIT)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_killed_server_takes_ray_with_it(folder: Path) -> None:
    with Running(folder, "--ray", "--ray-autoscale", "1:2", "--images-gb", "0.1") as server:
        with Api(server.url) as api:
            session = api.open(picture())
            assert api.click(session, 0, 8, 8, 4).status_code == 200
        family = descendants(server.process.pid)
        assert any("ray_keeper" in name for name in family.values())
        assert len(replicas(server)) == 1
        server.process.kill()
    await_end(family)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ray-replicas", "2"], "only with --ray"),
        (["--ray", "--ray-replicas", "0"], "above 0"),
        (["--ray", "--ray-gpus-per-replica", "-1"], "0 or more"),
        (["--ray", "--ray-autoscale", "3"], "MIN:MAX"),
        (["--ray", "--ray-autoscale", "3:2"], "MIN:MAX"),
        (["--ray", "--ray-autoscale", "1:2", "--ray-replicas", "1"], "not both"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ray_options.settings(parser().parse_args(["serve", *options]))
