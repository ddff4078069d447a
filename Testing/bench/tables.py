"""Markdown tables from records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from medseg.evaluate import GOALS
from scoring import OTHERS, Record

BEGIN, END = "<!-- tables -->", "<!-- /tables -->"
CLICKS = (1, 3, 5, 10)
#: The set that constants were chosen on.
TUNED = "abdomen_ct_short"


def report(records: Sequence[Record], ours: str) -> str:
    """All tables; ``ours`` is the model that the others are compared with."""
    clicks = [r for r in records if r.prompt == "clicks"]
    models = sorted(unique(r.model for r in clicks), key=lambda name: name != ours)
    sets = unique(r.set for r in clicks)
    parts = [
        ("Dice after 1 / 3 / 5 / 10 clicks, mean of each set", _means(clicks, sets, models)),
        (f"Our lead in Dice, without {TUNED}", _lead(clicks, _untouched(sets), models, ours)),
        ("Clicks to Dice 0.85 / 0.90, median of each set", _goals(clicks, sets, models)),
        ("Seconds a click, median of each set", _seconds(records, sets, models)),
        (f"Boxes and human scribbles, {ours}", _others(records, sets, ours)),
    ]
    parts += [(f"{name}, each object", _objects(clicks, name, models, ours)) for name in sets]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts if table) + "\n"


def into(page: Path, text: str) -> None:
    """Put the tables between the marks of a page."""
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def unique(names: Iterable[str]) -> list[str]:
    """The names in the order of their first use."""
    return list(dict.fromkeys(names))


def _means(records: Sequence[Record], sets: list[str], models: list[str]) -> str:
    rows = [["set", "objects", *models]]
    for name in sets:
        chosen = {m: _of(records, m, name) for m in models}
        rows.append(
            [name, str(max(map(len, chosen.values()))), *(_dice(chosen[m]) for m in models)]
        )
    counts = {m: [len(_of(records, m, name)) for name in sets] for m in models}
    most = [max(column) for column in zip(*counts.values(), strict=True)]
    common = [name for n, name in enumerate(sets) if all(counts[m][n] == most[n] for m in models)]
    for title, wanted in (
        ("mean of sets that all ran", common),
        (f"without {TUNED}", _untouched(common)),
    ):
        each = [_set_means(records, m, wanted) for m in models]
        rows.append([f"**{title}**", "", *map(_joined, each)])
    return _table(rows)


def _lead(records: Sequence[Record], sets: list[str], models: list[str], ours: str) -> str:
    """Difference of Dice to each other model, and the share of objects where we are ahead."""
    if ours not in models or len(models) < 2:
        return ""
    header = [f"after {n}" for n in CLICKS]
    rows = [["against", *header, *(f"objects ahead {h}" for h in header)]]
    for other in models:
        pairs = [p for p in _pairs(records, ours, other) if p[0].set in sets]
        if other == ours or not pairs:
            continue
        mine, theirs = (
            _set_means([p[n] for p in pairs], m, sets) for n, m in ((0, ours), (1, other))
        )
        gain = [f"{a - b:+.2f}" for a, b in zip(mine, theirs, strict=True)]
        ahead = [np.mean([a.after(n) > b.after(n) for a, b in pairs]) for n in CLICKS]
        rows.append([other, *gain, *(f"{100 * share:.0f} %" for share in ahead)])
    return _table(rows)


def _pairs(records: Sequence[Record], ours: str, other: str) -> list[tuple[Record, Record]]:
    theirs = {(r.set, r.case): r for r in records if r.model == other}
    mine = (r for r in records if r.model == ours)
    return [(r, theirs[r.set, r.case]) for r in mine if (r.set, r.case) in theirs]


def _goals(records: Sequence[Record], sets: list[str], models: list[str]) -> str:
    rows = [["set", *models]]
    for name in sets:
        row = [name]
        for model in models:
            found = _of(records, model, name)
            medians = [np.median([r.clicks_to(goal) for r in found]) for goal in GOALS if found]
            row.append(" / ".join(_count(m, found) for m in medians) or "-")
        rows.append(row)
    return _table(rows)


def _count(clicks: float, records: Sequence[Record]) -> str:
    if np.isfinite(clicks):
        return f"{clicks:g}"
    return f">{max(len(r.dice) for r in records)}"


def _seconds(records: Sequence[Record], sets: list[str], models: list[str]) -> str:
    clicks = [r for r in records if r.prompt == "clicks"]
    rows = [["set", *models]]
    for name in sets:
        rows.append([name, *(_median_time(_of(clicks, m, name)) for m in models)])
    cubes = {r.model: r for r in records if r.prompt == "speed"}
    if cubes:
        size = next(iter(cubes.values())).case
        opening = [_time(cubes[m].seconds[:1]) if m in cubes else "-" for m in models]
        rows.append([f"made-up {size}, opening", *opening])
        rows.append([f"made-up {size}", *(_cube(cubes.get(m)) for m in models)])
    return _table(rows)


def _cube(record: Record | None) -> str:
    if record is None:
        return "-"
    return f"{np.median(record.seconds[1:]):.2f}, at most {max(record.seconds[1:]):.2f}"


def _median_time(records: Sequence[Record]) -> str:
    return _time([s for r in records for s in r.seconds])


def _time(seconds: Sequence[float]) -> str:
    return f"{np.median(seconds):.2f}" if len(seconds) else "-"


def _others(records: Sequence[Record], sets: list[str], ours: str) -> str:
    kinds = [kind for kind in OTHERS if any(r.prompt == kind for r in records)]
    if not kinds:
        return ""
    rows = [["set", *kinds]]
    for name in sets:
        row = [name]
        for kind in kinds:
            found = _of([r for r in records if r.prompt == kind], ours, name)
            row.append(f"{np.mean([r.after(1) for r in found]):.2f}" if found else "-")
        rows.append(row)
    return _table(rows)


def _objects(records: Sequence[Record], name: str, models: list[str], ours: str) -> str:
    """One row for each object: all models' Dice, and how fast ours got there."""
    found = [r for r in records if r.set == name]
    goals = [f"{ours} to {goal:.2f}" for goal in GOALS]
    rows = [["object", *models, *goals]]
    for case in unique(r.case for r in found):
        by_model = {r.model: r for r in found if r.case == case}
        mine = by_model.get(ours)
        reached = [_count(mine.clicks_to(goal), [mine]) if mine else "-" for goal in GOALS]
        scores = (_dice([by_model[m]] if m in by_model else []) for m in models)
        rows.append([case, *scores, *reached])
    return _table(rows)


def _of(records: Sequence[Record], model: str, name: str) -> list[Record]:
    return [r for r in records if r.model == model and r.set == name]


def _untouched(sets: list[str]) -> list[str]:
    return [name for name in sets if name != TUNED]


def _set_means(records: Sequence[Record], model: str, sets: list[str]) -> list[float]:
    """Dice after each of `CLICKS`: the mean over sets of the mean over objects."""
    each = [found for name in sets if (found := _of(records, model, name))]
    if not each:
        return []
    return [float(np.mean([np.mean([r.after(n) for r in f]) for f in each])) for n in CLICKS]


def _dice(records: Sequence[Record]) -> str:
    return _joined([np.mean([r.after(n) for r in records]) for n in CLICKS if records])


def _joined(values: Sequence[float]) -> str:
    return " / ".join(f"{v:.2f}" for v in values) or "-"


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *body = rows
    line = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, line, *body))
