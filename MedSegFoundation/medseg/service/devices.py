"""The devices of this machine: their threads, the models on them, and what is open there."""

from __future__ import annotations

import gc
import logging
import os
import platform
import sys
import threading
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from ..errors import MedsegError, ModelError
from ..image import Image
from ..model import Model
from ..protocol.messages import ModelInfo
from ..registry import DEFAULT, find, names
from . import estimate
from .counters import Counters
from .guarded import GuardedModel, Opened
from .log import event
from .queue import DeviceQueue
from .settings import Settings

T = TypeVar("T")
#: For work that is no user's, such as a look at what models there are.
_NOBODY = ""


class LocalRunner:
    """Runs models in this process; see `medseg.service.runner.Runner`."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.cpu_fallback = settings.cpu_fallback
        self.count = counters.count
        self._lock = threading.RLock()
        self._devices = list(settings.devices or ())
        self._queues: dict[str, DeviceQueue] = {}
        self._models: dict[tuple[str, str], Model] = {}
        self._infos: dict[str, ModelInfo] = {}
        self._open: weakref.WeakSet[GuardedModel] = weakref.WeakSet()
        self._shared: weakref.WeakValueDictionary[tuple[str, str, int], Opened] = (
            weakref.WeakValueDictionary()
        )
        self._closed = False

    def devices(self) -> list[str]:
        with self._lock:
            if not self._devices:
                self._devices = look()
            return list(self._devices)

    def models(self) -> list[ModelInfo]:
        return [self._info(name) for name in names()]

    def model(self, name: str, device: str, user: str) -> GuardedModel:
        device, name = self._chosen(device), DEFAULT if name == "default" else name
        found = self.on(device, user, lambda: self.loaded(name, device))
        return GuardedModel(self, found, name, device, user)

    def cost(self, name: str, device: str, shape: estimate.Shape) -> estimate.Cost:
        device, name = self._chosen(device), DEFAULT if name == "default" else name
        return estimate.cost(self.on(device, _NOBODY, lambda: self.loaded(name, device)), shape)

    def free_bytes(self, device: str) -> int | None:
        torch: Any = sys.modules.get("torch")
        if self._chosen(device) == "cuda" and torch is not None and torch.cuda.is_available():
            return int(torch.cuda.mem_get_info()[0])
        return estimate.free_memory()

    def counters(self) -> dict[str, float]:
        with self._lock:
            return {f"queue_{name}": float(q.waiting) for name, q in self._queues.items()}

    def close(self, finish: bool) -> None:
        with self._lock:
            self._closed = True
            queues = list(self._queues.values())
        for queue in queues:
            queue.close(finish)

    def on(self, device: str, user: str, call: Callable[[], T]) -> T:
        """The result of ``call`` on the thread of a device, in turn with other users."""
        with self._lock:
            if device not in self._queues:
                self._queues[device] = DeviceQueue(device)
                if self._closed:
                    self._queues[device].close(finish=False)
            queue = self._queues[device]
        return queue.run(user, call)

    def loaded(self, name: str, device: str) -> Model:
        """The model itself, for use on the device's thread, where it is loaded once."""
        if (name, device) not in self._models:
            try:
                self._models[name, device] = find(name, device)
            except ImportError as error:
                raise ModelError(f"The model '{name}' lacks a package ({error}).") from error
        return self._models[name, device]

    def opened(self, name: str, device: str, image: Image) -> Opened:
        """On the device's thread: an image open in a model, the same for all sessions on it.

        Opening takes seconds, and its mask is a function of the prompts alone.
        """
        key = name, device, id(image)
        shared = self._shared.get(key)
        if shared is None:
            shared = Opened(image, self.loaded(name, device).open(image))
            with self._lock:
                self._shared[key] = shared
        return shared

    def keep(self, model: GuardedModel) -> None:
        """Know a model whose open image can be dropped."""
        with self._lock:
            self._open.add(model)

    def make_room(self, device: str) -> None:
        """On the device's thread: drop all open images there; none of them is at work."""
        self.count("oom")
        event("out of memory", logging.WARNING, device=device)
        with self._lock:
            for model in self._open:
                if model.device == device:
                    model.release()
        gc.collect()
        torch: Any = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _chosen(self, device: str) -> str:
        there = self.devices()
        if device == "auto":
            return there[0]
        if device not in there:
            raise ModelError(f"There is no device '{device}' here; choose {', '.join(there)}.")
        return device

    def _info(self, name: str) -> ModelInfo:
        with self._lock:
            known = self._infos.get(name)
        if known is None:
            known = self._looked_up(name)
            with self._lock:
                self._infos[name] = known
        return known

    def _looked_up(self, name: str) -> ModelInfo:
        try:
            device = self._chosen("auto")
            return info_of(self.on(device, _NOBODY, lambda: self.loaded(name, device)))
        except MedsegError as error:
            missing = str(error)
        except Exception as error:  # a plug-in may fail in any way; the other models stay usable
            event("model does not load", logging.WARNING, error=type(error).__name__)
            missing = f"The model '{name}' does not load ({type(error).__name__})."
        return ModelInfo(name, "", None, [], [], False, False, "", None, missing)


def info_of(model: Model) -> ModelInfo:
    """What a model says of itself, as a message."""
    can = model.capabilities
    return ModelInfo(
        model.name,
        model.version,
        model.weights_hash,
        sorted(can.prompts),
        sorted(can.dimensions),
        can.start_mask,
        can.colour,
        can.licence,
        can.weights_licence,
        terms=[term.name for term in can.vocabulary],
    )


def look() -> list[str]:
    """The devices of this machine, best first. Loads torch only where there may be a GPU."""
    if not _may_have_gpu() or find_spec("torch") is None:
        return ["cpu"]
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of it cannot be loaded
        event("torch does not load", logging.WARNING, error=type(error).__name__)
        return ["cpu"]
    cuda = ["cuda"] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def _may_have_gpu() -> bool:
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    if platform.system() == "Windows":
        return Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32/nvcuda.dll").exists()
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "dxg", "kfd"))
