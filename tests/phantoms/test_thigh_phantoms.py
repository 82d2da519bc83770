"""Thigh phantoms: anatomy, lesions and signals against what was put in."""

from dataclasses import replace

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import InputError, OptionError
from heliotrope.domain.study import Role
from heliotrope.phantoms.catalogue import SCENES, build_phantom, build_thigh_study, uniform_edema
from heliotrope.phantoms.lesions import EdemaPattern, MuscleEdema
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence
from heliotrope.phantoms.mr_tissue import as_tissues
from heliotrope.phantoms.study import SYNTHETIC_NOTE, PhantomStudy
from heliotrope.phantoms.thigh_anatomy import MUSCLES, PackedThighs, draw_thighs
from heliotrope.physics.inversion_recovery import inversion_recovery

COARSE = MrProtocol(matrix=(190, 100), pixel_mm=2.0, n_slices=3)
SINGLE_MUSCLE_AREA_MM2 = (150.0, 4500.0)
"""Mid-thigh cross-sections of single muscles of adults run from about 2 cm2 (gracilis) to 35 cm2 (vastus lateralis)."""


@pytest.fixture(scope="session")
def active() -> PhantomStudy:
    return build_thigh_study("active-dm", replace(SCENES["active-dm"], protocol=COARSE), 3)


def test_every_muscle_of_both_thighs_is_there_with_a_plausible_cross_section(active: PhantomStudy) -> None:
    labels = active.truth_labels
    pixel = labels.grid.spacing_mm[0] * labels.grid.spacing_mm[1]
    for muscle in MUSCLES:
        for side in Side:
            area = np.count_nonzero(labels.mask(Region(muscle, side))[:, :, 1]) * pixel
            assert SINGLE_MUSCLE_AREA_MM2[0] < area < SINGLE_MUSCLE_AREA_MM2[1], (muscle, side, area)


def test_left_is_the_patients_left(active: PhantomStudy) -> None:
    labels = active.truth_labels
    index = np.argwhere(labels.mask_where(side=Side.LEFT))
    assert (labels.grid.positions_mm(index)[:, 0] > 0).all()


@pytest.mark.parametrize(
    ("muscle", "neighbor", "axis", "sign"),
    [
        ("rectus_femoris", "semitendinosus", 1, -1),  # anterior has smaller LPS y
        ("vastus_lateralis", "vastus_medialis", 0, 1),  # on the left, lateral has larger LPS x
        ("biceps_femoris_long_head", "semimembranosus", 0, 1),
        ("vastus_intermedius", "adductor_magnus", 1, -1),
    ],
)
def test_muscles_lie_where_anatomy_puts_them(
    active: PhantomStudy, muscle: str, neighbor: str, axis: int, sign: int
) -> None:
    labels = active.truth_labels

    def center(name: str) -> float:
        return float(labels.grid.positions_mm(np.argwhere(labels.mask(Region(name, Side.LEFT))))[:, axis].mean())

    assert (center(muscle) - center(neighbor)) * sign > 10.0


def test_sides_are_alike_but_not_copies(active: PhantomStudy) -> None:
    labels = active.truth_labels.labels
    left = np.count_nonzero(labels[95:] > 0)
    right = np.count_nonzero(labels[:95] > 0)
    assert abs(left - right) / right < 0.05
    assert not np.array_equal(labels[95:] > 0, labels[:95][::-1] > 0)


def test_fractions_of_a_voxel_make_the_fat_fraction_map(active: PhantomStudy) -> None:
    fat = active.truth_maps["fat_fraction"].values
    labels = as_tissues(active.truth_labels)
    assert np.nanmedian(fat[labels.mask_where(structure="subcutaneous_fat")]) > 90.0
    assert 1.0 < np.nanmedian(fat[labels.mask_where(structure="muscle")]) < 8.0


def test_lesions_reach_the_wanted_fraction() -> None:
    scene = replace(SCENES["healthy"], lesions=uniform_edema(0.3), protocol=COARSE)
    study = build_thigh_study("test", scene, 0)
    reached = {row.region: row.fraction for row in study.lesions}
    assert len(reached) == 22
    assert np.mean(list(reached.values())) == pytest.approx(0.3, abs=0.02)


def test_the_edema_map_and_the_lesion_table_agree(active: PhantomStudy) -> None:
    edema = active.truth_maps["edema_fraction"]
    region = Region("vastus_lateralis", Side.LEFT)
    row = next(row for row in active.lesions if row.region == region)
    inside = active.truth_labels.mask(region)
    assert np.nanmean(edema.values[inside]) / 100.0 == pytest.approx(row.fraction, abs=0.03)


