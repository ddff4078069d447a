"""An open image: prompts in, mask out, for any way of turning channels into log odds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ...errors import InputError, PromptError
from ...image import Image, Mask
from ...model import Progress
from ...patch import bounding_box
from ...prompts import Prompt, to_dict
from .changes import corrected
from .cut import smooth_cut
from .enclosed import SURE
from .features import Prepared, prepare
from .grid import Box, Field, Window
from .groups import Group, Limit, allowed
from .maps import PRIOR, GroupMaps, Scene, View, group_maps, stack, window_for
from .refine import NOTHING, Part, to_voxels, wider
from .seeds import from_mask, group

#: A view of the window in, log odds ``(K, J, I)`` out.
Decide = Callable[[View], Field]
#: A first click in, the same with a better idea of its size out.
Search = Callable[[Group, Prepared], Group]
#: A view whose newest prompt is a click that corrects, and the odds of the object in; log odds out.
Correct = Callable[[View, Field], Field]
#: A new prompt changes blocks that it is nearest to; this much farther (log) still counts.
SLACK = 0.8
#: Price of the border against the evidence.
SMOOTHNESS = 1.0
#: Blocks beyond a correction that the smooth cut looks at.
ROOM = 8
WHOLE: Box = (slice(None), slice(None), slice(None))


class Interactive:
    """One image, prepared. The mask after n prompts starts from the one after n - 1."""

    def __init__(
        self,
        image: Image,
        decide: Decide,
        search: Search | None = None,
        correct: Correct = corrected,
    ) -> None:
        self._image = image
        self._decide = decide
        self._search = search
        self._correct = correct
        self._prepared = prepare(_grey(image), _spacing(image))
        self._groups: dict[str, Group] = {}
        self._scales: dict[str, float] = {}
        self._scene: Scene | None = None
        self._known_maps: dict[str, GroupMaps] = {}
        self._last: tuple[list[str], list[Mask]] = ([], [])

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`."""
        keys = keys_of(prompts, start)
        masks = self._known(keys)
        groups: list[Group] = []
        for count, (key, prompt) in enumerate(zip(keys, prompts, strict=True), start=1):
            before = masks[count - 2] if count > 1 else start
            if key not in self._groups:
                self._groups[key] = self._group(prompt, groups, before)
            groups.append(self._groups[key])
            if count <= len(masks):
                continue
            masks.append(self._step(keys[:count], list(groups), before, start))
            groups[-1] = self._groups[key]
            if progress:
                progress(count / len(prompts))
        self._last = (keys, masks)
        return masks[-1].copy()

    def _group(self, prompt: Prompt, earlier: list[Group], before: Mask | None) -> Group:
        found = group(prompt, self._image, self._prepared, earlier, before)
        first = found.include and found.is_click and not any(g.include for g in earlier)
        if self._search and first and (before is None or not before.any()):
            return self._search(found, self._prepared)
        return found

    def _known(self, keys: list[str]) -> list[Mask]:
        """Masks of the longest run of first prompts that the last call shared."""
        last, masks = self._last
        shared = 0
        while shared < min(len(keys), len(masks)) and keys[shared] == last[shared]:
            shared += 1
        return masks[:shared]

    def _step(
        self, keys: list[str], groups: list[Group], before: Mask | None, start: Mask | None
    ) -> Mask:
        """The mask after the last of the groups, from the mask before it."""
        newest = len(groups) - 1
        window = window_for(groups, self._prepared)
        if start is not None and start.any():
            groups = [*groups, from_mask(start, self._prepared)]
            keys = [*keys, f"start {_digest(start)}"]
        if not any(g.include for g in groups):
            raise PromptError(
                "There is nothing to exclude from yet; give a prompt inside the object first."
            )
        scene, maps = self._maps(window, keys, groups)
        prior = 2 * window.shrink(before) - 1 if before is not None and before.any() else None
        scales = [self._scales.get(key, 0.0) for key in keys]
        view = View(scene, groups, maps, stack(scene, groups, maps, prior), newest, scales)
        odds = self._odds(view)
        self._scales.update(zip(keys, view.scales, strict=True))
        local = prior is not None and groups[newest].is_click
        if local:
            odds = self._correct(view, odds)
        limits = [g.limit for g in groups if g.limit is not None]
        if limits:
            odds[~allowed(limits, window.centres()).reshape(odds.shape)] = -4.0
        u = _cut_near_changes(odds, view) if local else cut_of(odds, scene)
        if groups[newest].guess is not None and _cut_off(u > 0.5, window, self._image.shape):
            groups[newest] = self._groups[keys[newest]] = _with_more_room(groups[newest])
            return self._step(keys[: newest + 1], groups[: newest + 1], before, start)
        mask = np.zeros(self._image.shape, bool) if before is None else before.copy()
        may = _joined(view, u) if local else _owned(view)
        near = may > 0 if local else (u > NOTHING) | ((prior > -1) if prior is not None else False)
        part = Part.around(near, window)
        if part is not None:
            new = _limited(to_voxels(u, part, self._prepared), part.box, limits)
            if groups[newest].encloses:
                new = new if _holds_all(groups, newest) else new | mask[part.box]
            elif prior is not None:
                changed = part.wanted(part.view.grow(may[part.wide]) > 0)
                new = np.where(changed, new, mask[part.box])
            if local:
                new = new | mask[part.box] if groups[newest].include else new & mask[part.box]
            mask[part.box] = new
        return _tidy(mask, groups, start)

    def _odds(self, view: View) -> Field:
        """Log odds of the window; a box or loop decides about what it encloses."""
        found, window = view.groups[view.newest].found, view.scene.window
        if found is None:
            return self._decide(view)
        rest = self._decide(view).ravel() if found.in_slice else -SURE
        points = self._image.ijk_to_ras(window.centres()[:, ::-1])
        return found.at(points, rest).reshape(window.shape).astype(np.float32)

    def _maps(
        self, window: Window, keys: list[str], groups: list[Group]
    ) -> tuple[Scene, list[GroupMaps]]:
        """Scene and maps of the window; those of earlier prompts are kept while it stays."""
        if self._scene is None or self._scene.window != window:
            self._scene, self._known_maps = Scene.of(self._prepared, window), {}
        for key, g in zip(keys, groups, strict=True):
            if key not in self._known_maps:
                self._known_maps[key] = group_maps(self._scene, g)
        return self._scene, [self._known_maps[key] for key in keys]


