"""Prompts on a volume in the scene, written into a segment.

Slicer's undo stack and the segment's tag are the truth, the engine's session is rebuilt from
them: `SceneSession.sync` compares segment and tag with what the engine last saw, so hand edits
with other tools, undo by Slicer's own buttons and loaded scenes all come in the same way, without
observers. Only actions write; undo, redo and sync never do (any write would drop the redo states).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from medseg import (
    Image,
    InputError,
    Model,
    Prompt,
    PromptError,
    Session,
    Step,
    UnsupportedPromptError,
)
from medseg.image import Mask
from medseg.model import Progress
from medseg.packing import Bits
from medseg.pieces import at_once
from medseg.record import model_info

from .editors import Editor, LogicEditor
from .segments import ensure_geometry, find_segment
from .target import Maker, Target
from .volumes import image_from_volume, volume_state


def check_start_mask(maker: Maker, start: Mask | Bits | None) -> None:
    """Raise `UnsupportedPromptError` when the model would have to correct a mask and cannot."""
    if start is not None and not maker.start_mask:
        raise UnsupportedPromptError(
            f"Model '{maker.name}' cannot go on from a mask it did not make; "
            "use an empty segment, undo the last edits, or choose another model."
        )


class SceneSession:
    """One volume, one model, one segment at a time; for scripts: each call returns when done.

    Every action (`add`, `remove`, `replace`, `reset`) is one step of the editor's undo stack
    and keeps mask and prompts together. When the segment holds something else than the last
    action left there (a hand edit, a rule of the editor), or when the model or the volume has
    changed, the next action goes on from what is really there: the prompts so far stay listed
    but are part of the mask (`baked`) and can only be undone, not moved.
    """

    def __init__(
        self,
        volume: Any,
        segmentation: Any,
        model: Model,
        segment_id: str | None = None,
        editor: Editor | None = None,
    ) -> None:
        """Open a volume node for prompts into a segmentation node.

        ``segment_id``: None adds an empty segment. ``editor``: None makes one of our own (see
        `LogicEditor.create` for its rules). Raises `GeometryError` for non-linear transforms,
        `InputError` for a volume without voxels, an unknown segment or a kind of image that the
        model does not take.
        """
        if volume is None or segmentation is None:
            raise InputError("Choose a source volume and a segmentation first.")
        self.volume = volume
        self.segmentation = segmentation
        self._model = model
        self._open_volume()
        ensure_geometry(segmentation, volume, self.image)
        self.editor = editor or LogicEditor.create(volume, segmentation)
        self.select(segment_id or segmentation.GetSegmentation().AddEmptySegment())

    @property
    def image(self) -> Image:
        """The volume as the engine sees it, in world RAS mm."""
        return self._engine.image

    @property
    def mask(self) -> Mask:
        """The segment on the grid of the image ``(K, J, I)``, as of the last action or sync."""
        return self._engine.mask

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The segment's prompts, as of the last action or sync."""
        return self._engine.prompts

    @property
    def baked(self) -> int:
        """How many of the prompts are part of the mask for good."""
        return self._engine.baked

    def select(self, segment_id: str) -> None:
        """Work on another segment of the segmentation; raises `InputError` when it is absent."""
        find_segment(self.segmentation, segment_id)
        self.segment_id = segment_id
        self.editor.node.SetSelectedSegmentID(segment_id)
        self._target = Target(self.segmentation, segment_id, self.image)
        self.sync()

    def sync(self) -> bool:
        """Take over what changed in the scene since the last look; True when something did.

        Reads only. Raises `InputError` when the segment is gone.
        """
        other_volume = volume_state(self.volume) != self._volume_state
        if other_volume:
            self._open_volume()
            self._target = Target(self.segmentation, self.segment_id, self.image)
        if self._target.look() is None and not other_volume:
            return False
        state = at_once(self._target.standing(self._maker, replay=not other_volume))
        mask = self._target.mask
        self._engine.restore(
            state.prompts, baked=state.baked, start=state.start, mask=mask, story=state.story
        )
        return True

    def add(self, *prompts: Prompt, progress: Progress | None = None) -> Step:
        """Add prompts as one action; the result says what changed in the segment.

        Raises `UnsupportedPromptError` or `PromptError`; the scene is unchanged then.
        """
        self._look()
        return self._act(lambda: self._engine.add(*prompts, progress=progress))

    def remove(self, index: int) -> Step:
        """Take one prompt back, wherever it stands in the list; the segment follows."""
        self._look()
        return self._act(lambda: self._engine.remove(index))

    def replace(self, index: int, prompt: Prompt) -> Step:
        """Exchange one prompt (a dragged point); the segment follows."""
        self._look()
        return self._act(lambda: self._engine.replace(index, prompt))

    def move(self, index: int, prompt: Prompt) -> Step:
        """`replace`, by the name it has in a `LiveSession`."""
        return self.replace(index, prompt)

    def toggle(self, index: int) -> Step:
        """Make an including prompt an excluding one, and back."""
        self.sync()
        if not 0 <= index < len(self.prompts):
            raise PromptError(f"There is no prompt {index}; the segment has {len(self.prompts)}.")
        prompt = self.prompts[index]
        return self.replace(index, replace(prompt, include=not prompt.include))

    def reset(self) -> Step:
        """Empty the segment and forget its prompts (can be undone)."""
        self.sync()
        return self._act(self._engine.reset)

    def undo(self) -> None:
        """Undo the last change of the segmentation, prompts included.

        Raises `PromptError` when there is nothing to undo.
        """
        self.editor.undo()
        self.sync()

    def redo(self) -> None:
        """Redo what `undo` took back; raises `PromptError` when there is nothing to redo."""
        self.editor.redo()
        self.sync()

    def _look(self) -> None:
        """See what is in the scene, and whether the model can go on from there."""
        self.sync()
        check_start_mask(self._maker, self._engine.start)

    def _open_volume(self) -> None:
        self._volume_state = volume_state(self.volume)
        self._engine = Session(image_from_volume(self.volume), self._model)

    @property
    def _maker(self) -> Maker:
        model = self._model
        return Maker(model.name, model_info(model), model.capabilities.start_mask)

    def _act(self, action: Callable[[], Step]) -> Step:
        step = action()
        engine, target = self._engine, self._target
        written = target.write(self.editor, step.patch, engine.history.state, self._maker)
        if written.whole:
            engine.forget_history()
        else:
            state = at_once(target.standing(self._maker))
            engine.restore(
                state.prompts,
                baked=state.baked,
                start=state.start,
                mask=target.mask,
                story=state.story,
            )
        ml = target.voxels * self.image.voxel_ml
        return Step(written.patch, step.seconds, target.voxels, ml, step.notes)
