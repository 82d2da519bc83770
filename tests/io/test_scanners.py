"""Objects of several vendors, voxel for voxel and affine for affine against dcm2niix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Role, Series
from heliotrope.io import read_study, read_volume
from heliotrope.io.gradient_files import fsl_to_lps
from heliotrope.io.nifti import RAS_TO_LPS
from tests.io import scanners

AFFINE_MM = 1e-3
"""NIfTI keeps affines in single precision. [mm]"""
VECTOR = 1e-3
"""b-vector files keep four to six digits. [1]"""
VECTORS = ((0.0, 0.0, 0.0), (0.36, 0.48, 0.8), (0.6, 0.0, 0.8))
WEIGHTS = (0.0, 400.0, 400.0)
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 5.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 5.0, 0.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-5.0, 0.0, 0.0))


@pytest.fixture
def pixels() -> NDArray[np.uint16]:
    return np.random.default_rng(5).integers(0, 4000, (3, 4, 6, 8)).astype(np.uint16)


def convert(folder: Path, out: Path) -> tuple[NDArray[np.float32], Grid, Path]:
    """The images that dcm2niix makes of a folder, joined along the fourth axis in order of echo, with its LPS grid."""
    out.mkdir()
    subprocess.run(
        [dcm2niix.bin, "-z", "n", "-f", "s%s_e%e", "-o", str(out), str(folder)], check=True, capture_output=True
    )
    images = [nib.load(path) for path in sorted(out.glob("*.nii"))]
    arrays = [np.asarray(image.dataobj, dtype=np.float32) for image in images]
    joined = np.concatenate([array.reshape(*array.shape[:3], -1) for array in arrays], axis=3)
    return joined, Grid.from_matrix(joined.shape[:3], RAS_TO_LPS @ images[0].affine), out


def require_same_image(volume: Volume, theirs: NDArray[np.float32], grid: Grid) -> None:
    """Every voxel of `volume` lies on a voxel of the other image and holds its value."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in volume.grid.shape], indexing="ij"), -1).reshape(-1, 3)
    found = grid.indices(volume.grid.positions_mm(indices))
    nearest = np.rint(found).astype(int)
    assert float(np.abs(found - nearest).max()) * max(grid.spacing_mm) < AFFINE_MM
    ours = np.asarray(volume.data, dtype=np.float32).reshape(*volume.grid.shape, -1)
    np.testing.assert_allclose(ours[tuple(indices.T)], theirs[tuple(nearest.T)], rtol=1e-6)


def only(folder: Path) -> Series:
    (series,) = read_study(folder).series
    return series


@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
def test_classic_echoes(tmp_path: Path, pixels: NDArray[np.uint16], plane: tuple[tuple[float, ...], ...]) -> None:
    scanners.classic(tmp_path / "in", pixels, row=plane[0], column=plane[1], step=plane[2])
    series = only(tmp_path / "in")
    assert series.role is Role.MULTI_ECHO_T2
    theirs, grid, _ = convert(tmp_path / "in", tmp_path / "out")
    # its names sort the echoes 1, 2, 3
    require_same_image(read_volume(series), theirs, grid)


