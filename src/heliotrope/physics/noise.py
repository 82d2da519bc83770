"""Noise of magnitude images: making it, undoing its bias, estimating its size.

A magnitude image from one channel follows a Rician law; a sum-of-squares image from L channels of equal noise a
non-central chi law with ``E[M^2] = A^2 + 2 L sd^2``. At a signal A well above the noise ``E[M] = A + (2L-1) sd^2 / 2A``
(Gudbjartsson 1995, doi 10.1002/mrm.1910340618, for L = 1; Constantinides 1997, doi 10.1002/mrm.1910380524).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heliotrope.domain.errors import InputError

FloatArray = NDArray[np.float64]

GAUSSIAN_MAD = 0.6745
"""Median absolute deviation of a Gaussian of unit sd. [1]"""

SMALLEST_BACKGROUND = 400
"""Fewer noise-only voxels than this are no background. [voxels]"""

BACKGROUND_DECAY_LIMIT = 1.25
"""Air keeps its mean square from the first to the last third of the frames within this factor. [1]"""

COIL_RANGE = (0.6, 64.0)
"""Effective number of channels that still looks like noise. [1]"""

FEWEST_FRAMES_FOR_SUBSPACE = 8
"""A spin-echo train fills about four principal components; the smaller half of eight is noise. [frames]"""

AIR_CLEARANCE = 10.0
"""Signal over air noise of a voxel that surely lies in the body. [1]"""

AIR_MISMATCH = 1.7
"""Noise inside the body over noise in air beyond which the air does not speak for the body. [1]"""

RAYLEIGH_TOLERANCE = 0.15
"""Departure of the effective number of channels from 1 that still counts as Rician. [1]"""


SIGNAL_TO_NOISE_LIMIT = 5.0
"""Least early-echo signal over noise sd of a voxel that is fitted. [1]"""

SIGNAL_FLOOR = 0.02
"""Least early-echo signal as a share of the image's 99th percentile. [1]"""


def robust_sd(values: NDArray[np.floating]) -> float:
    """Standard deviation of Gaussian values among outliers, from their median absolute deviation.

    Examples
    --------
    >>> round(robust_sd(np.array([0.0, 1.0, 2.0, 3.0, 900.0])), 3)
    1.483
    """
    return float(np.median(np.abs(values - np.median(values)))) / GAUSSIAN_MAD


@dataclass(frozen=True)
class NoiseEstimate:
    """Noise sd of one channel and how it was found.

    Parameters
    ----------
    sd : float
        In the unit of the image.
    channels : float
        Effective number of channels of the noise law; 1 is Rician.
    method : str
    flags : tuple of str
        What had to be assumed.
    """

    sd: float
    channels: float
    method: str
    flags: tuple[str, ...] = ()


def add_rician_noise(signal: NDArray[np.floating], sd: float, generator: np.random.Generator) -> FloatArray:
    """Magnitude of `signal` with complex Gaussian noise of `sd` per channel; the shape of `signal`."""
    real = signal + generator.normal(0.0, sd, np.shape(signal))
    return np.asarray(np.hypot(real, generator.normal(0.0, sd, np.shape(signal))))


def without_noise_bias(magnitude: NDArray[np.floating], sd: float, channels: float = 1.0) -> NDArray[np.floating]:
    """Signal amplitude behind a magnitude, ``sqrt(|M^2 - (2L-1) sd^2|)``.

    Parameters
    ----------
    magnitude : array
    sd : float
        Noise sd of one channel, in the unit of `magnitude`.
    channels : float
        Effective number of channels L; 1 gives the Rician correction.

    Examples
    --------
    >>> float(without_noise_bias(np.array([5.0]), 3.0)[0])
    4.0
    """
    shift = max(2.0 * channels - 1.0, 0.0) * sd * sd
    squared = np.square(magnitude)
    squared -= np.asarray(shift, dtype=squared.dtype)
    return np.asarray(np.sqrt(np.abs(squared, out=squared), out=squared))


def signal_mask(echoes: NDArray[np.generic], noise_sd: float, channels: float) -> NDArray[np.bool_]:
    """Where the first two echoes of (x, y, z, n) stand clear of the noise, (x, y, z)."""
    first = np.square(echoes[..., 0], dtype=np.float32)
    first += np.square(echoes[..., 1], dtype=np.float32)
    first *= np.float32(0.5)
    first -= np.float32(2.0 * channels * noise_sd**2)
    strong = float(np.percentile(first[first > 0.0], 99.0)) if bool((first > 0.0).any()) else 0.0
    limit = max((SIGNAL_TO_NOISE_LIMIT * noise_sd) ** 2, SIGNAL_FLOOR**2 * strong)
    return np.asarray(first > limit)


def estimate_noise(frames: NDArray[np.generic], *, signal_mask: NDArray[np.bool_] | None = None) -> NoiseEstimate:
    """Noise of a series of magnitude frames of one scene.

    Air is found as the voxels whose mean square over the frames follows the gamma law of pure noise (after Koay 2009,
    doi 10.1016/j.jmr.2009.03.005) and does not decay; without air, the smaller of two estimates inside the body is
    used: the finest diagonal detail, and the frame patterns of least variance.

    Parameters
    ----------
    frames : real array (x, y, z, n)
        Magnitude, with at least two frames.
    signal_mask : bool array (x, y, z), optional
        Where there is signal, for the detail estimate.

    Returns
    -------
    NoiseEstimate
        ``sd`` is 0 when the frames carry no measurable noise.
    """
    if frames.ndim != 4 or frames.shape[3] < 2:
        raise InputError(
            f"noise estimate from an array of shape {frames.shape}: (x, y, z, n) with n >= 2 needed",
            hint="give all echoes of the series",
        )
    found = _noise_from_air(frames)
    if found is None:
        return _noise_from_detail(frames, signal_mask)
    body = signal_mask if signal_mask is not None else frames[..., 0].astype(np.float64) > AIR_CLEARANCE * found.sd
    inside = _unexplained_sd(frames, body)
    if inside is not None and inside > AIR_MISMATCH * found.sd:
        flag = (
            f"Background noise ({found.sd:.3g}) is not that of the body ({inside:.3g}): suppressed or rescaled by the "
            "scanner. The body's is used (an upper estimate; one channel assumed)."
        )
        return NoiseEstimate(inside, 1.0, "frame-subspace/1", (flag,))
    return found


