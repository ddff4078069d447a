"""Runs models in the replicas of a Ray cluster; the front keeps sessions, images and masks.

A mask is a pure function of image, start mask and prompts, so nothing in a replica is worth
saving: one that lacks an image, because it is new or another one died, fetches it from Ray's
object store and computes the same voxels.
"""

from __future__ import annotations

import os
import secrets
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import __version__
from ..errors import FullError, MemoryShortError, RemoteError, VersionError
from ..image import Image, Mask
from ..model import OpenImage, Progress
from ..packing import Bits
from ..prompts import Prompt
from ..protocol.messages import ModelInfo
from ..protocol.problems import from_problem
from ..service.estimate import Cost, Shape
from ..service.settings import Settings
from .ray_cluster import RaySettings, start
from .ray_replica import Ask, Facts, Mine, Reply

T = TypeVar("T")
#: Images made ready; sessions that went to another replica; requests whose replica died; lacks of
#: memory in replicas; sessions that went on with the CPU there.
_COUNTED = ("opened", "moved", "lost", "oom", "cpu_fallbacks")
#: Times that a request is sent when replicas die over it.
TRIES = 3
#: Seconds that a request may take, waiting for a replica included.
PATIENCE = 600.0


class RayRunner:
    """See `medseg.service.runner.Runner`."""

    def __init__(self, plan: RaySettings, settings: Settings) -> None:
        self._cluster = start(plan, settings)
        self._lock = threading.RLock()  # what is let go of may be let go of within
        self._facts: dict[tuple[str, str], Facts] = {}
        self._sent: dict[int, tuple[Any, int]] = {}
        self._where: dict[str, str] = {}
        self._totals: Counter[str] = Counter()
        self.slots = threading.BoundedSemaphore(os.cpu_count() or 1)
        try:
            theirs = self.ask("version")
            if theirs != __version__:
                raise VersionError(
                    f"The Ray cluster has medseg {theirs}, this is {__version__}; install the same."
                )
            self._devices: list[str] = self.ask("devices")
        except BaseException:
            self._cluster.close()
            raise

    def devices(self) -> list[str]:
        return list(self._devices)

    def models(self) -> list[ModelInfo]:
        found: list[ModelInfo] = self.ask("models")
        return found

    def model(self, name: str, device: str, user: str) -> RayModel:
        key = (name, device)
        if key not in self._facts:
            self._facts[key] = self.ask("facts", name, device)
        return RayModel(self, self._facts[key], name, device, user)

    def cost(self, name: str, device: str, shape: Shape) -> Cost:
        found: Cost = self.ask("cost", name, device, shape)
        return found

    def free_bytes(self, device: str) -> int | None:
        """Of whichever replica answers."""
        found: int | None = self.ask("free_bytes", device)
        return found

    def counters(self) -> dict[str, float]:
        with self._lock:
            spread = Counter(self._where.values())
            return {
                "ray_sessions": float(len(self._where)),
                "ray_replicas_in_use": float(len(spread)),
                "ray_sessions_on_fullest_replica": float(max(spread.values(), default=0)),
                "ray_image_bytes": float(self._bytes()),
                **{f"ray_{name}_total": float(self._totals[name]) for name in _COUNTED},
            }

    def close(self, finish: bool) -> None:
        self._cluster.close()

    def ask(self, method: str, *args: Any, key: str = "") -> Any:
        """What a method of `Replica` returns or raises; the same replica for the same ``key``."""
        from ray.exceptions import RayActorError, RayError

        for left in reversed(range(TRIES)):
            sent = self._cluster.handle.options(multiplexed_model_id=key).ask.remote(method, *args)
            try:
                return self._value(sent.result(timeout_s=PATIENCE))
            except TimeoutError as error:
                sent.cancel()
                raise FullError("No replica was free for too long; try again later.") from error
            except RayActorError as error:
                with self._lock:
                    self._totals["lost"] += 1
                if not left:
                    raise RemoteError(
                        f"{TRIES} replicas died over this step; see the logs of Ray."
                    ) from error
            except RayError as error:
                raise RemoteError(
                    f"The Ray cluster failed ({type(error).__name__}); see its logs."
                ) from error

    def segment(self, ask: Ask) -> Mine:
        answer: Mine = self.ask("segment", ask, key=ask.key)
        with self._lock:
            before = self._where.get(ask.key)
            self._where[ask.key] = answer.replica
            self._totals["opened"] += answer.opened
            self._totals["moved"] += before not in (None, answer.replica)
        return answer

    def forget(self, key: str) -> None:
        """Let the replica forget a session; nobody waits for that."""
        with self._lock:
            known = self._where.pop(key, None) is not None
        if known and not self._cluster.closed:
            self._cluster.handle.options(multiplexed_model_id=key).close.remote(key)

    def sent(self, image: Image) -> Any:
        """The reference to an image in the object store, where it stays as long as ``image``."""
        import ray

        name, size = id(image), image.array.nbytes
        with self._lock:
            if name not in self._sent:
                if self._bytes() + size > self._cluster.store_bytes:
                    raise FullError("There is no memory for another image; try again later.")
                self._sent[name] = ray.put(image), size
                weakref.finalize(image, self._sent.pop, name, None).atexit = False
            return self._sent[name][0]

    def _bytes(self) -> int:
        return sum(size for _, size in self._sent.values())

    def _value(self, reply: Reply) -> Any:
        with self._lock:
            self._totals.update(reply.counts)
        if reply.problem is not None:
            raise from_problem(reply.problem)
        return reply.value