def test_enhanced_echoes(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    scanners.enhanced(tmp_path / "in" / "a.dcm", pixels, echo_times_ms=(10.0, 20.0, 30.0))
    series = only(tmp_path / "in")
    assert series.role is Role.MULTI_ECHO_T2
    assert series.acquisition.echo_times_ms == (10.0, 20.0, 30.0)
    assert series.acquisition.repetition_time_ms == 3000.0
    theirs, grid, _ = convert(tmp_path / "in", tmp_path / "out")
    require_same_image(read_volume(series), theirs, grid)


def test_philips_scaling_differs_per_echo_and_is_undone(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    scanners.enhanced(
        tmp_path / "in" / "a.dcm",
        pixels,
        echo_times_ms=(10.0, 20.0, 30.0),
        rescale=[(2.0, 0.0), (3.0, 0.0), (5.0, 0.0)],
        philips_scale=[0.01, 0.02, 0.05],
    )
    volume = read_volume(only(tmp_path / "in"))
    truth = pixels[1].transpose(2, 1, 0) * 3.0 / (3.0 * np.float32(0.02))
    np.testing.assert_allclose(np.asarray(volume.data[..., 1], dtype=float), truth, rtol=1e-5)
    theirs, grid, _ = convert(tmp_path / "in", tmp_path / "out")
    require_same_image(volume, theirs, grid)


@pytest.mark.parametrize("reverse", [False, True])
def test_siemens_mosaic(tmp_path: Path, pixels: NDArray[np.uint16], reverse: bool) -> None:
    scanners.mosaic(tmp_path / "in", pixels, b_values=WEIGHTS, vectors=VECTORS, reverse=reverse)
    series = only(tmp_path / "in")
    assert series.role is Role.DWI
    theirs, grid, out = convert(tmp_path / "in", tmp_path / "out")
    require_same_image(read_volume(series), theirs, grid)
    require_same_axes(series, grid, out)


def require_same_axes(series: Series, grid: Grid, out: Path) -> None:
    """Diffusion directions agree up to sign, which diffusion does not see."""
    (table,) = out.glob("*.bvec")
    theirs = np.array(fsl_to_lps(np.loadtxt(table), grid))
    ours = np.array(series.acquisition.b_vectors_lps)
    np.testing.assert_allclose(np.loadtxt(table.with_suffix(".bval")), series.acquisition.b_values_s_per_mm2)
    apart = np.minimum(np.abs(theirs - ours).max(axis=1), np.abs(theirs + ours).max(axis=1))
    assert float(apart.max()) < VECTOR


@pytest.mark.parametrize("maker", ["GE MEDICAL SYSTEMS", "Philips Medical Systems"])
@pytest.mark.parametrize("phase", ["ROW", "COL"])
@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
def test_private_diffusion_directions(
    tmp_path: Path, pixels: NDArray[np.uint16], maker: str, phase: str, plane: tuple[tuple[float, ...], ...]
) -> None:
    paths = scanners.classic(
        tmp_path / "in",
        pixels,
        manufacturer=maker,
        row=plane[0],
        column=plane[1],
        step=plane[2],
        InPlanePhaseEncodingDirection=phase,
        EchoTime=60.0,
        EchoNumbers=1,
        ScanningSequence="EP",
    )
    for index, path in enumerate(paths):
        add_private_diffusion(path, maker, index // pixels.shape[1])
    series = only(tmp_path / "in")
    assert series.role is Role.DWI
    theirs, grid, out = convert(tmp_path / "in", tmp_path / "out")
    require_same_image(read_volume(series), theirs, grid)
    require_same_axes(series, grid, out)


def add_private_diffusion(path: Path, maker: str, frame: int) -> None:
    ds = pydicom.dcmread(path)
    if maker.startswith("GE"):
        ds.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "IS", [int(WEIGHTS[frame]), 0, 0, 0])
        block = ds.private_block(0x0019, "GEMS_ACQU_01", create=True)
        for offset, value in zip((0xBB, 0xBC, 0xBD), VECTORS[frame], strict=True):
            block.add_new(offset, "DS", str(value))
    else:
        block = ds.private_block(0x2001, "Philips Imaging DD 001", create=True)
        block.add_new(0x03, "FL", WEIGHTS[frame])
        block.add_new(0x04, "CS", "O")
        block = ds.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        for offset, value in zip((0xB0, 0xB1, 0xB2), VECTORS[frame], strict=True):
            block.add_new(offset, "FL", value)
    ds.save_as(path)


def test_standard_diffusion_macro_of_enhanced_objects(tmp_path: Path, pixels: NDArray[np.uint16]) -> None:
    scanners.enhanced(
        tmp_path / "in" / "a.dcm",
        pixels,
        echo_times_ms=(60.0,),
        b_values=WEIGHTS,
        vectors=VECTORS,
        manufacturer="SIEMENS",
        planar=True,
    )
    series = only(tmp_path / "in")
    assert series.role is Role.DWI
    assert series.acquisition.b_values_s_per_mm2 == WEIGHTS
    np.testing.assert_allclose(series.acquisition.b_vectors_lps, VECTORS, atol=1e-6)
    np.testing.assert_array_equal(read_volume(series).data, pixels.transpose(3, 2, 1, 0).astype(np.float32))


@pytest.mark.real_data
def test_the_real_multi_echo_study(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "thigh-mese-dicom"
    theirs, grid, _ = convert(folder, tmp_path / "out")
    series = only(folder)
    echoes = [int(path.stem.split("_e")[1].rstrip("abcdefgh")) for path in sorted((tmp_path / "out").glob("*.nii"))]
    order = np.argsort(echoes)
    require_same_image(read_volume(series), theirs[..., order], grid)


@pytest.mark.real_data
@pytest.mark.parametrize("part", ["CT", "MR_T1"])
def test_real_ct_and_mr(tmp_path: Path, shared_data: Path, part: str) -> None:
    folder = shared_data / "limb-ct-mr" / "STS_003" / part / "image"
    theirs, grid, _ = convert(folder, tmp_path / "out")
    require_same_image(read_volume(only(folder)), theirs, grid)
