"""Echo intensity on drawn pictures: speckle of known level, with and without text burned in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from heliotrope.domain.anatomy import Region
from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap
from heliotrope.domain.measurement import Measurement
from heliotrope.measure.echo_intensity import EchoControls, measure_echo_intensity
from heliotrope.segment.screen_text import find_screen_text

SHAPE = (240, 200)


def speckle(level: float, seed: int, smooth: float = 1.0) -> NDArray[np.float64]:
    """Rayleigh speckle after log compression, of the given mean gray level."""
    generator = np.random.default_rng(seed)
    wave = [ndimage.gaussian_filter(generator.normal(size=SHAPE), smooth) for _ in range(2)]
    shown = 20.0 * np.log10(np.hypot(*wave) + 1e-6)
    return np.asarray(level + 2.5 * (shown - shown.mean()))


def picture(seed: int = 0, *, muscle: float = 90.0, fat: float = 60.0, smooth: float = 1.0) -> NDArray[np.uint8]:
    deep = ndimage.gaussian_filter1d((np.arange(SHAPE[1]) >= 60).astype(float), 2.0)[None, :]
    image = (1.0 - deep) * speckle(fat, seed, smooth) + deep * speckle(muscle, seed + 1, smooth)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def labels() -> LabelMap:
    drawn = np.zeros((*SHAPE, 1), np.uint16)
    drawn[60:180, 90:160, 0] = 1
    drawn[60:180, 10:50, 0] = 2
    legend = {1: Region("muscle"), 2: Region("subcutaneous_fat")}
    return LabelMap(drawn, Grid.from_spacing((*SHAPE, 1), (0.1, 0.1, 1.0)), legend, "person")


def written(image: NDArray[np.uint8], text: str, place: tuple[int, int], ink: int = 255) -> NDArray[np.uint8]:
    canvas = Image.fromarray(image.T)
    ImageDraw.Draw(canvas).text(place, text, fill=ink)
    return np.asarray(canvas).T


def value(rows: tuple[Measurement, ...], quantity: str, structure: str, statistic: str = "mean") -> Measurement:
    return next(
        row
        for row in rows
        if row.quantity == quantity and row.region.structure == structure and row.statistic == statistic
    )


def test_mean_and_median_are_those_of_the_region() -> None:
    image = picture()
    rows = measure_echo_intensity(image, labels())
    inside = image[60:180, 90:160].astype(float)
    assert value(rows, "echo_intensity", "muscle").value == pytest.approx(inside.mean())
    assert value(rows, "echo_intensity", "muscle", "median").value == pytest.approx(np.median(inside))
    assert value(rows, "echo_intensity_ratio", "muscle").value == pytest.approx(
        inside.mean() / image[60:180, 10:50].mean()
    )


def test_without_controls_there_is_no_z_score_but_a_reason() -> None:
    row = value(measure_echo_intensity(picture(), labels()), "echo_intensity_z", "muscle")
    assert row.missing is not None
    assert row.missing.code == "M_NO_CONTROLS"


def test_z_score_is_in_standard_deviations_of_the_controls() -> None:
    image = picture()
    row = value(
        measure_echo_intensity(image, labels(), EchoControls("A, muscle", 50.0, 8.0)), "echo_intensity_z", "muscle"
    )
    assert row.value == pytest.approx((image[60:180, 90:160].mean() - 50.0) / 8.0)
    assert any("A, muscle" in note for note in row.notes)


@pytest.mark.parametrize("ink", [255, 200])
@pytest.mark.parametrize("seed", [0, 10, 20])
def test_text_over_the_region_is_refused_whatever_its_gray(seed: int, ink: int) -> None:
    rows = measure_echo_intensity(written(picture(seed), "VASTUS LAT 4.2 cm", (80, 120), ink), labels())
    row = value(rows, "echo_intensity", "muscle")
    assert row.missing is not None
    assert row.missing.code == "M_BURNED_IN_TEXT"
    assert value(rows, "echo_intensity", "subcutaneous_fat").value is not None


@pytest.mark.parametrize("ink", [255, 180, 0])
def test_a_caliper_mark_over_the_region_is_refused_whatever_its_gray(ink: int) -> None:
    image = picture()
    image[100:111, 124:126] = ink
    image[104:106, 119:130] = ink
    row = value(measure_echo_intensity(image, labels()), "echo_intensity", "muscle")
    assert row.missing is not None
    assert row.missing.code == "M_BURNED_IN_TEXT"


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_text_beside_the_region_does_not_matter(seed: int) -> None:
    rows = measure_echo_intensity(written(picture(seed), "GAIN 52 DR 60", (70, 180)), labels())
    assert value(rows, "echo_intensity", "muscle").value is not None


@pytest.mark.parametrize("smooth", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("muscle", [40.0, 90.0, 200.0, 245.0])
def test_speckle_is_never_taken_for_text(muscle: float, smooth: float) -> None:
    for seed in range(3):
        assert not find_screen_text(picture(seed, muscle=muscle, smooth=smooth)).any()


def test_without_drawn_fat_the_ratio_is_missing_with_its_reason() -> None:
    only = labels()
    drawn = np.where(only.labels == 1, only.labels, 0).astype(np.uint16)
    rows = measure_echo_intensity(picture(), LabelMap(drawn, only.grid, {1: Region("muscle")}, "person"))
    assert value(rows, "echo_intensity", "muscle").value is not None
    row = value(rows, "echo_intensity_ratio", "muscle")
    assert row.missing is not None
    assert row.missing.code == "M_NO_REFERENCE"


def test_a_few_pixels_are_no_region_and_an_even_picture_has_no_text() -> None:
    only = labels()
    drawn = np.zeros_like(only.labels)
    drawn[:5, :5] = 1
    rows = measure_echo_intensity(np.full(SHAPE, 7), LabelMap(drawn, only.grid, {1: Region("muscle")}, "person"))
    row = value(rows, "echo_intensity", "muscle")
    assert row.missing is not None
    assert row.missing.code == "M_EMPTY_REGION"


def test_a_clipped_region_is_said_to_be() -> None:
    row = value(measure_echo_intensity(picture(muscle=255.0), labels()), "echo_intensity", "muscle")
    assert any("ends of the gray scale" in note for note in row.notes)


def test_labels_of_another_shape_and_controls_without_preset_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        measure_echo_intensity(picture()[:-1], labels())
    with pytest.raises(InputError, match="preset"):
        EchoControls(" ", 50.0, 8.0)
    with pytest.raises(InputError, match="standard deviation"):
        EchoControls("A", 50.0, 0.0)
