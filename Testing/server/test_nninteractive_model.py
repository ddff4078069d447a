"""A server of the nnInteractive protocol as a model of ours, through the official client.

In CI the server is ours: both ends are exercised, one of them not written by us. Where
MEDSEG_TEST_NNINTERACTIVE names a Python that has the package `nninteractive` 2.6 (with torch), the
same tests run against its real server application, too, with a tiny random network.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medseg import Image, Session
from medseg.cli import main
from medseg.client.consent import Consent
from medseg.errors import (
    AccessError,
    ConnectionProblem,
    ConsentError,
    FullError,
    InputError,
    ModelError,
    PromptError,
    RemoteError,
    UnsupportedPromptError,
)
from medseg.models import nninteractive as adapter
from medseg.models import nninteractive_voxels as voxels
from medseg.prompts import Box, Lasso, Point, Prompt, Scribble, Text
from serving import Running, surroundings

pytest.importorskip("fastapi", reason="needs medseg[server]")
pytest.importorskip("nnInteractive", reason="needs medseg[nninteractive]")
from nninteractive_kit import CENTRE, SHAPE, closed, picture  # noqa: F401

KEY = "a-key-9Qx71LmWzT"
REFERENCE = os.environ.get("MEDSEG_TEST_NNINTERACTIVE")
SCRIPT = Path(__file__).parents[1] / "bench" / "nninteractive_reference.py"


def oblique() -> np.ndarray:
    """Axes swapped, one flipped, anisotropic, turned by 20 degrees about S."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]]
    swapped = np.array([[0, 0, -3, 40], [0.7, 0, 0, -12], [0, 1.1, 0, 5], [0, 0, 0, 1.0]])
    return turn @ swapped


IMAGE = Image(picture(), oblique())


def ras(*kji: float) -> np.ndarray:
    return IMAGE.ijk_to_ras(kji[::-1])


def box(low: tuple[float, ...], high: tuple[float, ...], include: bool = True) -> Box:
    """From voxel to voxel, both in."""
    a, b = np.array(low) - 0.5, np.array(high) + 0.5
    size = np.where(np.array(low) == high, 0, (b - a))[::-1] * np.array(IMAGE.spacing)
    axes = IMAGE.affine[:3, :3] / IMAGE.spacing
    return Box(ras(*(a + b) / 2), size, axes, include)


PROMPTS: list[Prompt] = [
    Point(ras(*CENTRE)),
    box((8, 13, 6), (8, 25, 25)),
    Scribble(np.array([ras(6, 17, 9), ras(6, 20, 13), ras(6, 20, 20)])),
    Point(ras(8, 24, 20), include=False),
    Lasso(np.array([ras(9, 15, 9), ras(9, 24, 10), ras(9, 22, 21)]), include=False),
]


