"""Which devices there are where the work is done, and what a prompt would take there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medseg import MedsegError
from medseg.protocol.messages import Estimate, EstimateRequest, Welcome

from .owner import CompanionOwner

#: A usual CT, (K, J, I).
USUAL = (300, 512, 512)


@dataclass(frozen=True)
class DeviceRow:
    """``free`` and ``needs``: memory, ``opening`` and ``prompt``: time, all in words.

    ``advice``: what follows, one sentence or "".
    """

    name: str
    free: str
    needs: str
    opening: str
    prompt: str
    advice: str


class DeviceList:
    """Asks the helper process (and starts it); ``changed`` is called when there is an answer."""

    def __init__(self, owner: CompanionOwner, changed: Callable[[], object]) -> None:
        self._owner = owner
        self._changed = changed
        self._asked = 0
        self.rows: list[DeviceRow] = []
        self.line = ""

    def refresh(self, shape: tuple[int, int, int] = USUAL, model: str = "default") -> None:
        """``shape`` (K, J, I): of the image that a prompt would be given on."""
        self._asked += 1
        self.rows, self.line = [], "Asking ..."
        self._changed()
        number = self._asked
        self._owner.greet().then(
            lambda welcome: self._greeted(number, welcome, shape, model),
            lambda error: self._failed(number, error),
        )

    def _greeted(
        self, number: int, welcome: Welcome, shape: tuple[int, int, int], model: str
    ) -> None:
        if number != self._asked:
            return
        self.line = ""
        for device in welcome.devices:
            request = EstimateRequest(list(shape), model, device)
            self._owner.companion().estimate(request).then(
                lambda answer: self._estimated(number, answer),
                lambda error: self._failed(number, error),
            )
        self._changed()

    def _estimated(self, number: int, answer: Estimate) -> None:
        if number == self._asked:
            self.rows.append(_row(answer))
            self._changed()

    def _failed(self, number: int, error: MedsegError) -> None:
        if number == self._asked:
            self.line = str(error)
            self._changed()


def _row(answer: Estimate) -> DeviceRow:
    free = "not known" if answer.free_bytes is None else _gigabytes(answer.free_bytes)
    return DeviceRow(
        answer.device,
        free,
        _gigabytes(answer.memory_bytes),
        f"{answer.open_seconds:.1f} s",
        f"{answer.prompt_seconds:.1f} s",
        answer.advice,
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
