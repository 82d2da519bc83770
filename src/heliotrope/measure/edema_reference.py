"""What normal muscle looks like on this STIR image: a reference from outside the image, or none.

The patient's own median muscle is never the reference: with half of the muscle edematous it finds almost no edema.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.domain.errors import InputError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.physics.noise import robust_sd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class ReferenceMode(StrEnum):
    """Where the normal signal comes from, best first."""

    PAIRED_T2 = "paired water T2 map"
    VIAL_RATIO = "STIR-to-water ratio of a vial in the field"
    SITE_RATIO = "STIR-to-water ratio of the site's controls"
    SPARED_MUSCLE = "muscle named as spared by a reader, vetted"


HEALTHY_T2_BAND_MS = {3.0: (30.0, 38.0), 1.5: (32.0, 40.0)}
"""Water T2 of healthy muscle by field strength; evidence ``healthy-t2-band``. [ms]"""

LEAN_FAT_PERCENT = 15.0
"""Reference muscle holds less fat than this. [%]"""

FEWEST_REFERENCE_VOXELS = 60
"""A reference from fewer voxels is refused."""

FEWEST_FOR_FIELD = 600
"""With fewer reference voxels no coil profile is fitted through them."""

AGREEMENT = (0.8, 1.25)
"""Two references must agree within this ratio. [1]"""

LARGEST_SPARED_SPREAD = 0.15
"""Relative spread of smoothed signal that one population of muscle may have. [1]"""

LARGEST_SECOND_POPULATION = 0.05
"""Share of outlying signal above which a named muscle is not spared. [1]"""


@dataclass(frozen=True)
class SiteRatio:
    """STIR-to-water ratio of normal muscle under this site's protocol.

    Parameters
    ----------
    mean, sd : float
        Over controls (at least five) with the receiver scaling of the patient's scan, or from a vial in it. [1]
    mode : ReferenceMode
    """

    mean: float
    sd: float
    mode: ReferenceMode = ReferenceMode.SITE_RATIO

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and self.mean > 0 and np.isfinite(self.sd) and self.sd >= 0):
            raise InputError(
                f"site ratio {self.mean} +- {self.sd}: a positive mean and a standard deviation are needed",
                hint="measure both in five or more controls",
            )


@dataclass(frozen=True, eq=False)
class RelativeSignal:
    """STIR over the signal normal muscle would have at the same place.

    Parameters
    ----------
    values : array (x, y, z)
        1 is normal muscle; NaN outside `valid`. [1]
    valid : bool array (x, y, z)
    level : array (x, y, z)
        Signal of normal muscle at every place, fat included; what layers beside muscle are compared with.
    grid : Grid
    mode : ReferenceMode
    spread : float
        Standard deviation among normal voxels, noise included. [1]
    uncertainty : float
        Standard deviation of the reference itself. [1]
    n_reference : int
        Voxels behind the reference; 0 for one given from outside.
    coil_corrected : bool
        True when the water image of the same session took the coil profile out.
    notes : tuple of str
    """

    values: FloatArray
    valid: BoolArray
    level: FloatArray
    grid: Grid
    mode: ReferenceMode
    spread: float
    uncertainty: float
    n_reference: int
    coil_corrected: bool
    notes: tuple[str, ...] = ()


def healthy_t2_band_ms(field_strength_t: float) -> tuple[float, float]:
    """Healthy band at a field strength, 1.5 T below 2.2 T and 3 T above. [ms]"""
    return HEALTHY_T2_BAND_MS[1.5 if field_strength_t < 2.2 else 3.0]


def relative_signal(
    stir: Volume,
    lean_muscle: BoolArray,
    *,
    field_strength_t: float,
    water_t2_ms: FloatArray | None = None,
    fat_percent: FloatArray | None = None,
    water_signal: FloatArray | None = None,
    fat_signal: FloatArray | None = None,
    subcutis: BoolArray | None = None,
    site_ratio: SiteRatio | None = None,
    spared: BoolArray | None = None,
) -> RelativeSignal:
    """STIR relative to normal muscle, by the best reference there is.

    Parameters
    ----------
    stir : Volume (x, y, z)
    lean_muscle : bool array (x, y, z)
        Muscle without its margin.
    field_strength_t : float
        [T]
    water_t2_ms, fat_percent, water_signal, fat_signal : arrays (x, y, z) or None
        Maps brought onto the grid of `stir`; NaN where invalid.
    subcutis : bool array or None
        With `fat_signal` it shows what fat leaves on this STIR image, which is then taken out of the ratio.
    site_ratio : SiteRatio or None
        Needs `water_signal`.
    spared : bool array or None
        Muscle that a reader names as spared; it is vetted.

    Raises
    ------
    QualityRefusal
        No valid reference (``E_NO_REFERENCE``): edema cannot be counted, only its pattern described.
    """
    signal = np.asarray(stir.data, dtype=np.float64)
    fat = np.full(signal.shape, 0.0) if fat_percent is None else np.nan_to_num(fat_percent, nan=100.0)
    lean = lean_muscle & (fat < LEAN_FAT_PERCENT) & np.isfinite(signal) & (signal > 0)
    normalized, corrected = _coil_normalized(_without_fat(signal, fat_signal, subcutis), water_signal)
    usable = lean & np.isfinite(normalized)
    profile = _water_profile(water_signal, lean, stir.grid) if corrected and water_signal is not None else None
    problems: list[str] = []
    if water_t2_ms is not None:
        low, high = healthy_t2_band_ms(field_strength_t)
        healthy = usable & (water_t2_ms >= low) & (water_t2_ms <= high)
        if int(healthy.sum()) >= FEWEST_REFERENCE_VOXELS:
            return _from_voxels(normalized, healthy, stir.grid, ReferenceMode.PAIRED_T2, profile, site_ratio)
        problems.append(f"{int(healthy.sum())} voxels with a healthy water T2, {FEWEST_REFERENCE_VOXELS} are needed")
    if site_ratio is not None:
        if corrected:
            return _from_site(normalized, usable, stir.grid, site_ratio, profile)
        problems.append("a site ratio needs the Dixon water image of the same session")
    if spared is not None:
        vetted, reason = _vetted(normalized, usable & spared, site_ratio if corrected else None)
        if vetted:
            return _from_voxels(
                normalized,
                usable & spared,
                stir.grid,
                ReferenceMode.SPARED_MUSCLE,
                profile,
                site_ratio if corrected else None,
            )
        problems.append(reason)
    if not problems:
        problems.append("there is no water T2 map with independently measured fat, no site ratio and no spared muscle")
    raise QualityRefusal(
        "no valid reference for STIR: " + "; ".join(problems),
        hint="scan a T2 map, give the site's STIR-to-water ratio, or name a spared muscle; the patient's own median "
        "muscle is never used",
        code="E_NO_REFERENCE",
    )


def ratio_from_vial(stir: Volume, water_signal: FloatArray, vial: BoolArray, muscle_over_vial: SiteRatio) -> SiteRatio:
    """Ratio of normal muscle under the scaling of this scan, from a vial imaged with the patient.

    Valid while the vial holds the gel and the temperature at which `muscle_over_vial` was measured in controls under
    this inversion, echo and repetition time, and lies within the homogeneous field of both series. The scaling of the
    two series then cancels, whatever it is.

    Parameters
    ----------
    stir : Volume (x, y, z)
    water_signal : array (x, y, z)
        Dixon water of the same session on the grid of `stir`.
    vial : bool array (x, y, z)
        Inside of the vial, without its wall.
    muscle_over_vial : SiteRatio
        Ratio of normal muscle over ratio of the vial, with its scatter among controls. [1]

    Raises
    ------
    QualityRefusal
        ``E_VIAL``: too few voxels, no water signal, or a signal that is not even.
    """
    normalized, _ = _coil_normalized(np.asarray(stir.data, dtype=np.float64), water_signal)
    values = normalized[vial & np.isfinite(normalized)]
    if values.size < FEWEST_REFERENCE_VOXELS:
        raise QualityRefusal(
            f"vial: {values.size} voxels with water signal inside it, {FEWEST_REFERENCE_VOXELS} are needed",
            hint="label the inside of the vial on more slices, or scan it within the field of both series",
            code="E_VIAL",
        )
    middle = float(np.median(values))
    spread = _robust_spread(values) / middle if middle > 0 else float("inf")
    if spread > LARGEST_SPARED_SPREAD:
        raise QualityRefusal(
            f"vial: its signal varies by {100 * spread:.0f} % (limit {100 * LARGEST_SPARED_SPREAD:.0f} %)",
            hint="check for bubbles, the wall within the label, and fat suppression at the vial",
            code="E_VIAL",
        )
    mean = middle * muscle_over_vial.mean
    sd = mean * float(np.hypot(muscle_over_vial.sd / muscle_over_vial.mean, spread / np.sqrt(values.size)))
    return SiteRatio(mean, sd, ReferenceMode.VIAL_RATIO)


def _without_fat(signal: FloatArray, fat_signal: FloatArray | None, subcutis: BoolArray | None) -> FloatArray:
    """STIR without what imperfectly nulled fat adds to it, as seen in subcutaneous fat.

    Holds where muscle and fat have the same sign at excitation: inversion times below the null of fat, as in use.
    """
    if fat_signal is None or subcutis is None:
        return signal
    inside = subcutis & np.isfinite(fat_signal) & (np.nan_to_num(fat_signal) > 0)
    if np.count_nonzero(inside) < FEWEST_REFERENCE_VOXELS:
        return signal
    left = float(np.median(signal[inside] / fat_signal[inside]))
    return np.asarray(np.maximum(signal - left * np.nan_to_num(fat_signal), 0.0))


def _coil_normalized(signal: FloatArray, water_signal: FloatArray | None) -> tuple[FloatArray, bool]:
    if water_signal is None:
        return signal, False
    floor = 0.1 * float(np.nanpercentile(water_signal, 95.0))
    good = np.isfinite(water_signal) & (water_signal > floor)
    return np.where(good, signal / np.where(good, water_signal, 1.0), np.nan), True


def _robust_spread(values: FloatArray) -> float:
    return robust_sd(values)


def _from_voxels(
    normalized: FloatArray,
    healthy: BoolArray,
    grid: Grid,
    mode: ReferenceMode,
    profile: FloatArray | None,
    site_ratio: SiteRatio | None,
) -> RelativeSignal:
    notes: list[str] = []
    corrected = profile is not None
    if corrected or int(healthy.sum()) < FEWEST_FOR_FIELD:
        level = np.full(normalized.shape, float(np.median(normalized[healthy])))
        if not corrected:
            notes.append("Too few reference voxels to take the coil profile out; signal far from them is uncertain.")
    else:
        level = _smooth_level(normalized, healthy)
    relative = normalized / level
    spread = _robust_spread(relative[healthy])
    # neighbors are alike: about one independent value per 5 mm cube
    cells = max(1.0, float(healthy.sum()) * grid.voxel_volume_mm3 / 125.0)
    if site_ratio is not None and corrected:
        ratio = float(np.median(normalized[healthy])) / site_ratio.mean
        if not AGREEMENT[0] <= ratio <= AGREEMENT[1]:
            notes.append(
                f"The reference of this scan is {ratio:.2f} times the site's; beyond {AGREEMENT[0]}-{AGREEMENT[1]} one "
                "of them is wrong."
            )
    return RelativeSignal(
        values=np.where(np.isfinite(relative), relative, np.nan),
        valid=np.isfinite(relative),
        level=level if profile is None else level * profile,
        grid=grid,
        mode=mode,
        spread=spread,
        uncertainty=max(spread / np.sqrt(cells), 0.02),
        n_reference=int(healthy.sum()),
        coil_corrected=corrected,
        notes=tuple(notes),
    )


def _water_profile(water_signal: FloatArray, lean: BoolArray, grid: Grid) -> FloatArray:
    """Water signal of muscle, spread smoothly over the whole limb: the coil profile where there is no muscle."""
    sigma = [15.0 / spacing for spacing in grid.spacing_mm]
    held = np.where(lean & np.isfinite(water_signal), np.nan_to_num(water_signal), 0.0)
    weight = ndimage.gaussian_filter((held > 0).astype(np.float64), sigma)
    usual = float(np.median(held[held > 0])) if (held > 0).any() else 1.0
    smooth = ndimage.gaussian_filter(held, sigma) / np.maximum(weight, 1e-9)
    return np.where(weight > 1e-4, smooth, usual)


def _from_site(
    normalized: FloatArray, usable: BoolArray, grid: Grid, site: SiteRatio, profile: FloatArray | None
) -> RelativeSignal:
    relative = normalized / site.mean
    # noise of single voxels: from differences of neighbors, which edema hardly changes
    step = np.diff(relative, axis=0)
    both = usable[1:] & usable[:-1] & np.isfinite(step)
    noise = _robust_spread(step[both]) / np.sqrt(2.0) if both.any() else 0.0
    return RelativeSignal(
        values=relative,
        valid=np.isfinite(relative),
        level=np.full(grid.shape, site.mean) if profile is None else site.mean * profile,
        grid=grid,
        mode=site.mode,
        spread=float(np.hypot(noise, site.sd / site.mean)),
        uncertainty=max(site.sd / site.mean, 0.02),
        n_reference=0,
        coil_corrected=True,
    )


def _terms(shape: tuple[int, ...], mask: BoolArray) -> FloatArray:
    index = np.argwhere(mask).astype(np.float64)
    center, half = (np.array(shape) - 1) / 2.0, np.maximum((np.array(shape) - 1) / 2.0, 1.0)
    x, y, z = ((index - center) / half).T
    return np.stack([np.ones_like(x), x, y, z, x * x, y * y, x * y], axis=1)


def _smooth_level(signal: FloatArray, healthy: BoolArray) -> FloatArray:
    """Coil profile times normal signal: a quadratic surface of log signal through the reference voxels."""
    keep = healthy.copy()
    coefficients: FloatArray = np.zeros(7)
    for _ in range(3):
        terms = _terms(signal.shape, keep)
        logs = np.log(signal[keep])
        coefficients = np.asarray(np.linalg.lstsq(terms, logs, rcond=None)[0], dtype=np.float64)
        residual = logs - terms @ coefficients
        limit = 2.5 * max(_robust_spread(residual), 1e-6)
        inside = np.zeros_like(keep)
        inside[keep] = np.abs(residual) < limit
        keep = inside
    everywhere = np.ones(signal.shape, dtype=bool)
    surface = (_terms(signal.shape, everywhere) @ coefficients).reshape(signal.shape)
    anchored = np.log(signal[healthy])
    # the surface may not be read far beyond the values it was fitted to
    return np.exp(np.clip(surface, np.percentile(anchored, 1.0) - 0.3, np.percentile(anchored, 99.0) + 0.3))


def _vetted(normalized: FloatArray, inside: BoolArray, site: SiteRatio | None) -> tuple[bool, str]:
    """Whether a named muscle may serve: enough lean voxels, one population, and in line with the site's ratio."""
    count = int(inside.sum())
    if count < FEWEST_REFERENCE_VOXELS:
        return False, f"the spared muscle has {count} lean voxels, {FEWEST_REFERENCE_VOXELS} are needed"
    values = ndimage.median_filter(normalized, size=(3, 3, 1))[inside]
    if _bimodality(values) > LARGEST_SECOND_POPULATION:
        return False, "the muscle named as spared holds two populations of signal"
    if site is not None:
        ratio = float(np.median(values)) / site.mean
        if not AGREEMENT[0] <= ratio <= AGREEMENT[1]:
            return False, f"the muscle named as spared has {ratio:.2f} times the site's signal"
    return True, ""


def _bimodality(values: FloatArray) -> float:
    """Share of values farther than 4 robust standard deviations from the median: a second population shows here.

    When the second population is half of the muscle it widens the robust spread instead; that shows as a spread beyond
    what neighbors explain, and counts as well.
    """
    ordered = values[np.isfinite(values)]
    spread = _robust_spread(ordered)
    if spread <= 0:
        return 0.0
    far = float(np.mean(np.abs(ordered - np.median(ordered)) > 4.0 * spread))
    wide = max(0.0, spread / float(np.median(ordered)) - LARGEST_SPARED_SPREAD)
    return far + wide
