"""The frame of gradient directions, judged by the fibers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.map_diffusion import read_diffusion, read_scheme
from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.maps.dti import DtiMaps, TensorMethod, fit_dti
from heliotrope.maps.gradient_frame import FrameCheck, FrameVerdict, check_gradient_frame
from heliotrope.phantoms.diffusion import pennate_limb, tensor_scheme
from heliotrope.physics.diffusion import DiffusionScheme

SCHEME = tensor_scheme(600.0, 15, 3, np.random.default_rng(1))
EXCHANGED = ((0, 0, 1), (0, 1, 0), (1, 0, 0))
"""First and third axis of a table exchanged, as a conversion without regard for axis order leaves it."""
MIRRORED = ((1, 0, 0), (0, -1, 0), (0, 0, 1))


def _limb(snr: float = 60.0, *, slices: int = 16, slant_deg: float = 22.0) -> Volume:
    generator = np.random.default_rng(4)
    return pennate_limb(generator, SCHEME, snr=snr, shape=(36, 36, slices), slant_deg=slant_deg).volume


def _turned(change: tuple[tuple[int, ...], ...]) -> DiffusionScheme:
    vectors = np.asarray(SCHEME.directions) @ np.array(change, dtype=float).T
    return replace(SCHEME, directions=tuple((float(x), float(y), float(z)) for x, y, z in vectors))


def _fit(volume: Volume, scheme: DiffusionScheme = SCHEME) -> DtiMaps:
    return fit_dti(volume, scheme, method=TensorMethod.WLS)


def _check(result: DtiMaps) -> FrameCheck:
    return check_gradient_frame(result.v1, result.fractional_anisotropy)


def test_a_right_table_is_not_contradicted_and_excludes_frames_with_another_long_axis() -> None:
    found = _check(_fit(_limb()))
    assert found.verdict is not FrameVerdict.CONTRADICTED
    # 24 frames: eight keep the long axis of the limb
    assert found.n_frames == 24
    assert 1 <= found.n_possible <= 8
    found.require()


def test_a_table_with_exchanged_axes_is_refused_with_thing_value_limit_and_likely_frame() -> None:
    wrong = _fit(_limb(), _turned(EXCHANGED))
    found = _check(wrong)
    assert found.verdict is FrameVerdict.CONTRADICTED
    # the long axis, now the first, belongs in the third place; x and y are alike in a round limb
    assert found.best_frame.endswith("x)")
    with pytest.raises(InputError, match=r"b-vectors: fibers run \d+ mm .*limit 1\.5 times") as caught:
        found.require()
    assert caught.value.code == "E_BVEC_FRAME"
    assert found.best_frame in caught.value.hint


def test_mean_diffusivity_and_anisotropy_do_not_depend_on_the_frame() -> None:
    volume = _limb(slices=4)
    right, wrong = _fit(volume), _fit(volume, _turned(EXCHANGED))
    for name in ("mean_diffusivity", "fractional_anisotropy"):
        np.testing.assert_allclose(getattr(wrong, name).values, getattr(right, name).values, rtol=1e-4)


def test_an_isotropic_object_decides_nothing() -> None:
    generator = np.random.default_rng(5)
    gel = pennate_limb(
        generator, SCHEME, snr=60.0, shape=(36, 36, 8), slant_deg=0.0, eigenvalues=(1.5e-3, 1.5e-3, 1.5e-3)
    )
    found = _check(_fit(gel.volume, _turned(EXCHANGED)))
    assert found.verdict is FrameVerdict.UNDECIDED
    assert "not checked" in found.sentence
    found.require()


def test_noise_decides_nothing() -> None:
    generator = np.random.default_rng(6)
    gel = pennate_limb(
        generator, SCHEME, snr=6.0, shape=(36, 36, 8), slant_deg=0.0, eigenvalues=(1.5e-3, 1.5e-3, 1.5e-3)
    )
    assert _check(_fit(gel.volume)).verdict is FrameVerdict.UNDECIDED


def test_a_thin_stack_is_not_refused_because_fibers_leave_it() -> None:
    # fibers leave three slices after 18 mm; in a wrong frame they would run across the whole limb
    found = _check(_fit(_limb(slices=3)))
    assert found.verdict is not FrameVerdict.CONTRADICTED


def test_straight_fibers_do_not_tell_a_mirrored_table() -> None:
    found = _check(_fit(_limb(slant_deg=2.0), _turned(MIRRORED)))
    assert found.verdict is FrameVerdict.UNDECIDED
    assert "mirrored" in found.sentence


@pytest.mark.real_data
def test_calf_fibers_accept_the_long_axis_and_refuse_an_exchanged_one(shared_data: Path) -> None:
    folder = shared_data / "calf-qmr"
    volume = read_diffusion(folder / "DTIdata.nii.gz")
    scheme = read_scheme(folder / "DTIdata.bval", folder / "DTIdata.bvec", volume.grid)
    # the middle of the stack is enough
    grid = Grid.from_matrix((*volume.grid.shape[:2], 10), volume.grid.matrix)
    middle = Volume(np.ascontiguousarray(volume.data[:, :, 8:18]), grid)
    result = _fit(middle, scheme)
    found = _check(result)
    assert found.verdict is FrameVerdict.UNDECIDED
    assert found.run_mm is not None
    assert found.run_mm > 25.0
    exchanged = replace(result, v1=np.ascontiguousarray(result.v1[..., [2, 1, 0]]))
    assert _check(exchanged).verdict is FrameVerdict.CONTRADICTED
