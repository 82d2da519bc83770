"""Colors of regions on dark pictures: different enough to be told apart, by measured color difference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.report.palette import MUSCLE_COLORS, TISSUE_COLORS, contrast, difference
from heliotrope.report.pictures import label_styles

TOLD_APART = 20.0
"""Delta E*ab between two outlines; 2.3 is just noticeable side by side, outlines on gray need several times that."""
SEEN_ON_BLACK = 3.0
"""WCAG 2 contrast of graphical objects."""


def _labels(*names: str) -> LabelMap:
    values = np.arange(1, len(names) + 1, dtype=np.uint16).reshape(-1, 1, 1)
    legend = {n: Region(name, Side.LEFT) for n, name in enumerate(names, start=1)}
    return LabelMap(values, Grid.from_spacing((len(names), 1, 1), (1.0, 1.0, 1.0)), legend, "drawn")


def test_color_difference_agrees_with_published_values() -> None:
    """Red and green of sRGB are (53.24, 80.09, 67.20) and (87.73, -86.18, 83.18) in published tables of CIELAB."""
    assert difference("#ff0000", "#00ff00") == pytest.approx(170.6, abs=0.5)


def test_no_two_muscles_share_a_color() -> None:
    tissues = {
        TISSUE_COLORS[name]
        for name in ("skin", "subcutaneous_fat", "muscle", "intermuscular_fat", "bone_cortex", "bone_marrow", "vessel")
    }
    assert len(MUSCLE_COLORS) == 14
    for first, second in itertools.combinations(MUSCLE_COLORS.values(), 2):
        assert difference(first, second) > TOLD_APART, (first, second)
    for color in MUSCLE_COLORS.values():
        assert contrast(color, "#000000") > SEEN_ON_BLACK
        assert min(difference(color, tissue) for tissue in tissues) > TOLD_APART, color


def test_every_muscle_of_a_thigh_carries_letters_and_a_color_of_its_own() -> None:
    names = [n for n, s in STRUCTURES.items() if s.kind is StructureKind.MUSCLE and s.compartment in MUSCLE_COLORS]
    drawn = [name for name in names if name in MUSCLE_COLORS]
    colors, marks = label_styles(_labels("skin", "muscle", "medial_thigh", *drawn))
    assert len(drawn) == 11
    assert len({colors[name] for name in drawn}) == 11
    assert all(marks[name].isalpha() for name in ("medial_thigh", *drawn))
    assert len(set(marks.values())) == len(marks)
    assert {"skin", "muscle"}.isdisjoint(marks)


def test_muscles_without_a_color_of_their_own_take_turns() -> None:
    colors, marks = label_styles(_labels("soleus", "tibialis_anterior", "brachialis", "deltoid"))
    assert len(set(colors.values())) == 4
    assert marks["soleus"] == "SO"
    assert marks["brachialis"].isdigit()
