"""What tests of the service share: a clock to turn, a model to hold, a session by hand."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel
from medseg import Image, Point
from medseg.actions import Action, Add
from medseg.protocol import images as wire
from medseg.protocol.mirror import Mirror
from medseg.registry import BUILT_IN
from medseg.service import UserBackend
from medseg.session import Step

PLUGIN = Path(__file__).parents[1] / "plugin"
SHAPE = (6, 7, 8)
#: Seconds after which a test that waits has failed.
PATIENCE = 20.0


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate(FakeModel):
    """Paints one voxel for each prompt, but only when it is let through."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        self.arrived = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.names: list[str] = []

    def open(self, image: Image) -> OpenGate:
        return OpenGate(self, image)


class OpenGate:
    def __init__(self, gate: Gate, image: Image) -> None:
        self.gate = gate
        self.model = FakeModel()
        self.model.open(image)
        self.image = image

    def segment(self, prompts, start=None, progress=None):
        self.gate.names.append(self.image.modality or "")
        self.gate.arrived.release()
        assert self.gate.go.acquire(timeout=PATIENCE)
        return self.model.segment(prompts, start, progress)


HELD: list[Gate] = []


def factory(device: str) -> Gate:
    """Makes the model "held" of the fixture below."""
    return HELD[-1]


@pytest.fixture(name="held")
def held_model(monkeypatch):
    """The `Gate` that is the model "held"."""
    monkeypatch.setitem(BUILT_IN, "held", "service_kit:factory")
    HELD.append(Gate())
    yield HELD[-1]
    HELD.pop()


class Follower:
    """A session of the service, followed by hand with a mirror."""

    def __init__(
        self,
        backend: UserBackend,
        image: Image,
        model: str = "painter",
        device: str = "auto",
        mirror: Mirror | None = None,
    ) -> None:
        self.backend = backend
        self.mirror = mirror or Mirror(image.shape, model, device)
        name = backend.put_image(image)
        self.info = backend.open_session(self.mirror.open_request(name))
        self.mirror.opened(self.info)
        self.id = self.info.session

    @property
    def mask(self) -> np.ndarray:
        return self.mirror.mask

    def do(self, action: Action) -> Step:
        reply = self.backend.act(self.id, self.mirror.action_request(action))
        return self.mirror.accept(action, reply)

    def add(self, *prompts: Point) -> Step:
        return self.do(Add(prompts))


def an_image(seed: int = 0, shape: tuple[int, int, int] = SHAPE, **more: object) -> Image:
    """Noise on a grid of 4 mm, on which "painter" paints one voxel for each position."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-1000, 1000, shape).astype(np.int16)
    return Image(array, np.diag([4.0, 4.0, 4.0, 1.0]), **more)  # type: ignore[arg-type]


def point(i: int, j: int, k: int, include: bool = True) -> Point:
    """A click on a voxel of `an_image`."""
    return Point(np.array([4.0 * i, 4.0 * j, 4.0 * k]), include)


def upload(backend: UserBackend, image: Image, chunk_bytes: int = 200, codec: str = "zlib") -> str:
    """Send an image in chunks."""
    made = wire.offer(image, [codec], chunk_bytes)
    status = backend.offer_image(made)
    for n in status.missing:
        status = backend.put_chunk(status.image, n, wire.encode_chunk(image, made, n))
    assert status.ready
    return status.image
