"""Fat fraction of complex gradient echoes on two thighs with known truth."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.fat_fraction.complex_fit import fit_complex_fat_fraction
from heliotrope.maps.fat_fraction.magnitude_fit import fit_magnitude_fat_fraction, read_in_opposed_fat_fraction
from heliotrope.maps.fat_fraction.result import FatFractionMaps
from heliotrope.maps.fat_fraction.t1_guard import t1_guard
from heliotrope.maps.fat_fraction.two_point import fit_two_point_fat_fraction
from heliotrope.phantoms.dixon import DixonThighs, acquire, dixon_thighs
from heliotrope.physics.chemical_shift import fat_fraction_crlb

UNKNOWN = t1_guard(repetition_time_ms=None, flip_angle_deg=None, field_strength_t=3.0)
THREE = (3.45, 4.60, 5.75)
SIX = tuple(1.15 + 0.95 * j for j in range(6))
UNEVEN = (1.2, 2.0, 3.3, 4.1, 5.6, 6.3)
SWAP_POINTS = 40.0
"""An error this large is an exchange, not noise: the largest noise sd here is 7 points. [percentage points]"""


def _object(seed: int) -> tuple[DixonThighs, np.random.Generator]:
    generator = np.random.default_rng(seed)
    return dixon_thighs(generator, shape=(88, 48, 3)), generator


def _error(found: FatFractionMaps, truth: DixonThighs) -> np.ndarray:
    return np.asarray(found.fat_fraction.values - truth.percent)


@pytest.mark.parametrize(("echoes", "seed"), [(THREE, 0), (THREE, 1), (SIX, 0), (SIX, 1), (UNEVEN, 2)])
def test_muscle_is_unbiased_at_the_bound_and_nothing_is_exchanged(echoes: tuple[float, ...], seed: int) -> None:
    truth, generator = _object(seed)
    volume = acquire(truth, echo_times_ms=echoes, field_strength_t=3.0, snr=40.0, generator=generator)
    found = fit_complex_fat_fraction(volume, echo_times_ms=echoes, field_strength_t=3.0, guard=UNKNOWN)
    error = _error(found, truth)
    assert int((np.abs(error[np.isfinite(error)]) > SWAP_POINTS).sum()) == 0
    muscle = truth.muscle & np.isfinite(error)
    assert abs(float(error[muscle].mean())) < 0.5
    assert found.sd is not None
    # the stated bound is that of each voxel; 15 % for its spread over the muscle
    assert float(error[muscle].std()) < 1.15 * float(np.sqrt(np.mean(found.sd.values[muscle] ** 2)))
    assert found.field_map is not None
    offset = found.field_map.values[muscle] - truth.field_hz[muscle]
    # alias period of evenly spaced echoes is far above this; 5 Hz covers noise
    assert abs(float(np.median(offset))) < 5.0


def test_the_stated_sd_is_the_cramer_rao_bound() -> None:
    truth, generator = _object(3)
    volume = acquire(truth, echo_times_ms=SIX, field_strength_t=3.0, snr=50.0, generator=generator)
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=UNKNOWN)
    assert found.sd is not None
    lean = truth.muscle & found.sd.valid & (truth.percent < 8.0)
    snr = 50.0 * float(np.median(truth.density[lean])) / 100.0
    bound = fat_fraction_crlb(
        fat_fraction=float(np.median(truth.percent[lean])),
        echo_times_ms=SIX,
        field_strength_t=3.0,
        snr=snr,
        r2star_per_s=float(np.median(truth.r2star_per_s[lean])),
    )
    assert float(np.median(found.sd.values[lean])) == pytest.approx(bound, rel=0.08)


@pytest.mark.parametrize("echoes", [THREE, SIX])
def test_a_conjugated_phase_gives_the_same_map(echoes: tuple[float, ...]) -> None:
    truth, generator = _object(4)
    volume = acquire(truth, echo_times_ms=echoes, field_strength_t=3.0, snr=40.0, generator=generator)
    turned = Volume(np.conj(np.asarray(volume.data)), volume.grid)
    plain = fit_complex_fat_fraction(volume, echo_times_ms=echoes, field_strength_t=3.0, guard=UNKNOWN)
    found = fit_complex_fat_fraction(turned, echo_times_ms=echoes, field_strength_t=3.0, guard=UNKNOWN)
    difference = found.fat_fraction.values - plain.fat_fraction.values
    # three echoes half a period apart hardly know the sign: minor peaks move the fraction by some tenths of a point
    assert float(np.nanpercentile(np.abs(difference), 99)) < 1.0
    assert any("sign convention" in action for action in found.actions)


@pytest.mark.parametrize("kind", ["alternating_phase_rad", "first_echo_phase_rad"])
def test_read_out_phase_errors_are_found_and_removed(kind: str) -> None:
    truth, generator = _object(1)
    errors = {kind: 0.25}
    volume = acquire(
        truth,
        echo_times_ms=SIX,
        field_strength_t=3.0,
        snr=40.0,
        generator=generator,
        alternating_phase_rad=errors.get("alternating_phase_rad", 0.0),
        first_echo_phase_rad=errors.get("first_echo_phase_rad", 0.0),
    )
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=UNKNOWN)
    error = _error(found, truth)
    muscle = truth.muscle & np.isfinite(error)
    assert abs(float(error[muscle].mean())) < 0.5
    assert any("phase error" in action for action in found.actions)


def test_a_scanner_called_3_t_that_runs_at_2_89_t_is_noticed() -> None:
    truth, generator = _object(2)
    volume = acquire(truth, echo_times_ms=SIX, field_strength_t=2.893, snr=40.0, generator=generator)
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=UNKNOWN)
    error = _error(found, truth)
    assert abs(float(error[truth.muscle & np.isfinite(error)].mean())) < 0.7
    assert any("fat frequency calibrated" in action for action in found.actions)


def test_t1_weighting_is_corrected_and_said() -> None:
    truth, generator = _object(5)
    volume = acquire(
        truth,
        echo_times_ms=SIX,
        field_strength_t=3.0,
        snr=60.0,
        generator=generator,
        repetition_time_ms=10.0,
        flip_angle_deg=10.0,
    )
    guard = t1_guard(repetition_time_ms=10.0, flip_angle_deg=10.0, field_strength_t=3.0)
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=guard)
    error = _error(found, truth)
    assert abs(float(error[truth.muscle & np.isfinite(error)].mean())) < 0.5
    assert any("corrected for T1 weighting" in flag for flag in found.fat_fraction.flags)


def test_three_echoes_say_that_r2star_was_assumed() -> None:
    truth, generator = _object(6)
    volume = acquire(truth, echo_times_ms=THREE, field_strength_t=3.0, snr=40.0, generator=generator)
    found = fit_complex_fat_fraction(volume, echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    assert found.r2star is None
    assert any("R2* assumed 40 /s" in flag for flag in found.fat_fraction.flags)


def test_two_complex_echoes_separate_both_legs() -> None:
    truth, generator = _object(0)
    times = (1.15, 2.30)
    volume = acquire(truth, echo_times_ms=times, field_strength_t=3.0, snr=60.0, generator=generator)
    found = fit_two_point_fat_fraction(volume, echo_times_ms=times, field_strength_t=3.0, guard=UNKNOWN)
    error = _error(found, truth)
    inner = (truth.muscle | truth.subcutis) & np.isfinite(error)
    assert float(np.mean(np.abs(error[inner]) > SWAP_POINTS)) < 0.002
    # R2* of 30 to 60 against the assumed 40: some tenths of a point
    assert abs(float(np.median(error[inner]))) < 1.5


def test_magnitude_echoes_resolve_lean_and_fatty_tissue() -> None:
    truth, generator = _object(1)
    volume = acquire(truth, echo_times_ms=SIX, field_strength_t=3.0, snr=100.0, generator=generator)
    magnitude = Volume(np.abs(np.asarray(volume.data)), volume.grid)
    found = fit_magnitude_fat_fraction(magnitude, echo_times_ms=SIX, field_strength_t=3.0, guard=UNKNOWN)
    error = _error(found, truth)
    assert abs(float(np.median(error[truth.muscle & np.isfinite(error) & (truth.percent < 30)]))) < 1.0
    assert abs(float(np.median(error[truth.subcutis & np.isfinite(error)]))) < 2.0


def test_in_and_opposed_phase_read_muscle_right_after_the_lookup() -> None:
    truth, generator = _object(2)
    times = (1.15, 2.30)
    volume = acquire(truth, echo_times_ms=times, field_strength_t=3.0, snr=100.0, generator=generator)
    magnitude = np.abs(np.asarray(volume.data))
    found = read_in_opposed_fat_fraction(
        Volume(magnitude[..., 0], volume.grid),
        Volume(magnitude[..., 1], volume.grid),
        opposed_echo_ms=times[0],
        in_phase_echo_ms=times[1],
        field_strength_t=3.0,
        guard=UNKNOWN,
    )
    error = _error(found, truth)
    # R2* of 30 to 60 against 30 in the table: up to 1.7 points at 1.15 ms between echoes
    assert abs(float(np.median(error[truth.muscle & np.isfinite(error) & (truth.percent < 40)]))) < 2.0
    assert any("usable inside muscle only" in flag for flag in found.fat_fraction.flags)


def test_air_is_invalid_with_a_counted_reason() -> None:
    truth, generator = _object(0)
    volume = acquire(truth, echo_times_ms=SIX, field_strength_t=3.0, snr=40.0, generator=generator)
    found = fit_complex_fat_fraction(volume, echo_times_ms=SIX, field_strength_t=3.0, guard=UNKNOWN)
    valid = found.fat_fraction.valid
    assert valid[truth.tissue].mean() > 0.99
    assert valid[~truth.tissue].mean() < 0.01
    assert sum(found.fat_fraction.invalid_reasons.values()) == int((~valid).sum())


@pytest.mark.parametrize("spoil", ["real", "nan", "zero", "count", "aliased"])
def test_unusable_echoes_are_refused(spoil: str) -> None:
    data = np.ones((6, 6, 2, 3), dtype=np.complex64)
    times: tuple[float, ...] = THREE
    if spoil == "nan":
        data[0, 0, 0, 0] = np.nan
    elif spoil == "zero":
        data[:] = 0
    elif spoil == "count":
        times = (*THREE, 6.9)
    elif spoil == "aliased":
        times = (2.303, 4.606, 6.909)
    volume = Volume(data.real if spoil == "real" else data, Grid.from_spacing((6, 6, 2), (2.0, 2.0, 5.0)))
    with pytest.raises(InputError):
        fit_complex_fat_fraction(volume, echo_times_ms=times, field_strength_t=3.0, guard=UNKNOWN)


@pytest.mark.real_data
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_real_thighs_show_fat_under_the_skin_and_lean_muscle_in_both_legs(shared_data: Path, sign: float) -> None:
    folder = shared_data / "thigh-dixon-3pt"

    def echo(number: str) -> np.ndarray:
        return np.asarray(nibabel.load(next(folder.glob(f"{number}-*"))).dataobj, dtype=float)[::2, ::2]

    magnitude = np.stack([echo(n) for n in ("0006", "0008", "0010")], axis=-1)
    phase = np.stack([echo(n) for n in ("0007", "0009", "0011")], axis=-1) * (2 * np.pi / 4096)
    data = (magnitude * np.exp(1j * sign * phase)).astype(np.complex64)
    grid = Grid.from_spacing((256, 128, 10), (1.6, 1.6, 20.0))
    found = fit_complex_fat_fraction(Volume(data, grid), echo_times_ms=THREE, field_strength_t=3.0, guard=UNKNOWN)
    assert found.quality["swapped_sections"] == 0
    assert found.quality["uncertain_sections"] == 0
    percent = found.fat_fraction.values
    assert found.water is not None
    assert found.fat is not None
    for leg in (slice(0, 128), slice(128, 256)):
        # the central slices, clear of the coil's edge; muscle and fat are the two modes of the histogram
        values = percent[leg, :, 2:8]
        values = values[np.isfinite(values)]
        histogram, edges = np.histogram(values, bins=np.arange(-10, 111, 2))
        centers = 0.5 * (edges[:-1] + edges[1:])
        lean = centers[centers < 50][int(np.argmax(histogram[centers < 50]))]
        fatty = centers[centers >= 50][int(np.argmax(histogram[centers >= 50]))]
        assert lean < 15.0
        assert fatty >= 85.0
        assert float(np.mean(values[values < 50] < 15.0)) > 0.5
