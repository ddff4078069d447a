"""From a path to a network: safely, completely, and without the network.

A checkpoint may be a folder or a cached hub id in the format of transformers, or an original
``.pt`` / ``.pth`` file. Python objects in a file are never run (``weights_only``), and every
tensor of the network must come from the file and every tensor of the file must find its place.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import ModelError
from . import sizes
from .families import Family
from .keys import TITLES, converted, kind_of, plain

#: Where training code keeps the tensors, in this order.
_HOLDERS = ("model", "model_state", "state_dict", "model_state_dict")
_CLASSES = {
    "sam": "SamModel",
    "sam2_video": "Sam2VideoModel",
    "edgetam_video": "EdgeTamVideoModel",
    "sam3_tracker_video": "Sam3TrackerVideoModel",
}


@dataclass(frozen=True)
class Loaded:
    """A network in evaluation mode, the SHA-256 of its weights and where they came from."""

    network: Any
    sha256: str
    path: Path


def load(weights: str, family: Family, size: int | None = None) -> Loaded:
    """The network of a file, folder or cached hub id; ``size``: input pixels instead of its own.

    Nothing is fetched. Raises `ModelError` with what is wrong: nothing there, a wrong kind, a
    damaged or unsafe file, keys that do not fit, a package that is absent.
    """
    check_packages(family)
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = locate(weights, family)
    file = weights_file(path, family)
    network = _original(file, family, size)
    if network is None:
        network = _folder(file.parent, file, family, size)
    return Loaded(network.eval().requires_grad_(False), sha256(file), path)


def check_packages(family: Family) -> None:
    """Raise `ModelError` when torch or transformers are not installed."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise ModelError(f"{family.title} needs more packages; run: pip install 'medseg[sam]'")


def locate(weights: str, family: Family) -> Path:
    """The file or folder that ``weights`` names; hub ids are looked up in the local cache only."""
    path = Path(weights).expanduser()
    if path.exists():
        return path
    if weights.count("/") == 1 and not weights.startswith((".", "/", "~")):
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(weights, "config.json")
        if isinstance(found, str):
            return Path(found).parent
    raise ModelError(
        f"There is nothing at '{weights}', and no hub copy of that name on this machine; "
        f"give the file or folder with the weights of {family.title}."
    )


def weights_file(path: Path, family: Family) -> Path:
    """The file with the tensors; raises `ModelError` when a folder does not have one."""
    if path.is_file():
        return path
    files = [path / name for name in ("model.safetensors", "pytorch_model.bin")]
    singles = sorted([*path.glob("*.pt"), *path.glob("*.pth")])
    found = next((f for f in files if f.is_file()), singles[0] if len(singles) == 1 else None)
    if found is None:
        raise ModelError(
            f"The folder '{path}' holds no model.safetensors; give the file with the weights of "
            f"{family.title}."
        )
    return found


def sha256(file: Path) -> str:
    """The hash of a file, in hex; remembered while the file does not change."""
    status = file.stat()
    return _sha256(file, status.st_mtime_ns, status.st_size)


def _folder(path: Path, file: Path, family: Family, size: int | None) -> Any:
    """The network of a folder in the format of transformers."""
    import transformers

    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The folder '{path}' has no readable config.json.") from error
    found = str(config.get("model_type"))
    if found not in family.types:
        raise ModelError(
            f"The folder '{path}' holds a '{found}' model, {family.title} needs "
            f"'{family.types[0]}'; choose the adapter that fits, or other weights."
        )
    if found == "edgetam_video" and (find_spec("timm") is None or find_spec("torchvision") is None):
        raise ModelError("EdgeTAM needs timm and a torchvision that fits torch; install both.")
    settings = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
    if size is not None and family.kind == "sam2":
        settings = sizes.fitted(settings, size)
    try:
        network, told = _class(found).from_pretrained(
            path,
            config=settings,
            local_files_only=True,
            output_loading_info=True,
            weights_only=True,
            dtype="float32",
        )
    except Exception as error:  # as below
        raise _unreadable(file, error) from error
    _refuse_gaps(file, told["missing_keys"], told["unexpected_keys"], told["mismatched_keys"])
    return network


def _original(path: Path, family: Family, size: int | None) -> Any:
    """The network of an original checkpoint; None when a config.json beside it says the layout."""
    if path.suffix not in (".pt", ".pth") and (path.parent / "config.json").is_file():
        return None

    state = plain(_tensors(path))
    kind = kind_of(state)
    if kind != family.kind or kind not in ("sam", "sam2"):
        hint = " Give EdgeTAM or SAM 3 as a folder in the format of transformers."
        raise ModelError(
            f"'{path.name}' is {TITLES[kind]}, not one that {family.title} can use."
            + (hint if kind in ("edgetam", "sam3") else "")
        )
    made = converted(state, kind)
    shapes = {key: tuple(value.shape) for key, value in made.items()}
    try:
        if kind == "sam":
            network: Any = _class("sam")(sizes.sam_config(shapes))
        else:
            config = sizes.sam2_config(shapes, size or family.size)
            network = _class("sam2_video")(config)
    except (KeyError, ValueError, TypeError) as error:  # sizes that make no network
        raise _gaps(path, [str(error.args[0])], []) from error
    own = network.state_dict()
    wrong = [k for k, shape in shapes.items() if k in own and tuple(own[k].shape) != shape]
    _refuse_gaps(path, own.keys() - made.keys(), made.keys() - own.keys(), wrong)
    network.load_state_dict(made, strict=True)
    return network


def _class(model_type: str) -> Any:
    import transformers

    try:
        return getattr(transformers, _CLASSES[model_type])
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            "The transformers package does not load its SAM models; a torchvision that does not "
            "fit torch is a common cause: remove torchvision, or install both anew."
        ) from error


def _tensors(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old ways to write, which are read all the same
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except Exception as error:  # what is told is the same for all kinds that a bad file raises
        raise _unreadable(path, error) from error
    for holder in _HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    if not isinstance(content, Mapping) or not content:
        raise ModelError(f"'{path.name}' holds no tensors by name: it is {TITLES['unknown']}.")
    return {str(k): v for k, v in content.items() if k == "network_weights" or hasattr(v, "shape")}


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _unreadable(path: Path, error: Exception) -> ModelError:
    if isinstance(error, pickle.UnpicklingError) and "nsupported" in str(error):
        return ModelError(
            f"'{path.name}' holds more than tensors, perhaps code that would run when it is "
            "opened, so it was refused; get the weights from their official source."
        )
    return ModelError(
        f"'{path.name}' is damaged or cut off ({type(error).__name__}); get it again."
    )


def _refuse_gaps(
    path: Path, missing: Iterable[str], unexpected: Iterable[str], wrong: Iterable[Any]
) -> None:
    lacks = [*missing, *(w if isinstance(w, str) else w[0] for w in wrong)]
    if lacks or set(unexpected):
        raise _gaps(path, lacks, list(unexpected))


def _gaps(path: Path, missing: list[str], unexpected: list[str]) -> ModelError:
    first = sorted(missing or unexpected)[0]
    return ModelError(
        f"'{path.name}' does not fit the network: {len(missing)} tensors are missing or of "
        f"another size, {len(unexpected)} have no place (first: {first}); "
        "use the published file of this model."
    )


@lru_cache(maxsize=32)
def _sha256(file: Path, _changed: int, _size: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(1 << 22):
            digest.update(part)
    return digest.hexdigest()
