"""The far side of the Ray runner: one process with its own devices, models and open images."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..image import Image, Mask
from ..model import Capabilities, OpenImage
from ..packing import Bits
from ..prompts import Prompt
from ..protocol.messages import ModelInfo
from ..protocol.problems import INTERNAL, code_of, to_problem
from ..service.counters import Counters
from ..service.devices import LocalRunner
from ..service.estimate import Cost, Shape
from ..service.guarded import GuardedModel
from ..service.settings import Settings

LOGGER = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class Ask:
    """What a session wants: its image ready, and a mask when there are ``prompts``.

    ``image`` and ``start`` hold one reference to Ray's object store; in a list, Ray leaves it to
    the replica to fetch them when it lacks them.
    """

    key: str
    model: str
    device: str
    user: str
    image: list[Any]
    prompts: tuple[Prompt, ...] = ()
    start: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Mine:
    """The answer to an `Ask`. ``opened``: the image had to be made ready first."""

    replica: str
    device: str
    opened: bool
    notes: list[str]
    bits: Bits | None


@dataclass(frozen=True)
class Facts:
    """What a model says of itself (see `medseg.model.Model`), and the device it was found on."""

    name: str
    version: str
    weights_hash: str | None
    capabilities: Capabilities
    device: str


@dataclass(frozen=True)
class Reply:
    """``value``, or the ``problem`` that came instead; ``counts``: what to count in the front."""

    value: Any = None
    problem: dict[str, Any] | None = None
    counts: tuple[str, ...] = ()


class _Tally(Counters):
    """Counts that the next answer takes to the front."""

    def __init__(self) -> None:
        super().__init__()
        self._new: list[str] = []

    def count(self, name: str, number: int = 1) -> None:
        self._new += [name] * number

    def take(self) -> tuple[str, ...]:
        new, self._new = self._new, []
        return tuple(new)


class _Held:
    """What this replica has of one session."""

    def __init__(self, ask: Ask, runner: LocalRunner) -> None:
        self.lock = threading.Lock()
        self.used = time.monotonic()
        self.opened: OpenImage | None = None
        self._ask = ask
        self._runner = runner
        self._model: GuardedModel | None = None
        self._start: tuple[Any, Mask] | None = None

    def ready(self) -> GuardedModel:
        import ray

        if self._model is None:
            model = self._runner.model(self._ask.model, self._ask.device, self._ask.user)
            image: Image = ray.get(self._ask.image[0])
            self.opened = model.open(image)
            self._model = model
        return self._model

    def start(self, held: list[Any]) -> Mask | None:
        import ray

        if not held:
            return None
        if self._start is None or self._start[0] != held[0]:
            self._start = held[0], ray.get(held[0]).mask()
        return self._start[1]


class Replica:
    """A Serve deployment. Everything it keeps can be had again from the front's requests."""

    def __init__(self, settings: Settings, devices: tuple[str, ...] | None, waiting: int) -> None:
        from ray import serve

        self._id: str = serve.get_replica_context().replica_id.unique_id
        self._idle_seconds = settings.lease_seconds
        self._tally = _Tally()
        self._runner = LocalRunner(replace(settings, devices=devices), self._tally)
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(waiting, thread_name_prefix="medseg")

    async def ask(self, method: str, *args: Any) -> Reply:
        """Call one of the methods below, errors and all."""
        call: Callable[..., Any] = getattr(self, method)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._replied, call, args)

    async def close(self, key: str) -> None:
        """Forget a session."""
        with self._lock:
            self._held.pop(key, None)

    def segment(self, ask: Ask) -> Mine:
        """Open the image where needed, and run the model."""
        held = self._found(ask)
        with held.lock:
            opened = held.opened is None
            model = held.ready()
            bits = None
            if ask.prompts:
                assert held.opened is not None
                bits = Bits.of(held.opened.segment(ask.prompts, held.start(ask.start)))
            return Mine(self._id, model.device, opened, model.take_notes(), bits)

    def facts(self, name: str, device: str) -> Facts:
        model = self._runner.model(name, device, "")
        return Facts(
            model.name, model.version, model.weights_hash, model.capabilities, model.device
        )

    def version(self) -> str:
        return __version__

    def devices(self) -> list[str]:
        return self._runner.devices()

    def models(self) -> list[ModelInfo]:
        return self._runner.models()

    def cost(self, name: str, device: str, shape: Shape) -> Cost:
        return self._runner.cost(name, device, shape)

    def free_bytes(self, device: str) -> int | None:
        return self._runner.free_bytes(device)

    def _found(self, ask: Ask) -> _Held:
        """What is held for the session; what nobody used for the time of a lease goes."""
        now = time.monotonic()
        with self._lock:
            for key, held in list(self._held.items()):
                if now - held.used > self._idle_seconds and key != ask.key:
                    del self._held[key]
            held = self._held.setdefault(ask.key, _Held(ask, self._runner))
            held.used = now
            return held

    def _replied(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Reply:
        try:
            return Reply(call(*args), counts=self._tally.take())
        except Exception as error:  # the outermost frame here: the front raises it again
            if code_of(error) == INTERNAL:
                LOGGER.error("fault %s at %s", type(error).__name__, _places(error))
            return Reply(problem=to_problem(error), counts=self._tally.take())


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
