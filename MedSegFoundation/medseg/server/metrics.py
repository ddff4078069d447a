"""Counters as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Upper ends of the time buckets, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """Requests by route template, never by address or user. Used from the event loop only."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def count(
        self, method: str, route: str, status: int, seconds: float, received: int, sent: int
    ) -> None:
        self._requests[method, route, status] += 1
        buckets = self._buckets.setdefault(route, [0] * (len(BUCKETS) + 1))
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]
        self._bytes["received"] += received
        self._bytes["sent"] += sent

    def text(self, numbers: Mapping[str, float]) -> str:
        """Everything counted so far, and ``numbers`` that somebody else keeps; those whose name
        ends in ``_total`` are counters, ``X_le_Y`` with ``X_sum`` makes a histogram, the others
        are as of now.
        """
        lines = _head("medseg_requests_total", "counter", "Answered requests.")
        for (method, route, status), n in sorted(self._requests.items()):
            lines.append(
                f'medseg_requests_total{{method="{method}",route="{route}",status="{status}"}} {n}'
            )
        lines += self._histogram()
        for way in ("received", "sent"):
            name = f"medseg_body_bytes_{way}_total"
            lines += [
                *_head(name, "counter", f"Bytes of bodies {way}."),
                f"{name} {self._bytes[way]}",
            ]
        lines += _told(numbers)
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "medseg_request_seconds"
        lines = _head(
            name, "histogram", "Time from the head of a request to the end of its answer."
        )
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for end, n in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                total += n
                lines.append(f'{name}_bucket{{route="{route}",le="{end}"}} {total}')
            lines.append(f'{name}_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'{name}_count{{route="{route}"}} {total}')
        return lines


def _told(numbers: Mapping[str, float]) -> list[str]:
    lines: list[str] = []
    sums = {name.partition("_le_")[0] + "_sum" for name in numbers if "_le_" in name}
    for name, value in numbers.items():
        stem, bucket, end = name.partition("_le_")
        kind = "counter" if name.endswith("_total") else "gauge"
        if name in sums:
            lines += _head(f"medseg_{name.removesuffix('_sum')}", "histogram", _sentence(name))
        elif not bucket:
            lines += _head(f"medseg_{name}", kind, _sentence(name))
        if bucket:
            end = "+Inf" if end == "inf" else end
            lines.append(f'medseg_{stem}_bucket{{le="{end}"}} {value:.10g}')
        else:
            lines.append(f"medseg_{name} {value:.10g}")
        if bucket and end == "+Inf":
            lines.append(f"medseg_{stem}_count {value:.10g}")
    return lines


def _sentence(name: str) -> str:
    return name.replace("_", " ").capitalize() + "."


def _head(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
