"""The whole-body phantom holds what it says."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.study import Role
from heliotrope.domain.whole_body import INVENTORY
from heliotrope.measure.profile import limb_axis, profile_of
from heliotrope.measure.regions import index_regions
from heliotrope.phantoms.whole_body import SLOPED, WholeBodyPhantom, WholeBodyProtocol, WholeBodyScene, build_whole_body

COARSE = WholeBodyProtocol(pixel_mm=4.0, slice_mm=12.0, matrix=(132, 64), n_slices=30, n_shared=4)


@pytest.fixture(scope="module")
def phantom() -> WholeBodyPhantom:
    return build_whole_body(3, COARSE)


def test_every_compartment_of_the_inventory_is_there_on_both_sides(phantom: WholeBodyPhantom) -> None:
    index = index_regions(phantom.labels)
    for row in INVENTORY:
        for side in Side:
            assert index.mask(Region(row.structure, side)).any(), (row.structure, side)


def test_stations_overlap_by_what_the_protocol_says(phantom: WholeBodyPhantom) -> None:
    grids = [series.volume.grid for series in phantom.with_role(Role.STIR)]
    assert len(grids) == 5
    steps = np.diff([grid.matrix[2, 3] for grid in grids])
    np.testing.assert_allclose(steps, 12.0 * (30 - 4))


def test_gains_have_a_geometric_mean_of_one() -> None:
    for gains in (COARSE.stir_gains, COARSE.dixon_gains):
        assert float(np.log(gains).mean()) == pytest.approx(0.0, abs=1e-12)


def test_edema_fills_the_share_that_was_asked_for(phantom: WholeBodyPhantom) -> None:
    for name, shares in WholeBodyScene().edema.items():
        for side, share in zip((Side.LEFT, Side.RIGHT), shares, strict=True):
            assert phantom.fraction_percent(Region(name, side)) == pytest.approx(100.0 * share, abs=0.5)
    assert phantom.fraction_percent(Region("adductor_magnus", Side.LEFT)) == 0.0


def test_the_profile_of_the_thigh_recovers_the_slope_that_was_put_in(phantom: WholeBodyPhantom) -> None:
    region = Region(SLOPED, Side.LEFT)
    inside = phantom.labels.mask(region)
    slices = int(inside.any(axis=(0, 1)).sum())
    low, high = WholeBodyScene().slope
    truth = 1000.0 * (high - low) / ((slices - 1) * COARSE.slice_mm)
    profile = profile_of(phantom.edema, inside, limb_axis(phantom.labels, region))
    assert profile is not None
    assert profile.slope_percent_per_cm == pytest.approx(truth, rel=0.03)
    assert profile.ci95 is not None
    assert profile.ci95[0] > 0.0


def test_one_seed_gives_one_phantom(phantom: WholeBodyPhantom) -> None:
    again = build_whole_body(3, COARSE)
    for first, second in zip(phantom.series, again.series, strict=True):
        np.testing.assert_array_equal(first.volume.data, second.volume.data)
