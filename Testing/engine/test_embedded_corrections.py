"""What a correction changes, and what it never does, whatever the networks learned."""

import numpy as np
import pytest
from medseg import Scribble, Session, find
from medseg.evaluate import next_click
from medseg.models.embedded import changes
from phantoms import at, ball, dice, image
from scipy import ndimage

SHAPE = (36, 44, 60)
OBJECT = ball(SHAPE, radius=9, centre=(18, 22, 20))
LOBE = ball(SHAPE, radius=8, centre=(18, 22, 35)) & ~OBJECT
APART = ball(SHAPE, radius=4, centre=(18, 38, 54))


def scene(lobe=0.0, noise=8.0):
    """A bright object, a lobe beside it that is ``lobe`` darker, and something of its own apart."""
    scan = image(OBJECT | LOBE | APART, noise=noise)
    return scan.with_array(scan.array.astype(np.float32) - lobe * LOBE)


def spoilt(seed):
    """The object with a bump added and a bite taken off, at random places of its surface."""
    rng = np.random.default_rng(seed)
    rim = np.argwhere(ndimage.binary_dilation(OBJECT) & ~OBJECT)
    bump, bite = rim[rng.choice(len(rim), 2, replace=False)]
    mask = OBJECT | ball(SHAPE, radius=rng.uniform(3, 6), centre=bump)
    return mask & ~ball(SHAPE, radius=rng.uniform(3, 6), centre=bite) | APART


@pytest.fixture(scope="module")
def session():
    return Session(scene(lobe=60), find())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("include", [True, False], ids=["add", "take"])
def test_a_click_changes_one_side_near_it_only(session, seed, include):
    before = spoilt(seed)
    session.set_mask(before)
    rng = np.random.default_rng(seed)
    places = np.argwhere(
        (ndimage.binary_dilation(before, iterations=4) & ~APART) & (before != include)
    )
    place = places[rng.integers(len(places))]
    session.add(at(session.image, place, include=include))
    new, changed = session.mask, session.mask ^ before
    assert new[tuple(place)] == include
    assert not changed[new != include].any()
    assert ndimage.label(ndimage.binary_dilation(changed, np.ones((3, 3, 3)), 2))[1] == 1
    assert new[APART].all()
    assert (new & OBJECT).any()


def test_corrections_mend_a_spoilt_mask(session):
    for seed in range(3):
        session.set_mask(spoilt(seed))
        last = dice(session.mask, OBJECT | APART)
        for _ in range(3):
            session.add(next_click(session.mask, OBJECT | APART, session.image))
            assert dice(session.mask, OBJECT | APART) >= last - 0.01
            last = dice(session.mask, OBJECT | APART)
        assert last > 0.95


@pytest.mark.parametrize("place", [(18, 22, 27), (18, 30, 20), (11, 22, 20)])
def test_the_surroundings_of_an_including_click_stay(place):
    scan = scene()
    session = Session(scan, find())
    session.add(at(scan, (18, 22, 20)))
    before = session.mask.copy()
    session.add(at(scan, place, include=False))
    way = float(np.linalg.norm(np.subtract(place, (18, 22, 20))))
    kept = ball(SHAPE, radius=changes.FIRST * way - 0.5, centre=(18, 22, 20)) & before
    assert kept.sum() > 1
    assert session.mask[kept].all()
    assert not session.mask[place]


@pytest.mark.parametrize("lobe", [60.0, 140.0])
def test_a_stroke_that_starts_in_the_mask_adds_where_it_leads(lobe):
    scan = scene(lobe)
    session = Session(scan, find())
    session.add(at(scan, (18, 22, 20)))
    before = session.mask.copy()
    assert (before & LOBE).sum() < 0.1 * LOBE.sum()
    line = np.array([[14.0, 22, 18], [34, 22, 18]])
    session.add(Scribble(scan.ijk_to_ras(line)))
    assert (session.mask & LOBE).sum() > 0.8 * LOBE.sum()
    assert (session.mask | ~before)[OBJECT].all()
