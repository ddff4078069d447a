"""Where the demo's images are: inside two Python wheels, found without importing them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from medseg import InputError

T1 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
WHITE_MATTER = "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz"


def head(name: str) -> Path:
    """An image of the averaged MNI152 head."""
    return _inside("nilearn", f"datasets/data/{name}")


def echocardiogram() -> Path:
    """A film of 30 frames, apical view."""
    return _inside("pydicom", "data/test_files/examples_ybr_color.dcm")


def _inside(package: str, path: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise InputError(
        f"The sample image '{Path(path).name}' of the package {package} is missing; "
        "run 'make clean' and 'make demo' again."
    )
