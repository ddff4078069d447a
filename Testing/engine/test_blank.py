"""Empty masks take memory as they are written."""

import sys
from pathlib import Path

import numpy as np
import pytest
from medseg.blank import blank

MB = 1 << 20


def resident():
    """Bytes of this process that are in memory."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def test_it_is_empty_and_can_be_written_like_any_other():
    mask = blank((3, 4, 5))
    assert (mask.shape, mask.dtype, mask.flags.writeable) == ((3, 4, 5), np.dtype(bool), True)
    assert not mask.any()
    mask[1, 2:, 3] = True
    assert mask.sum() == 2
    assert not blank((3, 4, 5)).any()


def test_a_mask_without_voxels_is_one_too():
    assert blank((0, 4, 5)).shape == (0, 4, 5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_row_in_each_slice_takes_little_memory_and_it_is_given_back():
    before = resident()
    mask = blank((200, 512, 512))
    mask[:, 100, 100:200] = True
    grown = resident() - before
    assert grown < 4 * MB
    mask[:] = True
    assert resident() - before > 40 * MB
    del mask
    assert resident() - before < 10 * MB
