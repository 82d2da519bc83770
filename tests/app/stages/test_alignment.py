"""Labels on the grids of other series: where the patient moved between series, and where not."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput, StageOutput
from heliotrope.app.stages import alignment, measurements
from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import Acquisition, Modality, Role, Series, Study
from heliotrope.domain.units import Unit
from tests.segment import limbs
from tests.segment.test_carried_labels import drawn_labels

(STAGE,) = alignment.STAGES
SHIFT_MM = 18.0
"""Six pixels: the limbs lie beside their labels, but still on the same sides."""


def _series(key: str, role: Role, grid: Grid) -> Series:
    return Series(key, key, 1, "", role, "test", Acquisition(Modality.MR, field_strength_t=3.0), grid, 1, ())


def _given(*, shift_mm: float, role: Role = Role.STIR, blank: bool = False) -> tuple[StageInput, np.ndarray]:
    """Labels on one grid; a map on a second, cropped grid, on which the patient lies elsewhere than the header says."""
    thighs = limbs.draw(spacing_mm=3.0, slices=5, gap_mm=30.0, size_mm=(400.0, 220.0))
    labels = drawn_labels(thighs)
    image = limbs.t1_weighted(thighs)
    steps = round(shift_mm / 3.0)
    rows = slice(2, -2)
    matrix = labels.grid.matrix
    matrix[:3, 3] = labels.grid.positions_mm([0, 2, 0])
    grid = Grid.from_matrix((labels.grid.shape[0], labels.grid.shape[1] - 4, 5), matrix)
    moved = np.roll(np.asarray(image.data), (0, steps), axis=(0, 1))[:, rows]
    tissue = np.roll(thighs.tissue, (0, steps), axis=(0, 1))[:, rows]
    values = np.where(tissue == limbs.MUSCLE, 35.0, 90.0).astype(np.float32)
    signal = np.zeros_like(moved) if blank else moved
    volumes = {"a": image, "b": Volume(np.ascontiguousarray(signal), grid)}
    study = Study("k", None, None, (_series("a", Role.T1, labels.grid), _series("b", role, grid)), ())
    water_t2 = ParametricMap("water_t2", values, np.ones(grid.shape, bool), grid, Unit.MILLISECOND, "test")
    given = StageInput(
        study, (), AnalyzeOptions(), lambda item: volumes[item.key], {"water_t2": water_t2}, labels
    )  # fmt: skip
    return given, tissue == limbs.MUSCLE


def _measured(given: StageInput, found: StageOutput) -> dict[Region, float | None]:
    again = StageInput(
        given.study, (), given.options, given.read_volume, given.maps, given.labels, carried=found.carried
    )  # fmt: skip
    rows = measurements.STAGES[0].run(again).measurements
    return {row.region: row.value for row in rows if row.quantity == "water_t2" and row.statistic == "mean"}


def test_series_that_agree_keep_the_place_of_their_headers() -> None:
    given, _ = _given(shift_mm=0.0)
    found = STAGE.run(given)
    assert found.carried == ()
    (check,) = found.quality
    assert check.passed, check


@pytest.mark.parametrize("role", [Role.STIR, Role.T1])
def test_a_patient_who_moved_between_series_is_measured_where_he_lies(role: Role) -> None:
    given, muscle = _given(shift_mm=SHIFT_MM, role=role)
    found = STAGE.run(given)
    (labels,) = found.carried
    drawn = labels.mask_where(structure="muscle")
    assert 2.0 * (drawn & muscle).sum() / (drawn.sum() + muscle.sum()) > 0.85
    by_header, carried = _measured(given, StageOutput(sentence="")), _measured(given, found)
    for side in Side:
        region = Region("muscle", side)
        # drawn muscle holds some sheets of fat, which read 90 ms
        assert abs((carried[region] or 0.0) - 35.0) < 4.0
        assert (by_header[region] or 0.0) > (carried[region] or 0.0)


def test_an_image_without_limbs_leaves_the_place_untold() -> None:
    given, _ = _given(shift_mm=0.0, blank=True)
    found = STAGE.run(given)
    assert found.carried == ()
    assert found.quality[0].passed is None


def test_limbs_of_another_shape_are_not_measured() -> None:
    given, _ = _given(shift_mm=SHIFT_MM)
    narrow = limbs.draw(spacing_mm=3.0, slices=5, gap_mm=150.0, size_mm=(400.0, 220.0), limbs=(-1, 1))
    image = np.asarray(limbs.t1_weighted(narrow).data)[::2][:, 2:-2]
    squeezed = np.zeros(given.maps["water_t2"].grid.shape, np.float32)
    start = (squeezed.shape[0] - image.shape[0]) // 2
    squeezed[start : start + image.shape[0]] = image
    grid = given.maps["water_t2"].grid
    read = given.read_volume
    other = StageInput(
        given.study,
        (),
        given.options,
        lambda item: Volume(squeezed, grid) if item.key == "b" else read(item),
        given.maps,
        given.labels,
    )
    found = STAGE.run(other)
    assert found.quality[0].passed is False
    assert isinstance(found.carried[0], LabelMap)
    assert not found.carried[0].labels.any()
    assert _measured(other, found)[Region("muscle", Side.LEFT)] is None
