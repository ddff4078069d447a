"""Images: offered, sent in chunks, and from then on known by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..protocol.messages import ImageOffer, ImageStatus
from . import bodies
from .answers import message
from .context import backend, context
from .openapi import says

router = APIRouter(tags=["images"])
OCTETS = "application/octet-stream"
#: What packing may add to a chunk that cannot be compressed.
SLACK = 64 << 10


@router.post("/v1/images", **says(ImageStatus, ImageOffer))
async def offer_image(
    request: Request, offer: Annotated[ImageOffer, bodies.message(ImageOffer)]
) -> Response:
    """Offer an image; the answer tells its name and which chunks are missing."""
    threads = context(request).threads
    return message(await threads.quick(backend(request).offer_image, offer))


@router.get("/v1/images/{image}", **says(ImageStatus))
async def image_status(request: Request, image: str) -> Response:
    """Which chunks are missing."""
    return message(await context(request).threads.quick(backend(request).image_status, image))


@router.put("/v1/images/{image}/chunks/{index}", **says(ImageStatus, OCTETS))
async def put_chunk(request: Request, image: str, index: int) -> Response:
    """Send one chunk, packed as the offer said."""
    limits = context(request).service.settings.limits()
    most = max(limits.chunk_bytes, limits.message_bytes) + SLACK
    mine, threads = backend(request), context(request).threads
    await threads.quick(mine.image_status, image)  # an unknown image is told before it is read
    data = await bodies.read(request, most, OCTETS)
    return message(await threads.quick(mine.put_chunk, image, index, data))
