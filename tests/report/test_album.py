"""Pictures of an earlier report are taken over, and only where they show the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from heliotrope.domain.geometry import Grid
from heliotrope.domain.units import Unit
from heliotrope.report import figures
from heliotrope.report.album import key_of, taking_from
from heliotrope.report.display import Window, view_of
from heliotrope.report.document import Picture
from heliotrope.report.figures import Marker, Outline, Outlines, Overlay, draw_scale, draw_slice
from heliotrope.report.palette import Scale

GRID = Grid.from_spacing((24, 18, 3), (2.0, 2.0, 8.0))
WINDOW = Window(0, 18, 0, 24)


@dataclass
class Pages:
    """An album in memory."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    found: int = 0

    def find(self, key: str) -> bytes | None:
        self.found += key in self.pictures
        return self.pictures.get(key)

    def keep(self, key: str, png: bytes) -> None:
        self.pictures[key] = png


def _picture(
    *,
    gray: float = 5.0,
    index: int = 1,
    value: float = 40.0,
    label: int = 1,
    scale: Scale | None = None,
    color: str = "#FFFFFF",
    text: str = "",
    markers: tuple[Marker, ...] = (),
    synthetic: bool = False,
    alt: str = "a slice",
) -> Picture:
    """One of three slices; gray, value and label are those of its middle."""
    background = np.arange(24 * 18 * 3, dtype=np.float32).reshape(GRID.shape)
    values, labels = np.full(GRID.shape, 30.0, np.float32), np.ones(GRID.shape, np.uint16)
    background[12, 9, 1], values[12, 9, 1], labels[12, 9, 1] = gray, value, label
    return draw_slice(
        background,
        view_of(GRID),
        index,
        WINDOW,
        alt=alt,
        levels=(0.0, 1000.0),
        overlay=Overlay(values, scale or Scale("viridis", 20.0, 80.0)),
        outlines=Outlines(labels, (Outline((1,), color),)),
        markers=markers,
        text=text,
        synthetic=synthetic,
    )


def test_a_picture_of_the_same_content_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    album = Pages()
    with taking_from(album):
        drawn = (_picture(), draw_scale(Scale("magma", 0.0, 100.0), Unit.PERCENT, "Fat", below=True, above=False))
    monkeypatch.delattr(figures, "encode")
    with taking_from(album):
        again = (_picture(), draw_scale(Scale("magma", 0.0, 100.0), Unit.PERCENT, "Fat", below=True, above=False))
        words = _picture(alt="other words")
    assert again == drawn
    assert words.png == drawn[0].png
    assert words.alt == "other words"


def test_an_album_changes_no_picture() -> None:
    alone = _picture()
    with taking_from(Pages()):
        assert _picture() == alone


@pytest.mark.parametrize(
    "other",
    [
        {"gray": 6.0},
        {"index": 2},
        {"value": 41.0},
        {"value": float("nan")},
        {"label": 0},
        {"scale": Scale("viridis", 20.0, 81.0)},
        {"color": "#FFD24A"},
        {"text": "slice 2"},
        {"markers": (Marker((12.0, 9.0, 1.0), "1"),)},
        {"synthetic": True},
    ],
    ids=lambda other: "-".join(other),
)
def test_whatever_a_picture_shows_makes_it_another(other: dict[str, object]) -> None:
    album = Pages()
    with taking_from(album):
        first = _picture()
        second = _picture(**other)  # type: ignore[arg-type] # each value fits the name it stands under
    assert album.found == 0
    assert first.png != second.png or other == {"value": 41.0} or other == {"gray": 6.0}


def test_what_lies_in_other_slices_does_not_count() -> None:
    album = Pages()
    with taking_from(album):
        _picture(index=0)
        _picture(index=0, gray=900.0, value=70.0, label=0)
    assert album.found == 1


def test_outside_its_block_no_album_is_asked() -> None:
    album = Pages()
    with taking_from(album):
        pass
    _picture()
    assert album.pictures == {}


def test_kind_and_shape_of_an_array_are_part_of_its_key() -> None:
    zeros = np.zeros(4, np.uint16)
    keys = {key_of(zeros), key_of(zeros.astype(np.int16)), key_of(zeros.reshape(2, 2)), key_of(zeros.view(np.uint32))}
    assert len(keys) == 4
    assert key_of(zeros[::2]) == key_of(np.zeros(2, np.uint16))
