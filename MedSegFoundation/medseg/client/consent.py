"""What the user has agreed to send where: asked once per server, before the first voxel leaves."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..errors import ConsentError
from .address import Address

#: What leaves this machine. An agreement counts only for exactly this.
WHAT = (
    "The voxels of the image, their geometry, and the prompts; "
    "no file name, no patient name, no DICOM header."
)


@dataclass(frozen=True)
class Agreement:
    """``when``: date and time (UTC, ISO 8601). ``what``: the text that was agreed to."""

    when: str
    what: str


class Consent:
    """Agreements by server ("name:port"), kept in a JSON file.

    ``path``: by default "consent.json" in the user's configuration folder. A file that cannot be
    read counts as no agreement.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = _default_path() if path is None else Path(path)
        self._lock = threading.Lock()

    def given(self, server: str) -> Agreement | None:
        """The agreement for "name:port" that is in force, or None."""
        found = self._read().get(server)
        return found if found is not None and found.what == WHAT else None

    def grant(self, server: str) -> None:
        """Remember that the user agrees; `InputError` when it cannot be written."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._lock:
            self._write({**self._read(), server: Agreement(now, WHAT)})

    def revoke(self, server: str) -> None:
        """Forget the agreement, if there is one."""
        with self._lock:
            rest = {name: kept for name, kept in self._read().items() if name != server}
            self._write(rest)

    def check(self, address: Address) -> None:
        """Raise `ConsentError` unless images may be sent there."""
        if address.loopback or self.given(str(address)) is not None:
            return
        raise ConsentError(
            f"Images would be sent to {address}: {WHAT[0].lower()}{WHAT[1:]} "
            "Agree to that first (medseg segment: --agree)."
        )

    def _read(self) -> dict[str, Agreement]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(k): Agreement(str(v["when"]), str(v["what"])) for k, v in data.items()}
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return {}

    def _write(self, agreements: dict[str, Agreement]) -> None:
        from ..io.files import io_error, write_atomic  # loads SimpleITK

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise io_error(self.path.parent, error, "write") from error
        text = json.dumps({k: asdict(v) for k, v in agreements.items()}, indent=2)
        write_atomic(self.path, [text.encode()])


def _default_path() -> Path:
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "medseg" / "consent.json"