class RayModel:
    """See `medseg.service.runner.Guarded`."""

    def __init__(self, runner: RayRunner, facts: Facts, asked: str, device: str, user: str) -> None:
        self.name = facts.name
        self.version = facts.version
        self.capabilities = facts.capabilities
        self.weights_hash = facts.weights_hash
        self.device = facts.device
        self._runner = runner
        self._key = secrets.token_urlsafe(9)
        self._asked = (asked, device, user)
        self._image: Image | None = None
        self._sent: Any = None
        self._start: tuple[Mask, Any] | None = None
        self._notes: list[str] = []
        self._forget = weakref.finalize(self, runner.forget, self._key)
        self._forget.atexit = False

    def open(self, image: Image) -> OpenImage:
        """Make the image ready in a replica; the same one again costs nothing."""
        if self._image is not image:
            self._sent = self._runner.sent(image)
            self._image = image
            self.ask((), None)
        return _Open(self)

    def ask(self, prompts: Sequence[Prompt], start: Mask | None) -> Bits | None:
        """Have it done by the replica that has the image."""
        name, device, user = self._asked
        held = [] if start is None else [self._put(start)]
        work = Ask(self._key, name, device, user, [self._sent], tuple(prompts), held)
        answer = self._runner.segment(work)
        self.device = answer.device
        self._notes += answer.notes
        return answer.bits

    def run(self, call: Callable[[], T]) -> T:
        """Run something else, here in the front; as many at once as it has cores."""
        with self._runner.slots:
            try:
                return call()
            except MemoryError as error:
                raise MemoryShortError("There is not enough memory for this.") from error

    def take_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        return notes

    def release(self) -> None:
        self._image = self._sent = self._start = None
        self._forget()

    def _put(self, start: Mask) -> Any:
        """A start mask in the object store; it is sent once for all prompts that correct it."""
        import ray

        if self._start is None or self._start[0] is not start:
            self._start = start, ray.put(Bits.of(start))
        return self._start[1]


class _Open:
    def __init__(self, model: RayModel) -> None:
        self._model = model

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`."""
        bits = self._model.ask(prompts, start)
        if progress:
            progress(1.0)
        assert bits is not None
        return bits.mask()
