"""Which licences the user has agreed to; asked once for each model that needs it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from .. import folders
from ..errors import InputError
from .manifest import Entry


@dataclass(frozen=True)
class Approval:
    """``when``: date and time (UTC, ISO 8601). ``licence``: what was agreed to."""

    when: str
    licence: str


class Approvals:
    """Kept by model name in a JSON file; by default "licences.json" of the user's configuration.

    A file that cannot be read counts as no agreement, and so does one to another licence.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = folders.config() / "licences.json" if path is None else Path(path)

    def given(self, entry: Entry) -> Approval | None:
        """The agreement to this model's licence as it is now, or None."""
        found = self._read().get(entry.name)
        return found if found is not None and found.licence == entry.weights_licence else None

    def grant(self, entry: Entry) -> None:
        """Remember that the user agrees; `InputError` when it cannot be written."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._write({**self._read(), entry.name: Approval(now, entry.weights_licence)})

    def revoke(self, entry: Entry) -> None:
        """Forget the agreement, if there is one."""
        self._write({name: kept for name, kept in self._read().items() if name != entry.name})

    def check(self, entry: Entry) -> None:
        """Raise `InputError` unless the model may be taken."""
        if entry.non_commercial and self.given(entry) is None:
            raise InputError(
                f"The weights of {entry.title} are not for commercial use (licence: "
                f"{entry.weights_licence}; see {entry.page}); agree to that first "
                "(medseg models: --agree-licence)."
            )

    def _read(self) -> dict[str, Approval]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(k): Approval(str(v["when"]), str(v["licence"])) for k, v in data.items()}
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return {}

    def _write(self, approvals: dict[str, Approval]) -> None:
        from ..io.files import io_error, write_atomic  # loads SimpleITK

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise io_error(self.path.parent, error, "write") from error
        text = json.dumps({k: asdict(v) for k, v in approvals.items()}, indent=2)
        write_atomic(self.path, [text.encode()])
