"""Films and volumes over time as files of many kinds."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
from medseg.io.over_time import open_over_time
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

SHAPE = (5, 4, 7, 6)  # T, K, J, I
DIRECTIONS = "(1.5,0,0) (0,1.5,0) (0,0,8)"
#: IJK to RAS mm of the same.
PLACE = np.array([[-1.5, 0, 0, -10], [0, -1.5, 0, -20], [0, 0, 8, -30], [0, 0, 0, 1.0]])
PACK = {"raw": bytes, "gzip": lambda data: gzip.compress(data, 1), "bzip2": bz2.compress}
#: `kinds` and where the axis of time is among the others, fastest first.
ORDERS = {
    "list first": ("list domain domain domain", 0),
    "second": ("domain list domain domain", 1),
    "third": ("domain domain list domain", 2),
    "last": ("domain domain domain list", 3),
}


def volumes(*shape):
    return np.random.default_rng(0).integers(-100, 900, shape or SHAPE, dtype=np.int16)


def nrrd(path, array, order="list first", encoding="raw", more="", end="little"):
    """``array``: ``(T, K, J, I)``. A name that ends in .nhdr has its voxels in a file beside it."""
    kinds, at = ORDERS[order]
    stored = np.moveaxis(array, 0, 3 - at)
    vectors = DIRECTIONS.split()
    vectors.insert(at, "none")
    header = (
        f"NRRD0005\ntype: short\ndimension: 4\nspace: left-posterior-superior\nsizes: "
        f"{' '.join(str(n) for n in stored.shape[::-1])}\nspace directions: {' '.join(vectors)}\n"
        f"kinds: {kinds}\nendian: {end}\nencoding: {encoding}\nspace origin: (10,20,-30)\n{more}"
    )
    data = PACK[encoding](stored.astype("<i2" if end == "little" else ">i2").tobytes())
    if path.suffix == ".nhdr":
        path.with_suffix(".raw").write_bytes(data)
        path.write_text(header + f"data file: {path.stem}.raw\n")
    else:
        path.write_bytes(header.encode() + b"\n" + data)
    return path


def opened(path, **more):
    return open_over_time(path, [], **more)


def film(path: Path, frames: np.ndarray, syntax=ExplicitVRLittleEndian, change=None) -> Path:
    """A multi-frame secondary capture ``(T, J, I)`` or ``(T, J, I, 3)``."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.SeriesInstanceUID = "1.2.3"
    data.Modality, data.PatientName = "US", "X"
    inner = Dataset()
    inner.CodeValue = "1"
    inner.is_undefined_length_sequence_item = True
    data.AnatomicRegionSequence = Sequence([inner])
    data["AnatomicRegionSequence"].is_undefined_length = True
    data.FrameTime = 40
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape[:3]
    data.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    data.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        data.PlanarConfiguration = 0
    bits = 8 * frames.itemsize
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, 0
    data.PixelSpacing = [0.5, 0.25]
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    pixels = frames.astype(frames.dtype.newbyteorder(order)).tobytes()
    data.PixelData = pixels + b"\0" * (len(pixels) % 2)
    if change is not None:
        change(data)
    if syntax == RLELossless:
        data.compress(RLELossless)
    data.save_as(path, enforce_file_format=True)
    return path


def series(folder, frames, slices=1):
    """A DICOM file for each frame ``(J, I)``; ``slices``: positions that they go through."""
    folder.mkdir()
    for n, frame in enumerate(frames):

        def place(data, n=n):
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{n + 1}"
            data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            data.ImagePositionPatient = [0, 0, 3 * (n % slices)]
            data.InstanceNumber = n + 1

        film(folder / f"{n}.dcm", frame[None], change=place)
    return folder


def mha(path, array):
    """A MetaImage of volumes ``(T, K, J, I)``, uint8, not packed."""
    sizes = " ".join(str(n) for n in array.shape[::-1])
    head = f"NDims = 4\nDimSize = {sizes}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    path.write_bytes(head.encode() + array.tobytes())


WATCHED = """
import sys
from pathlib import Path
from medseg.courses import places
from medseg.io import films, layout
from medseg.io.over_time import open_over_time
films.KEPT_BYTES = layout.SORTED = 4_000_000
course = open_over_time(sys.argv[1], [])
held = 0
for place in range(places(course)):
    held += int(course.rows[0].pixels(place).max())
assert held
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def peak(path):
    """Most memory of a process that looks at all frames, in bytes."""
    run = subprocess.run([sys.executable, "-c", WATCHED, str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)
