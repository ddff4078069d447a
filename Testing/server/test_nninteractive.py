"""The official nnInteractive client 2.6, which we did not write, on a real server of ours."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import requests
from medseg import Image, Session
from medseg.errors import ExpiredError, FullError
from medseg.prompts import Box, Lasso, Point, Scribble
from medseg.registry import find
from serving import Running, is_problem

pytest.importorskip("fastapi", reason="needs medseg[server]")
remote = pytest.importorskip(
    "nnInteractive.inference.remote.remote_session", reason="needs medseg[nninteractive]"
)
import httpx  # noqa: E402  (comes with the client)
from medseg.server import nninteractive_arrays as arrays  # noqa: E402
from medseg.server import nninteractive_prompts as voxels  # noqa: E402
from medseg.server.nninteractive_leases import LIVENESS_SECONDS, Leases  # noqa: E402
from nninteractive_kit import CENTRE, SHAPE, closed, picture  # noqa: E402,F401

Client = remote.nnInteractiveRemoteInferenceSession
ANNA, BEN = "anna-token-3f9Qx71LmW", "ben-token-8Zk20sVrTb"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("nninteractive")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"anna:{ANNA}\nben:{BEN}\n")
    with Running(folder, "--token-file", str(tokens), "--max-sessions", "3") as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    with Client(server.url, ANNA) as session:
        yield session


def opened(client: Any) -> np.ndarray:
    """The buffer of a client that has the picture."""
    buffer = np.zeros(SHAPE, np.uint8)
    client.set_image(picture()[None])
    client.set_target_buffer(buffer)
    return buffer


def ras(kji: Any) -> np.ndarray:
    """On the grid that a voxel image gets: 1 mm, RAS = IJK."""
    return np.asarray(kji, float)[..., ::-1]


def ring(shape: tuple[int, int], centre: tuple[int, int], radius: float) -> np.ndarray:
    """A drawn outline, one voxel wide."""
    r, c = np.ogrid[: shape[0], : shape[1]]
    away = np.hypot(r - centre[0], c - centre[1])
    return (np.abs(away - radius) < 0.6).astype(np.uint8)


def test_each_call_of_the_session_gives_the_mask_of_a_session_in_process(client: Any) -> None:
    used = {"ping", "heartbeat", "lease_status", "close"}  # `close` by the fixture

    def call(method: str, *given: Any, **named: Any) -> Any:
        used.add(method)
        return getattr(client, method)(*given, **named)

    here = Session(Image(picture()), find("geodesic-cut"))
    buffer = np.zeros(SHAPE, np.uint8)
    with pytest.warns(RuntimeWarning, match="ignores"):
        call("initialize_from_trained_model_folder", "nowhere")
    call("set_image", picture()[None], {"spacing": np.ones(3)})
    assert client.original_image_shape == (1, *SHAPE)
    call("set_target_buffer", buffer)
    call("set_do_autozoom", False)

    def same(changed: Any, step: Any) -> None:
        assert np.array_equal(buffer, here.mask)
        assert changed == (
            None if step.patch.empty else [[s.start, s.stop] for s in step.patch.box]
        )

    same(call("add_point_interaction", CENTRE, True), here.add(Point(ras(CENTRE))))
    assert buffer[CENTRE]
    assert 0 < buffer.sum() < buffer.size / 2
    same(
        call("add_point_interaction", (8, 24, 15), False), here.add(Point(ras((8, 24, 15)), False))
    )
    stroke = np.ones((1, 2, 5), np.uint8)
    place = [[6, 7], [17, 19], [12, 17]]
    drawn = np.argwhere(stroke) + np.array((6, 17, 12))
    same(
        call("add_scribble_interaction", stroke, True, interaction_bbox=place),
        here.add(Scribble(ras(drawn), connected=False)),
    )
    loop = ring((9, 13), (4, 6), 3)[None]
    outline = voxels.outlines(loop[0] > 0)
    assert len(outline) == 1
    corners = np.insert(outline[0] - 0.5, 0, 0, axis=1) + np.array((8, 15, 9))
    same(
        call("add_lasso_interaction", loop, True, interaction_bbox=[[8, 9], [15, 24], [9, 22]]),
        here.add(Lasso(ras(corners))),
    )
    assert call("undo")
    same(client._last_paste_bbox, here.undo())
    call("reset_interactions")
    assert not buffer.any()
    assert not call("undo")
    here.reset()
    same(
        call("add_bbox_interaction", [[8, 9], [11, 27], [4, 26]], True),
        here.add(Box(ras((8, 18.5, 14.5)), np.array([22, 16, 0.0]))),
    )
    start = np.zeros(SHAPE, np.uint8)
    start[4:12, 14:20, 10:20] = 1
    assert call("add_initial_seg_interaction", start) is None
    here.set_mask(start > 0)
    assert np.array_equal(buffer, here.mask)
    assert call("add_point_interaction", (8, 22, 15), True, run_prediction=False) is None
    same(call("_predict"), here.add(Point(ras((8, 22, 15)))))
    public = {n for n in dir(Client) if not n.startswith("_") and callable(getattr(Client, n))}
    assert public <= used


def test_capabilities_and_lease_are_told(client: Any, server: Running) -> None:
    assert client.ping()
    assert all(client.supported_interactions.values())
    assert client.supports_undo
    assert client.license == "Apache-2.0"
    assert client.supports_initial_label
    assert set(client.channel_mapping) == {"prev_seg", *client.supported_interactions}
    status = client.lease_status()
    assert status["remaining_seconds"] <= status["idle_timeout_seconds"] == 900
    assert 0 < client.heartbeat() <= 900
    assert requests.get(server.url + "/healthz", timeout=30).json()["status"] == "ok"


def test_undo_takes_what_waits_first_and_goes_back_several_steps(client: Any) -> None:
    buffer = opened(client)
    client.add_point_interaction((8, 24, 15), True, run_prediction=False)
    first = client.add_point_interaction(CENTRE, True)  # predicts both
    both = buffer.copy()
    client.add_point_interaction((8, 13, 15), False)
    client.add_point_interaction((2, 2, 2), False, run_prediction=False)
    assert client.undo()
    assert not np.array_equal(buffer, both)
    assert client.undo()
    assert np.array_equal(buffer, both)
    assert client.undo()
    assert not buffer.any()
    assert client._last_paste_bbox == first
    assert client._predict() is not None
    assert buffer.any()
    assert client.undo()
    assert not client.undo()
    assert client._predict() is None


def test_a_new_buffer_gets_the_whole_mask(client: Any) -> None:
    opened(client)
    client.add_point_interaction(CENTRE, True)
    fresh = np.zeros(SHAPE, np.int16)
    client.set_target_buffer(fresh)
    client.add_point_interaction((8, 24, 15), True)
    there = Session(Image(picture()), find("geodesic-cut"))
    there.add(Point(ras(CENTRE)))
    there.add(Point(ras((8, 24, 15))))
    assert np.array_equal(fresh, there.mask)


def test_the_spacing_of_the_array_axes_counts(client: Any) -> None:
    client.set_image(picture()[None], {"spacing": [4.0, 1.0, 0.5]})
    buffer = np.zeros(SHAPE, bool)
    client.set_target_buffer(buffer)
    client.add_point_interaction(CENTRE, True)
    image = Image(picture(), np.diag([0.5, 1.0, 4.0, 1.0]))
    here = Session(image, find("geodesic-cut"))
    here.add(Point(image.ijk_to_ras(CENTRE[::-1])))
    assert np.array_equal(buffer, here.mask)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c: c.add_point_interaction((8, 30, 2), True), "lies outside the image"),
        (lambda c: c.add_point_interaction((8, 3), True), "needs three numbers"),
        (lambda c: c.add_bbox_interaction([[9, 9], [1, 5], [1, 5]], True), "holds no voxel"),
        (lambda c: c.add_bbox_interaction([[0, 30], [20, 30], [50, 60]], True), "holds no voxel"),
        (lambda c: c.add_scribble_interaction(np.zeros(SHAPE, np.uint8), True), "Nothing is drawn"),
        (lambda c: c.add_lasso_interaction(np.ones((2, 2, 2)), True), "has shape (2, 2, 2)"),
        (
            lambda c: c.add_lasso_interaction(
                np.ones((1, 2, 2)), True, interaction_bbox=[[19, 20], [29, 31], [0, 2]]
            ),
            "does not lie within",
        ),
        (lambda c: c.set_target_buffer(np.zeros((3, 4, 5), np.uint8)), "has shape (3, 4, 5)"),
        (lambda c: c.set_target_buffer(np.zeros(SHAPE)), "bool or an integer"),
        (lambda c: c.set_image(np.zeros((2, *SHAPE), np.int16)), "2 channels"),
    ],
)
def test_what_does_not_fit_is_told_and_changes_nothing(
    client: Any, call: Callable[[Any], Any], sentence: str
) -> None:
    buffer = opened(client)
    client.add_point_interaction(CENTRE, True)
    before = buffer.copy()
    with pytest.raises(httpx.HTTPStatusError) as refused:
        call(client)
    client.target_buffer = buffer  # the client takes a new one before it asks
    assert refused.value.response.status_code == 422
    assert sentence in refused.value.response.json()["detail"]
    assert before.any()
    assert np.array_equal(buffer, before)
    assert client.undo()
    assert not buffer.any()
    assert not client.undo()


def test_leases_are_one_users_and_limited(server: Running) -> None:
    with pytest.raises(httpx.HTTPStatusError) as wrong:
        Client(server.url, "no-such-token-1234")
    assert wrong.value.response.status_code == 401
    with Client(server.url, ANNA) as anna, Client(server.url, BEN) as ben:
        opened(anna)
        ben._http.headers["X-Lease-Token"] = anna._lease_token
        with pytest.raises(remote.SessionExpiredError, match="connect again"):
            ben.add_point_interaction(CENTRE, True)
        ben._http.headers["X-Lease-Token"] = ben._lease_token
        with pytest.raises(httpx.HTTPStatusError):
            ben.add_point_interaction(CENTRE, True)  # no image yet
        with Client(server.url, BEN) as third:
            with pytest.raises(remote.ServerAtCapacityError, match="3 sessions"):
                Client(server.url, BEN)
            third._http.post("/release")
            with pytest.raises(remote.SessionExpiredError):
                third.heartbeat()
        Client(server.url, BEN).close()


def damaged() -> list[bytes]:
    """Bodies of set_image that are not what they say."""
    good = arrays.pack(picture()[None])
    at = 8 + len("int16") + 4 * 8 + 4  # where the first chunk's sizes are
    random = np.random.default_rng(1)
    cut = [good[:n] for n in (0, 3, 8, 20, at, at + 10, at + 40, len(good) - 1)]
    more = [good + b"x", zlib.compress(bytes(1 << 20)), b"NNIA" + bytes(200)]
    huge = bytearray(good)
    struct.pack_into("<q", huge, 8 + len("int16") + 8, 1 << 60)
    bomb = bytearray(good)
    struct.pack_into("<Q", bomb, at, 1 << 50)
    flipped = []
    for place in random.integers(0, at + 48, 60):
        bad = bytearray(good)
        bad[place] ^= 1 << int(random.integers(8))
        flipped.append(bytes(bad))
    return [*cut, *more, bytes(huge), bytes(bomb), *flipped]


def test_damaged_arrays_are_refused_and_the_server_goes_on(client: Any, server: Running) -> None:
    head = {
        "Authorization": f"Bearer {ANNA}",
        "X-Lease-Token": client._lease_token,
        "Content-Type": "application/octet-stream",
    }
    refused = 0
    with requests.Session() as http:
        http.trust_env = False
        for body in damaged():
            answer = http.post(server.url + "/set_image", data=body, headers=head, timeout=60)
            assert answer.status_code == 200 or is_problem(answer, answer.status_code)
            assert answer.status_code in (200, 413, 422)  # a flipped codec byte does no harm
            refused += answer.status_code != 200
        assert refused > 55
        bad = {**head, "X-Meta": "[1, 2"}
        assert is_problem(http.post(server.url + "/set_image", headers=bad, timeout=60), 422)
    opened(client)
    assert client.add_point_interaction(CENTRE, True) is not None


def test_containers_are_those_of_the_client() -> None:
    from nnInteractive.inference.remote import serialization as theirs

    random = np.random.default_rng(2)
    for array in (
        picture()[None],
        np.zeros((3, 4, 5), np.uint8),
        random.random((4, 5, 6)) > 0.5,
        random.random((1, 4, 5, 6)),
        np.full((1, 30, 30, 30), 7, np.float32),
    ):
        for codec in theirs._CODEC_ID:
            ours = arrays.unpack(theirs.pack_array(array, codec=codec), array.ndim, 1 << 20)
            assert ours.dtype == array.dtype
            assert np.array_equal(ours, array)
        back = theirs.unpack_array(arrays.pack(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_interactions_land_in_the_voxels_they_name() -> None:
    image = Image(np.zeros(SHAPE), np.diag([0.5, 1.0, 4.0, 1.0]))
    assert image.voxel_at(voxels.point(image, [3.4, 20, 41], True).position) == (3, 20, 41)
    box = voxels.box(image, [[2, 7], [10, 30], [40, 60]], False)  # the last one clipped to 44
    low, high = image.ras_to_ijk(box.positions()).min(0), image.ras_to_ijk(box.positions()).max(0)
    assert np.allclose([low, high], [[39.5, 9.5, 1.5], [43.5, 29.5, 6.5]])
    assert not box.include
    flat = voxels.box(image, [[2, 7], [10, 11], [20, 24]], True)
    assert np.allclose(flat.size, [2.0, 0.0, 20.0])
    mask, first = voxels.place_mask(image, np.eye(4)[:, None], [[5, 9], [20, 21], [30, 34]])
    (stroke,) = voxels.scribble(image, mask, first, True)
    assert [image.voxel_at(p) for p in stroke.positions()] == [
        (5 + n, 20, 30 + n) for n in range(4)
    ]


def test_outlines_hold_just_the_filled_mask() -> None:
    from scipy import ndimage

    random = np.random.default_rng(3)
    for _ in range(60):
        plane = random.random(random.integers(1, 12, 2)) > random.random()
        filled = np.zeros(plane.shape, bool)
        for loop in voxels.outlines(plane):
            filled |= crossings(loop - 0.5, plane.shape)
        assert np.array_equal(filled, ndimage.binary_fill_holes(plane))


def crossings(loop: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Even-odd rule, for loops along the axes."""
    inside = np.zeros(shape, bool)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for (r0, c0), (r1, _) in zip(loop, np.roll(loop, -1, 0), strict=True):
        inside ^= ((r0 > rows) != (r1 > rows)) & (columns < c0)
    return inside


class Nothing:
    """A back end that nobody should need."""


def test_leases_end_with_time() -> None:
    now = [0.0]
    leases = Leases(2, 600.0, lambda: now[0])
    silent, idle = (leases.claim("anna", Nothing()) for _ in range(2))  # type: ignore[arg-type]
    with pytest.raises(FullError):
        leases.claim("anna", Nothing())  # type: ignore[arg-type]
    while now[0] < 570:
        now[0] += LIVENESS_SECONDS / 2
        leases.beat(leases.find("anna", idle))
    with pytest.raises(ExpiredError):
        leases.find("anna", silent)
    assert leases.remaining(leases.find("anna", idle)) == 30
    with pytest.raises(ExpiredError):
        leases.find("ben", idle)
    now[0] += 31
    with pytest.raises(ExpiredError), leases.using("anna", idle):
        pass
    leases.claim("ben", Nothing())  # type: ignore[arg-type]
