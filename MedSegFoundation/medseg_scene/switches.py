"""What can be set on a desk at any time, and what of it is remembered."""

from __future__ import annotations

from typing import Any

from . import settings as keys
from .choices import Choices, ModelChoice
from .limits import InsideRoi, Limits, NearPlane
from .settings import Settings
from .views import View


class Switches:
    """Model, device and ways to work; `set_up` is called whenever one was set."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.choices = Choices()
        self._exclude = self._new_segments = False
        self._limits: Limits | None = None

    def set_up(self) -> None:
        """Let what is under way know."""
        raise NotImplementedError

    @property
    def models(self) -> list[ModelChoice]:
        """What can be chosen as `model`: what the helper or server has, once it has answered."""
        return self.choices.models

    @property
    def devices(self) -> list[str]:
        """What can be chosen as `device`."""
        return self.choices.devices

    @property
    def vocabulary(self) -> list[str]:
        """Words that the chosen model knows in text prompts, for completion."""
        return self.choices.terms(self.model)

    def can(self, kind: str) -> str:
        """ "" or why the chosen model does not take this kind of prompt, naming one that does.

        ``kind``: "point", "box", "scribble", "lasso", "text" or "propagate".
        """
        return self.choices.cannot(self.model, kind)

    @property
    def model(self) -> str:
        """A name of `models`. Remembered; "default" may be set, and stands for one of them."""
        return self.choices.named(self._wanted_model)

    @model.setter
    def model(self, name: str) -> None:
        self._remember(keys.MODEL, name)

    @property
    def _wanted_model(self) -> str:
        return str(self.settings.get(keys.MODEL, "default"))

    @property
    def device(self) -> str:
        """A name of `devices`. Remembered."""
        return str(self.settings.get(keys.DEVICE, "auto"))

    @device.setter
    def device(self, name: str) -> None:
        self._remember(keys.DEVICE, name)

    @property
    def preview(self) -> bool:
        """Results wait for `Desk.accept` or `Desk.reject`. Remembered."""
        return bool(self.settings.get(keys.PREVIEW, False))

    @preview.setter
    def preview(self, on: bool) -> None:
        self._remember(keys.PREVIEW, bool(on))

    @property
    def exclude(self) -> bool:
        """The next prompt takes away, also without a modifier key."""
        return self._exclude

    @exclude.setter
    def exclude(self, on: bool) -> None:
        self._exclude = bool(on)
        self.set_up()

    @property
    def new_segments(self) -> bool:
        """Each including prompt makes a segment of its own."""
        return self._new_segments

    @new_segments.setter
    def new_segments(self, on: bool) -> None:
        self._new_segments = bool(on)
        self.set_up()

    @property
    def limits(self) -> Limits | None:
        """Nothing is written outside of it."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits | None) -> None:
        self._limits = limits
        self.set_up()

    def limit_to_roi(self, node: Any | None) -> None:
        """Freeze what lies outside a ``vtkMRMLMarkupsROINode``; None freezes nothing."""
        self.limits = None if node is None else InsideRoi(node)

    def limit_to_slab(self, view: View, mm: float = 0.0) -> None:
        """Freeze all but ``mm`` around the plane of a view; 0: all but its slice."""
        self.limits = NearPlane(view.ras((0, 0)), view.normal, mm or view.slice_mm)

    def _remember(self, key: str, value: Any) -> None:
        self.settings.set(key, value)
        self.set_up()
