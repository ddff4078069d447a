"""Tiny wheels that stand for large packages, for a pip that may look nowhere else."""

from __future__ import annotations

import base64
import hashlib
import zipfile

BASE = {"numpy": "2.4.6", "scipy": "1.17.1", "SimpleITK": "2.5.7", "requests": "2.34.2"}


def wheel(folder, name, version="1.0", code="", requires=()):
    """Write ``name``-``version`` with one module that holds ``code``."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {r}\n" for r in requires)
    files = {
        f"{plain}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{_hash(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / f"{plain}-{version}-py3-none-any.whl", "w") as made:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            made.writestr(path, text)


def base_wheels(folder):
    """What every environment gets, and PyTorch."""
    folder.mkdir(exist_ok=True)
    for name, version in BASE.items():
        wheel(folder, name, version)
    wheel(folder, "safetensors", "0.8.0")
    wheel(folder, "filelock", "4.0")
    wheel(folder, "torch", "2.13.0", requires=["filelock"])
    return folder


def _hash(text):
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
