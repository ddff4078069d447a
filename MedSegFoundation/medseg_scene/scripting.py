"""What the panel does, one call each, for scripts: `MedSegFoundationLogic` in Slicer.

The same in ``Slicer --python-script``:

    logic = slicer.util.getModuleLogic("MedSegFoundation")
    session = logic.openLiveSession(volumeNode, segmentationNode)
    print(logic.addPoint(session, [15, 12, 10]).ml)
    session.close()

and in plain Python with the package slicer-core:

    import medseg_scene
    medseg_scene.ensure()
    logic = medseg_scene.Scripting()

Calls wait for their result (`openLiveSession` gives the session that does not). Positions are
world RAS in mm, as the slice views show them. What a user can cause is raised as
`medseg.MedsegError` with one sentence for the user. The examples below are run as tests.
"""
# Slicer's logic classes are written in its own style.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import medseg
import numpy as np
from medseg import Box, Lasso, Point, Prompt, PromptError, Scribble, Step, Text
from medseg.companion.link import Server
from medseg.companion.pending import Pending
from medseg.protocol.messages import Welcome
from medseg.record import Record
from medseg.story import Story

from .choices import Choices, ModelChoice
from .entries import Entry
from .limits import InsideRoi, NearPlane, Slab
from .live import LiveSession
from .owner import owner
from .requests import Slice
from .scene_session import SceneSession
from .segments import find_segment
from .solids import with_depth
from .tags import read_tag

AnySession = SceneSession | LiveSession


