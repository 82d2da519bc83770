"""Muscles land on the right leg and the right side of it, or are withheld with a reason."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.errors import QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, Volume
from heliotrope.domain.study import Role
from heliotrope.measure.regions import index_regions
from heliotrope.segment.muscles import predict
from heliotrope.segment.muscles.label import label_muscles
from heliotrope.segment.muscles.result import Muscles
from heliotrope.segment.tissues import segment_tissues
from heliotrope.segment.transfer import resample_labels
from tests.segment import limbs
from tests.segment.muscles import oracle


@pytest.fixture(scope="module")
def image() -> Volume:
    return limbs.multi_echo(limbs.draw(slices=4)).frame(1)


@pytest.fixture(scope="module")
def tissues() -> LabelMap:
    return segment_tissues(
        {Role.MULTI_ECHO_T2: limbs.multi_echo(limbs.draw(slices=4))}, echo_times_ms=limbs.ECHO_TIMES_MS
    )


@pytest.fixture(scope="module")
def muscles(image: Volume, tissues: LabelMap) -> Muscles:
    return label_muscles([image], oracle.network(), tissues)


def center_mm(labels: LabelMap, structure: str, side: Side) -> NDArray[np.float64]:
    found = np.argwhere(labels.mask(Region(structure, side)))
    assert len(found), f"no {side} {structure}"
    return labels.grid.positions_mm(found.mean(axis=0))


@pytest.mark.parametrize(("side", "toward_left"), [(Side.LEFT, 1.0), (Side.RIGHT, -1.0)])
def test_lateral_muscles_lie_away_from_the_other_leg(muscles: Muscles, side: Side, toward_left: float) -> None:
    lateral = center_mm(muscles.labels, "vastus_lateralis", side)
    medial = center_mm(muscles.labels, "gracilis", side)
    assert toward_left * (lateral[0] - medial[0]) > 50.0
    front, back = (center_mm(muscles.labels, name, side) for name in ("rectus_femoris", "semimembranosus"))
    assert back[1] - front[1] > 50.0  # LPS: posterior is +y


@pytest.mark.parametrize(
    ("order", "flips"),
    list(zip(itertools.permutations(range(3)), list(itertools.product((False, True), repeat=3))[2:], strict=True)),
)
def test_the_storage_order_changes_nothing(
    image: Volume, tissues: LabelMap, muscles: Muscles, order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> None:
    turned = limbs.turned(image, order, flips)
    found = label_muscles([turned], oracle.network(), resample_labels(tissues, turned.grid))
    assert np.array_equal(resample_labels(found.labels, image.grid).labels, muscles.labels.labels)


def test_only_muscle_is_renamed(tissues: LabelMap, muscles: Muscles) -> None:
    before, after = tissues.labels, muscles.labels.labels
    muscle = index_regions(tissues).mask(Region("muscle"))
    assert np.array_equal(before[~muscle], after[~muscle])
    assert np.array_equal(index_regions(muscles.labels).mask(Region("muscle")), muscle)


def test_confidence_is_the_agreement_of_scales_and_positions(muscles: Muscles) -> None:
    for leg in muscles.legs:
        assert 0.85 < leg.confidence["vastus_lateralis"] < 1.0


def test_muscles_whose_answers_contradict_fall_back_to_their_compartment(image: Volume, tissues: LabelMap) -> None:
    first, second = (oracle.CLASSES.index(name) for name in ("semitendinosus", "biceps_femoris_long_head"))
    count = itertools.count()

    def swapped(classes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(classes == first, second, np.where(classes == second, first, classes))

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return oracle.constant(change=swapped if next(count) % 2 else None)(batch)

    found = label_muscles([image], oracle.network(answer), tissues)
    for leg in found.legs:
        assert {"semitendinosus", "biceps_femoris_long_head"} <= set(leg.withheld)
        assert "semimembranosus" not in leg.withheld
        assert "agree by" in leg.withheld["semitendinosus"]
        assert not found.labels.mask(Region("semitendinosus", leg.side)).any()
        kept = index_regions(found.labels)
        muscle = kept.mask(Region("semimembranosus", leg.side))
        assert kept.mask(Region("posterior_thigh", leg.side)).sum() > 1.5 * muscle.sum()
    assert any("Not named in the left thigh" in note for note in found.labels.notes)


def test_a_leg_of_which_most_is_uncertain_gets_no_muscle(image: Volume, tissues: LabelMap) -> None:
    generator = np.random.default_rng(3)

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        turned = oracle.sectors(generator.uniform(0.0, 360.0))
        return oracle.constant(change=lambda _: turned)(batch)

    found = label_muscles([image], oracle.network(answer), tissues)
    structures = {region.structure for region in found.labels.legend.values()}
    assert structures.isdisjoint(oracle.MUSCLES)
    assert all(len(leg.withheld) >= 5 for leg in found.legs)


@pytest.mark.parametrize("by_septa", [True, False], ids=["with compartments", "without"])
def test_compartments_of_an_uncertain_leg_are_those_of_its_septa(
    image: Volume, tissues: LabelMap, by_septa: bool
) -> None:
    """Half of the muscles swapped at random, so that compartments would seem certain where anatomy is unknown."""
    names = ("semitendinosus", "rectus_femoris", "gracilis", "vastus_lateralis")
    first = [oracle.CLASSES.index(name) for name in names]
    generator = np.random.default_rng(2)

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        order = dict(zip(first, generator.permutation(first).tolist(), strict=True))
        return oracle.constant(change=lambda c: np.vectorize(lambda v: order.get(v, v))(c))(batch)

    values = np.array(tissues.labels)
    legend = dict(tissues.legend)
    for side, number in ((Side.LEFT, 6), (Side.RIGHT, 16)):
        if by_septa:
            values[tissues.mask(Region("muscle", side))] = number
            legend[number] = Region("anterior_thigh", side)
    given = LabelMap(values, tissues.grid, legend, tissues.source, {})
    found = label_muscles([image], oracle.network(answer), given)
    assert all(leg.doubt for leg in found.legs)
    np.testing.assert_array_equal(found.labels.labels, given.labels)
    assert sum("No muscle of the" in note for note in found.labels.notes) == 2


def test_a_limb_of_two_bones_is_not_shown_to_the_network(image: Volume, tissues: LabelMap) -> None:
    def never(_: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        raise AssertionError("the network was asked about a leg")

    values = np.array(tissues.labels)
    numbers = {region.side: n for n, region in tissues.legend.items() if region.structure == "bone_cortex"}
    for side, number in numbers.items():
        x, y = (int(v.mean()) for v in np.nonzero(limbs.found(tissues, "bone", side).any(axis=2)))
        values[x - 5 : x + 6, y + 20 : y + 31] = number
    leg = LabelMap(values, tissues.grid, tissues.legend, tissues.source, {})
    with pytest.raises(QualityRefusal, match="two bones, as in a leg") as caught:
        label_muscles([image], oracle.network(never), leg)
    assert caught.value.code == "E_NOT_A_THIGH"


def test_a_slender_limb_without_tissues_gets_no_muscles(image: Volume) -> None:
    matrix = image.grid.matrix
    matrix[:2, :2] *= 0.45
    small = Volume(image.data, Grid.from_matrix(image.grid.shape, matrix))
    found = label_muscles([small], oracle.network())
    assert all("cm2 in cross-section" in leg.doubt for leg in found.legs)
    assert {region.structure for region in found.labels.legend.values()} == {"muscle"}


def test_a_mirrored_answer_is_withheld(image: Volume, tissues: LabelMap) -> None:
    mirrored = oracle.network(oracle.constant(change=lambda classes: classes[::-1].copy()))
    found = label_muscles([image], mirrored, tissues)
    assert not found.labels.mask_where(structure="vastus_lateralis").any()
    assert not found.labels.mask_where(structure="gracilis").any()


def test_slices_of_a_knee_hold_plain_muscle_and_are_named(tissues: LabelMap) -> None:
    thighs = limbs.draw(slices=4)
    data = np.array(limbs.multi_echo(thighs).frame(1).data)
    knee = data.copy()
    knee[..., :2] = 0.4 * data[..., :2].max() * (data[..., :2] > 100)  # two even slices at the foot end
    answer = oracle.by_brightness(("knee_or_leg", "thigh"), (1.0, 0.2))
    found = label_muscles([Volume(knee, thighs.grid)], oracle.network(answer), tissues)
    low, high = found.labels.labels[:, :, :2], found.labels.labels[:, :, 2:]
    named = [n for n, region in found.labels.legend.items() if region.structure in oracle.MUSCLES]
    assert not np.isin(low, named).any()
    assert np.isin(high, named).any()
    assert all(leg.refused == ("slices 1-2: knee or leg",) for leg in found.legs)
    assert sum("slices 1-2: knee or leg" in note for note in found.labels.notes) == 2


def test_a_leg_with_two_bones_gets_no_muscles_though_the_gate_calls_it_a_thigh(
    image: Volume, tissues: LabelMap
) -> None:

    def two_bones(classes: NDArray[np.int64]) -> NDArray[np.int64]:
        classes[9:18, 29:38] = oracle.CLASSES.index("bone")
        return classes

    with pytest.raises(QualityRefusal, match="no single bone like a femur"):
        label_muscles([image], oracle.network(oracle.constant(change=two_bones)), tissues)


@pytest.mark.parametrize(("level", "words"), [("hip", "hip or buttock"), ("elsewhere", "neither thigh")])
def test_a_stack_without_a_thigh_is_refused_with_what_it_looks_like(
    image: Volume, tissues: LabelMap, level: str, words: str
) -> None:
    with pytest.raises(QualityRefusal, match=words) as caught:
        label_muscles([image], oracle.network(oracle.constant(level)), tissues)
    assert caught.value.code == "E_NOT_A_THIGH"


def test_without_tissues_the_legs_are_found_on_the_image(image: Volume) -> None:
    found = label_muscles([image], oracle.network())
    assert center_mm(found.labels, "vastus_lateralis", Side.LEFT)[0] > 0
    assert center_mm(found.labels, "vastus_lateralis", Side.RIGHT)[0] < 0
    assert not found.labels.mask_where(structure="subcutaneous_fat").any()


def test_thin_slices_are_answered_in_slabs_and_named_between_them(image: Volume) -> None:
    fine = Grid.from_matrix((240, 126, 16), image.grid.matrix @ np.diag([1.0, 1.0, 0.125, 1.0]))
    data = np.repeat(np.asarray(image.data), 4, axis=2)
    calls = 0

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        nonlocal calls
        calls += len(batch)
        return oracle.constant()(batch)

    found = label_muscles([Volume(data, fine)], oracle.network(answer))
    assert calls == 2 * 4 * len(predict.VIEWS)  # legs, slabs of 4 mm in 16 mm, views
    assert found.labels.mask_where(structure="vastus_lateralis").any(axis=(0, 1)).all()


def test_coarse_axial_pixels_are_refused(image: Volume) -> None:
    coarse = Volume(np.asarray(image.data), Grid.from_spacing(image.grid.shape, (4.0, 1.5, 5.0)))
    with pytest.raises(QualityRefusal, match=r"4\.0 mm are too coarse"):
        label_muscles([coarse], oracle.network())


def test_a_single_limb_in_the_middle_has_no_side_and_is_refused() -> None:
    single = limbs.draw(limbs=(1,))
    matrix = single.grid.matrix
    matrix[0, 3] -= 78.0
    centered = Volume(limbs.multi_echo(single).frame(1).data, Grid.from_matrix(single.grid.shape, matrix))
    with pytest.raises(QualityRefusal, match="side") as caught:
        label_muscles([centered], oracle.network())
    assert caught.value.code == "E_NO_SIDE"


def test_one_slice_alone_is_refused() -> None:
    with pytest.raises(QualityRefusal, match="one slice alone") as caught:
        label_muscles([limbs.multi_echo(limbs.draw(slices=1)).frame(1)], oracle.network())
    assert caught.value.code == "E_FEW_SLICES"


def test_two_slices_of_one_leg_are_enough() -> None:
    one = limbs.draw(slices=2, limbs=(-1,))
    found = label_muscles([limbs.multi_echo(one).frame(1)], oracle.network())
    assert [leg.side for leg in found.legs] == [Side.RIGHT]
    assert found.labels.mask_where(structure="vastus_lateralis", side=Side.RIGHT).any()


def test_ct_is_seen_through_a_window_and_other_images_are_averaged(tissues: LabelMap) -> None:
    thighs = limbs.draw(slices=4)
    seen = []

    def answer(batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        seen.append(float(np.median(batch[:, 1, 34:38, 20:25])))
        return oracle.constant()(batch)

    label_muscles([limbs.computed_tomography(thighs)], oracle.network(answer), tissues)
    assert 0.4 < np.median(seen) < 0.8  # muscle of 55 HU between -200 and 250
    echoes = limbs.multi_echo(thighs)
    several = label_muscles([echoes.frame(1), echoes.frame(4), echoes.frame(8)], oracle.network(), tissues)
    assert several.labels.mask_where(structure="vastus_lateralis").any()
