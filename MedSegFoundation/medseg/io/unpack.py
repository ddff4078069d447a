"""What is packed in a file, piece by piece; and files without a name to put it into."""

from __future__ import annotations

import bz2
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from .files import damaged, io_error, opened

#: How the content of a file is packed; "gzip" stands for zlib as well, "deflate" has no header.
PACKINGS = {"gzip": 47, "deflate": -15}
_PIECE = 1 << 20


def packed_in(data: bytes) -> str:
    """ "gzip" when a file that begins like this is packed, else ""."""
    return "gzip" if data.startswith(b"\x1f\x8b") else ""


def pieces(path: Path, start: int = 0, packing: str = "") -> Iterator[bytes]:
    """The content of a file from byte ``start`` on, unpacked, at most a MiB at a time.

    ``packing``: "" for none, "gzip", "deflate" or "bzip2". Raises `InputError`.
    """
    with opened(path) as file:
        try:
            file.seek(start)
            if packing == "bzip2":
                yield from _plain(bz2.BZ2File(file))
            elif packing:
                yield from _inflated(file, path, PACKINGS[packing])
            else:
                yield from _plain(file)
        except EOFError as error:
            raise damaged(path, "its compressed data end too early") from error
        except zlib.error as error:
            raise damaged(path, "its compressed data are not valid") from error
        except OSError as error:
            if error.errno is None:  # of bz2
                raise damaged(path, "its compressed data are not valid") from error
            raise io_error(path, error, "read") from error


def _plain(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _inflated(file: IO[bytes], path: Path, wbits: int) -> Iterator[bytes]:
    """Checks length and checksum; gzip may have several members."""
    stream, data = zlib.decompressobj(wbits), file.read(_PIECE)
    while data:
        yield stream.decompress(data, _PIECE)
        if not stream.eof:
            data = stream.unconsumed_tail or file.read(_PIECE)
            continue
        data = stream.unused_data or file.read(_PIECE)
        if not data.startswith(b"\x1f"):
            return
        stream = zlib.decompressobj(wbits)
    raise EOFError


def nameless(chunks: Iterable[tuple[int, bytes]]) -> IO[bytes]:
    """A file without a name that goes when it is closed; ``chunks``: where they lie, and what.

    Raises `InputError` when the disk of temporary files refuses.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="medseg-unpacked-"))
            at = 0
            for place, chunk in chunks:
                if place != at:
                    file.seek(place)
                file.write(chunk)
                at = place + len(chunk)
            file.flush()
        except OSError as error:
            raise io_error(Path(tempfile.gettempdir()), error, "write") from error
        stack.pop_all()
    return file


def one_after_another(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each with the place where it lies."""
    at = 0
    for chunk in chunks:
        yield at, chunk
        at += len(chunk)
