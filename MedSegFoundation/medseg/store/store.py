"""Copies of published models on this computer: fetched, imported, checked, removed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from .. import folders
from ..errors import InputError, ModelError
from . import copies
from .approvals import Approvals
from .copies import Copy
from .manifest import Entry, File, entry, manifest

#: Told the name of a file, its bytes so far, and its bytes in all if known.
Progress = Callable[[str, int, "int | None"], object]
FOLDER = "MEDSEG_MODELS"


class Store:
    """A folder of models; each is a sub-folder that comes and goes as a whole.

    ``folder``: by default "models" in the user's data folder. The environment variable
    MEDSEG_MODELS names another, or several (separated as in PATH): the first is written to, the
    others are only read, such as a shared one of the institution. ``shared``: such others.
    Nothing is made before something is stored. `known`, `copy` and `path` are quick; the others
    wait, and raise `InputError`, `ConnectionProblem` or `ModelError` with a sentence.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        shared: Sequence[str | os.PathLike[str]] = (),
        *,
        entries: Iterable[Entry] | None = None,
        approvals: Approvals | None = None,
    ) -> None:
        named = [Path(p) for p in os.environ.get(FOLDER, "").split(os.pathsep) if p]
        if folder is not None:
            named = [Path(folder)]
        self.folder = named[0] if named else folders.data() / "models"
        self.folders = (self.folder, *named[1:], *map(Path, shared))
        self.approvals = approvals or Approvals()
        self._entries = manifest() if entries is None else tuple(entries)

    def known(self) -> list[Entry]:
        """All published models, stored or not."""
        return list(self._entries)

    def entry(self, name: str) -> Entry:
        """The published model of that name; raises `InputError`."""
        return entry(name, self._entries)

    def copy(self, name: str) -> Copy | None:
        """What is stored of a model: files, hashes, since when; None when nothing is."""
        published = self.entry(name)
        found = (copies.read_copy(folder / published.name) for folder in self.folders)
        return next((copy for copy in found if copy is not None), None)

    def path(self, name: str) -> Path:
        """The model's file, or its folder when it has several; raises `ModelError`."""
        return self._stored(name).path

    def import_(
        self, name: str, path: str | os.PathLike[str], progress: Progress | None = None
    ) -> Copy:
        """Copy a model from a file, or from a folder that holds its files; they stay there.

        Hashes are compared where one is published, and kept. An older copy is replaced when the
        new one is whole. A licence that excludes commercial use must have been agreed to.
        """
        published = self.entry(name)
        self.approvals.check(published)
        sources = copies.sources(published, Path(path))
        told = {file.name: file.sha256 for file in published.files}
        with self._lock(published), self._temporary(published) as made:
            self._check_room(sources)
            hashes = {}
            for source in sources:
                target = made / source.name
                hashes[source.name] = copies.copy_file(source, target, progress or _silent)
                expected = [told.get(source.name)]
                copies.check_file(target, hashes[source.name], expected, published.title)
            return self._take(published, made, f"import of {Path(path).name}", hashes)

    def fetch(
        self,
        name: str,
        progress: Progress | None = None,
        *,
        hub: str | None = None,
        ca: str | None = None,
        waits: Sequence[float] = (0.5, 2.0, 5.0),
    ) -> Copy:
        """Fetch a model from its hub (or from the mirror ``hub``); goes on where it broke off.

        A licence that excludes commercial use must have been agreed to. ``ca``: certificates to
        trust, a PEM file. ``waits``: seconds before new attempts after some that brought nothing.
        """
        published = self.entry(name)
        if published.remote:
            raise InputError(f"{published.title} runs on its own server, which keeps its weights.")
        if not published.files:
            raise InputError(
                f"{published.title} cannot be fetched from here; get it from {published.page} "
                "and import it."
            )
        self.approvals.check(published)
        with self._lock(published):
            made = self._unfinished(published)
            made.mkdir(exist_ok=True)
            hashes = {
                file.name: self._file(published, file, made, progress or _silent, hub, ca, waits)
                for file in published.files
            }
            return self._take(published, made, published.url(published.files[0], hub), hashes)

    def remove(self, name: str) -> bool:
        """Delete what is stored or half fetched; False when nothing was. Shared folders stay."""
        published = self.entry(name)
        there = [self.folder / published.name, self._unfinished(published)]
        if not any(path.exists() for path in there):
            found = self.copy(name)
            if found is None:
                return False
            raise InputError(
                f"'{name}' lies in the shared folder '{found.folder.parent}'; "
                "whoever keeps that can remove it."
            )
        with self._lock(published):
            for path in there:
                folders.delete(path)
        return True

    def check(self, name: str, progress: Progress | None = None) -> Copy:
        """Read all its files again; raises `ModelError` when one is not what it was."""
        found = self._stored(name)
        for file in found.files:
            if copies.sha256(found.folder / file.name, progress or _silent) != file.sha256:
                raise ModelError(
                    f"'{file.name}' of '{name}' has changed since it was stored; do not use it, "
                    "fetch or import it again."
                )
        return found

    def _stored(self, name: str) -> Copy:
        found = self.copy(name)
        if found is None:
            raise ModelError(
                f"The model '{name}' is not on this computer; fetch or import it first "
                f"(medseg models fetch {name})."
            )
        return found

    def _file(
        self,
        published: Entry,
        file: File,
        made: Path,
        progress: Progress,
        hub: str | None,
        ca: str | None,
        waits: Sequence[float],
    ) -> str:
        """Fetch one file into the folder ``made``, unless it is there; returns its SHA-256."""
        from .download import Download  # loads requests

        path, expected = made / file.name, [file.sha256]
        if not path.is_file():
            one = Download(published.url(file, hub), path, ca, waits)
            one.run(lambda done, total: progress(file.name, done, total))
            expected.append(one.sha256)
        found = copies.sha256(path, _silent)
        try:
            copies.check_file(path, found, expected, published.title)
        except ModelError:
            path.unlink()
            raise
        return found

    def _take(self, published: Entry, made: Path, origin: str, hashes: Mapping[str, str]) -> Copy:
        """Put what is whole in the place of an older copy."""
        copy = copies.write_copy(made, origin, hashes)
        target, old = self.folder / published.name, self.folder / f".{published.name}.old"
        folders.delete(old)
        with suppress(FileNotFoundError):
            os.replace(target, old)
        os.replace(made, target)
        folders.delete(old)
        return copy.at(target)

    def _unfinished(self, published: Entry) -> Path:
        return self.folder / f".{published.name}.part"

    def _lock(self, published: Entry) -> AbstractContextManager[None]:
        from .lock import locked

        return locked(self.folder / f".{published.name}.lock", f"works on '{published.name}'")

    @contextmanager
    def _temporary(self, published: Entry) -> Iterator[Path]:
        made = self.folder / f".{published.name}.new"
        folders.delete(made)
        made.mkdir()
        try:
            yield made
        finally:
            folders.delete(made)

    def _check_room(self, sources: Sequence[Path]) -> None:
        from .download import check_room

        check_room(self.folder, sum(source.stat().st_size for source in sources))


def _silent(name: str, done: int, total: int | None) -> None:
    pass
