"""Diffusion tensor."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

from heliotrope.app.map_diffusion import read_scheme
from heliotrope.domain.errors import InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.io.gradient_files import fsl_to_lps
from heliotrope.maps.dti import TensorMethod, fit_dti, simulated_fa_inflation
from heliotrope.phantoms.diffusion import muscle_tensor_block, spread_directions, tensor_scheme
from heliotrope.physics.diffusion import RICIAN_FA_INFLATION, RICIAN_FA_TRUE, DiffusionScheme, tensor_signal

SCHEME = tensor_scheme(500.0, 30, 3, np.random.default_rng(1))


def test_md_and_fa_equal_those_of_dipy() -> None:
    block = muscle_tensor_block(np.random.default_rng(2), SCHEME, snr=30.0, shape=(8, 8, 4))
    found = fit_dti(block.volume, SCHEME, method=TensorMethod.WLS)
    table = gradient_table(SCHEME.b, bvecs=np.array(SCHEME.directions))
    theirs = TensorModel(table, fit_method="WLS").fit(np.asarray(block.volume.data, dtype=float))
    # both solve the same equations in double precision
    np.testing.assert_allclose(found.mean_diffusivity.values, theirs.md, rtol=1e-4)
    np.testing.assert_allclose(found.fractional_anisotropy.values, theirs.fa, rtol=1e-4)


def test_noise_free_tensor_and_direction_are_exact() -> None:
    direction = np.array([2.0, -1.0, 3.0]) / np.sqrt(14.0)
    tensor = 1.2e-3 * np.eye(3) + 0.9e-3 * np.outer(direction, direction)
    signal = 1000 * tensor_signal(SCHEME, np.broadcast_to(tensor, (2, 2, 2, 3, 3)))
    volume = Volume(signal.astype(np.float32), Grid.from_spacing((2, 2, 2), (2.0, 2.0, 5.0)))
    found = fit_dti(volume, SCHEME, method=TensorMethod.WLS)
    np.testing.assert_allclose(found.l1.values, 2.1e-3, rtol=1e-4)
    np.testing.assert_allclose(found.l3.values, 1.2e-3, rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.v1 @ direction), 1.0, atol=1e-5)


def test_md_is_unbiased_and_fa_inflates_with_noise_as_the_reference_curve_says() -> None:
    for snr, fitted in RICIAN_FA_INFLATION:
        block = muscle_tensor_block(np.random.default_rng(3), SCHEME, snr=snr)
        found = fit_dti(block.volume, SCHEME, method=TensorMethod.WLS)
        md = float(np.nanmean(found.mean_diffusivity.values))
        assert md == pytest.approx(1.6e-3, rel=0.01)
        # the curve was made with other random directions; 0.004 covers that and its rounding
        assert float(np.nanmean(found.fractional_anisotropy.values)) == pytest.approx(fitted, abs=0.004)
        assert found.snr == pytest.approx(snr, rel=0.1)


def test_low_signal_warns_beside_fa() -> None:
    block = muscle_tensor_block(np.random.default_rng(3), SCHEME, snr=15.0)
    found = fit_dti(block.volume, SCHEME, method=TensorMethod.WLS)
    assert any("not to be trusted" in flag for flag in found.fractional_anisotropy.flags)


def test_simulated_inflation_agrees_with_the_curve() -> None:
    inflation = simulated_fa_inflation(SCHEME, 25.0, np.random.default_rng(0))
    assert inflation == pytest.approx(0.242 - RICIAN_FA_TRUE, abs=0.006)


def test_the_robust_fit_leaves_out_a_spoiled_frame() -> None:
    block = muscle_tensor_block(np.random.default_rng(4), SCHEME, snr=60.0, shape=(8, 8, 4))
    data = np.array(block.volume.data)
    data[..., 10] *= 0.5
    spoiled = Volume(data, block.volume.grid)
    plain = fit_dti(spoiled, SCHEME, method=TensorMethod.WLS)
    robust = fit_dti(spoiled, SCHEME, method=TensorMethod.ROBUST)
    assert abs(float(np.nanmean(plain.mean_diffusivity.values)) / 1.6e-3 - 1) > 0.01
    assert float(np.nanmean(robust.mean_diffusivity.values)) == pytest.approx(1.6e-3, rel=0.01)
    assert robust.outlier_part == pytest.approx(1 / 33, rel=0.3)


def test_air_and_zeros_are_invalid_with_reasons() -> None:
    block = muscle_tensor_block(np.random.default_rng(5), SCHEME, snr=40.0, shape=(8, 8, 4))
    data = np.array(block.volume.data)
    data[0] = 0
    found = fit_dti(Volume(data, block.volume.grid), SCHEME, method=TensorMethod.WLS)
    assert found.mean_diffusivity.invalid_reasons["signal zero or negative"] == 32
    assert not found.mean_diffusivity.valid[0].any()


@pytest.mark.parametrize(
    "directions", [[(1.0, 0.0, 0.0)] * 7, [(float(np.cos(a)), float(np.sin(a)), 0.0) for a in np.arange(7)]]
)
def test_directions_that_determine_no_tensor_are_refused(directions: list[tuple[float, float, float]]) -> None:
    scheme = DiffusionScheme((0.0,) + (500.0,) * 7, ((0.0, 0.0, 0.0), *directions))
    volume = Volume(np.ones((2, 2, 2, 8), dtype=np.float32), Grid.from_spacing((2, 2, 2), (2.0, 2.0, 5.0)))
    with pytest.raises(InputError, match="do not determine a tensor"):
        fit_dti(volume, scheme, method=TensorMethod.WLS)


def test_fsl_vectors_turn_to_patient_axes() -> None:
    # NIfTI affine diag(-, +, +): radiological storage, no sign change; image x runs to the right-to-left axis
    radiological = Grid.from_matrix((2, 2, 2), np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([-2.0, 2.0, 2.0, 1.0]))
    neurological = Grid.from_matrix((2, 2, 2), np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.diag([2.0, 2.0, 2.0, 1.0]))
    vector = np.array([[1.0, 0.0, 0.0]])
    # radiological: image +x points left, LPS +x is left
    np.testing.assert_allclose(fsl_to_lps(vector.T, radiological), [[1.0, 0.0, 0.0]])
    # neurological: image +x points right, FSL negates x first, so again left
    np.testing.assert_allclose(fsl_to_lps(vector.T, neurological), [[1.0, 0.0, 0.0]])


def test_spread_directions_are_unit_and_apart() -> None:
    vectors = spread_directions(12, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0)
    overlap = np.abs(vectors @ vectors.T) - np.eye(12)
    assert float(overlap.max()) < 0.8


@pytest.mark.real_data
def test_calf_muscles_have_the_diffusivity_their_authors_report(shared_data: Path) -> None:
    folder = shared_data / "calf-qmr"
    image = nibabel.load(folder / "DTIdata.nii.gz")
    labels = np.asarray(nibabel.load(folder / "labels.nii.gz").dataobj)
    grid = Grid.from_matrix(image.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)
    volume = Volume(np.asarray(image.dataobj, dtype=np.float32), grid)
    scheme = read_scheme(folder / "DTIdata.bval", folder / "DTIdata.bvec", grid)
    found = fit_dti(volume, scheme, method=TensorMethod.WLS)
    for label in np.unique(labels)[1:]:
        inside = (labels == label) & found.mean_diffusivity.valid
        # README: near 1.6e-3 mm2/s; 8 % covers differences among muscles
        assert float(np.median(found.mean_diffusivity.values[inside])) == pytest.approx(1.6e-3, rel=0.08)
        assert 0.15 < float(np.median(found.fractional_anisotropy.values[inside])) < 0.35
