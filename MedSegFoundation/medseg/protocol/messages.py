"""Requests and answers as plain data; each is one JSON object with these fields.

Masks and patches are packed as `medseg.packing` says, prompts as `medseg.prompts` (RAS mm).
Shapes are ``(K, J, I)``; the affine maps IJK to RAS mm.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import InputError

#: Both sides name the versions they speak; the highest common one counts.
VERSION = 1
VERSIONS = (1,)

Json = dict[str, Any]


@dataclass(frozen=True)
class ModelInfo:
    """What a model can do; see `medseg.model.Capabilities`."""

    name: str
    version: str
    weights_hash: str | None
    prompts: list[str]
    dimensions: list[str]
    start_mask: bool
    colour: bool
    licence: str
    weights_licence: str | None
    #: Why the model cannot be used here (a missing package), or None.
    missing: str | None = None
    #: Names of all that text prompts may name; empty with "text" in ``prompts``: any words.
    terms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """What the other side takes; sizes in bytes before compression."""

    image_bytes: int
    chunk_bytes: int
    message_bytes: int
    sessions: int
    lease_seconds: float


@dataclass(frozen=True)
class Welcome:
    """Who answers, what it speaks and what it has."""

    medseg: str
    versions: list[int]
    codecs: list[str]
    devices: list[str]
    models: list[ModelInfo]
    default_model: str
    jobs: list[str]
    limits: Limits


@dataclass(frozen=True)
class ImageOffer:
    """An image that may have to be sent, in chunks of ``chunk_slices`` whole slices.

    ``digest``: see `medseg.protocol.images.digest`. ``dtype``: numpy name, little endian.
    """

    digest: str
    shape: list[int]
    dtype: str
    affine: list[list[float]]
    codec: str
    chunk_slices: int
    channels: int = 1
    modality: str | None = None
    time_axis: bool = False


@dataclass(frozen=True)
class ImageStatus:
    """Which chunks of an image are still missing; none: it is ready under the name ``image``."""

    image: str
    missing: list[int]
    ready: bool


@dataclass(frozen=True)
class SessionRequest:
    """Start a session on an image that is there; ``history`` puts an interrupted one back."""

    image: str
    model: str = "default"
    device: str = "auto"
    history: Json | None = None


@dataclass(frozen=True)
class SessionInfo:
    """Where a session stands. Each action counts its ``revision`` up by one."""

    session: str
    image: str
    model: ModelInfo
    revision: int
    prompts: list[Json]
    baked: int
    voxels: int
    ml: float
    can_undo: bool
    can_redo: bool
    lease_seconds: float


@dataclass(frozen=True)
class ActionRequest:
    """One action of `medseg.actions`.

    ``request`` is chosen by the sender; the same one sent twice acts once and gets the same
    answer. ``revision`` is the one the sender believes in; another is refused as stale.
    """

    request: str
    revision: int
    action: Literal["add", "remove", "replace", "set_mask", "accept", "reset", "undo", "redo"]
    prompts: list[Json] | None = None
    index: int | None = None
    mask: Json | None = None
    patch: Json | None = None
    #: "accept": how the result came about; see `medseg.story`.
    story: Json | None = None


@dataclass(frozen=True)
class ActionReply:
    """What the action changed, and where the session stands now.

    ``notes``: sentences for the user (went on with the CPU, ...).
    """

    request: str
    revision: int
    patch: Json
    seconds: float
    voxels: int
    ml: float
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class JobRequest:
    """A long job on a session.

    "propagate": from the slices ``seeds`` of its mask along ``axis`` (0, 1, 2 = K, J, I), within
    ``first`` to ``last``, with another ``memory`` policy than the model's; "batch": every entry
    of ``objects`` (``name``, ``prompts``) on its own, the session's mask stays. The session
    refuses actions while a job runs.
    """

    request: str
    kind: Literal["propagate", "batch"]
    axis: int = 0
    seeds: list[int] | None = None
    first: int | None = None
    last: int | None = None
    objects: list[Json] | None = None
    memory: str | None = None


@dataclass(frozen=True)
class JobInfo:
    """A job and how far it is; ``events`` counts what `JobEvent` lines there are so far."""

    job: str
    session: str
    state: Literal["running", "done", "cancelled", "failed"]
    fraction: float
    events: int


@dataclass(frozen=True)
class JobEvent:
    """One line of a job's story; the last one is "done", "cancelled" or "failed".

    ``patch``: what this slice or object adds (in "done" and "cancelled": everything together, to
    be taken with the action "accept", or left). ``name``: of the object ("batch"). ``story``: how
    the whole came about, to be accepted with it ("propagate", at the end).
    """

    number: int
    event: Literal["frame", "done", "cancelled", "failed"]
    fraction: float
    patch: Json | None = None
    index: int | None = None
    name: str | None = None
    confidence: float | None = None
    problem: Json | None = None
    notes: list[str] = field(default_factory=list)
    story: Json | None = None


@dataclass(frozen=True)
class EstimateRequest:
    """What would it cost to work on such an image?"""

    shape: list[int]
    model: str = "default"
    device: str = "auto"


@dataclass(frozen=True)
class Estimate:
    """Expected cost of a prompt; ``fits``: False when the device has not that much memory."""

    device: str
    open_seconds: float
    prompt_seconds: float
    memory_bytes: int
    free_bytes: int | None
    fits: bool
    advice: str


T = TypeVar("T")


def encode(message: Any) -> Json:
    """A message as a JSON-able dictionary; fields that are None are left out."""
    return {k: _plain(v) for k, v in vars(message).items() if v is not None}


def _plain(value: Any) -> Any:
    """Messages inside a message as plain data; what is plain already is not copied."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def decode(kind: type[T], data: Any) -> T:
    """Inverse of `encode`; unknown fields are ignored (a newer sender).

    Raises `InputError` that names the first field which is missing or of another type.
    """
    return _value(kind, data, kind.__name__)


def _value(kind: Any, data: Any, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return data
    if origin in (Union, UnionType):
        if data is None and type(None) in get_args(kind):
            return None
        return _value(next(a for a in get_args(kind) if a is not type(None)), data, where)
    if origin is Literal:
        if data not in get_args(kind):
            raise InputError(f"'{where}' must be one of {', '.join(get_args(kind))}.")
        return data
    if origin is list:
        if not isinstance(data, list):
            raise InputError(f"'{where}' must be a list.")
        return [_value(get_args(kind)[0], item, where) for item in data]
    if origin is dict:
        if not isinstance(data, dict):
            raise InputError(f"'{where}' must be an object.")
        return data
    if hasattr(kind, "__dataclass_fields__"):
        return _message(kind, data, where)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError as error:
            raise InputError(f"'{where}' is too large a number.") from error
    if not isinstance(data, kind) or (kind is not bool and isinstance(data, bool)):
        raise InputError(f"'{where}' must be a {kind.__name__}.")
    return data


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _message(kind: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise InputError(f"'{where}' must be an object.")
    hints = _hints(kind)
    given = {f.name: data[f.name] for f in fields(kind) if f.name in data}
    for f in fields(kind):  # `encode` has left out what is None
        if f.default is MISSING and type(None) in get_args(hints[f.name]):
            given.setdefault(f.name, None)
    try:
        return kind(**{n: _value(hints[n], v, f"{where}.{n}") for n, v in given.items()})
    except TypeError as error:
        raise InputError(f"'{where}' is not complete: {error}.") from error
