"""What is under way: an answer that comes later, without anybody waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import CancelledError, MedsegError

T = TypeVar("T")


class Pending(Generic[T]):
    """The answer to one request; ends once, with ``result`` or with ``error``."""

    def __init__(self) -> None:
        self.finished = False
        self.error: MedsegError | None = None
        self._result: T | None = None
        self._done: list[Callable[[T], object]] = []
        self._failed: list[Callable[[MedsegError], object]] = []
        self._cancel: Callable[[], None] = lambda: None

    @property
    def result(self) -> T:
        """The answer; raises the error instead, and `RuntimeError` while there is neither."""
        if not self.finished:
            raise RuntimeError("The answer has not come yet.")
        if self.error is not None:
            raise self.error
        return self._result  # type: ignore[return-value]

    def then(
        self,
        done: Callable[[T], object] | None = None,
        failed: Callable[[MedsegError], object] | None = None,
    ) -> Pending[T]:
        """Be called with the result or the error, at once when it is there; returns itself."""
        if not self.finished:
            self._done += [done] if done else []
            self._failed += [failed] if failed else []
        elif self.error is None and done:
            done(self.result)
        elif self.error is not None and failed:
            failed(self.error)
        return self

    def cancel(self) -> None:
        """Give it up: it fails with `CancelledError`, and what it did is taken back.

        A job stops at its next frame and ends with what it has so far.
        """
        if not self.finished:
            self._cancel()

    # For whoever brings the answer.

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def finish(self, result: T) -> None:
        if not self.finished:
            self.finished, self._result = True, result
            for call in self._let_go()[0]:
                call(result)

    def fail(self, error: MedsegError) -> None:
        if not self.finished:
            self.finished, self.error = True, error
            for call in self._let_go()[1]:
                call(error)

    def give_up(self) -> None:
        self.fail(CancelledError("The step was cancelled."))

    def _let_go(
        self,
    ) -> tuple[list[Callable[[T], object]], list[Callable[[MedsegError], object]]]:
        calls = self._done, self._failed
        self._done, self._failed, self._cancel = [], [], lambda: None
        return calls