def keys_of(prompts: Sequence[Prompt], start: Mask | None) -> list[str]:
    """A name for each prompt, which tells all that its seed group hangs on."""
    keys: list[str] = []
    key = "" if start is None else _digest(start)
    for prompt in prompts:
        key = hashlib.sha1(f"{key} {to_dict(prompt)}".encode()).hexdigest()
        keys.append(key)
    return keys


def _cut_off(blocks: Mask, window: Window, shape: tuple[int, ...]) -> bool:
    """Whether a mask reaches an edge of the window beyond which the image goes on."""
    return any(
        (side.start > 0 and np.take(blocks, 0, axis).any())
        or (side.stop < length and np.take(blocks, -1, axis).any())
        for axis, (side, length) in enumerate(zip(window.box, shape, strict=True))
    )


def _with_more_room(click: Group) -> Group:
    """A searched click, twice as much of the image around it."""
    assert click.guess is not None
    room = -(-(click.guess.high - click.guess.low) // 2)
    low, high = click.guess.low - room, click.guess.high + room
    return replace(click, guess=replace(click.guess, low=low, high=high))


def _limited(new: Mask, box: Box, limits: Sequence[Limit]) -> Mask:
    """Without the voxels that the boxes and loops among the prompts leave out."""
    if limits:
        inside = np.argwhere(new)
        new[tuple(inside[~allowed(limits, inside + [side.start for side in box])].T)] = False
    return new


def _holds_all(groups: Sequence[Group], newest: int) -> bool:
    """Whether a box is about the whole object: all that was prompted as inside lies in it."""
    limit = groups[newest].limit
    assert limit is not None
    return all(limit.holds(g.seeds).all() for g in groups if g.include)


def _digest(mask: Mask) -> str:
    return hashlib.sha1(np.packbits(mask).tobytes()).hexdigest()


def _joined(view: View, u: Field) -> Field:
    """Above 0 in blocks of the part that the newest prompt adds or takes away, and its border.

    A click to add takes nothing away, nor does it add what it is not joined to.
    """
    window, newest = view.scene.window, view.groups[view.newest]
    labels, count = ndimage.label(
        ((u > 0.5) != (view.stack[PRIOR] > 0)) & ((u > 0.5) == newest.include)
    )
    hit = np.zeros(count + 1, bool)
    hit[np.unique(labels[tuple(window.block_of(window.within(newest.seeds)).T)])] = True
    hit[0] = False
    return ndimage.binary_dilation(hit[labels]).astype(np.float32) - 0.5


def _owned(view: View) -> Field:
    """Above 0 in blocks that the newest prompt is nearest to."""
    others = [view.reach_of(n) for n in range(len(view.groups)) if n != view.newest]
    if not others:
        return np.ones(view.scene.window.shape, np.float32)
    return np.minimum.reduce(others) + SLACK - view.reach_of(view.newest)


def cut_of(evidence: Field, scene: Scene, box: Box = WHOLE) -> Field:
    """The smooth cut of the evidence in a box, its border drawn to the edges of the scene."""
    steep = np.square(scene.gradient[box] / 2)
    edges = SMOOTHNESS * (0.15 + 1 / (1 + steep)).astype(np.float32)
    return smooth_cut(np.clip(evidence[box], -4, 4), edges, scene.window.spacing)


def _cut_near_changes(evidence: Field, view: View) -> Field:
    """The same where the evidence is against the mask so far, and that mask far from there."""
    scene, before = view.scene, view.stack[PRIOR] > 0
    u = before.astype(np.float32)
    against = bounding_box((evidence > 0) != before)
    if against is not None:
        box = wider(against, (ROOM, ROOM, ROOM), scene.window.shape)
        u[box] = cut_of(evidence, scene, box)
    return u


def _tidy(mask: Mask, groups: list[Group], start: Mask | None) -> Mask:
    """Seeds get their way, and only parts that a prompt or the start mask touches stay."""
    anchors = np.zeros(mask.shape, bool) if start is None else start & mask
    for g in groups:
        place = tuple(g.seeds.T)
        if g.include and len(g.seeds) < 64:
            mask[place] = True
        elif not g.include:
            mask[place] = False
    for g in groups:
        if g.include:
            anchors[tuple(g.seeds.T)] = mask[tuple(g.seeds.T)]
    box = bounding_box(mask)
    if box is None:
        return mask
    labels, count = ndimage.label(mask[box])
    if count > 1:
        keep = np.zeros(count + 1, bool)
        keep[np.unique(labels[anchors[box]])] = True
        keep[0] = False
        mask[box] = keep[labels]
    return mask


def _spacing(image: Image) -> tuple[float, float, float]:
    i, j, k = image.spacing
    return k, j, i


def _grey(image: Image) -> Field:
    values = np.asarray(image.array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError("The image holds values that are not numbers (NaN or infinite).")
    if float(values.min()) == float(values.max()):
        raise InputError("All voxels of the image have the same value: there is nothing to find.")
    return values
