"""Packages into Slicer's own Python: only by the ways that Slicer offers, where it offers them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

import slicer
from medseg.install import PROTECTED
from medseg.install.needs import requirements
from slicer.i18n import tr as _

_PAGE = "https://extensions.slicer.org"


class SlicerPython:
    """What is there is looked at by its name; nothing is loaded to find out."""

    def missing(self, names: Sequence[str]) -> str:
        """ "" or one sentence: why these cannot be installed into this Slicer."""
        if not _there("slicer.packaging"):
            return _("This Slicer cannot do that safely; use an environment of its own.")
        if _wants_torch(names) and not _there("torch") and not _there("PyTorchUtils"):
            return _("PyTorch comes with the extension PyTorch; install that first.")
        return ""

    def install(self, names: Sequence[str], told: Callable[[str], object]) -> None:
        """Slicer shows its own progress. Packages that Slicer is built on keep their versions."""
        if _wants_torch(names) and not _there("torch"):
            logic = import_module("PyTorchUtils").PyTorchUtilsLogic()
            if logic.installTorch(askConfirmation=True) is None:
                told(_("PyTorch was not installed; nothing else was."))
                return
        wanted = [r for r in requirements(names) if not r.startswith("torch>=")]
        try:
            import_module("slicer.packaging").pip_install(
                wanted, constraints=str(_constraints()), requester="MedSegFoundation"
            )
        except (subprocess.CalledProcessError, RuntimeError) as error:
            told(_("It could not be installed ({reason}).").format(reason=error))
            return
        told(_("Installed. Start Slicer anew to use it."))

    def open_extensions_manager(self) -> str:
        """Returns a line that says where to find the PyTorch extension."""
        opener = getattr(slicer.app, "openExtensionsManagerDialog", None)
        if opener is not None:
            opener()
        return _("Look for PyTorch in the Extensions Manager, or at {page}.").format(page=_PAGE)


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _wants_torch(names: Sequence[str]) -> bool:
    return any(r.startswith("torch>=") for r in requirements(names))


def _constraints() -> Path:
    """A file for pip: what must stay as it is."""
    lines = []
    for name in PROTECTED:
        try:
            lines.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    path = Path(slicer.app.temporaryPath, "medseg-constraints.txt")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
