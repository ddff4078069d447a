"""Starts the helper process: which program, in which environment, at which priority."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

#: The folder that holds the package `medseg`.
ROOT = Path(__file__).resolve().parents[2]
#: How many threads numerical libraries start, unless the user has said so.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def start(python: str, env: Mapping[str, str] | None, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """The helper process, which waits for a line on its standard input.

    Raises `OSError` when ``python`` cannot be started.
    """
    lower = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # POSIX: it lowers itself
    return subprocess.Popen(
        [python, "-m", "medseg.companion"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment(python, env),
        cwd=_root(python) or Path(python).absolute().parent,  # "-m" looks there first
        creationflags=lower | getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def environment(python: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """``env`` (by default this process's) with this package on the path, for ``python``.

    Another Python than this one gets nothing that was meant for this one.
    """
    made = dict(os.environ if env is None else env)
    if env is None and not _is_this(python):
        for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP"):
            made.pop(name, None)
    root = _root(python)
    if root is not None:
        paths = [str(root), *filter(None, [made.get("PYTHONPATH")])]
        made["PYTHONPATH"] = os.pathsep.join(paths)
    for name in _THREADS:
        made.setdefault(name, str(max(1, (os.cpu_count() or 2) - 1)))
    return made


def _root(python: str) -> Path | None:
    """Where ``python`` finds our package; None: it must have its own.

    A folder of installed packages is built for one Python: numpy from there breaks another.
    """
    shared_with_others = ROOT.name in ("site-packages", "dist-packages")
    return None if shared_with_others and not _is_this(python) else ROOT


def _is_this(python: str) -> bool:
    return Path(python).absolute() == Path(sys.executable).absolute()
