"""Ray under the server: a cluster of its own on this machine, or one that is there already.

Whoever can reach the ports of a Ray cluster, and has its token, can run code on it. A cluster of
our own therefore listens on the loopback address, asks for a token that nobody else gets to know,
has no dashboard and no HTTP proxy, and keeps its files in a folder of its own that goes with it.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..service.estimate import free_memory
from ..service.settings import Settings
from .ray_keeper import Keeper

#: Name of the Serve application; one front per cluster, and a new one takes over from a dead one.
APP = "medseg"
#: Room in the object store besides images: start masks and answers.
SLACK_BYTES = 128 << 20
SHARED = Path("/dev/shm")
#: Ray puts sockets below its folder, and the path of a socket has at most 107 bytes.
_LONGEST_BASE = 20
#: Read by Ray when it is imported, here and in the processes it starts.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without this, a late call of a thread of Ray starts a second cluster after the end.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # A replica on a busy machine is given this long to tell how busy it is; 0.1 is too short.
    "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "1.0",
}
_PRIVATE = {
    "RAY_AUTH_MODE": "token",
    # Despite its name, "0" makes Ray stay on the loopback address on every system.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@dataclass(frozen=True)
class RaySettings:
    """How many replicas, and with what.

    ``replicas``: a fixed number, or ``autoscale`` = (fewest, most). ``cpus_per_replica`` and
    ``gpus_per_replica`` may be fractions. ``address``: of a running cluster ("auto" looks for it);
    None starts one on this machine. ``waiting``: prompts that wait at one replica before a
    session moves to another.
    """

    replicas: int = 1
    autoscale: tuple[int, int] | None = None
    cpus_per_replica: float = 1.0
    gpus_per_replica: float = 0.0
    address: str | None = None
    waiting: int = 8

    @property
    def most_replicas(self) -> int:
        return self.autoscale[1] if self.autoscale else self.replicas


@dataclass
class Cluster:
    """A started deployment; ``handle`` sends requests to its replicas."""

    handle: Any
    store_bytes: int
    keeper: Keeper | None
    closed: bool = False

    def close(self) -> None:
        """End the replicas, and Ray too when it was started here."""
        if not self.closed:
            self.closed = True
            _end(self.keeper)


def start(plan: RaySettings, settings: Settings) -> Cluster:
    """Start or join Ray and wait for the replicas.

    Raises `InputError` when Ray is not installed, has not what the replicas need, or they fail.
    """
    if find_spec("ray") is None:
        raise InputError("Ray is not installed; run: pip install 'medseg[ray]'")
    os.environ.update(_ENVIRONMENT)
    store = _store_bytes(settings)
    keeper = None if plan.address else _own_cluster()
    try:
        with _own_signals():
            return Cluster(_deployed(plan, settings, store, keeper), store, keeper)
    except (RuntimeError, ValueError, OSError) as error:
        _end(keeper)
        raise InputError(f"Ray did not start ({_first(error)}).") from error
    except BaseException:
        _end(keeper)
        raise


def _own_cluster() -> Keeper:
    base = tempfile.gettempdir()
    base = base if len(base) < _LONGEST_BASE else "/tmp"
    keeper = Keeper(Path(tempfile.mkdtemp(prefix="medseg-", dir=base)))
    os.environ.update(_PRIVATE, RAY_AUTH_TOKEN=secrets.token_hex(32))
    return keeper


def _end(keeper: Keeper | None) -> None:
    import ray
    from ray import serve

    if keeper is None and ray.is_initialized():
        serve.delete(APP)
    ray.shutdown()
    if keeper is not None:
        keeper.end()


def _deployed(plan: RaySettings, settings: Settings, store: int, keeper: Keeper | None) -> Any:
    import ray
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    _connect(ray, plan, store, keeper)
    serve.start(proxy_location="Disabled")
    return serve.run(_application(plan, settings), name=APP, route_prefix=None)


def _connect(ray: Any, plan: RaySettings, store: int, keeper: Keeper | None) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False}
    if keeper is None:
        ray.init(address=plan.address, **quiet)
        return
    cpus = max(os.cpu_count() or 1, math.ceil(plan.most_replicas * plan.cpus_per_replica))
    ray.init(
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=store + SLACK_BYTES,
        _temp_dir=str(keeper.folder),
        _system_config={"automatic_object_spilling_enabled": False},
        **quiet,
    )
    gpus, needed = ray.cluster_resources().get("GPU", 0), plan.most_replicas * plan.gpus_per_replica
    if gpus < needed:
        raise InputError(
            f"The replicas need {needed:g} GPUs together, this machine has {gpus:g}; ask for "
            "fewer replicas, or for a smaller part of a GPU each."
        )


def _application(plan: RaySettings, settings: Settings) -> Any:
    from ray import serve
    from ray.serve.config import RequestRouterConfig
    from ray.serve.schema import LoggingConfig

    from .ray_replica import Replica
    from .ray_router import FewestImages

    scale: dict[str, Any] = {"num_replicas": plan.replicas}
    if plan.autoscale:
        fewest, most = plan.autoscale
        scale = {"autoscaling_config": {"min_replicas": fewest, "max_replicas": most}}
    deployment = serve.deployment(
        name="replica",
        max_ongoing_requests=plan.waiting,
        ray_actor_options={"num_cpus": plan.cpus_per_replica, "num_gpus": plan.gpus_per_replica},
        request_router_config=RequestRouterConfig(request_router_class=FewestImages),
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
        **scale,
    )
    cpu_only = plan.gpus_per_replica == 0
    return deployment(Replica).bind(
        settings, ("cpu",) if cpu_only else settings.devices, plan.waiting
    )


def _store_bytes(settings: Settings) -> int:
    """What images may take in the object store, which Ray keeps in shared memory."""
    free = free_memory()
    most = settings.store_bytes if free is None else min(settings.store_bytes, int(0.3 * free))
    if SHARED.is_dir():  # Ray would take files on disk instead: no place for voxels
        space = os.statvfs(SHARED)
        room = space.f_bavail * space.f_frsize - 2 * SLACK_BYTES
        if room < min(most, SLACK_BYTES):
            raise InputError(
                "There is too little shared memory for images; make /dev/shm larger "
                "(for a container: --shm-size)."
            )
        most = min(most, room)
    return most


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts its own handlers in place; the server wants to stop in its own order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
