"""Whatever is sent, the server answers 4xx and goes on: no 5xx, no lost memory, no held thread."""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ANNA
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from medseg.protocol import images
from medseg.protocol.messages import encode
from serving import Api, Running, is_problem, picture, point

pytest.importorskip("schemathesis", reason="schemathesis needs Python 3.11")
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

IMAGE = picture(shape=(4, 12, 10))
JSON, OCTETS = "application/json", "application/octet-stream"
CASES = 2400
#: A server that refuses because it is full, or has no memory, does what it should.
ALLOWED_5XX = {503, 507}
FEW = settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    """One for all that follows; each test leaves it as good as it was."""
    options = ("--patience", "1.5", "--max-image-gb", "0.01")
    with Running(folder, *options, MEDSEG_TOKENS=f"anna:{ANNA}") as running:
        yield running
        with Api(running.url, ANNA) as api:
            assert_works(api)
        faults = [line for line in running.lines() if line["event"] == "fault"]
        assert faults == []
        assert running.memory_mb() < 600


def assert_works(api: Api) -> None:
    session = api.open(IMAGE, "painter")
    assert api.click(session, 0, 5, 5, 2).json()["voxels"] == 100
    assert api.send("DELETE", f"/v1/sessions/{session}").status_code == 204


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_published_schema_is_kept(server: Running, mode: GenerationMode) -> None:
    """All checks, but one: a schema cannot tell which digest, mask or image is a real one."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    called: Counter[str] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(FEW)
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            called[case.operation.label] += 1
            case.call_and_validate(
                headers={"Authorization": f"Bearer {ANNA}"},
                excluded_checks=[positive_data_acceptance],
            )

        try:
            check()
        except Unsatisfiable:  # a path without parameters and body cannot be wrong
            assert mode is GenerationMode.NEGATIVE
    assert len(called) >= 7
    assert sum(called.values()) >= 50


class Wire:
    """A kept-alive connection that counts what comes back and refuses to take a 5xx."""

    def __init__(self, server: Running) -> None:
        self.statuses: Counter[int] = Counter()
        self.http = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def close(self) -> None:
        self.http.close()

    def send(self, method: str, path: str, kind: str, body: bytes) -> int:
        headers = {"Content-Type": kind, "Authorization": f"Bearer {ANNA}"}
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        told = answer.read()
        shown = (method, path, body[:300], told[:300])
        assert answer.status < 500 or answer.status in ALLOWED_5XX, shown
        if answer.status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json", shown
            assert json.loads(told)["detail"], shown
        self.statuses[answer.status] += 1
        if path == "/v1/sessions" and answer.status == 200:
            self.send("DELETE", f"/v1/sessions/{json.loads(told)['session']}", JSON, b"")
        return answer.status


Request = tuple[str, str, str, bytes]


def valid_requests(session: str, image: str) -> list[Request]:
    """Requests of every kind that a healthy client sends."""
    made = images.offer(IMAGE, images.codecs())
    chunk = images.encode_chunk(IMAGE, made, 0)
    box = {"kind": "box", "center": [5, 5, 2], "size": [4, 4, 2], "axes": None, "include": True}
    scribble = {"kind": "scribble", "points": [[1, 1, 1], [5, 5, 2]], "radius": 1.0}
    act = {"request": "r", "revision": 0, "action": "add"}
    mask = {"shape": [4, 12, 10], "start": [0, 0, 0], "size": [1, 1, 8], "bits": "eJz7DwABAQEA"}
    history = {
        "prompts": [box],
        "starts": [mask],
        "states": [{"prompts": [0], "baked": 0, "start": 0, "patch": None}],
        "done": 0,
        "mask": mask,
    }
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/images", encode(made)),
        ("/v1/sessions", {"image": image, "model": "painter", "history": history}),
        (f"/v1/sessions/{session}/actions", {**act, "prompts": [point(5, 5, 2), box, scribble]}),
        (f"/v1/sessions/{session}/actions", {**act, "action": "set_mask", "mask": mask}),
        (f"/v1/sessions/{session}/actions", {**act, "action": "accept", "patch": mask}),
        (f"/v1/sessions/{session}/actions", {**act, "action": "replace", "index": 0}),
        (
            f"/v1/sessions/{session}/jobs",
            {"request": "j", "kind": "batch", "objects": [{"name": "n", "prompts": [box]}]},
        ),
        (
            f"/v1/sessions/{session}/jobs",
            {"request": "p", "kind": "propagate", "axis": 0, "seeds": [1], "first": 0, "last": 3},
        ),
        ("/v1/estimate", {"shape": [4, 12, 10], "model": "painter"}),
    ]
    posts = [("POST", path, JSON, json.dumps(body).encode()) for path, body in bodies]
    return [*posts, ("PUT", f"/v1/images/{image}/chunks/0", OCTETS, chunk)]


def truncated(dice: random.Random, body: bytes) -> bytes:
    return body[: dice.randrange(len(body))]


def flipped(dice: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def swollen(dice: random.Random, body: bytes) -> bytes:
    at = dice.randrange(len(body))
    return body[:at] + dice.choice([b"[", b"9", b" ", b'"', b"\0", b"\xff"]) * 9000 + body[at:]


ODD: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 2**70, 10**400, 1.5, -1e308, 1e999, float("nan"), "", "x",
    "\ud800", "x" * 10_000, [], {}, [[]], [None], {"kind": []}, "../../etc/passwd", [1, 2],
]  # fmt: skip


def mistyped(dice: random.Random, body: bytes) -> bytes:
    """Another value somewhere in the JSON, or nothing there."""
    try:
        data = json.loads(body)
    except ValueError:
        return flipped(dice, body)
    inner = data
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = dice.choice(keys)
        if isinstance(inner[key], (dict, list)) and inner[key] and dice.random() < 0.7:
            inner = inner[key]
            continue
        if dice.random() < 0.15:
            del inner[key]
        else:
            inner[key] = dice.choice(ODD)
        return json.dumps(data).encode()


MUTATIONS: list[Callable[[random.Random, bytes], bytes]] = [truncated, flipped, swollen, mistyped]


def test_damaged_bodies_are_refused(server: Running) -> None:
    dice = random.Random(1)
    with closing(Wire(server)) as wire, Api(server.url, ANNA) as api:
        image, session = api.upload(IMAGE), api.open(IMAGE, "painter")
        for method, path, kind, body in (requests := valid_requests(session, image)):
            assert wire.send(method, path, kind, body) in (200, 409, 422), path
        before = server.memory_mb()
        for number in range(CASES):
            method, path, kind, body = dice.choice(requests)
            mutate = dice.choices(MUTATIONS, [1, 1, 1, 3])[0]
            wire.send(method, path, kind, mutate(dice, body))
            if number % 40 == 39:  # the session has jobs and prompts by now
                api.send("DELETE", f"/v1/sessions/{session}")
                session = api.open(IMAGE, "painter")
                requests = valid_requests(session, image)
        assert server.memory_mb() < before + 150
    assert sum(wire.statuses.values()) >= 2000
    assert wire.statuses[422] > CASES / 3


@pytest.mark.parametrize("codec", ["zlib", "blosc2", "raw"])
def test_bombs_in_chunks_are_refused(server: Running, codec: str) -> None:
    if codec not in images.codecs():
        pytest.skip("needs blosc2")
    bomb = {
        "zlib": zlib.compress(bytes(200_000_000), 9),
        "blosc2": _blosc2_bomb(),
        "raw": bytes(5_000_000),
    }[codec]
    with Api(server.url, ANNA) as api:
        before = server.memory_mb()
        made = images.offer(picture(seed=9, shape=(4, 12, 10)), images.codecs())
        for digit in "0123456789abcdef":
            other = replace(made, codec=codec, digest=digit * 64)
            name = api.post("/v1/images", other).json()["image"]
            assert is_problem(api.put_chunk(name, 0, bomb), 422, "damaged")
        assert server.memory_mb() < before + 60


def _blosc2_bomb() -> bytes:
    import blosc2
    import numpy as np

    return bytes(blosc2.compress2(np.zeros(200_000_000, np.uint8)))


def test_bombs_in_masks_are_refused(server: Running) -> None:
    bits = base64.b64encode(zlib.compress(bytes(200_000_000), 9)).decode()
    with Api(server.url, ANNA) as api:
        session = api.open(IMAGE, "painter")
        before = server.memory_mb()
        for shape in ([4, 12, 10], [1, 1, 1], [2**16, 2**15, 2], [2**40] * 3, [-1, -1, 1]):
            mask = {"shape": shape, "start": [0, 0, 0], "size": shape, "bits": bits}
            assert is_problem(api.act(session, 0, "set_mask", mask=mask), 422)
            assert is_problem(api.act(session, 0, "accept", patch=mask), 422)
        many = {"prompts": [], "starts": [], "states": [{}] * 1000, "done": 0, "mask": {}}
        wanted = {"image": api.upload(IMAGE), "model": "painter", "history": many}
        assert is_problem(api.post("/v1/sessions", wanted), 422)
        assert server.memory_mb() < before + 60


def test_numbers_beyond_reason_are_refused(server: Running) -> None:
    made = encode(images.offer(IMAGE, images.codecs()))
    with Api(server.url, ANNA) as api:
        for shape in ([10**9] * 3, [0, 1, 1], [-4, -12, 10], [4, 12], [2**62, 1, 1]):
            assert api.post("/v1/images", {**made, "shape": shape}).status_code in (413, 422)
            answer = api.post("/v1/estimate", {"shape": shape, "model": "painter"})
            assert answer.status_code in (200, 422)
        session = api.open(IMAGE, "painter")
        for position in ([1e308] * 3, [1e18, 0, 0], [5, 5], "555", [None] * 3):
            prompt = {"kind": "point", "position": position}
            assert is_problem(api.act(session, 0, "add", prompts=[prompt]), 422)
        for index in (-1, 2**40, 7):
            assert is_problem(api.act(session, 0, "remove", index=index), 422)


HEAD = f"Host: 127.0.0.1\r\nAuthorization: Bearer {ANNA}\r\nContent-Type: {JSON}\r\n"
ODD_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 300,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /v1/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/welcome HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    b"\0" * 1000,
    *(
        f"POST /v1/sessions HTTP/1.1\r\n{HEAD}{lie}\r\n\r\n".encode() + body
        for lie, body in (
            ("Content-Length: 99999999999999999999", b"{}"),
            ("Content-Length: -5", b"{}"),
            ("Content-Length: 5, 6", b"{}"),
            ("Content-Length: 2\r\nTransfer-Encoding: chunked", b"0\r\n\r\n{}"),
            ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked", b"fffffffffffffffff\r\n{}"),
            ("Transfer-Encoding: gzip, chunked", b"2\r\n{}\r\n0\r\n\r\n"),
            ("Content-Length: 1", b"{} GET / HTTP/1.1\r\n\r\n"),
            ("Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2", b"{}"),
            ("Expect: 100-continue\r\nContent-Length: 2", b"{}"),
        )
    ),
]


def test_what_is_no_http_is_refused(server: Running) -> None:
    with ExitStack() as stack:
        for odd in ODD_HTTP:
            wire = stack.enter_context(connected(server))
            wire.sendall(odd)
            status = wire.recv(1 << 16).partition(b"\r\n")[0]
            assert status.startswith((b"HTTP/1.1 4", b"HTTP/1.1 100")), (odd[:80], status)
    with Api(server.url, ANNA) as api:
        assert_works(api)


def test_slow_clients_are_let_go_and_hold_up_nobody(server: Running) -> None:
    starts = [
        b"GET /v1/welcome HTTP/1.1\r\nHost: 127",
        b"",
        f"POST /v1/sessions HTTP/1.1\r\n{HEAD}Content-Length: 50\r\n\r\n{{".encode(),
        f"POST /v1/sessions HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{".encode(),
    ]
    with ExitStack() as stack, Api(server.url, ANNA) as api:
        wires = [stack.enter_context(connected(server)) for _ in range(60)]
        for number, wire in enumerate(wires):
            wire.sendall(starts[number % 4])
        assert_works(api)
        last = [ended(wire) for wire in wires]
    assert set(last[0::4]) == set(last[1::4]) == {b""}
    assert {answer[:12] for answer in last[2::4]} == {b"HTTP/1.1 408"}


def test_readers_who_do_not_read_are_let_go(server: Running) -> None:
    """They ask for more than all buffers on the way can hold."""
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as stack, Api(server.url, ANNA) as api:
        wires = [stack.enter_context(connected(server)) for _ in range(5)]
        for wire in wires:
            wire.sendall(ask * 1000)
        assert_works(api)
        end = time.monotonic() + 30
        while open_connections(api) > 1:
            assert time.monotonic() < end
            time.sleep(0.05)


def open_connections(api: Api) -> int:
    text = api.get("/metrics").text
    return int(text.partition("\nmedseg_connections ")[2].partition("\n")[0])


def connected(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def ended(wire: socket.socket) -> bytes:
    """What came until the other side closed."""
    parts = []
    try:
        while part := wire.recv(1 << 16):
            parts.append(part)
            if b"408" in part:
                break
    except ConnectionResetError:
        pass
    return b"".join(parts)
