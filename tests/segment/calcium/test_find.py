"""Calcinosis of a digital thigh is found, placed and told from everything else that is dense."""

import numpy as np
import pytest

from heliotrope.domain.anatomy import TissuePlane
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.units import Unit
from heliotrope.phantoms.ct_calcinosis import (
    CalcinosisVariant,
    CtCalcinosisPhantom,
    CtCalcinosisSettings,
    build_ct_calcinosis,
)
from heliotrope.segment.calcium.body import box_around_body
from heliotrope.segment.calcium.components import PlaneDetail
from heliotrope.segment.calcium.find import Calcinosis, find_calcinosis


def test_every_lesion_above_the_threshold_is_found(phantom: CtCalcinosisPhantom, found: Calcinosis) -> None:
    truth = phantom.labels.labels
    seen = {int(n) for n in np.unique(truth[found.numbers > 0])}
    large = {lesion.number for lesion in phantom.calcinosis if lesion.volume_mm3 > 60 and lesion.attenuation_hu > 350}
    assert large <= seen


def test_planes_are_those_of_the_phantom(phantom: CtCalcinosisPhantom, found: Calcinosis) -> None:
    planes = {lesion.number: lesion.plane for lesion in phantom.lesions}
    right = total = 0.0
    for component in found.components:
        inside = found.numbers[component.box] == component.number
        owners = phantom.labels.labels[component.box][inside]
        owners = owners[owners > 0]
        if owners.size:
            right += component.volume_mm3 * (planes[int(np.bincount(owners).argmax())] is component.plane)
            total += component.volume_mm3
    assert right / total > 0.95


def test_calcium_of_an_artery_wall_is_not_calcinosis() -> None:
    settings = CtCalcinosisSettings(shape=(190, 190, 50), voxel_mm=(1.0, 1.0, 1.0))
    vascular = build_ct_calcinosis(5, variant=CalcinosisVariant.VASCULAR, settings=settings)
    result = find_calcinosis(vascular.volume)
    assert result.components == ()
    assert sum(result.excluded_mm3.values()) > 50


def test_a_piece_of_an_artery_wall_cut_by_the_first_slice_is_not_calcinosis() -> None:
    vascular = build_ct_calcinosis(1001, variant=CalcinosisVariant.VASCULAR)
    assert find_calcinosis(vascular.volume).components == ()


def test_planes_are_withheld_at_5_mm_slices(phantom: CtCalcinosisPhantom) -> None:
    data = np.asarray(phantom.volume.data, np.float32)[:, :, :60].reshape(190, 190, 12, 5).mean(-1)
    thick = Volume(data, Grid.from_spacing(data.shape, (1.0, 1.0, 5.0)), Unit.HOUNSFIELD)
    result = find_calcinosis(thick)
    assert result.detail is PlaneDetail.SUPERFICIAL_OR_DEEP
    assert {c.plane for c in result.components} <= {TissuePlane.SUPERFICIAL, TissuePlane.DEEP}


def test_slices_of_12_mm_are_refused(phantom: CtCalcinosisPhantom) -> None:
    with pytest.raises(QualityRefusal) as refusal:
        find_calcinosis(phantom.volume, slice_thickness_mm=12.0)
    assert refusal.value.code == "E_SLICE_THICKNESS"


@pytest.mark.parametrize(
    ("slope", "intercept"), [(1.0, 1024.0), (2.0, 0.0), (1.0, -1024.0), (0.3, 0.0), (1.0, 50.0), (1.0, -50.0)]
)
def test_values_that_are_no_hounsfield_units_are_refused(
    phantom: CtCalcinosisPhantom, slope: float, intercept: float
) -> None:
    wrong = Volume(
        np.asarray(phantom.volume.data, np.float32) * slope + intercept, phantom.volume.grid, Unit.HOUNSFIELD
    )
    with pytest.raises(QualityRefusal):
        find_calcinosis(wrong)


def test_a_head_is_refused() -> None:
    grid = Grid.from_spacing((100, 100, 60), (2.0, 2.0, 2.0))
    radius = np.linalg.norm((np.indices(grid.shape).T - np.array([50, 50, 30])).T * 2.0, axis=0)
    data = np.full(grid.shape, -1000.0, np.float32)
    data[radius < 78] = 40.0
    data[(radius < 74) & (radius >= 66)] = 1100.0
    data[radius < 66] = 35.0
    data += np.random.default_rng(1).normal(0, 8, grid.shape).astype(np.float32)
    with pytest.raises(QualityRefusal) as refusal:
        find_calcinosis(Volume(data, grid, Unit.HOUNSFIELD))
    assert refusal.value.code == "E_HEAD"


def test_where_septa_are_too_thin_to_be_seen_calcium_below_the_fascia_is_deep_and_no_more() -> None:
    settings = CtCalcinosisSettings(shape=(190, 190, 40), voxel_mm=(1.0, 1.0, 1.0))
    thin = build_ct_calcinosis(101, variant=CalcinosisVariant.THIN_SEPTA, settings=settings)
    result = find_calcinosis(thin.volume)
    planes = {c.plane for c in result.components}
    assert TissuePlane.DEEP in planes
    assert not planes & {TissuePlane.INTERMUSCULAR, TissuePlane.INTRAMUSCULAR}
    assert planes & {TissuePlane.FASCIAL, TissuePlane.SUBCUTANEOUS}
    assert any("too thin" in note for note in result.notes)


def test_air_beside_the_body_changes_nothing(phantom: CtCalcinosisPhantom, found: Calcinosis) -> None:
    data = np.asarray(phantom.volume.data, np.float32)
    wide = np.pad(data, ((70, 30), (0, 90), (0, 0)), constant_values=-1000.0)
    grid = Grid.from_spacing(wide.shape, phantom.volume.grid.spacing_mm)
    box = box_around_body(wide, grid.spacing_mm)
    part = Volume(wide, grid, Unit.HOUNSFIELD).part(box)
    assert part.data.size < 0.75 * wide.size
    again = find_calcinosis(part)
    places = [
        (c.plane, c.shape, tuple((p.start + b.start, p.stop + b.start) for p, b in zip(c.box, box, strict=True)))
        for c in again.components
    ]
    moved = [
        (c.plane, c.shape, tuple((p.start + s, p.stop + s) for p, s in zip(c.box, (70, 0, 0), strict=True)))
        for c in found.components
    ]
    assert places == moved
