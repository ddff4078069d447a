"""What models need, and which Python runs the helper process: decisions for an install page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medseg.install import NEEDS, Environment, Environments, Need, find_pythons

from .owner import CompanionOwner
from .settings import WORKER_PYTHON, Settings
from .tools import Command, Work, medseg_command


class Installing:
    """``startup``: the environment that a Python other than Slicer's own should get."""

    def __init__(
        self,
        settings: Settings,
        owner: CompanionOwner,
        startup: Mapping[str, str],
        environments: Environments | None = None,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._startup = dict(startup)
        self._environments = environments or Environments()

    @property
    def needs(self) -> Sequence[Need]:
        """What can be installed."""
        return NEEDS

    def pythons(self) -> list[str]:
        """Interpreters to make an environment with; looks at the search path.

        That of this program comes last: Slicer's is made for Slicer, and not for copies of it.
        """
        own, *others = find_pythons()
        return [*others, own]

    def environment(self) -> Environment | None:
        """The environment that was made, in use or not."""
        return self._environments.current()

    @property
    def in_use(self) -> bool:
        """The helper process runs with the environment that was made."""
        made = self.environment()
        return made is not None and self._settings.get(WORKER_PYTHON, "") == str(made.python)

    @property
    def line(self) -> str:
        """Which Python the helper process runs with."""
        python = self._settings.get(WORKER_PYTHON, "")
        if not python:
            return "The helper process runs with the Python of this program."
        made = self.environment()
        titles = {need.name: need.title for need in NEEDS}
        names = [] if made is None else [titles.get(name, name) for name in made.needs]
        if made is None or not self.in_use:
            return f"The helper process runs with {python}."
        return f"The helper process runs with an environment of its own, for {', '.join(names)}."

    def plan(self, names: Sequence[str], python: str) -> Command:
        """What an environment for ``names`` would get; answered by "plan"."""
        return self._setup("plan", *names, "--python", python, "--attended")

    def plan_here(self, names: Sequence[str], python: str) -> Command:
        """What would change in a Python that is in use."""
        return self._setup("plan", *names, "--into", python, "--attended")

    def install(self, names: Sequence[str], python: str) -> Command:
        """Make the environment; when its `Work` has ended well, `use` it."""
        return self._setup("install", *names, "--python", python, "--attended")

    def remove(self) -> Command:
        """Delete the environment; `use_own_python` first."""
        return self._setup("remove")

    def use(self) -> None:
        """Run the helper with the environment, from now on; it is started again."""
        made = self.environment()
        if made is not None:
            self._run_with(str(made.python), self._startup)

    def use_own_python(self) -> None:
        """Run the helper with this program's Python again."""
        self._run_with("", None)

    def rows(self, work: Work) -> list[tuple[str, str, str, str]]:
        """A plan as package, version, what is there now, size."""
        plan = work.answer("plan") or {"items": []}
        return [_row(item) for item in plan["items"]]

    def summary(self, work: Work) -> str:
        """A plan in one sentence."""
        plan = work.answer("plan")
        if plan is None:
            return work.error
        items = plan["items"]
        if not items:
            return "Nothing is missing."
        replaced = [item["name"] for item in items if item["installed"] is not None]
        unknown = sum(item["megabytes"] is None for item in items)
        size = f"about {plan['megabytes']:.0f} MB"
        size += f" and {unknown} more of unknown size" if unknown else ""
        tail = f" It would replace {', '.join(replaced)}." if replaced else ""
        return f"{len(items)} packages, {size}.{tail}"

    def _setup(self, *words: str) -> Command:
        folder = ("--folder", str(self._environments.folder))
        tail = () if "--into" in words else folder
        return medseg_command("setup", *words, "--json", *tail, startup=self._startup)

    def _run_with(self, python: str, env: Mapping[str, str] | None) -> None:
        self._settings.set(WORKER_PYTHON, python)
        self._owner.use_python(python or None, env)


def _row(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    size = item["megabytes"]
    shown = "" if size is None else f"{size:.0f} MB" if size >= 1 else f"{1000 * size:.0f} kB"
    return item["name"], item["version"], item["installed"] or "", shown
