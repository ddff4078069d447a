"""The options of ``medseg serve`` that spread the work over replicas with Ray."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..server.ray_cluster import RaySettings


def add_options(this: argparse.ArgumentParser) -> None:
    group = this.add_argument_group("several replicas, GPUs or machines (docs/ray.md)")
    group.add_argument("--ray", action="store_true", help="run models in replicas, with Ray")
    for name, metavar, kind, text in (
        ("--ray-replicas", "N", int, "so many processes (default: 1)"),
        ("--ray-autoscale", "MIN:MAX", str, "as many as the load asks for"),
        ("--ray-cpus-per-replica", "F", float, "may be a fraction (default: 1)"),
        ("--ray-gpus-per-replica", "F", float, "may be a fraction (default: 0)"),
        ("--ray-waiting", "N", int, "prompts at one replica before sessions move (default: 8)"),
        ("--ray-address", "HOST:PORT", str, "a running cluster, instead of one of its own"),
    ):
        group.add_argument(name, metavar=metavar, type=kind, help=text)


def settings(options: argparse.Namespace) -> RaySettings | None:
    """What the options ask for, None without ``--ray``; raises `InputError`."""
    given = {name: n for name, n in vars(options).items() if name.startswith("ray_")}
    given = {name: n for name, n in given.items() if n is not None}
    if not options.ray:
        if given:
            raise InputError(f"--{next(iter(given)).replace('_', '-')} works only with --ray.")
        return None
    for name in ("ray_replicas", "ray_cpus_per_replica", "ray_waiting"):
        if not 0 < given.get(name, 1) < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} must be above 0.")
    if not 0 <= given.get("ray_gpus_per_replica", 0) < float("inf"):
        raise InputError("--ray-gpus-per-replica must be 0 or more.")
    if "ray_autoscale" in given:
        if "ray_replicas" in given:
            raise InputError("Give --ray-replicas or --ray-autoscale, not both.")
        given["ray_autoscale"] = _range(given["ray_autoscale"])
    from ..server.ray_cluster import RaySettings

    return RaySettings(**{name.removeprefix("ray_"): n for name, n in given.items()})


def _range(text: str) -> tuple[int, int]:
    fewest, colon, most = text.partition(":")
    if not (colon and fewest.isdecimal() and most.isdecimal() and 1 <= int(fewest) <= int(most)):
        raise InputError(f"--ray-autoscale takes MIN:MAX with MIN from 1, as 1:4, not '{text}'.")
    return int(fewest), int(most)
