"""The parts of the embedded model, each against a plain calculation."""

import numpy as np
import pytest
from medseg import Box, Lasso
from medseg.models.embedded import regions, seeds
from medseg.models.embedded.cut import smooth_cut
from medseg.models.embedded.features import geodesic
from medseg.models.embedded.grid import Window
from medseg.models.embedded.groups import allowed
from phantoms import affine, ball, image, turned

ONE = (1.0, 1.0, 1.0)


def window(shape, factors):
    return Window(tuple(slice(0, n) for n in shape), factors, tuple(map(float, factors)))


@pytest.mark.parametrize("factors", [(1, 1, 1), (2, 3, 4), (1, 4, 2)])
def test_shrinking_and_growing_keep_a_constant(factors):
    frame = window((7, 10, 13), factors)
    blocks = frame.shrink(np.full((7, 10, 13), 5.0))
    assert blocks.shape == frame.shape
    np.testing.assert_allclose(frame.grow(blocks), np.full((7, 10, 13), 5.0))


def test_growing_brings_a_slope_back():
    slope = np.broadcast_to(np.arange(24.0), (4, 4, 24))
    frame = window((4, 4, 24), (1, 1, 4))
    grown = frame.grow(frame.shrink(slope))
    np.testing.assert_allclose(grown[..., 2:-2], slope[..., 2:-2], atol=1e-4)


def test_the_last_block_is_the_mean_of_what_is_left():
    frame = window((1, 1, 5), (1, 1, 2))
    np.testing.assert_allclose(frame.shrink(np.arange(5.0)[None, None])[0, 0], [0.5, 2.5, 4.0])


def test_a_window_stays_in_the_image():
    frame = Window.around(np.array([[0, 5, 9]]), 4.0, 2.0, (3, 10, 10), ONE)
    assert frame.box == (slice(0, 3), slice(1, 10), slice(5, 10))
    assert frame.block_of(np.array([[2, 1, 5]])).tolist() == [[1, 0, 0]]


def test_strong_evidence_decides():
    evidence = np.where(ball((12, 12, 12), radius=4), 8, -8).astype(np.float32)
    found = smooth_cut(evidence, np.full(evidence.shape, 0.3, np.float32), ONE)
    np.testing.assert_array_equal(found > 0.5, evidence > 0)


def test_a_lone_block_gives_way():
    evidence = np.full((9, 9, 9), -1, np.float32)
    evidence[4, 4, 4] = 1
    assert (smooth_cut(evidence, np.ones(evidence.shape, np.float32), ONE) < 0.5).all()


def test_inside_and_outside_are_treated_alike():
    evidence = np.random.default_rng(0).standard_normal((8, 9, 10)).astype(np.float32)
    edges = np.full(evidence.shape, 0.5, np.float32)
    one, other = (smooth_cut(e, edges, ONE, 200) for e in (evidence, -evidence))
    np.testing.assert_allclose(one, 1 - other, atol=0.1)


def test_path_length_in_an_even_image_is_distance():
    shape, spacing = (15, 20, 25), (2.0, 1.0, 1.0)
    found = geodesic(np.ones(shape, np.float32), np.array([[7, 10, 12]]), spacing, 100.0)
    away = (np.indices(shape).reshape(3, -1).T - [7, 10, 12]) * spacing
    true = np.linalg.norm(away, axis=1).reshape(shape)
    far = true > 4
    assert np.abs(found[far] / true[far] - 1).mean() < 0.1


def as_set(voxels):
    return set(map(tuple, voxels.tolist()))


def test_the_voxels_of_a_turned_box():
    scan = image(ball((20, 22, 24)), affine((1.0, 1.2, 1.5), turned()))
    centre, size = scan.ijk_to_ras([11, 10, 9]), np.array([8.0, 6.0, 9.0])
    found = regions._box_voxels(Box(centre, size), scan)
    every = np.argwhere(np.ones(scan.shape, bool))
    within = np.abs(scan.ijk_to_ras(every[:, ::-1]) - centre) <= size / 2
    assert as_set(found.inner) == as_set(every[within.all(1)])
    assert not as_set(found.outer) & as_set(found.inner)
    np.testing.assert_array_equal(allowed([found.limit], every), within.all(1))


def test_a_large_box_is_sampled_evenly(monkeypatch):
    scan = image(ball((40, 44, 48)))
    box = Box(scan.ijk_to_ras([24, 22, 20]), [30, 30, 30])
    whole = regions._box_voxels(box, scan)
    monkeypatch.setattr(regions, "MOST_VOXELS", 4000)
    few = regions._box_voxels(box, scan)
    assert len(few.inner) + len(few.outer) <= (len(whole.inner) + len(whole.outer)) / 4
    assert as_set(few.inner) <= as_set(whole.inner)
    assert as_set(few.outer) <= as_set(whole.outer)
    np.testing.assert_allclose(few.inner.mean(0), whole.inner.mean(0), atol=1)


def test_the_voxels_of_a_lasso():
    scan = image(ball((5, 30, 30)))
    corners = np.array([[5, 5, 2], [20, 5, 2], [20, 15, 2], [5, 15, 2]]) + np.array([0.5, 0.5, 0])
    found = regions._lasso_voxels(Lasso(scan.ijk_to_ras(corners)), scan)
    expected = {(2, j, i) for j in range(6, 16) for i in range(6, 21)}
    assert as_set(found.inner) == expected
    assert not as_set(found.outer) & expected


def test_a_line_between_points_has_no_gaps():
    line = seeds._joined(np.array([[0.0, 0, 0], [5, 9, 2], [5, 9, 9]]))
    assert np.abs(np.diff(line, axis=0)).max() <= 0.5
    assert line[-1].tolist() == [5, 9, 9]
