"""What can be asked of a segment, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from medseg import InputError, Prompt, PromptError, Step
from medseg.actions import Accept, Action, Add, Remove, Replace, Reset, Undo
from medseg.companion.linked import LinkedSession
from medseg.companion.pending import Pending
from medseg.packing import unpacking_patch
from medseg.pieces import Pieces
from medseg.protocol.messages import JobEvent
from medseg.story import Story

from .route import same_prompts

Listed = tuple[Prompt, ...]


class Request:
    """One thing asked for; ``pending`` ends with what it changed in the segment.

    ``drag``: equal for all positions of one movement. Of those that wait only the newest is
    computed, and all that are written are one undo step.
    """

    drag: object | None = None

    def __init__(self) -> None:
        self.pending: Pending[Step] = Pending()

    def expect(self, listed: Listed) -> Listed:
        """The prompts as they will be after this."""
        return listed

    def action(self, listed: Listed) -> Action:
        """What the session is asked to do; raises `PromptError` when it makes no sense now."""
        raise NotImplementedError


class AddPrompts(Request):
    def __init__(self, prompts: Listed) -> None:
        super().__init__()
        self._prompts = prompts

    def expect(self, listed: Listed) -> Listed:
        return listed + self._prompts

    def action(self, listed: Listed) -> Action:
        return Add(self._prompts)


class Exchange(Request):
    """Another prompt in the place of one, or none (``new`` is None).

    The prompt is kept, not its index, as the list may have changed when its turn comes.
    """

    def __init__(
        self, index: int, listed: Listed, new: Prompt | None, drag: object | None = None
    ) -> None:
        super().__init__()
        if not 0 <= index < len(listed):
            raise PromptError(f"There is no prompt {index}; the segment has {len(listed)}.")
        self.drag = drag
        self._index, self._new = index, new
        self._known: Listed = (listed[index],)

    def follows(self, other: Request | None) -> None:
        """``other`` may or may not have moved the prompt when this one's turn comes."""
        if isinstance(other, Exchange) and other.drag is self.drag and self.drag is not None:
            self._known += other._known

    def expect(self, listed: Listed) -> Listed:
        place = self._place(listed)
        if place is None:
            return listed
        new = () if self._new is None else (self._new,)
        return (*listed[:place], *new, *listed[place + 1 :])

    def action(self, listed: Listed) -> Action:
        place = self._place(listed)
        if place is None:
            raise PromptError("This prompt is not in the list any more.")
        return Remove(place) if self._new is None else Replace(place, self._new)

    def _place(self, listed: Listed) -> int | None:
        for prompt in self._known:
            places = [n for n, other in enumerate(listed) if same_prompts([prompt], [other])]
            if self._index in places:
                return self._index
            if places:
                return places[0]
        return None


class Empty(Request):
    """Forget prompts and mask."""

    def expect(self, listed: Listed) -> Listed:
        return ()

    def action(self, listed: Listed) -> Action:
        return Reset()


class TakeBack(Request):
    """The last prompt of a preview goes."""

    def action(self, listed: Listed) -> Action:
        return Undo()


@dataclass(frozen=True)
class Slice:
    """A slice that a propagation has decided.

    ``index``: along the axis; ``fraction``: of the whole run, 1 at its end; ``confidence``: 0 to
    1, that the object is there as found.
    """

    index: int
    fraction: float
    confidence: float


class Propagate(Request):
    """From ``seeds`` to all slices from ``first`` to ``last`` along ``axis``."""

    def __init__(
        self,
        seeds: Iterable[int] | Callable[[], list[int]],
        axis: int,
        first: int | None,
        last: int | None,
        direction: str,
        on_progress: Callable[[Slice], object] | None,
        memory: str | None = None,
    ) -> None:
        super().__init__()
        if direction not in ("both", "forward", "backward"):
            raise PromptError(f"'{direction}' is no direction; use both, forward or backward.")
        self._seeds = seeds if callable(seeds) else list(seeds)
        self.axis, self.memory = axis, memory
        self._first, self._last, self._direction = first, last, direction
        self.on_progress = on_progress

    def seeds(self) -> list[int]:
        """Asked when its turn comes, as prompts may still be on their way."""
        seeds = sorted(set(self._seeds() if callable(self._seeds) else self._seeds))
        if not seeds:
            raise PromptError("There is no slice to propagate from; put a prompt in one first.")
        return seeds

    def span(self, seeds: list[int]) -> tuple[int | None, int | None]:
        """First and last slice; the direction cuts the range at the outermost seed."""
        first = seeds[0] if self._direction == "forward" else self._first
        last = seeds[-1] if self._direction == "backward" else self._last
        return first, last

    def start(self, linked: LinkedSession) -> Pending[JobEvent]:
        """Begin it; raises `PromptError` when there is nothing to start from."""

        def told(event: JobEvent) -> None:
            if self.on_progress is not None and not self.pending.finished:
                confidence = event.confidence or 0.0
                self.on_progress(Slice(event.index or 0, event.fraction, confidence))

        seeds = self.seeds()
        first, last = self.span(seeds)
        return linked.propagate(
            seeds, axis=self.axis, first=first, last=last, memory=self.memory, on_event=told
        )


def accepting(end: JobEvent, shape: tuple[int, int, int]) -> Pieces[Accept]:
    """What takes the result of a job into a mask ``(K, J, I)``, ready to be sent; in pieces."""
    if end.patch is None:
        raise InputError("This job has no result that could be accepted.")
    patch = yield from unpacking_patch(end.patch, shape)
    action = Accept(patch, story=Story.from_dict(end.story))
    yield from action.packing()
    return action
