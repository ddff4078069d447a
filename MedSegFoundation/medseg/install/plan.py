"""What pip would install, known before anything is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from ..errors import InputError
from . import needs
from .processes import Stop, Told, look, run

#: Packages that Slicer is built on: a plan that would replace one is no plan.
PROTECTED = ("numpy", "scipy", "vtk", "SimpleITK", "requests", "pydicom", "torch")
#: Installed MB where known (measured on Linux, PyTorch without CUDA).
_ABOUT_MB = {
    "numpy": 45,
    "scipy": 113,
    "simpleitk": 264,
    "timm": 18,
    "torch": 754,
    "torchvision": 16,
    "transformers": 126,
}
PIP = (
    "-m",
    "pip",
    "--disable-pip-version-check",
    "--no-input",
    "install",
    "--progress-bar=off",
    "--only-binary=:all:",
)


@dataclass(frozen=True)
class Item:
    """A package that would come. ``installed``: the version it replaces; None if none.

    ``megabytes``: about, None where not known. ``asked``: not only needed by others.
    """

    name: str
    version: str
    installed: str | None
    megabytes: float | None
    asked: bool


@dataclass(frozen=True)
class Plan:
    """What would be installed into ``python``."""

    python: str
    items: tuple[Item, ...]

    @property
    def megabytes(self) -> float:
        """The sum of what is known."""
        return sum(item.megabytes or 0.0 for item in self.items)

    @property
    def replaced(self) -> tuple[Item, ...]:
        """What is there in another version now."""
        return tuple(item for item in self.items if item.installed is not None)


def plan_into(
    python: str, names: Iterable[str], options: Sequence[str], told: Told, stop: Stop
) -> Plan:
    """What ``names`` of `needs.NEEDS` would change in a Python that is in use.

    Packages of PROTECTED keep their versions. ``options``: for pip, such as where to look.
    Raises `InputError` when there is no way.
    """
    there = look(python, stop)["packages"]
    kept = [f"{n}=={v}" for n, v in there.items() if _plain(n) in map(_plain, PROTECTED)]
    return planned(python, needs.requirements(names), options, there, kept, told, stop)


def planned(
    python: str,
    requirements: Sequence[str],
    options: Sequence[str],
    there: Mapping[str, str],
    kept: Sequence[str],
    told: Told,
    stop: Stop,
) -> Plan:
    """Ask pip. ``there``: installed packages; ``kept``: constraints, "name==version"."""
    with tempfile.TemporaryDirectory(prefix="medseg-plan-") as folder:
        report, limits = Path(folder, "report.json"), Path(folder, "constraints.txt")
        limits.write_text("\n".join(kept), encoding="utf-8")
        command = [python, *PIP, "--dry-run", "--report", str(report), "-c", str(limits)]
        code, lines = run([*command, *options, *requirements], told, stop)
        if code != 0:
            raise InputError(refusal(lines, kept))
        data = json.loads(report.read_text(encoding="utf-8"))
    installed = {_plain(name): version for name, version in there.items()}
    return Plan(python, tuple(_item(entry, installed) for entry in data["install"]))


def refusal(lines: Sequence[str], kept: Sequence[str] = ()) -> str:
    """One sentence on why pip could not."""
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    reason = (errors[0] if errors else next(reversed(lines), "no reason given")).rstrip(".")
    if kept and any("conflict" in line.lower() or "constraint" in line.lower() for line in lines):
        return (
            f"These packages do not go together with what is installed ({', '.join(kept)} stay "
            "as they are); use an environment of its own."
        )
    if any("no such option" in line for line in lines):
        return "The pip of this Python is too old (it needs 22.2 or newer); name a newer Python."
    return f"pip found no way: {reason}. Check the network, or give --find-links and --no-index."


def _item(entry: Mapping[str, Any], installed: Mapping[str, str]) -> Item:
    name, version = str(entry["metadata"]["name"]), str(entry["metadata"]["version"])
    url = str(entry.get("download_info", {}).get("url", ""))
    return Item(
        name, version, installed.get(_plain(name)), _size(name, url), bool(entry.get("requested"))
    )


def _size(name: str, url: str) -> float | None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(unquote(parts.path)))
        return path.stat().st_size / 1e6 if path.is_file() else None
    return _ABOUT_MB.get(_plain(name))


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
