"""Which models there are to choose from, and what the chosen one can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import medseg
from medseg.protocol.messages import ModelInfo, Welcome
from medseg.registry import DEFAULT
from medseg.vocabulary import named, words

PROPAGATE = "propagate"
_NON_COMMERCIAL = re.compile(r"\bNC\b|non.?commercial", re.IGNORECASE)


@dataclass(frozen=True)
class ModelChoice:
    """A line of the model list. ``reason``: why it cannot be used now, else ""."""

    name: str
    title: str
    licence: str = ""
    weights_licence: str | None = None
    non_commercial: bool = False
    reason: str = ""


class Choices:
    """What the helper or server has (its ``welcome``); None: it has not answered yet.

    Until then the models that this computer has by name are offered, and nothing is refused.
    """

    def __init__(self, welcome: Welcome | None = None) -> None:
        self._welcome = welcome
        self._infos = {} if welcome is None else {info.name: info for info in welcome.models}

    @cached_property
    def models(self) -> list[ModelChoice]:
        if self._welcome is None:
            return [ModelChoice(name, name) for name in medseg.names()]
        return [_choice(info) for info in self._welcome.models]

    @property
    def devices(self) -> list[str]:
        """Names for `Desk.device`, "auto" first."""
        return ["auto", *([] if self._welcome is None else self._welcome.devices)]

    def named(self, model: str) -> str:
        """The name behind "default"."""
        if model != "default":
            return model
        return DEFAULT if self._welcome is None else self._welcome.default_model

    def cannot(self, model: str, kind: str) -> str:
        """ "" or one sentence: why a model cannot take this kind of prompt, and which could."""
        if self._welcome is None:
            return ""
        if kind == PROPAGATE:
            there = PROPAGATE in self._welcome.jobs
            return "" if there else "This server cannot propagate; work on this computer for that."
        info = self._infos.get(self.named(model))
        if info is None:
            return f"There is no model '{self.named(model)}' here; choose another one."
        if info.missing:
            return info.missing
        if kind in info.prompts:
            return ""
        able = [i.name for i in self._infos.values() if kind in i.prompts and not i.missing]
        advice = f"choose {' or '.join(able)}, which can" if able else "no model here can"
        return f"Model '{info.name}' cannot do {kind} prompts; {advice}."

    def terms(self, model: str) -> list[str]:
        """Words that a model knows in text prompts, each name with its synonyms."""
        info = self._infos.get(self.named(model))
        return [] if info is None else words(named(info.terms))


def _choice(info: ModelInfo) -> ModelChoice:
    weights = info.weights_licence
    title = getattr(info, "title", "") or info.name
    bound = bool(_NON_COMMERCIAL.search(weights or info.licence))
    return ModelChoice(info.name, title, info.licence, weights, bound, info.missing or "")