@pytest.fixture(scope="module", params=["ours", "reference"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL."""
    if request.param == "ours":
        options = ("--model", "painter", "--max-sessions", "4")
        with Running(tmp_path_factory.mktemp("ours"), *options, MEDSEG_TOKENS=f"me:{KEY}") as own:
            yield own.url
        return
    if REFERENCE is None:
        pytest.skip("MEDSEG_TEST_NNINTERACTIVE names no Python with nninteractive")
    process = subprocess.Popen(
        [REFERENCE, str(SCRIPT), "--network", "random", "--key", KEY, "--sessions", "4"],
        stdout=subprocess.PIPE,
        text=True,
        env=surroundings(),
    )
    try:
        assert process.stdout is not None
        port = next(line.split()[1] for line in process.stdout if line.startswith("port"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def model(server: str) -> adapter.NNInteractive:
    return adapter.NNInteractive(server, KEY)


def test_each_prompt_lands_where_a_voxel_client_puts_it(
    model: adapter.NNInteractive, server: str
) -> None:
    from nnInteractive.inference.remote import nnInteractiveRemoteInferenceSession

    opened = model.open(IMAGE)
    with nnInteractiveRemoteInferenceSession(server, KEY) as client:
        buffer = np.zeros(SHAPE, np.uint8)
        client.set_image(picture()[None])
        client.set_target_buffer(buffer)

        def same(count: int) -> None:
            assert np.array_equal(opened.segment(PROMPTS[:count]), buffer > 0)

        client.add_point_interaction(CENTRE, True)
        same(1)
        assert buffer.any()
        client.add_bbox_interaction([[8, 9], [13, 26], [6, 26]], True)
        same(2)
        stroke, place = voxels.scribble_drawing(
            IMAGE, PROMPTS[2], client.preferred_scribble_thickness
        )
        client.add_scribble_interaction(stroke, True, interaction_bbox=place)
        same(3)
        client.add_point_interaction((8, 24, 20), False)
        same(4)
        loop, place = voxels.lasso_drawing(IMAGE, PROMPTS[4])
        client.add_lasso_interaction(loop, False, interaction_bbox=place)
        same(5)


def test_a_session_with_undo_and_hand_edits_is_a_function_of_what_it_holds(
    model: adapter.NNInteractive,
) -> None:
    session = Session(IMAGE, model)
    masks = [session.mask.copy()]
    for prompt in PROMPTS:
        session.add(prompt)
        masks.append(session.mask.copy())
    assert sum((a != b).any() for a, b in pairwise(masks)) >= 3
    session.undo()
    session.undo()
    assert np.array_equal(session.mask, masks[3])
    session.redo()
    session.remove(1)
    others = [PROMPTS[0], *PROMPTS[2:4]]
    fresh = model.open(IMAGE)
    assert np.array_equal(session.mask, fresh.segment(others))
    edit = np.zeros(SHAPE, bool)
    edit[3:9, 12:20, 5:30] = True
    session.set_mask(edit)
    session.add(PROMPTS[3])
    after = session.mask.copy()
    assert np.array_equal(after, fresh.segment(PROMPTS[3:4], edit))
    session.add(PROMPTS[0])
    session.undo()
    session.replace(3, PROMPTS[3])
    assert np.array_equal(session.mask, after)
    session.reset()
    session.add(PROMPTS[0])
    assert np.array_equal(session.mask, masks[1])


def test_only_what_is_new_is_sent(
    model: adapter.NNInteractive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = adapter.OpenNNInteractive._ask

    def noted(self: Any, method: str, *given: Any, **named: Any) -> Any:
        asked.append(method.removeprefix("add_").removesuffix("_interaction"))
        return ask(self, method, *given, **named)

    monkeypatch.setattr(adapter.OpenNNInteractive, "_ask", noted)
    opened = model.open(IMAGE)
    parts: list[float] = []
    opened.segment(PROMPTS[:1])
    opened.segment(PROMPTS[:3], progress=parts.append)
    assert asked == ["reset_interactions", "point", "bbox", "scribble"]
    assert parts == [2 / 3, 1]
    asked.clear()
    again = [*PROMPTS[:2], PROMPTS[3]]
    opened.segment(again)  # as after an undo
    opened.segment([Point(ras(*CENTRE)), *again[1:]])  # equal, though not the same objects
    assert asked == ["undo", "point"]
    asked.clear()
    opened.segment(PROMPTS[1:2])
    assert asked == ["reset_interactions", "bbox"]
    asked.clear()
    with pytest.raises(PromptError, match="outside"):
        opened.segment([PROMPTS[1], Point(ras(8, 90, 3))])
    opened.segment(PROMPTS[1:2])  # nothing is believed after a failure
    assert asked == ["reset_interactions", "bbox"]


def test_a_lost_session_is_put_back(model: adapter.NNInteractive) -> None:
    opened = model.open(IMAGE)
    before = opened.segment(PROMPTS[:2])
    opened._client._http.post("/release")
    assert np.array_equal(opened.segment(PROMPTS[:2]), before)


def test_a_forgotten_image_lets_its_session_go(model: adapter.NNInteractive) -> None:
    for _ in range(6):  # more than the server has room for
        model.open(IMAGE)


def test_errors_say_what_to_do(model: adapter.NNInteractive, server: str) -> None:
    with pytest.raises(AccessError, match="MEDSEG_NNINTERACTIVE_KEY"):
        adapter.NNInteractive(server, "some-other-key").open(IMAGE)
    opened = model.open(IMAGE)
    with pytest.raises(UnsupportedPromptError):
        opened.segment([Text("liver")])
    if opened._client.supported_interactions["bbox3d"]:
        assert opened.segment([box((4, 13, 6), (12, 25, 25))]).any()
    else:
        with pytest.raises(UnsupportedPromptError, match="one slice only"):
            opened.segment([box((4, 13, 6), (12, 25, 25))])
    held = [model.open(IMAGE) for _ in range(3)]
    with pytest.raises(FullError):
        model.open(IMAGE)
    assert len(held) == 3


def test_what_cannot_be_a_server_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    nobody = Consent(tmp_path / "consent.json")
    with pytest.raises(ConsentError, match=r"gpu\.example:1527"):
        adapter.NNInteractive("https://gpu.example:1527", consent=nobody).open(IMAGE)
    with pytest.raises(InputError):
        adapter.NNInteractive("http://gpu.example:1527")
    with pytest.raises(ConnectionProblem, match="is it running"):
        adapter.NNInteractive("http://127.0.0.1:9").open(IMAGE)


def test_the_command_line_agrees_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host does not exist: agreed, its name is looked up and not found."""
    monkeypatch.setenv(adapter.URL, "https://no-such-host.invalid:1527")
    for variable in ("APPDATA", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    scan = tmp_path / "scan.nrrd"
    write_picture(scan)
    command = ["segment", str(scan), "-o", str(tmp_path / "o.seg.nrrd"), "--point", "3,3,3"]
    assert main([*command, "--model", "nninteractive"]) == 2
    assert "Agree to that first" in capsys.readouterr().err
    assert main([*command, "--model", "nninteractive", "--agree"]) == 2
    assert "Agree" not in capsys.readouterr().err


def write_picture(path: Path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(picture()), str(path))


def test_a_server_of_another_kind_is_told_apart() -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"<html/>")

        def log_message(self, *given: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        try:
            with pytest.raises(RemoteError, match="no nnInteractive server"):
                adapter.NNInteractive(f"http://127.0.0.1:{other.server_port}").open(IMAGE)
        finally:
            other.shutdown()


def test_the_environment_names_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(adapter.URL, raising=False)
    with pytest.raises(ModelError, match=adapter.URL):
        adapter.nninteractive("auto")
    monkeypatch.setenv(adapter.URL, "https://gpu.example")
    made = adapter.nninteractive("auto")
    assert str(made.address) == "gpu.example:443"
    assert "CC BY-NC-SA 4.0" in (made.capabilities.weights_licence or "")
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        adapter.nninteractive("auto")


def test_prompts_become_voxels_of_a_turned_grid() -> None:
    assert voxels.box_intervals(IMAGE, box((2, 3, 4), (9, 8, 7)), True) == [[2, 10], [3, 9], [4, 8]]
    assert voxels.box_intervals(IMAGE, box((2, 3, 4), (2, 8, 90)), False) == [
        [2, 3],
        [3, 9],
        [4, 44],
    ]
    with pytest.raises(UnsupportedPromptError, match="along the image axes"):
        voxels.box_intervals(IMAGE, Box(ras(*CENTRE), np.array([9.0, 9.0, 9.0])), True)
    with pytest.raises(PromptError, match="no voxel"):
        voxels.box_intervals(IMAGE, box((2, 50, 4), (2, 60, 9)), True)
    loop = np.array([ras(2.5, 7, 3.5), ras(2.5, 7, 9.5), ras(9.5, 7, 9.5), ras(9.5, 7, 3.5)])
    drawing, place = voxels.lasso_drawing(IMAGE, Lasso(loop))
    assert place == [[3, 10], [7, 8], [4, 10]]
    assert drawing.all()
    with pytest.raises(UnsupportedPromptError, match="one slice"):
        voxels.lasso_drawing(IMAGE, Lasso(np.array([ras(1, 2, 3), ras(9, 2, 3), ras(9, 9, 9)])))
    stroke = Scribble(np.array([ras(6, 17, 9), ras(6, 17, 14)]))
    drawing, place = voxels.scribble_drawing(IMAGE, stroke, [1, 1, 1])
    assert place == [[6, 7], [17, 18], [9, 15]]
    _, place = voxels.scribble_drawing(IMAGE, stroke, [2, 2, 2])
    assert place == [[6, 7], [17, 18], [8, 16]]  # a line along one axis stays one
    painted = Scribble(np.array([ras(6, 17, 9), ras(3, 2, 1), ras(3, 99, 1)]), connected=False)
    drawing, place = voxels.scribble_drawing(IMAGE, painted, [2, 2, 2])
    assert place == [[3, 7], [2, 18], [1, 10]]
    assert drawing.sum() == 2
