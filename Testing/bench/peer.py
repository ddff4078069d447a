"""Our server and client beside the official nnInteractive server and client, on the same CT.

    python Testing/bench/peer.py --peer-python PATH

PATH is a Python that has `nninteractive` 2.6 (with torch). The network of the peer and the model
of ours are stubs that paint a ball of 40 voxels radius and cost nothing, so this measures all that
is around a model: packing, HTTP, sessions, what becomes of the mask. Nothing is said of masks.

Both servers are processes of their own, one after the other, on the same cores as the client.
Times are from the clients' calls, without anything between; bytes from a second pass through a
proxy that counts them. Writes bench/peer.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cases import data_folder
from counting_proxy import CountingProxy
from medseg import Image, Point
from scipy import ndimage

HERE = Path(__file__).parent
SHAPES = {"128 x 128 x 128": (128, 128, 128), "512 x 512 x 300": (300, 512, 512)}
PROMPTS = 20
UPLOADS = 5
NOISE_HU = 12.0


@dataclass
class Measured:
    """Milliseconds and bytes of one side on one volume."""

    sent: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    upload_bytes: int = 0
    prompts: list[float] = field(default_factory=list)
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)


class Side:
    """A client of one kind. ``upload`` returns the time when the image was sent."""

    name = ""

    def __init__(self, port: int) -> None:
        self.port = port

    def upload(self, voxels: np.ndarray) -> float:
        """Send a new image and get ready for prompts."""
        raise NotImplementedError

    def prompt(self, kji: np.ndarray, include: bool) -> None:
        raise NotImplementedError

    def voxels(self) -> int:
        """In the client's mask."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Ours(Side):
    name = "medseg"

    def __init__(self, port: int) -> None:
        from medseg.client.http import HttpBackend

        super().__init__(port)
        self.backend = HttpBackend(f"http://127.0.0.1:{port}")
        self.backend.welcome()
        self.session: Any = None

    def upload(self, voxels: np.ndarray) -> float:
        from medseg.client.session import RemoteSession

        self._let_go()
        image = Image(voxels)
        self.backend.put_image(image)
        sent = time.perf_counter()
        self.session = RemoteSession(self.backend, image, "ball")
        return sent

    def prompt(self, kji: np.ndarray, include: bool) -> None:
        self.session.add(Point(self.session.image.ijk_to_ras(kji[::-1]), include))

    def voxels(self) -> int:
        return int(np.count_nonzero(self.session.mask))

    def close(self) -> None:
        self._let_go()
        self.backend.close()

    def _let_go(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None


class Theirs(Side):
    name = "nnInteractive"

    def __init__(self, port: int) -> None:
        from nnInteractive.inference.remote import nnInteractiveRemoteInferenceSession

        super().__init__(port)
        self.client = nnInteractiveRemoteInferenceSession(f"http://127.0.0.1:{port}")

    def upload(self, voxels: np.ndarray) -> float:
        self.client.set_image(voxels[None])
        sent = time.perf_counter()
        self.client.set_target_buffer(np.zeros(voxels.shape, np.uint8))
        middle = [n // 2 for n in voxels.shape]
        # This waits for what the server prepares in the background.
        self.client.add_point_interaction(middle, True, run_prediction=False)
        return sent

    def prompt(self, kji: np.ndarray, include: bool) -> None:
        self.client.add_point_interaction([int(n) for n in kji], include)

    def voxels(self) -> int:
        return int(np.count_nonzero(self.client.target_buffer))

    def close(self) -> None:
        self.client.close()


def main() -> int:
    options = arguments()
    sides: list[tuple[type[Side], Callable[[], Any]]] = [(Ours, our_server)]
    if options.peer_python is None:
        print("The peer is left out: --peer-python names no Python with nninteractive.")
    else:
        sides.append((Theirs, lambda: their_server(options.peer_python)))
    report = heading(options.peer_python)
    for name in options.shapes or SHAPES:
        ct = volume(SHAPES[name])
        results = {side.name: measured(side, server, ct) for side, server in sides}
        report += table(name, ct, results)
        print("\n".join(report[-len(results) - 5 :]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "peer.md").write_text("\n".join(report) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer-python", metavar="PATH", type=Path)
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES))
    parser.add_argument("--out", type=Path, default=Path("bench"))
    return parser.parse_args()


def volume(shape: tuple[int, int, int]) -> np.ndarray:
    """The abdomen CT at another size, with the noise that resampling took away; int16 (K, J, I)."""
    import SimpleITK as sitk

    path = data_folder() / "ct_organs" / "abdomen_ct.nii.gz"
    ct = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float32)
    factors = [n / m for n, m in zip(shape, ct.shape, strict=True)]
    larger = ndimage.zoom(ct, factors, order=1)
    random = np.random.default_rng(0)
    for plane in larger:
        plane += NOISE_HU * random.standard_normal(plane.shape, np.float32)
    return larger.astype(np.int16)


def clicks(ct: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """One to warm up and the counted ones, in the body; every fourth takes away."""
    body = np.argwhere(ct[::4, ::4, ::4] > -200) * 4
    chosen = np.random.default_rng(1).choice(body, PROMPTS + 1)
    return [(kji, number % 4 != 0 or number == 0) for number, kji in enumerate(chosen)]


def measured(kind: type[Side], server: Callable[[], Any], ct: np.ndarray) -> Measured:
    """One pass without a proxy for the times, one through it for the bytes."""
    found = Measured()
    with server() as port:
        client = kind(port)
        for number in range(UPLOADS):
            ct[0, 0, 0] = number  # never the same image twice
            begin = time.perf_counter()
            sent = client.upload(ct)
            found.ready.append(1e3 * (time.perf_counter() - begin))
            found.sent.append(1e3 * (sent - begin))
        for number, (kji, include) in enumerate(clicks(ct)):
            begin = time.perf_counter()
            client.prompt(kji, include)
            if number:
                found.prompts.append(1e3 * (time.perf_counter() - begin))
        assert client.voxels()
        client.close()
        with CountingProxy(port) as proxy:
            client = kind(proxy.port)
            before = proxy.up
            ct[0, 0, 0] = UPLOADS
            client.upload(ct)
            found.upload_bytes = proxy.up - before
            for kji, include in clicks(ct):
                up, down = proxy.up, proxy.down
                client.prompt(kji, include)
                found.up.append(proxy.up - up)
                found.down.append(proxy.down - down)
            del found.up[0], found.down[0]
            client.close()
    return found


@contextmanager
def our_server(model: str = "ball") -> Iterator[int]:
    """The port of ``medseg serve`` with a stub."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MEDSEG_")}
    kept["PYTHONPATH"] = str(HERE / "plugin")
    command = [sys.executable, "-m", "medseg.cli", "serve", "--port", "0", "--model", model]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stderr=log, env=kept)
        try:
            yield _port(process, lambda: _after(log, r"serves at \S+:(\d+)"))
        finally:
            process.kill()
            process.wait()


@contextmanager
def their_server(python: Path) -> Iterator[int]:
    """The port of the reference server with the stub."""
    script = HERE / "nninteractive_reference.py"
    command = [str(python), str(script), "--network", "ball", "--patch", "192"]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=kept)
        try:
            yield _port(process, lambda: _after(log, r"^port (\d+)"))
        finally:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[Any], look: Callable[[], int | None]) -> int:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if port := look():
            time.sleep(1.0)  # let it settle
            return port
        time.sleep(0.1)
    raise SystemExit("A server did not start.")


def _after(log: Any, pattern: str) -> int | None:
    log.seek(0)
    found = re.search(pattern, log.read(), re.MULTILINE)
    return int(found[1]) if found else None


def heading(peer_python: Path | None) -> list[str]:
    if peer_python is None:
        peer = "not measured"
    else:
        ask = "from importlib.metadata import version as v; print(v('nninteractive'), v('torch'))"
        told = subprocess.run([peer_python, "-c", ask], capture_output=True, text=True, check=True)
        peer = "nninteractive {} with torch {}".format(*told.stdout.split())
    return [
        "# Beside nnInteractive: what is around the model",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"nninteractive-client {version('nninteractive-client')}, peer: {peer}. Stubs for models, "
        f"autozoom off, server and client on the same cores, load {os.getloadavg()[0]:.1f} at the "
        f"start. Image: an abdomen CT resampled, plus noise of {NOISE_HU:.0f} HU. {UPLOADS} "
        f"uploads, each of an image that is new; {PROMPTS} points, after one that is not counted. "
        "'Ready' is when the first prompt could be sent and would not wait.",
    ]


def table(name: str, ct: np.ndarray, results: dict[str, Measured]) -> list[str]:
    lines = [
        "",
        f"## {name}, int16, {ct.nbytes / 1e6:.1f} MB",
        "",
        "| | upload, MB | sent, ms | ready, ms (range) | prompt, ms: median | p95 "
        "| bytes up | bytes down: median | max |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for side, one in results.items():
        lines.append(
            f"| {side} | {one.upload_bytes / 1e6:.2f} | {statistics.median(one.sent):.0f} "
            f"| {statistics.median(one.ready):.0f} ({min(one.ready):.0f}-{max(one.ready):.0f}) "
            f"| {statistics.median(one.prompts):.1f} | {np.percentile(one.prompts, 95):.1f} "
            f"| {statistics.median(one.up):.0f} | {statistics.median(one.down):.0f} "
            f"| {max(one.down)} |"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