def test_the_same_seed_gives_the_same_images_and_another_seed_another_person() -> None:
    scene = replace(SCENES["healthy"], protocol=replace(COARSE, sequences=(Sequence.STIR,), n_slices=1))
    first, second, other = (build_thigh_study("test", scene, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.series[0].volume.data, second.series[0].volume.data)
    assert not np.array_equal(first.truth_labels.labels, other.truth_labels.labels)


def test_a_longitudinal_pair_differs_only_in_the_known_change() -> None:
    pair = [
        build_thigh_study(
            name, replace(SCENES[name], protocol=replace(SCENES[name].protocol, matrix=(190, 100), pixel_mm=2.0)), 1
        )
        for name in ("longitudinal-baseline", "longitudinal-follow-up")
    ]
    assert pair[0].subject == pair[1].subject
    assert np.array_equal(pair[0].truth_labels.labels, pair[1].truth_labels.labels)
    change = pair[1].truth_maps["water_t2"].values - pair[0].truth_maps["water_t2"].values
    labels = pair[0].truth_labels
    changed = labels.mask_where(structure="adductor_magnus") & (pair[0].truth_maps["edema_fraction"].values > 99.0)
    assert np.nanmedian(change[changed]) == pytest.approx(5.0, abs=0.05)
    assert np.nanmax(np.abs(change[labels.mask_where(structure="gracilis")])) == 0.0
    first, second = (np.asarray(study.with_role(Role.STIR)[0].volume.data, dtype=float) for study in pair)
    noise = second - first
    assert np.abs(noise[labels.mask_where(structure="gracilis")]).max() > 0.0


def test_stir_follows_the_inversion_recovery_equation(active: PhantomStudy) -> None:
    stir = np.asarray(active.with_role(Role.STIR)[0].volume.data, dtype=float)
    edema = active.truth_maps["edema_fraction"].values
    fat = active.truth_maps["fat_fraction"].values
    t2 = active.truth_maps["water_t2"].values
    muscle = active.truth_labels.mask(Region("adductor_magnus", Side.RIGHT)) & (fat < 8.0)
    ill, well = muscle & (edema > 99.0), muscle & (edema < 1.0)

    def expected(t1_ms: float, t2_ms: float, density: float) -> float:
        recovered = float(inversion_recovery(t1_ms, inversion_time_ms=220.0, repetition_time_ms=4500.0))
        return abs(recovered) * float(np.exp(-60.0 / t2_ms)) * density

    t2_ill, t2_well = float(np.median(t2[ill])), float(np.median(t2[well]))
    ratio = expected(1400.0 + 10.0 * (t2_ill - 33.0), t2_ill, 1.06) / expected(1400.0, t2_well, 1.0)
    # the coil profile differs a little between the two places
    assert np.median(stir[ill]) / np.median(stir[well]) == pytest.approx(ratio, rel=0.08)


def test_multi_echo_signal_rises_from_first_to_second_echo_as_stimulated_echoes_make_it(active: PhantomStudy) -> None:
    series = active.with_role(Role.MULTI_ECHO_T2)[0]
    echoes = np.asarray(series.volume.data)
    assert echoes.shape[3] == len(series.acquisition.echo_times_ms) == 17
    edema = active.truth_labels.mask(Region("vastus_lateralis", Side.LEFT)) & (
        active.truth_maps["edema_fraction"].values > 99.0
    )
    mean = echoes[edema].mean(axis=0)
    assert mean[1] > 0.97 * mean[0] * np.exp(-9.5 / 52.0)
    assert (np.diff(mean[1:]) < 0).all()


def test_the_phase_of_muscle_turns_with_the_field_map(active: PhantomStudy) -> None:
    series = active.with_role(Role.GRE_PHASE)[0]
    phase = np.asarray(series.volume.data, dtype=float)
    times = series.acquisition.echo_times_ms
    lean = active.truth_labels.mask_where(structure="semitendinosus") & (active.truth_maps["fat_fraction"].values < 6.0)
    # echoes 2.3 ms apart have fat in the same phase at 3 T, so only the field turns what little fat there is
    turn = np.angle(np.exp(1j * (phase[..., 4] - phase[..., 2])))[lean]
    expected = 2.0 * np.pi * active.truth_maps["field_map"].values[lean] * (times[4] - times[2]) * 1e-3
    difference = np.angle(np.exp(1j * (turn - expected)))
    assert abs(np.median(difference)) < 0.08


def test_every_series_says_that_it_is_synthetic(active: PhantomStudy) -> None:
    assert active.note.startswith(SYNTHETIC_NOTE)
    assert all(series.description.startswith("SYNTHETIC") for series in active.series)


def test_an_unknown_phantom_lists_what_exists() -> None:
    with pytest.raises(OptionError, match="active-dm"):
        build_phantom("ankle", 0)


def test_a_fraction_in_percent_is_refused() -> None:
    with pytest.raises(InputError, match="0 to 1"):
        MuscleEdema("gracilis", Side.LEFT, EdemaPattern.PATCHY, 40.0)


def test_cells_do_not_depend_on_the_grid_they_are_sampled_on() -> None:
    thighs = PackedThighs.of(draw_thighs(np.random.default_rng(2)))
    points = np.array([[90.0, -40.0, 0.0], [-90.0, 30.0, 10.0]])
    together = thighs.locate(points)
    alone = [thighs.locate(points[i : i + 1]) for i in range(2)]
    assert [int(one[1][0]) for one in alone] == together[1].tolist()