class Scripting:
    """Prompts from scripts, on a session of either kind."""

    def modelNames(self) -> list[str]:
        """Names of the models on this computer, the default first.

        >>> assert logic.modelNames()[0] == "geodesic-cut"
        """
        return medseg.names()

    def modelChoices(self) -> list[ModelChoice]:
        """The models where work is done now, with licences and why one cannot be used.

        >>> assert "Apache-2.0" in [choice.licence for choice in logic.modelChoices()]
        """
        return self._choices().models

    def whyNot(self, kind: str, model: str = "default") -> str:
        """Why a model cannot take "point", "box", "scribble", "lasso", "text"; "" when it can.

        >>> assert logic.whyNot("point") == ""
        """
        return self._choices().cannot(model, kind)

    def vocabulary(self, model: str = "default") -> list[str]:
        """Words that a model knows in text prompts.

        >>> words = logic.vocabulary()
        """
        return self._choices().terms(model)

    def openSession(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        segmentId: str | None = None,
        model: str = "default",
    ) -> SceneSession:
        """A session whose model runs in this process; None adds an empty segment.

        Without an editor of your own, neighbouring segments never lose voxels. Keep the session
        for all prompts on the volume (`session.select` changes the segment): opening prepares
        the volume, and undo belongs to the session.

        >>> quick = logic.openSession(volumeNode, segmentationNode)
        """
        return SceneSession(volumeNode, segmentationNode, medseg.find(model), segmentId)

    def openLiveSession(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        segmentId: str | None = None,
        model: str = "default",
        device: str = "auto",
        **options: Any,
    ) -> LiveSession:
        """A session whose model runs in the helper process, as that of the panel.

        Its own methods do not wait; those here do. ``options``: see `LiveSession`.

        >>> session = logic.openLiveSession(volumeNode, segmentationNode)
        """
        companion = owner().companion()
        return LiveSession(
            volumeNode,
            segmentationNode,
            companion,
            segmentId,
            model=model,
            device=device,
            **options,
        )

    def useModel(self, session: LiveSession, model: str, device: str = "auto") -> None:
        """Compute what is asked from now on with another model.

        >>> logic.useModel(session, "default", "cpu")
        """
        session.use_model(model, device)

    def wait(self, pending: Pending[Any], timeout: float = 600.0) -> Any:
        """The result of something that a live session was asked for.

        >>> step = logic.wait(session.add(Point([15, 12, 10])))
        """
        return owner().wait(pending, timeout)

    def addPoint(self, session: AnySession, ras: Sequence[float], include: bool = True) -> Step:
        """Click on the object (or, with ``include`` False, on what is not the object).

        Returns the `medseg.Step`: changed voxels, seconds, volume in ml.

        >>> assert logic.addPoint(session, [15, 12, 10]).ml > 0
        """
        return self.addPrompts(session, Point(np.asarray(ras), include))

    def addBox(
        self,
        session: AnySession,
        firstCorner: Sequence[float],
        secondCorner: Sequence[float],
        include: bool = True,
    ) -> Step:
        """Put a box along R, A and S between two opposite corners.

        >>> step = logic.addBox(session, [9, 7, 5], [20, 17, 15])
        """
        return self.addPrompts(session, Box.from_corners(firstCorner, secondCorner, include))

    def addScribble(
        self,
        session: AnySession,
        points: Iterable[Sequence[float]],
        include: bool = True,
        radius: float = 0.0,
    ) -> Step:
        """Draw a stroke through positions.

        >>> step = logic.addScribble(session, [[2, 2, 2], [6, 2, 2]], include=False)
        """
        return self.addPrompts(session, Scribble(np.asarray(list(points)), include, radius))

    def addLasso(
        self, session: AnySession, points: Iterable[Sequence[float]], include: bool = True
    ) -> Step:
        """Draw a closed loop in a plane around (part of) the object.

        >>> step = logic.addLasso(session, [[9, 7, 10], [20, 7, 10], [20, 17, 10], [9, 17, 10]])
        """
        return self.addPrompts(session, Lasso(np.asarray(list(points)), include))

    def addText(self, session: AnySession, text: str) -> Step:
        """Name what to segment; raises what the model says when it cannot.

        >>> try: logic.addText(session, "liver")
        ... except medseg.UnsupportedPromptError as error: print(error)
        """
        return self.addPrompts(session, Text(text))

    def addPrompts(self, session: AnySession, *prompts: Prompt) -> Step:
        """Several prompts as one undo step.

        >>> step = logic.addPrompts(session, Point([15, 12, 10]), Point([2, 2, 2], False))
        """
        return self._done(session.add(*prompts))

    def movePrompt(self, session: AnySession, index: int, prompt: Prompt) -> Step:
        """Put another prompt in the place of one in ``session.prompts``.

        >>> step = logic.movePrompt(session, 0, Point([14, 12, 10]))
        """
        return self._done(session.move(index, prompt))

    def togglePrompt(self, session: AnySession, index: int) -> Step:
        """Make an including prompt an excluding one, and back.

        >>> step = logic.togglePrompt(session, len(session.prompts) - 1)
        """
        return self._done(session.toggle(index))

    def removePrompt(self, session: AnySession, index: int) -> Step:
        """Delete a prompt; the segment follows.

        >>> step = logic.removePrompt(session, len(session.prompts) - 1)
        """
        return self._done(session.remove(index))

    def setBoxDepth(self, session: AnySession, index: int, mm: float) -> Step:
        """Make a box that is flat so many mm deep, or one that is deep flat (0).

        >>> flat = logic.addBox(session, [9, 7, 10], [20, 17, 10])
        >>> step = logic.setBoxDepth(session, len(session.prompts) - 1, 8)
        """
        if not 0 <= index < len(session.prompts):
            raise PromptError(f"There is no prompt {index}.")
        box = session.prompts[index]
        if not isinstance(box, Box):
            raise PromptError(f"Prompt {index} is no box.")
        return self.movePrompt(session, index, with_depth(box, mm))

    def listPrompts(self, session: LiveSession) -> tuple[Entry, ...]:
        """What the prompt list of the panel shows: prompts, and what has become of them.

        >>> for entry in logic.listPrompts(session): print(entry.prompt.kind, entry.baked)
        """
        return session.entries

    def clear(self, session: AnySession) -> Step:
        """Empty the segment and forget its prompts, as one undo step.

        >>> step = logic.clear(session)
        >>> logic.undo(session)
        """
        return self._done(session.reset())

    def cancel(self, session: LiveSession) -> None:
        """Leave out all that has no result yet.

        >>> asked = session.add(Point([15, 12, 10]))
        >>> logic.cancel(session)
        """
        session.cancel()
        self._settle(session)

    def undo(self, session: AnySession) -> None:
        """Take back the last step of the segmentation, prompts included.

        >>> logic.undo(session)
        """
        session.undo()
        self._settle(session)

    def redo(self, session: AnySession) -> None:
        """Do again what `undo` took back.

        >>> logic.redo(session)
        """
        session.redo()

    def propagate(
        self,
        session: LiveSession,
        seeds: Iterable[int] | None = None,
        first: int | None = None,
        last: int | None = None,
        direction: str = "both",
        axis: int = 0,
        onProgress: Callable[[Slice], object] | None = None,
        memory: str | None = None,
    ) -> Step:
        """Carry the mask from slices (None: those with prompts) to the others; see `LiveSession`.

        ``memory``: a policy ("fifo", "confident", "diverse", "sorted") for SAM 2 and its kin.

        >>> step = logic.propagate(session, [10], first=8, last=12)
        """
        return self._done(
            session.propagate(seeds, first, last, direction, axis, onProgress, memory)
        )

    def howPropagated(self, segmentationNode: Any, segmentId: str) -> Story | None:
        """How a segment was propagated: slices, range, memory policy, weights, confidence.

        None when it was not. Also of a saved scene; of the shown frame in a sequence.

        >>> story = logic.howPropagated(segmentationNode, session.segment_id)
        >>> assert (story.along, story.seeds, story.first, story.last) == ("k", (10,), 8, 12)
        """
        text = read_tag(find_segment(segmentationNode, segmentId))
        return Record.loads(text).story if text else None

    def track(
        self,
        session: LiveSession,
        seeds: Iterable[int] | None = None,
        first: int | None = None,
        last: int | None = None,
        onProgress: Callable[[Slice], object] | None = None,
        memory: str | None = None,
    ) -> int:
        """Carry the segment to the other frames of a sequence; see `LiveSession.track`.

        Returns how many frames were written.

        >>> try: logic.track(session)
        ... except medseg.InputError as error: print(error)  # this volume is in no sequence
        """
        return int(self.wait(session.track(seeds, first, last, onProgress, memory)))

    def takeRunBack(self, session: LiveSession) -> int:
        """Put back what was in the frames before the last `track`; see `LiveSession`.

        Returns how many frames were put back.

        >>> if session.can_take_run_back: print(logic.takeRunBack(session))
        """
        return int(self.wait(session.take_run_back()))

    def setPreview(self, session: LiveSession, on: bool) -> None:
        """Keep results aside until `acceptPreview` or `rejectPreview`.

        >>> logic.setPreview(session, True)
        """
        session.preview = on

    def acceptPreview(self, session: LiveSession) -> Step:
        """Write what is kept aside, as one undo step.

        >>> shown = logic.addPoint(session, [3, 3, 3], include=False)
        >>> step = logic.acceptPreview(session)
        """
        return session.accept()

    def rejectPreview(self, session: LiveSession) -> None:
        """Forget what is kept aside.

        >>> logic.rejectPreview(session)
        >>> logic.setPreview(session, False)
        """
        session.reject()

    def setNewSegmentPerClick(self, session: LiveSession, on: bool) -> None:
        """Let each including prompt make a segment of its own.

        >>> logic.setNewSegmentPerClick(session, True)
        >>> step = logic.addPoint(session, [15, 12, 10])
        >>> logic.setNewSegmentPerClick(session, False)
        """
        session.new_segments = on

    def limitToRoi(self, session: LiveSession, roiNode: Any | None) -> None:
        """Write nothing outside an ROI node, also a turned one; None lifts all limits.

        >>> logic.limitToRoi(session, None)
        """
        session.limits = None if roiNode is None else InsideRoi(roiNode)

    def limitToSlices(self, session: LiveSession, first: int, last: int, axis: int = 0) -> None:
        """Write nothing outside the slices ``first`` to ``last`` (0, 1, 2 = K, J, I).

        >>> logic.limitToSlices(session, 5, 15)
        >>> logic.limitToRoi(session, None)
        """
        session.limits = Slab(axis, first, last)

    def limitToPlane(
        self, session: LiveSession, position: Sequence[float], normal: Sequence[float], mm: float
    ) -> None:
        """Write nothing farther than ``mm / 2`` from a plane, also an oblique one (RAS).

        >>> logic.limitToPlane(session, [15, 12, 10], [0, 0.6, 0.8], 5)
        >>> logic.limitToRoi(session, None)
        """
        unit = np.asarray(normal, float) / np.linalg.norm(normal)
        session.limits = NearPlane(np.asarray(position, float), unit, mm)

    def connect(self, url: str | None, token: str | None = None, ca: str | None = None) -> Welcome:
        """Work on a server, or on this computer (None); sessions move there.

        >>> assert logic.connect(None).default_model in logic.modelNames()
        """
        owner().connect(None if url is None else Server(url, token, ca))
        welcome: Welcome = self.wait(owner().greet())
        return welcome

    def _choices(self) -> Choices:
        return Choices(self.wait(owner().greet()))

    def _done(self, asked: Pending[Step] | Step) -> Step:
        return owner().wait(asked) if isinstance(asked, Pending) else asked

    def _settle(self, session: AnySession) -> None:
        if isinstance(session, LiveSession):
            owner().loop.run_until(lambda: not session.waiting, 600.0)
