"""What is written as DICOM or NIfTI comes back the same."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import FileFormatError, HeliotropeError, InputError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import Acquisition, FileOutcome, Modality, Role
from heliotrope.domain.units import Unit
from heliotrope.io import nifti, read_study, read_volume
from tests.io.builders import multi_echo, numbered, write

QUANTIZATION = 1.0 / 32767
"""Half a step of 16-bit storage stays below this part of the peak. [1]"""


def test_a_multi_echo_series_keeps_voxels_geometry_and_echo_times(tmp_path: Path) -> None:
    volume = numbered((5, 4, 3, 4))
    write(tmp_path, volume, multi_echo(), Role.MULTI_ECHO_T2)
    study = read_study(tmp_path)
    (series,) = study.series
    back = read_volume(series)
    assert series.role is Role.MULTI_ECHO_T2
    assert series.acquisition.echo_times_ms == (10.0, 20.0, 30.0, 40.0)
    assert series.acquisition.refocusing_flip_angle_deg == 180.0
    assert series.synthetic
    assert study.synthetic
    assert back.grid.is_same_as(volume.grid)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.data.dtype == np.float32
    assert {record.outcome for record in study.files} == {FileOutcome.USED}


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        (Role.STIR, {"inversion_time_ms": 220.0, "echo_times_ms": (40.0,), "refocusing_flip_angle_deg": None}),
        (Role.T1, {"repetition_time_ms": 600.0, "echo_times_ms": (12.0,)}),
        (Role.T2, {"echo_times_ms": (80.0,)}),
        (Role.T2_FAT_SUPPRESSED, {"echo_times_ms": (80.0,)}),
        (Role.DIXON_WATER, {"scanning_sequence": (), "echo_times_ms": (2.3,)}),
        (Role.DIXON_FAT, {"scanning_sequence": (), "echo_times_ms": (2.3,)}),
        (Role.DIXON_IN_PHASE, {"scanning_sequence": (), "echo_times_ms": (2.3,)}),
        (Role.DIXON_OPPOSED_PHASE, {"scanning_sequence": (), "echo_times_ms": (1.2,)}),
        (Role.FAT_FRACTION, {"scanning_sequence": (), "echo_times_ms": ()}),
        (Role.GRE_MAGNITUDE, {"scanning_sequence": ("GR",), "echo_times_ms": (3.45,)}),
        (Role.GRE_PHASE, {"scanning_sequence": ("GR",), "echo_times_ms": (3.45,)}),
        (Role.GRE_REAL, {"scanning_sequence": ("GR",), "echo_times_ms": (3.45,)}),
        (Role.GRE_IMAGINARY, {"scanning_sequence": ("GR",), "echo_times_ms": (3.45,)}),
        (Role.T2_MAP, {"echo_times_ms": ()}),
        (Role.ADC_MAP, {"scanning_sequence": (), "echo_times_ms": ()}),
        (Role.B1_MAP, {"scanning_sequence": (), "echo_times_ms": ()}),
    ],
)
def test_every_role_that_can_be_written_is_recognized(tmp_path: Path, role: Role, changes: dict[str, object]) -> None:
    acquisition = replace(multi_echo(), **changes)  # type: ignore[arg-type]
    write(tmp_path, numbered((4, 4, 3)), acquisition, role)
    (series,) = read_study(tmp_path).series
    assert series.role is role, series.role_reason
    assert "name" not in series.role_reason


def test_real_valued_signal_survives_to_half_a_storage_step(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(0.0, 0.4, (5, 4, 3)).astype(np.float32)
    volume = Volume(values, numbered((5, 4, 3)).grid)
    write(tmp_path, volume, replace(multi_echo(), scanning_sequence=("GR",), echo_times_ms=(2.0,)), Role.GRE_REAL)
    (series,) = read_study(tmp_path).series
    np.testing.assert_allclose(
        np.asarray(read_volume(series).data, dtype=np.float32), values, atol=float(np.abs(values).max()) * QUANTIZATION
    )


def test_ct_comes_back_in_hounsfield_units(tmp_path: Path) -> None:
    volume = Volume(np.linspace(-1024, 3071, 60).round().reshape(5, 4, 3).astype(np.float32), numbered((5, 4, 3)).grid)
    write(tmp_path, volume, Acquisition(Modality.CT, tube_voltage_kv=120.0), Role.CT)
    (series,) = read_study(tmp_path).series
    back = read_volume(series)
    assert series.role is Role.CT
    assert back.unit is Unit.HOUNSFIELD
    np.testing.assert_array_equal(back.data, volume.data)


def test_diffusion_keeps_weightings_and_directions(tmp_path: Path) -> None:
    vectors = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.6, 0.8))
    acquisition = Acquisition(
        Modality.MR,
        b_values_s_per_mm2=(0.0, 400.0, 400.0),
        b_vectors_lps=vectors,
        echo_times_ms=(60.0,),
        repetition_time_ms=5000.0,
    )
    volume = numbered((4, 4, 3, 3))
    write(tmp_path, volume, acquisition, Role.DWI)
    (series,) = read_study(tmp_path).series
    assert series.role is Role.DWI
    assert series.acquisition.b_values_s_per_mm2 == (0.0, 400.0, 400.0)
    np.testing.assert_allclose(series.acquisition.b_vectors_lps, vectors, atol=1e-6)
    np.testing.assert_array_equal(read_volume(series).data, volume.data)


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for run in ("first", "second"):
        paths = write(tmp_path / run, numbered((4, 4, 2)), replace(multi_echo(), echo_times_ms=(80.0,)), Role.T2)
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
    assert digests[0] == digests[1]


def test_every_written_header_says_synthetic(tmp_path: Path) -> None:
    for path in write(tmp_path, numbered((4, 4, 2)), replace(multi_echo(), echo_times_ms=(80.0,)), Role.T2):
        header = pydicom.dcmread(path)
        assert header[0x0071, 0x1001].value == "SYNTHETIC"
        assert str(header.PatientName).startswith("SYNTHETIC^")
        assert header.ContentQualification == "RESEARCH"
        assert header.ImageType[0] == "DERIVED"
        assert header.ImageComments.startswith("SYNTHETIC")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize(
    "role", [Role.MULTI_ECHO_T2, Role.STIR, Role.DIXON_WATER, Role.GRE_PHASE, Role.DWI, Role.CT, Role.RADIOGRAPH]
)
def test_written_objects_pass_the_dicom_validator(tmp_path: Path, role: Role) -> None:
    modality = {Role.CT: Modality.CT, Role.RADIOGRAPH: Modality.RADIOGRAPH}.get(role, Modality.MR)
    acquisition = replace(
        multi_echo(), modality=modality, echo_times_ms=(20.0,), scanning_sequence=(), inversion_time_ms=200.0
    )
    if role is Role.DWI:
        acquisition = replace(acquisition, b_values_s_per_mm2=(500.0,), b_vectors_lps=((0.0, 0.0, 1.0),))
    paths = write(tmp_path, numbered((8, 8, 1)), acquisition, role)
    found = subprocess.run(["dciodvfy", str(paths[0])], capture_output=True, text=True, check=False)
    errors = [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]
    assert errors == []


def test_complex_signal_is_refused_with_the_way_out(tmp_path: Path) -> None:
    volume = Volume(np.ones((4, 4, 2), dtype=np.complex64), numbered((4, 4, 2)).grid)
    with pytest.raises(InputError, match="complex"):
        write(tmp_path, volume, multi_echo(1), Role.GRE_REAL)


SHEARED = np.array([[1.5, 0.0, 0.4, -20.0], [0.0, 2.0, 0.0, 5.0], [0.0, 0.3, 5.0, 9.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_nifti_keeps_voxels_and_any_affine(tmp_path: Path, name: str) -> None:
    volume = Volume(numbered((5, 4, 3, 2)).data, Grid.from_matrix((5, 4, 3), SHEARED))
    nifti.write_volume(tmp_path / name, volume)
    back = nifti.read_nifti(tmp_path / name)
    assert back.grid.is_same_as(volume.grid)
    np.testing.assert_array_equal(back.data, volume.data)


def test_nifti_bytes_depend_on_content_only(tmp_path: Path) -> None:
    first = nifti.write_volume(tmp_path / "a.nii.gz", numbered((4, 4, 2))).read_bytes()
    second = nifti.write_volume(tmp_path / "b.nii.gz", numbered((4, 4, 2))).read_bytes()
    assert first == second


def test_nibabel_sees_the_ras_position_of_an_lps_voxel(tmp_path: Path) -> None:
    import nibabel as nib

    volume = numbered((5, 4, 3))
    image = nib.load(nifti.write_volume(tmp_path / "a.nii.gz", volume))
    lps = volume.grid.positions_mm((1.0, 2.0, 1.0))
    np.testing.assert_allclose((image.affine @ [1, 2, 1, 1])[:3], lps * [-1, -1, 1], atol=1e-5)


def test_a_map_keeps_nan_where_it_is_not_valid(tmp_path: Path) -> None:
    grid = numbered((3, 2, 2)).grid
    valid = np.zeros(grid.shape, dtype=bool)
    valid[1] = True
    image = ParametricMap(
        "water_t2", np.full(grid.shape, 35.5, dtype=np.float32), valid, grid, Unit.MILLISECOND, "test/1"
    )
    back = nifti.read_nifti(nifti.write_map(tmp_path / "water_t2.nii.gz", image))
    np.testing.assert_array_equal(np.isfinite(back.data), valid)
    assert float(back.data[1, 0, 0]) == 35.5


def test_labels_come_back_with_their_legend(tmp_path: Path) -> None:
    grid = numbered((3, 2, 2)).grid
    values = np.zeros(grid.shape, dtype=np.uint16)
    values[0], values[2] = 300, 2
    legend = {300: Region("muscle", Side.LEFT), 2: Region("sartorius", Side.RIGHT, "slice 1"), 7: Region("bone")}
    nifti.write_labels(tmp_path / "labels.nii.gz", LabelMap(values, grid, legend, "test/1"))
    back = nifti.read_labels(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(back.labels, values)
    assert dict(back.legend) == legend


def test_labels_without_legend_are_refused_with_the_way_out(tmp_path: Path) -> None:
    nifti.write_volume(tmp_path / "labels.nii.gz", numbered((3, 2, 2)))
    with pytest.raises(FileFormatError) as caught:
        nifti.read_labels(tmp_path / "labels.nii.gz")
    assert caught.value.code == "E_LEGEND"
    assert "labels.json" in caught.value.message
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("legend", "code", "message", "hint"),
    [
        ('{"1": {"structure": "muscle",}}', "E_LEGEND", "drawn.json is not JSON: line 1, column 30", "commas"),
        ("[1]", "E_LEGEND", "drawn.json is not a JSON object", "map numbers"),
        ('{"one": {"structure": "muscle"}}', "E_LEGEND", "drawn.json, entry 'one'", "structure"),
        ('{"1": {"structure": "muscle", "side": "Left"}}', "E_LEGEND", 'drawn.json, entry 1: side is "Left"', "lower"),
        ('{"1": {"structure": "muscle", "level": 4}}', "E_LEGEND", "drawn.json, entry 1: level is 4", "leave level"),
        (
            '{"1": {"structure": "vastus_latralis"}}',
            "E_LABEL",
            "drawn.json, entry 1: unknown structure 'vastus_latralis'",
            "did you mean vastus_lateralis",
        ),
        ('{"1": {"structure": "qqq"}}', "E_LABEL", "unknown structure 'qqq'", "docs/guide/structures.md"),
    ],
)
def test_a_wrong_legend_names_its_file_the_entry_and_the_value(
    tmp_path: Path, legend: str, code: str, message: str, hint: str
) -> None:
    (tmp_path / "drawn.json").write_text(legend)
    with pytest.raises(HeliotropeError) as caught:
        nifti.read_legend(tmp_path / "drawn.json")
    assert caught.value.code == code
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert str(tmp_path) not in str(caught.value)


def test_a_sidecar_restores_role_and_times(tmp_path: Path) -> None:
    volume = numbered((5, 4, 3, 4))
    path = nifti.write_volume(tmp_path / "mese.nii.gz", volume)
    nifti.write_sidecar(path, multi_echo(), role=Role.MULTI_ECHO_T2, synthetic=True)
    study = read_study(tmp_path)
    (series,) = study.series
    assert series.role is Role.MULTI_ECHO_T2
    assert series.acquisition.echo_times_ms == (10.0, 20.0, 30.0, 40.0)
    assert series.acquisition.repetition_time_ms == 3000.0
    assert series.synthetic
    np.testing.assert_array_equal(read_volume(series).data, volume.data)


def turned(angles: tuple[float, float, float], flips: tuple[bool, bool, bool]) -> Grid:
    """A grid in any orientation, left-handed ones included."""
    matrix = np.eye(4)
    for axis, angle in enumerate(angles):
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    signs = [-1.0 if flip else 1.0 for flip in flips]
    matrix = matrix @ np.diag([1.5 * signs[0], 2.0 * signs[1], 5.0 * signs[2], 1.0])
    matrix[:3, 3] = (-31.0, 17.0, 4.0)
    return Grid.from_matrix((5, 4, 3), matrix, "1.2.3")


@settings(max_examples=15, deadline=None)
@given(angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3), flips=st.tuples(*[st.booleans()] * 3))
def test_a_volume_in_any_orientation_comes_back_to_its_place(
    tmp_path_factory: pytest.TempPathFactory, angles: tuple[float, float, float], flips: tuple[bool, bool, bool]
) -> None:
    grid = turned(angles, flips)
    volume = Volume(numbered((5, 4, 3)).data, grid)
    folder = tmp_path_factory.mktemp("turned")
    write(folder / "dicom", volume, replace(multi_echo(), echo_times_ms=(80.0,)), Role.T2)
    nifti.write_volume(folder / "image.nii", volume)
    (series,) = read_study(folder / "dicom").series
    for back in (read_volume(series), nifti.read_nifti(folder / "image.nii")):
        index = np.stack(np.meshgrid(*[np.arange(n) for n in back.grid.shape], indexing="ij"), -1)
        home = grid.indices(back.grid.positions_mm(index))
        # header positions are decimal strings of 16 characters, NIfTI affines single precision
        assert float(np.abs(home - np.rint(home)).max()) < 1e-3
        cells = np.rint(home).astype(int)
        np.testing.assert_array_equal(np.asarray(back.data), np.asarray(volume.data)[tuple(np.moveaxis(cells, -1, 0))])


def _parametric(value: float) -> ParametricMap:
    grid = Grid.from_spacing((6, 5, 4), (1.0, 1.0, 4.0))
    values = np.full(grid.shape, value, dtype=np.float32)
    return ParametricMap("water_t2", values, np.ones(grid.shape, dtype=bool), grid, Unit.MILLISECOND, "test/1")


def test_an_image_that_an_earlier_run_wrote_alike_is_taken_over(tmp_path: Path) -> None:
    """Another packing of the same image tells that its bytes were taken over."""
    earlier, fresh = tmp_path / "earlier.nii.gz", tmp_path / "fresh.nii.gz"
    nifti.write_map(earlier, _parametric(35.0))
    earlier.write_bytes(gzip.compress(gzip.decompress(earlier.read_bytes()), compresslevel=1, mtime=7))
    nifti.write_map(fresh, _parametric(35.0), earlier=earlier)
    assert fresh.read_bytes() == earlier.read_bytes()


@pytest.mark.parametrize("kind", ["other values", "cut short", "forged ending", "absent"])
def test_an_earlier_image_that_holds_anything_else_is_not_taken_over(tmp_path: Path, kind: str) -> None:
    earlier, fresh, alone = (tmp_path / f"{name}.nii.gz" for name in ("earlier", "fresh", "alone"))
    nifti.write_map(alone, _parametric(35.0))
    good = alone.read_bytes()
    if kind == "other values":
        nifti.write_map(earlier, _parametric(36.0))
    elif kind == "cut short":
        earlier.write_bytes(good[:-20])
    elif kind == "forged ending":
        nifti.write_map(earlier, _parametric(36.0))
        earlier.write_bytes(earlier.read_bytes()[:-8] + good[-8:])
    nifti.write_map(fresh, _parametric(35.0), earlier=earlier)
    assert fresh.read_bytes() == good
