"""The nnInteractive protocol 2 beside our own, so that its clients can use this server.

Written for the official client 2.6. What differs from the reference server:

* masks come from our default model (or the first that is offered), in the geometry that
  `make_image` says;
* undo goes back as far as the last reset, not one step; it takes interactions that wait, too;
* an answer holds the box that changed, not all that was computed;
* a lasso is the region within its outline, a drawing with nothing in it is an error, and so is a
  prompt outside the image; automatic zoom and refinement of an initial segmentation do not exist;
* errors are problem documents, whose ``detail`` the client shows; a lost lease is 410, a full
  server 503, both as the client expects.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from ..errors import InputError
from ..image import Image, Mask
from ..patch import MaskPatch
from ..prompts import Prompt
from ..protocol.messages import Welcome
from ..service import Service
from . import bodies
from . import nninteractive_arrays as arrays
from . import nninteractive_prompts as voxels
from .answers import Json
from .context import backend, context
from .nninteractive_leases import LIVENESS_SECONDS, Leases
from .nninteractive_work import model_of

META, LEASE = "X-Meta", "X-Lease-Token"
#: The release of the protocol that this speaks; clients compare it with what they need.
VERSION = "2.6.0"
_JSON, _OCTETS = "application/json", "application/octet-stream"
#: What packing may add to an array that cannot be compressed.
_SLACK = 1 << 20
#: Bytes of a voxel in the widest type that a drawing may come in.
_WIDEST = 8
#: Channels of the reference model: clients read them, nothing here depends on them.
_CHANNELS = {
    "prev_seg": 0,
    "bbox2d": [1, 2],
    "bbox3d": [1, 2],
    "lasso": [1, 2],
    "points": [3, 4],
    "scribble": [5, 6],
}
_Drawn = Callable[[Image, Mask, Any, bool], list[Prompt]]
Endpoint = Callable[[Request], Awaitable[Response]]


def router(service: Service) -> APIRouter:
    """The endpoints, for the ``more`` of `medseg.server.app.make_app`."""
    settings = service.settings
    calls = _Calls(Leases(settings.sessions, settings.lease_seconds, settings.clock))
    made = APIRouter(include_in_schema=False)
    for path in ("/capabilities", "/lease_status"):
        made.add_api_route(path, getattr(calls, path[1:]), methods=["GET"])
    for path in (
        "/claim",
        "/release",
        "/heartbeat",
        "/set_image",
        "/set_target_buffer",
        "/set_do_autozoom",
        "/reset_interactions",
        "/undo",
        "/predict",
        "/add_point_interaction",
        "/add_bbox_interaction",
        "/add_initial_seg_interaction",
    ):
        made.add_api_route(path, getattr(calls, path[1:]), methods=["POST"])
    for path, drawn in (
        ("/add_scribble_interaction", voxels.scribble),
        ("/add_lasso_interaction", voxels.lasso),
    ):
        made.add_api_route(path, calls.drawing(drawn), methods=["POST"])
    return made


class _Calls:
    """One method per endpoint, of the endpoint's name."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases

    async def capabilities(self, request: Request) -> Response:
        welcome = await context(request).threads.quick(backend(request).welcome)
        return Json(_capabilities(welcome))

    async def claim(self, request: Request) -> Response:
        user = request.state.user
        claim = self.leases.claim
        token = await context(request).threads.quick(claim, user, backend(request))
        return Json(
            {
                "lease_token": token,
                "idle_timeout_seconds": self.leases.idle_seconds,
                "liveness_timeout_seconds": LIVENESS_SECONDS,
                "max_sessions": self.leases.most,
            }
        )

    async def release(self, request: Request) -> Response:
        await context(request).threads.quick(self.leases.release, *_who(request))
        return Json({"released": True})

    async def heartbeat(self, request: Request) -> Response:
        lease = self.leases.find(*_who(request))
        self.leases.beat(lease)
        return Json({"remaining_seconds": self.leases.remaining(lease)})

    async def lease_status(self, request: Request) -> Response:
        left = self.leases.remaining(self.leases.find(*_who(request)))
        return Json({"remaining_seconds": left, "idle_timeout_seconds": self.leases.idle_seconds})

    async def set_image(self, request: Request) -> Response:
        most = context(request).service.settings.image_bytes
        meta, body = await self._body(request, most)

        def work() -> Response:
            image = voxels.make_image(arrays.unpack(body, 4, most), meta.get("image_properties"))
            with self.leases.using(*_who(request)) as client:
                client.set_image(image)
            return Json({"original_image_shape": [1, *image.shape]})

        return await context(request).threads.work(work)

    async def set_target_buffer(self, request: Request) -> Response:
        shape = _buffer_shape(await self._json(request))

        def work() -> Response:
            with self.leases.using(*_who(request)) as client:
                client.set_buffer(shape)
            return Json({})

        return await context(request).threads.work(work)

    async def set_do_autozoom(self, request: Request) -> Response:
        """Taken, and without effect."""
        _flag(await self._json(request), "do_autozoom")
        return Json({})

    async def reset_interactions(self, request: Request) -> Response:
        def work() -> Response:
            with self.leases.using(*_who(request)) as client:
                client.reset()
            return Json({})

        return await context(request).threads.work(work)

    async def undo(self, request: Request) -> Response:
        def work() -> Response:
            with self.leases.using(*_who(request)) as client:
                return _prediction(client.undo())

        return await context(request).threads.work(work)

    async def predict(self, request: Request) -> Response:
        def work() -> Response:
            with self.leases.using(*_who(request)) as client:
                return _prediction(client.predict())

        return await context(request).threads.work(work)

    async def add_point_interaction(self, request: Request) -> Response:
        return await self._geometric(request, voxels.point, "coordinates")

    async def add_bbox_interaction(self, request: Request) -> Response:
        return await self._geometric(request, voxels.box, "bbox_coords")

    async def add_initial_seg_interaction(self, request: Request) -> Response:
        meta, body, most = await self._drawing(request)

        def work() -> Response:
            mask = arrays.unpack(body, 3, most) > 0
            with self.leases.using(*_who(request)) as client:
                if mask.shape != client.image.shape:
                    raise InputError(
                        f"The initial segmentation has shape {mask.shape}, "
                        f"the image {client.image.shape}."
                    )
                patch = client.start_from(mask)
            return _prediction(patch if _flag(meta, "run_prediction", False) else None)

        return await context(request).threads.work(work)

    def drawing(self, prompts_of: _Drawn) -> Endpoint:
        """The endpoint of an interaction that comes as an array."""

        async def endpoint(request: Request) -> Response:
            meta, body, most = await self._drawing(request)

            def work() -> Response:
                array = arrays.unpack(body, 3, most)
                with self.leases.using(*_who(request)) as client:
                    place = voxels.place_mask(client.image, array, meta.get("interaction_bbox"))
                    prompts = prompts_of(client.image, *place, _flag(meta, "include_interaction"))
                    return _prediction(client.add(prompts, _flag(meta, "run_prediction", True)))

            return await context(request).threads.work(work)

        return endpoint

    async def _geometric(
        self, request: Request, make: Callable[[Image, Any, bool], Prompt], name: str
    ) -> Response:
        given = await self._json(request)

        def work() -> Response:
            with self.leases.using(*_who(request)) as client:
                prompt = make(client.image, given.get(name), _flag(given, "include_interaction"))
                return _prediction(client.add([prompt], _flag(given, "run_prediction", True)))

        return await context(request).threads.work(work)

    async def _json(self, request: Request) -> dict[str, Any]:
        self.leases.find(*_who(request))
        most = context(request).service.settings.message_bytes
        return _object(bodies.loads(await bodies.read(request, most, _JSON)))

    async def _drawing(self, request: Request) -> tuple[dict[str, Any], bytes, int]:
        """The meta data and body of a drawing, and how large it may be when unpacked."""
        lease = self.leases.find(*_who(request))
        most = math.prod(lease.work.image.shape) * _WIDEST
        return *await self._body(request, most), most

    async def _body(self, request: Request, most: int) -> tuple[dict[str, Any], bytes]:
        self.leases.find(*_who(request))  # before anything is read
        meta = _object(bodies.loads(request.headers.get(META, "{}").encode("latin-1")))
        return meta, await bodies.read(request, most + _SLACK, _OCTETS)


