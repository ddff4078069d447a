"""For scripts: a session behind a helper process with the surface of a local one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from ..actions import Action, Add, Redo, Remove, Replace, Reset, Undo
from ..image import Image, Mask
from ..model import Progress
from ..packing import Bits
from ..prompts import Prompt
from ..session import Step
from ..story import Story
from .link import Companion
from .pending import Pending
from .watch import Pump

T = TypeVar("T")


class BlockingSession:
    """The surface of `medseg.session.Session`; each call turns the pump until it is done."""

    def __init__(
        self,
        companion: Companion,
        pump: Pump,
        image: Image,
        model: str = "default",
        device: str = "auto",
        timeout: float = 600.0,
    ) -> None:
        self.linked = companion.session(image, model, device)
        self._pump = pump
        self._timeout = timeout
        self.wait(self.linked.opened)

    def wait(self, pending: Pending[T]) -> T:
        """The result; raises its error, or `TimeoutError`."""
        self._pump.run_until(lambda: pending.finished, self._timeout)
        return pending.result

    @property
    def image(self) -> Image:
        return self.linked.image

    @property
    def mask(self) -> Mask:
        """The current mask (read-only view)."""
        return self.linked.mask

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return self.linked.prompts

    @property
    def baked(self) -> int:
        return self.linked.baked

    @property
    def start(self) -> Mask | None:
        return self.linked.start

    @property
    def can_undo(self) -> bool:
        return self.linked.can_undo

    @property
    def can_redo(self) -> bool:
        return self.linked.can_redo

    def do(self, action: Action, progress: Progress | None = None) -> Step:
        """Do one action; ``progress`` hears of its end only."""
        step = self.wait(self.linked.do(action))
        if progress:
            progress(1.0)
        return step

    def add(self, *prompts: Prompt, progress: Progress | None = None) -> Step:
        return self.do(Add(prompts), progress)

    def remove(self, index: int) -> Step:
        return self.do(Remove(index))

    def replace(self, index: int, prompt: Prompt) -> Step:
        return self.do(Replace(index, prompt))

    def set_mask(self, mask: Mask) -> Step:
        return self.wait(self.linked.set_mask(mask))

    def reset(self) -> Step:
        return self.do(Reset())

    def undo(self) -> Step:
        return self.do(Undo())

    def redo(self) -> Step:
        return self.do(Redo())

    def restore(
        self,
        prompts: Iterable[Prompt] = (),
        *,
        baked: int = 0,
        start: Mask | Bits | None = None,
        mask: Mask | None = None,
        story: Story | None = None,
    ) -> None:
        self.wait(self.linked.restore(prompts, baked=baked, start=start, mask=mask, story=story))

    def forget_history(self) -> None:
        self.wait(self.linked.forget_history())

    def close(self) -> None:
        self.linked.close()
