"""An image on its way to a server: offered, then sent in the parts that are missing there.

Two threads pack and send a chunk each: while the server unpacks one, the next is on its way, and no
more than two are in memory.
Whatever goes wrong in between, the server is asked again what it has, and only the rest is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import as_completed, wait

from ..errors import NotFoundError, RemoteError
from ..image import Image
from ..protocol.images import chunk_count, encode_chunk
from ..protocol.messages import ImageOffer, ImageStatus, encode
from .answers import message
from .connection import Connection, path
from .patience import Transient

#: Called with the fraction of chunks that have arrived, from 0 to 1.
Progress = Callable[[float], None]


def upload(
    connection: Connection, image: Image, offer: ImageOffer, progress: Progress | None = None
) -> str:
    """Send what the server lacks of an image; returns the image's name there."""
    patience = connection.patience(work=True)
    status = _offered(connection, offer)
    fewest = len(status.missing)
    while not status.ready:
        try:
            status = _sent(connection, image, offer, status, progress)
        except Transient as failure:
            connection.wait(patience, failure)
            status = _offered(connection, offer)
        if len(status.missing) < fewest:
            fewest = len(status.missing)
            patience.renew()
    if progress is not None:
        progress(1.0)
    return status.image


def _offered(connection: Connection, offer: ImageOffer) -> ImageStatus:
    data = connection.call("POST", "/v1/images", encode(offer), work=True)
    return message(ImageStatus, data, connection.address)


def _sent(
    connection: Connection,
    image: Image,
    offer: ImageOffer,
    status: ImageStatus,
    progress: Progress | None,
) -> ImageStatus:
    """Send every missing chunk once; `Transient` when the server must be asked again."""
    missing = status.missing
    if not missing:
        raise Transient(RemoteError("The server does not get ready with the image; try again."))

    def send(number: int) -> ImageStatus:
        return _put(connection, status.image, number, encode_chunk(image, offer, number))

    sent = [connection.senders.submit(send, number) for number in missing]
    try:
        for done in as_completed(sent):
            status = min(status, done.result(), key=lambda s: (not s.ready, len(s.missing)))
            if progress is not None:
                progress(1 - len(status.missing) / chunk_count(offer))
    finally:
        for waiting in sent:
            waiting.cancel()
        wait(sent)
    return status


def _put(connection: Connection, image: str, number: int, data: bytes) -> ImageStatus:
    try:
        answer = connection.once("PUT", path("images", image, "chunks", number), data, work=True)
    except NotFoundError as error:  # the server was started anew in between
        raise Transient(error) from error
    return message(ImageStatus, answer, connection.address)
