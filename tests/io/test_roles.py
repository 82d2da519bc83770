"""What a series is, on attribute sets as scanners write them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io.content import component_of, content_of
from heliotrope.io.frames import Content
from heliotrope.io.roles import RoleFacts, decide_role

MR = Acquisition(Modality.MR, field_strength_t=3.0)
SE = replace(MR, scanning_sequence=("SE",))
GR = replace(MR, scanning_sequence=("GR",), flip_angle_deg=8.0)
EP = replace(MR, scanning_sequence=("EP", "SE"), repetition_time_ms=5000.0, echo_times_ms=(60.0,))


def facts(
    acquisition: Acquisition, *, image_type: tuple[str, ...] = (), private: str | None = None, **more: object
) -> RoleFacts:
    content, reason = content_of(image_type, private_type=private)
    return RoleFacts(
        acquisition=replace(acquisition, image_type=image_type),
        component=component_of(image_type, private_type=private),
        content=content,
        content_reason=reason,
        **more,  # type: ignore[arg-type]
    )


def timed(base: Acquisition, tr: float, *te: float, ti: float | None = None) -> Acquisition:
    return replace(base, repetition_time_ms=tr, echo_times_ms=te, inversion_time_ms=ti)


IR = replace(MR, scanning_sequence=("SE", "IR"))
TRAIN = tuple(7.6 * n for n in range(1, 18))

CASES = [
    ("Siemens TIRM", facts(timed(IR, 4500, 41, ti=220), image_type=("ORIGINAL", "PRIMARY", "M", "ND")), Role.STIR),
    ("GE STIR", facts(timed(IR, 4000, 42, ti=150), image_type=("ORIGINAL", "PRIMARY", "OTHER")), Role.STIR),
    ("Philips STIR", facts(timed(replace(MR, scanning_sequence=("IR",)), 5000, 60, ti=200)), Role.STIR),
    ("scanner that leaves IR out", facts(timed(SE, 5000, 60, ti=160)), Role.STIR),
    ("1.5 T STIR", facts(timed(IR, 4000, 42, ti=130)), Role.STIR),
    ("FLAIR", facts(timed(IR, 9000, 90, ti=2500)), Role.OTHER),
    ("TSE T2", facts(timed(SE, 4000, 85)), Role.T2),
    ("TSE T2 with fat saturation", facts(timed(SE, 4000, 70), fat_suppressed="scan option FS"), Role.T2_FAT_SUPPRESSED),
    (
        "fat-saturated T2 that states a TI",
        facts(timed(SE, 4000, 70, ti=180), fat_suppressed="scan option FS"),
        Role.T2_FAT_SUPPRESSED,
    ),
    ("TSE T1", facts(timed(SE, 650, 11)), Role.T1),
    ("proton density", facts(timed(SE, 3000, 20)), Role.OTHER),
    (
        "multi-echo spin echo",
        facts(timed(SE, 3000, *TRAIN), axis="echo", image_type=("ORIGINAL", "PRIMARY", "M")),
        Role.MULTI_ECHO_T2,
    ),
    (
        "computed echoes",
        facts(timed(SE, 3000, *TRAIN), axis="echo", image_type=("DERIVED", "PRIMARY", "M")),
        Role.OTHER,
    ),
    (
        "synthetic echoes",
        facts(timed(SE, 3000, *TRAIN), axis="echo", image_type=("DERIVED", "PRIMARY", "M"), synthetic=True),
        Role.MULTI_ECHO_T2,
    ),
    (
        "Siemens Dixon water",
        facts(timed(GR, 6, 2.4), image_type=("DERIVED", "PRIMARY", "M", "DIXON", "WATER")),
        Role.DIXON_WATER,
    ),
    (
        "Siemens Dixon fat",
        facts(timed(GR, 6, 2.4), image_type=("DERIVED", "PRIMARY", "M", "DIXON", "FAT")),
        Role.DIXON_FAT,
    ),
    (
        "Siemens in phase",
        facts(timed(GR, 6, 2.4), image_type=("ORIGINAL", "PRIMARY", "M", "IN_PHASE")),
        Role.DIXON_IN_PHASE,
    ),
    (
        "Siemens opposed",
        facts(timed(GR, 6, 1.2), image_type=("ORIGINAL", "PRIMARY", "M", "OPP_PHASE")),
        Role.DIXON_OPPOSED_PHASE,
    ),
    (
        "Siemens fat fraction",
        facts(timed(GR, 9, 1.1), image_type=("DERIVED", "PRIMARY", "M", "FAT_FRACTION")),
        Role.FAT_FRACTION,
    ),
    (
        "Philips water",
        facts(timed(GR, 6, 1.2), image_type=("ORIGINAL", "PRIMARY", "W", "W", "DERIVED")),
        Role.DIXON_WATER,
    ),
    (
        "Philips in phase",
        facts(timed(GR, 6, 2.3), image_type=("ORIGINAL", "PRIMARY", "IP", "IP", "DERIVED")),
        Role.DIXON_IN_PHASE,
    ),
    (
        "Philips private type",
        facts(timed(GR, 6, 2.3), image_type=("ORIGINAL", "PRIMARY"), private="FF"),
        Role.FAT_FRACTION,
    ),
    ("GE water by name", facts(timed(GR, 6, 2.3), names=("WATER: Ax LAVA-Flex",)), Role.DIXON_WATER),
    ("GE fat by name", facts(timed(GR, 6, 2.3), names=("FAT: Ax LAVA-Flex",)), Role.DIXON_FAT),
    ("GE in phase by name", facts(timed(GR, 6, 2.3), names=("InPhase: Ax LAVA-Flex",)), Role.DIXON_IN_PHASE),
    ("GE fat fraction by name", facts(timed(GR, 6, 2.3), names=("FatFrac: IDEAL IQ",)), Role.FAT_FRACTION),
    (
        "T2 TSE Dixon water",
        facts(timed(SE, 4000, 80), image_type=("DERIVED", "PRIMARY", "DIXON", "WATER")),
        Role.T2_FAT_SUPPRESSED,
    ),
    (
        "T2 TSE Dixon in phase",
        facts(timed(SE, 4000, 80), image_type=("DERIVED", "PRIMARY", "DIXON", "IN_PHASE")),
        Role.T2,
    ),
    ("T2 TSE Dixon fat", facts(timed(SE, 4000, 80), image_type=("DERIVED", "PRIMARY", "DIXON", "FAT")), Role.OTHER),
    (
        "multi-echo gradient echo",
        facts(timed(GR, 25, 1.2, 2.2, 3.2), axis="echo", image_type=("ORIGINAL", "PRIMARY", "M")),
        Role.GRE_MAGNITUDE,
    ),
    (
        "its phase",
        facts(timed(GR, 25, 1.2, 2.2, 3.2), axis="echo", image_type=("ORIGINAL", "PRIMARY", "P")),
        Role.GRE_PHASE,
    ),
    (
        "Philips phase",
        facts(timed(GR, 25, 1.2), image_type=("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE")),
        Role.GRE_PHASE,
    ),
    ("Philips real", facts(timed(GR, 25, 1.2), image_type=("ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE")), Role.GRE_REAL),
    ("imaginary", facts(timed(GR, 25, 1.2), image_type=("ORIGINAL", "PRIMARY", "IMAGINARY")), Role.GRE_IMAGINARY),
    ("a vibe without more", facts(timed(GR, 5, 2.3), names=("t1_vibe_tra",)), Role.GRE_MAGNITUDE),
    (
        "T2 map",
        facts(timed(SE, 3000, 10.0), image_type=("DERIVED", "PRIMARY", "T2 MAP", "T2", "UNSPECIFIED")),
        Role.T2_MAP,
    ),
    ("ADC map", facts(EP, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), Role.ADC_MAP),
    ("fractional anisotropy", facts(EP, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "FA")), Role.OTHER),
    ("trace", facts(EP, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW")), Role.DWI),
    (
        "diffusion",
        facts(
            replace(EP, b_values_s_per_mm2=(0.0, 400.0), b_vectors_lps=((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))),
            axis="diffusion",
            image_type=("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"),
        ),
        Role.DWI,
    ),
    ("b = 0 on its own", facts(replace(EP, b_values_s_per_mm2=(0.0,)), axis="diffusion"), Role.OTHER),
    (
        "MPRAGE",
        facts(timed(replace(GR, scanning_sequence=("GR", "IR"), sequence_variant=("SK", "SP", "MP")), 2300, 3, ti=900)),
        Role.T1,
    ),
    ("CT", facts(Acquisition(Modality.CT), image_type=("ORIGINAL", "PRIMARY", "AXIAL")), Role.CT),
    ("CT scout", facts(Acquisition(Modality.CT), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), Role.OTHER),
    ("radiograph", facts(Acquisition(Modality.RADIOGRAPH)), Role.RADIOGRAPH),
    ("ultrasound", facts(Acquisition(Modality.ULTRASOUND)), Role.ULTRASOUND),
    ("MIP", facts(timed(GR, 5, 2.0), image_type=("DERIVED", "SECONDARY", "MIP")), Role.OTHER),
    ("nothing stated", facts(MR), Role.OTHER),
    ("nothing but timing", facts(timed(MR, 5000, 60, ti=200)), Role.STIR),
]


@pytest.mark.parametrize(("given", "role"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_role(given: RoleFacts, role: Role) -> None:
    found, reason = decide_role(given)
    assert found is role, reason
    assert reason


def test_a_name_never_overrules_attributes() -> None:
    misnamed = facts(timed(SE, 650, 11), names=("T2_STIR_cor",))
    role, reason = decide_role(misnamed)
    assert role is Role.T1
    assert "name" not in reason


def test_a_decision_by_name_says_so() -> None:
    _, reason = decide_role(facts(timed(GR, 6, 2.3), names=("WATER: Ax LAVA-Flex",)))
    assert "only the series name" in reason


def test_an_inversion_pulse_without_time_needs_the_name() -> None:
    silent = facts(timed(IR, 4500, 41))
    assert decide_role(silent)[0] is Role.OTHER
    role, reason = decide_role(replace(silent, names=("cor STIR thighs",)))
    assert role is Role.STIR
    assert "only the series name" in reason


@pytest.mark.parametrize(
    "words", [("ORIGINAL", "PRIMARY", "M", "ND", "NORM", "DIS2D"), ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE")]
)
def test_plain_image_types_claim_no_content(words: tuple[str, ...]) -> None:
    assert content_of(words) == (Content.PLAIN, "")
