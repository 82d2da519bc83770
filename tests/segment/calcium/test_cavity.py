"""Bowel marks the body cavity; folds, joints and what lies behind bone are no part of it."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.segment.calcium.body import find_body
from heliotrope.segment.calcium.bone import Skeleton
from heliotrope.segment.calcium.cavity import find_cavity
from heliotrope.segment.calcium.geometry import Mask, dilate
from tests.segment.calcium.scenes import Scene

SIZE = (100, 100, 16)
VOXEL = (2.0, 2.0, 3.0)


def trunk() -> Scene:
    """A round body of muscle, 180 mm wide."""
    scene = Scene(SIZE, VOXEL)
    x, y, z = scene.axes
    scene.hu[np.hypot(x, y) + 0 * z < 90.0] = 50.0
    return scene


def cavity(scene: Scene, bone: Mask | None = None) -> Mask:
    mask = np.zeros(SIZE, dtype=bool) if bone is None else bone
    none = np.zeros(SIZE, dtype=bool)
    skeleton = Skeleton(mask, none, mask, none, dilate(mask, 2.0, VOXEL) & ~mask, 2.0)
    return find_cavity(scene.hu, find_body(scene.hu, VOXEL), skeleton, VOXEL)


def at(*point: float) -> tuple[int, ...]:
    """Voxel of a position. [mm]"""
    return tuple(round(p / v + (n - 1) / 2) for p, v, n in zip(point, VOXEL, SIZE, strict=True))


def test_tissue_around_bowel_gas_is_cavity_and_tissue_far_from_it_is_not() -> None:
    scene = trunk()
    scene.rod((0, 0, -30), (0, 0, 30), 10.0, -950.0)
    found = cavity(scene)
    assert found[at(20, 0, 0)]
    assert not found[at(70, 0, 0)]


def test_what_lies_behind_bone_is_assessed() -> None:
    scene = trunk()
    scene.rod((0, 0, -30), (0, 0, 30), 10.0, -950.0)
    x, y, z = scene.axes
    wall: Mask = (np.abs(x - 22) < 4) & (np.abs(y) < 50) & np.ones(SIZE, bool) & (z < 99)
    scene.hu[wall] = 900.0
    found = cavity(scene, wall)
    assert not found[at(35, 0, 0)]
    assert found[at(-35, 0, 0)]


@pytest.mark.parametrize("half_neck_mm", [1.1, 3.0])
def test_air_of_a_skin_fold_is_no_bowel_gas(half_neck_mm: float) -> None:
    scene = trunk()
    scene.rod((0, -55, -30), (0, -55, 30), 8.0, -950.0)
    x, y, z = scene.axes
    scene.hu[(np.abs(x) < half_neck_mm) & (y < -55) & (np.hypot(x, y) < 90) & (z < 99)] = -320.0
    assert not cavity(scene).any()


def test_gas_in_a_joint_is_no_bowel_gas() -> None:
    scene = trunk()
    x, y, z = scene.axes
    bone: Mask = (np.hypot(x - 30, y) < 16) & (z < 99)
    scene.hu[bone] = 900.0
    scene.rod((30, 0, -12), (30, 0, 12), 8.0, -800.0)
    assert not cavity(scene, bone & (scene.hu > 0)).any()


def test_between_lumens_that_span_a_slice_everything_deep_to_the_wall_is_cavity() -> None:
    scene = trunk()
    for x in (-50, 50):
        scene.rod((x, -40, -30), (x, -40, 30), 8.0, -950.0)
    scene.rod((0, -62, -30), (0, -62, 30), 8.0, -950.0)
    scene.rod((0, 10, -30), (0, 10, 30), 8.0, -950.0)
    scene.hu[at(0, 45, 0)] = 700.0
    found = cavity(scene)
    assert found[at(0, 45, 0)]
    assert not found[at(0, 84, 0)]
