"""Regions without their margins."""

from __future__ import annotations

import numpy as np

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.measure.cores import Cores, margin_mm
from heliotrope.measure.regions import index_regions
from heliotrope.segment.transfer import without_margin

GRID = Grid.from_spacing((40, 30, 5), (1.2, 1.2, 6.0))
GRACILIS, SARTORIUS, RECTUS = (Region(name, Side.LEFT) for name in ("gracilis", "sartorius", "rectus_femoris"))


def _labels() -> LabelMap:
    values = np.zeros(GRID.shape, np.uint16)
    values[0:12, 4:20, 1:4] = 3
    values[12:30, 8:30, 0:5] = 7
    return LabelMap(values, GRID, {3: GRACILIS, 7: SARTORIUS, 9: RECTUS}, "person")


def test_a_core_is_the_region_eroded_in_the_whole_image() -> None:
    labels = _labels()
    cores = Cores.of(labels)
    for region in (GRACILIS, SARTORIUS, Region("muscle", Side.LEFT)):
        core = cores.core(region)
        whole = np.zeros(GRID.shape, dtype=bool)
        whole[core.box] = core.mask
        drawn = cores.index.mask(region)
        assert np.array_equal(whole, without_margin(drawn, GRID, margin_mm(GRID)))
        assert core.n_drawn == drawn.sum()
        assert core.fraction_lost == 1.0 - whole.sum() / drawn.sum()


def test_a_region_that_is_not_drawn_has_lost_everything() -> None:
    core = Cores.of(_labels()).core(RECTUS)
    assert core.n_drawn == 0
    assert core.n_voxels == 0
    assert core.fraction_lost == 1.0


def test_a_box_ends_where_the_image_ends() -> None:
    index = index_regions(_labels())
    assert index.box(GRACILIS) == (slice(0, 12), slice(4, 20), slice(1, 4))
    assert index.box(GRACILIS, 2) == (slice(0, 14), slice(2, 22), slice(0, 5))
    assert index.box(RECTUS) is None


def test_a_mask_in_its_box_is_the_part_of_the_whole_mask() -> None:
    labels = _labels()
    index = index_regions(labels)
    box = index.box(SARTORIUS, 3)
    assert box is not None
    assert np.array_equal(index.mask(SARTORIUS), labels.labels == 7)
    assert np.array_equal(index.mask_in(box, SARTORIUS), labels.labels[box] == 7)