def _noise_from_air(frames: NDArray[np.generic]) -> NoiseEstimate | None:
    n_frames = frames.shape[3]
    power = np.zeros(frames.shape[:3])
    for n in range(n_frames):
        power += np.square(frames[..., n], dtype=np.float64)
    power /= 2.0 * n_frames
    values = np.sort(power[power > 0.0])
    if values.size < SMALLEST_BACKGROUND:
        return None
    low, high = (float(stats.gamma.ppf(p, n_frames) / n_frames) for p in (0.005, 0.995))
    populations: dict[float, int] = {}
    for start in values[np.unique(np.linspace(0, values.size - 1, 80).astype(int))]:
        variance, count = float(start), 0
        for _ in range(10):
            first, last = np.searchsorted(values, [low * variance, high * variance])
            count = int(last - first)
            if count < SMALLEST_BACKGROUND:
                break
            variance = float(np.median(values[first:last]))
        populations[variance] = count
    enough = max(SMALLEST_BACKGROUND, values.size // 100)
    for variance, count in sorted(populations.items(), key=lambda item: -item[1]):
        if count < enough:
            return None
        found = _as_air(frames[(power > low * variance) & (power < high * variance)].astype(np.float64) ** 2)
        if found is not None:
            return found
    return None


def _as_air(power: FloatArray) -> NoiseEstimate | None:
    """Noise from the squared magnitudes of supposed air (n_voxel, n_frame); None when they are not air."""
    third = max(1, power.shape[1] // 3)
    decay = float(power[:, :third].mean() / max(power[:, -third:].mean(), 1e-300))
    mean, spread = float(power.mean()), float(power.var())
    channels = mean * mean / max(spread, 1e-300)
    if (
        not 1.0 / BACKGROUND_DECAY_LIMIT < decay < BACKGROUND_DECAY_LIMIT
        or not COIL_RANGE[0] < channels < COIL_RANGE[1]
    ):
        return None
    if abs(channels - 1.0) < RAYLEIGH_TOLERANCE:
        return NoiseEstimate(float(np.sqrt(mean / 2.0)), 1.0, "background-rayleigh/1")
    return NoiseEstimate(
        float(np.sqrt(mean / (2.0 * channels))),
        float(channels),
        "background-chi/1",
        (
            f"Background follows a chi law of {channels:.1f} effective channels; equal, uncorrelated noise in all "
            "channels and over the image is assumed.",
        ),
    )


def _noise_from_detail(frames: NDArray[np.generic], signal_mask: NDArray[np.bool_] | None) -> NoiseEstimate:
    """Take the smaller of two upper estimates inside the body: finest detail, and frame patterns of least variance."""
    body = signal_mask if signal_mask is not None else frames[..., 0] != 0
    flag = (
        "No usable background: noise estimated inside the body (an upper estimate; one channel and noise equal over "
        "the image assumed)."
    )
    found = [
        (sd, method)
        for sd, method in (
            (_detail_sd(frames, body), "detail-mad/1"),
            (_unexplained_sd(frames, body), "frame-subspace/1"),
        )
        if sd is not None
    ]
    if not found:
        return NoiseEstimate(0.0, 1.0, "none/1", ("Too few voxels to estimate the noise.",))
    sd, method = min(found)
    return NoiseEstimate(sd, 1.0, method, (flag,))


def _detail_sd(frames: NDArray[np.generic], body: NDArray[np.bool_]) -> float | None:
    inside = body[:-1, :-1] & body[1:, :-1] & body[:-1, 1:] & body[1:, 1:]
    if int(inside.sum()) < SMALLEST_BACKGROUND // 4:
        return None
    estimates = []
    for n in range(frames.shape[3]):
        frame = frames[..., n].astype(np.float64)
        detail = (frame[:-1, :-1] - frame[1:, :-1] - frame[:-1, 1:] + frame[1:, 1:]) / 2.0
        estimates.append(float(np.median(np.abs(detail[inside]))) / GAUSSIAN_MAD)
    return float(np.percentile(estimates, 25))


def _unexplained_sd(frames: NDArray[np.generic], body: NDArray[np.bool_]) -> float | None:
    """Noise from the smallest principal variances of the frames, which carry no signal."""
    n_frames = frames.shape[3]
    covariance = np.zeros((n_frames, n_frames))
    count = 0
    for z in range(frames.shape[2]):
        values = frames[:, :, z][body[:, :, z]].astype(np.float64)
        covariance += values.T @ values
        count += values.shape[0]
    if n_frames < FEWEST_FRAMES_FOR_SUBSPACE or count < SMALLEST_BACKGROUND:
        return None
    variances = np.linalg.eigvalsh(covariance / count)
    return float(np.sqrt(max(float(np.median(variances[: n_frames // 2])), 0.0)))
