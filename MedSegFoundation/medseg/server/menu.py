"""Which of the models that are here the server offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import ModelError
from ..protocol.messages import Welcome
from ..registry import names


class Menu:
    """``chosen``: names of models, the default first; none means all that are there.

    Raises `ModelError` when one is not known.
    """

    def __init__(self, chosen: Sequence[str] = ()) -> None:
        known = names()
        for name in chosen:
            if name not in known:
                raise ModelError(f"There is no model '{name}'; choose of {', '.join(known)}.")
        self._chosen = tuple(chosen)

    def order(self, name: str) -> str:
        """The name to ask the service for; raises `ModelError` when it is not offered."""
        if not self._chosen and ":" in name:
            raise ModelError("This server takes no paths; choose one of the models it offers.")
        if not self._chosen or name in self._chosen:
            return name
        if name == "default":
            return self._chosen[0]
        raise ModelError(f"There is no model '{name}' here; choose of {', '.join(self._chosen)}.")

    def shown(self, welcome: Welcome) -> Welcome:
        """The welcome with what is offered only."""
        if not self._chosen:
            return welcome
        by_name = {model.name: model for model in welcome.models}
        models = [by_name[name] for name in self._chosen]
        return replace(welcome, models=models, default_model=self._chosen[0])