def _who(request: Request) -> tuple[str, str | None]:
    return request.state.user, request.headers.get(LEASE)


def _prediction(patch: MaskPatch | None) -> Response:
    """What the client writes into its buffer; None: there was nothing to do."""
    meta: dict[str, Any] = {"ran_prediction": patch is not None, "bbox": None}
    body = b""
    if patch is not None and not patch.empty:
        part = patch.voxels.astype(np.uint8)
        meta["bbox"] = [[s.start, s.stop] for s in patch.box]
        meta |= {"dtype": part.dtype.name, "shape": list(part.shape)}
        body = arrays.pack(part)
    headers = {META: json.dumps(meta, separators=(",", ":"))}
    return Response(body, media_type=_OCTETS, headers=headers)


def _capabilities(welcome: Welcome) -> dict[str, Any]:
    model = model_of(welcome)
    names = {
        "points": "point",
        "bbox2d": "box",
        "bbox3d": "box",
        "scribble": "scribble",
        "lasso": "lasso",
    }
    return {
        "supported_interactions": {n: kind in model.prompts for n, kind in names.items()},
        "channel_mapping": _CHANNELS,
        "num_interaction_channels": 7,
        "supports_initial_label": model.start_mask,
        "supports_zero_shot_label_refinement": False,
        "preferred_scribble_thickness": [1, 1, 1],
        "interaction_decay": None,
        "patch_size": None,
        "do_autozoom": False,
        "inference_session_version": VERSION,
        "license": model.weights_licence or model.licence,
        "supports_undo": True,
    }


def _buffer_shape(given: dict[str, Any]) -> tuple[int, ...]:
    shape, kind = given.get("shape"), given.get("dtype")
    sizes = shape if isinstance(shape, list) else []
    if len(sizes) != 3 or not all(type(n) is int and n > 0 for n in sizes):
        raise InputError("A target buffer needs a shape of three whole numbers above 0.")
    if not isinstance(kind, str) or not kind.startswith(("bool", "int", "uint")):
        raise InputError("A target buffer must be of bool or an integer type.")
    return tuple(sizes)


def _flag(given: dict[str, Any], name: str, default: bool | None = None) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"'{name}' must be true or false.")
    return value


def _object(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InputError("The parameters of a call are a JSON object.")
    return given
