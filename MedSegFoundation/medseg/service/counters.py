"""Numbers for whoever watches the service; they name nobody."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

#: Upper ends of the buckets for the seconds that a prompt took.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Counters:
    """Counts that only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, name: str, number: int = 1) -> None:
        with self._lock:
            self._counts[name] += number

    def action(self, seconds: float) -> None:
        """Count one action and the time that it took."""
        with self._lock:
            self._counts["actions"] += 1
            self._seconds += seconds
            self._buckets[bisect_left(BUCKETS, seconds)] += 1

    def read(self) -> dict[str, float]:
        """``name: number``; ``action_seconds_le_X`` counts actions of at most X seconds."""
        with self._lock:
            names = ("actions", "oom", "cpu_fallbacks", "expired", "jobs_started")
            numbers: dict[str, float] = {f"{n}_total": self._counts[n] for n in names}
            numbers["action_seconds_sum"] = self._seconds
            total = 0
            for end, count in zip((*map(str, BUCKETS), "inf"), self._buckets, strict=True):
                total += count
                numbers[f"action_seconds_le_{end}"] = total
            return numbers
