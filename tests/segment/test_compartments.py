"""Compartments of the thigh."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Side
from heliotrope.segment.compartments import (
    LATERAL,
    LEAST_CONFIDENCE,
    MEDIAL,
    POSTEROMEDIAL,
    SliceCompartments,
    find_compartments,
)

CENTER = (60.0, 55.0)


def _draw(
    side: Side, *, shift_deg: float, septa: bool
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], SliceCompartments]:
    """A disc of muscle with three fat sheets `shift_deg` away from where they are expected; codes as truth."""
    lateral = 1.0 if side is Side.LEFT else -1.0
    x, y = np.meshgrid(np.arange(120) - CENTER[0], np.arange(120) - CENTER[1], indexing="ij")
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(x * lateral, -y)) % 360.0
    inside = radius < 52.0
    fat = np.zeros((120, 120), dtype=np.float32)
    edges = [septum.expected_deg(np.maximum(radius, 1.0)) + shift_deg for septum in (LATERAL, POSTEROMEDIAL, MEDIAL)]
    truth = np.full((120, 120), 1, dtype=np.uint8)
    truth[(angle >= edges[0]) & (angle < edges[1])] = 3
    truth[(angle >= edges[1]) & (angle < edges[2])] = 2
    if septa:
        for edge in edges:
            fat[inside & (np.abs(angle - edge) * np.radians(1.0) * radius < 1.2)] = 0.9
    muscle = inside & (fat < 0.5) & (radius > 13.0)
    truth[~muscle] = 0
    found = find_compartments(fat, muscle, inside, CENTER, side, (1.0, 1.0))
    return truth, muscle, found


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("shift_deg", [-15.0, 0.0, 15.0])
def test_septa_are_followed_where_they_are_and_not_where_they_are_expected(side: Side, shift_deg: float) -> None:
    truth, muscle, found = _draw(side, shift_deg=shift_deg, septa=True)
    assert np.mean(found.codes[muscle] == truth[muscle]) > 0.97
    assert found.confidence >= LEAST_CONFIDENCE


def test_without_visible_septa_there_is_no_confidence() -> None:
    _, _, found = _draw(Side.LEFT, shift_deg=0.0, septa=False)
    assert found.confidence < LEAST_CONFIDENCE


def test_every_muscle_voxel_has_a_compartment() -> None:
    _, muscle, found = _draw(Side.RIGHT, shift_deg=5.0, septa=True)
    assert (found.codes[muscle] > 0).all()
    assert not found.codes[~muscle].any()
