"""Fetches one file over HTTP: with progress, going on where it was broken off."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from ..client import diagnose
from ..client.address import PORTS, Address
from ..errors import ConnectionProblem, InputError
from ..io.files import io_error

#: Told bytes that are here, and bytes in all (None: the server does not say).
Progress = Callable[[int, "int | None"], object]
#: Small: what a broken connection has not filled is lost.
_CHUNK = 1 << 16
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
#: Waits before new attempts, when the ones before brought nothing.
_WAITS = (0.5, 2.0, 5.0)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Download:
    """One file on its way to ``path``; the part that is here is kept beside it as ".part".

    ``ca``: a PEM file with the certificates to trust instead of this computer's.
    ``waits``: seconds before each new attempt after one that brought nothing.
    """

    def __init__(
        self, url: str, path: Path, ca: str | None = None, waits: Sequence[float] = _WAITS
    ) -> None:
        self._url = url
        self._address = _address(url)
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".from")
        self._ca = ca
        self._waits = waits
        #: SHA-256 that the server told for the whole file, if it did.
        self.sha256: str | None = None

    def run(self, progress: Progress) -> None:
        """Fetch it all. Raises `ConnectionProblem`, or `InputError` when it cannot be written."""
        waits = list(self._waits)
        while True:
            before = self._here()
            try:
                self._attempt(progress)
                break
            except _BrokenError as broken:
                if self._here() > before:
                    waits = list(self._waits)
                if not waits:
                    raise broken.problem from broken
                time.sleep(waits.pop(0))
        os.replace(self._part, self._path)
        self._note.unlink(missing_ok=True)

    def _attempt(self, progress: Progress) -> None:
        with self._answer() as answer:
            start = self._start(answer)
            total = _length(answer, start)
            self._check_room(total, start)
            done = start
            progress(done, total)
            with self._opened(start) as stream:
                for chunk in self._chunks(answer):
                    self._write(stream, chunk)
                    done += len(chunk)
                    progress(done, total)
            if total is not None and done != total:
                raise _BrokenError(ConnectionProblem(self._dropped()))

    def _answer(self) -> requests.Response:
        headers = {"Accept-Encoding": "identity"}
        here, tag = self._here(), self._tag()
        if here and tag:
            headers |= {"Range": f"bytes={here}-", "If-Range": tag}
        try:
            answer = requests.get(
                self._url,
                headers=headers,
                stream=True,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                verify=self._ca or True,
            )
        except (requests.RequestException, OSError) as error:
            raise self._broken(error) from error
        try:
            self._check(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check(self, answer: requests.Response) -> None:
        """What came is the file, by a safe way; raises otherwise."""
        for step in [*answer.history, answer]:
            _address(step.url)
            told = step.headers.get("X-Linked-ETag", "").strip('"').lower()
            self.sha256 = told if _SHA256.fullmatch(told) else self.sha256
        code = answer.status_code
        if code == 416:  # what is here is no part of what is there
            self.forget()
            raise _BrokenError(ConnectionProblem(self._dropped()))
        if code in (401, 403):
            raise ConnectionProblem(
                f"{self._address} gives '{self._path.name}' only to people it knows; sign in "
                "there with a browser, save the file, and import it."
            )
        if code == 404:
            raise ConnectionProblem(
                f"There is no '{self._path.name}' at {self._address} any more; look at the "
                "model's page, save the file, and import it."
            )
        if code >= 500 or code == 429:
            raise _BrokenError(
                ConnectionProblem(f"{self._address} cannot serve it now ({code}); try again later.")
            )
        if code not in (200, 206):
            raise ConnectionProblem(f"{self._address} gave no file ({code}); try again later.")

    def _start(self, answer: requests.Response) -> int:
        """The first byte that the answer brings; the part that is here is dropped if it is 0."""
        start = self._here()
        if answer.status_code == 206:
            came = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            if came and int(came[1]) == start:
                return start
            self.forget()
            raise _BrokenError(ConnectionProblem(self._dropped()))
        self.forget()
        tag = answer.headers.get("ETag", "")
        if tag and not tag.startswith("W/"):  # a weak one does not stand for the same bytes
            self._note.write_text(json.dumps({"url": self._url, "tag": tag}), encoding="utf-8")
        return 0

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        try:
            yield from answer.iter_content(_CHUNK)
        except (requests.RequestException, OSError) as error:
            if diagnose.dropped(error):
                raise _BrokenError(ConnectionProblem(self._dropped())) from error
            raise self._broken(error) from error

    def _write(self, stream: Any, chunk: bytes) -> None:
        try:
            stream.write(chunk)
            stream.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                stream.close()
            self.forget()  # whoever has no room needs what this took
            raise io_error(self._path, error, "write") from error

    def _opened(self, start: int) -> Any:
        try:
            return open(self._part, "ab" if start else "wb")
        except OSError as error:
            raise io_error(self._path, error, "write") from error

    def _check_room(self, total: int | None, start: int) -> None:
        check_room(self._path.parent, (total or 0) - start)

    def forget(self) -> None:
        """Drop what is here of it."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _here(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _tag(self) -> str:
        """What told this version of the file apart from others, when its part was begun."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return str(note["tag"]) if note["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _broken(self, error: BaseException) -> Exception:
        problem, passing = diagnose.unreachable(error, self._address)
        return _BrokenError(problem) if passing else problem

    def _dropped(self) -> str:
        return f"{self._address} broke off before the end; try again, it goes on from there."


class _BrokenError(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, problem: ConnectionProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def check_room(folder: Path, need: int) -> None:
    """Raise `InputError` when a folder's disk has not so many bytes left."""
    import shutil

    free = shutil.disk_usage(folder).free
    if need > free:
        raise InputError(
            f"The disk of '{folder}' has {free // 10**6} MB left, and {need // 10**6} MB more are "
            "needed; free some space, or name another folder with MEDSEG_MODELS."
        )


def _address(url: str) -> Address:
    """Where a file is fetched; raises `InputError` when others could change it on the way."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise InputError(f"'{url}' is no web address; give one that starts with https://.")
    address = Address(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])
    if address.scheme == "http" and not address.loopback:
        raise InputError(f"http:// to {address} could be tampered with; use https://.")
    return address


def _length(answer: requests.Response, start: int) -> int | None:
    """Bytes of the whole file."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        return None
    told = answer.headers.get("Content-Length", "")
    return start + int(told) if told.isdigit() else None
