"""A small analysis result with everything a report may have to show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding, FindingKind
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import AnalysisResult, MethodStep, NotAssessed, QualityCheck, QuantityText
from heliotrope.domain.study import Acquisition, FileOutcome, FileRecord, Modality, Role, Series, Study
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit
from heliotrope.domain.verdict import TraceStep, Verdict

FLAG = "Fat was not measured independently; this T2 is imprecise."
LEGEND = {
    1: Region("muscle", Side.RIGHT),
    2: Region("muscle", Side.LEFT),
    3: Region("subcutaneous_fat", Side.RIGHT),
    4: Region("subcutaneous_fat", Side.LEFT),
    5: Region("bone", Side.RIGHT),
    6: Region("bone", Side.LEFT),
}


def thigh_grid() -> Grid:
    return Grid.from_spacing((96, 48, 5), (4.0, 4.0, 20.0))


def thigh_labels(grid: Grid) -> LabelMap:
    x, y, _ = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    labels = np.zeros(grid.shape, dtype=np.uint16)
    for center, odd in ((24, 1), (72, 2)):
        radius = np.hypot(x - center, y - 24)
        labels[radius < 20] = odd + 2
        labels[radius < 16] = odd
        labels[radius < 4] = odd + 4
    return LabelMap(labels, grid, LEGEND, "weight-free/1", notes=("The skin was thinner than one voxel.",))


def number(region: Region, quantity: str, value: float | None, unit: Unit, **more: object) -> Measurement:
    options: dict[str, object] = {"statistic": "median", "method": "epg-joint/1", "n_voxels": 800, **more}
    if value is None:
        options.setdefault("missing", Missing("M_CUT", "The field of view cuts this region."))
    return Measurement(region=region, quantity=quantity, value=value, unit=unit, **options)  # type: ignore[arg-type]


def measurements() -> tuple[Measurement, ...]:
    rows: list[Measurement] = []
    for side, t2 in ((Side.RIGHT, 36.1), (Side.LEFT, 44.6)):
        interval = (t2 - 0.6, t2 + 0.7)
        rows.append(number(Region("muscle", side), "water_t2", t2, Unit.MILLISECOND, ci95=interval, notes=(FLAG,)))
        rows.append(number(Region("muscle", side), "fat_fraction", 6.2, Unit.PERCENT, ci95=(5.9, 6.6)))
        rows.append(number(Region("muscle", side), "volume", None, Unit.MILLILITER, statistic="total"))
        rows.append(number(Region("subcutaneous_fat", side), "fat_fraction", 91.0, Unit.PERCENT))
        rows.append(number(Region("subcutaneous_fat", side), "volume", 812.4, Unit.MILLILITER, statistic="total"))
        rows.extend(
            number(Region("muscle", side, f"slice {k}"), "water_t2", t2 + k, Unit.MILLISECOND) for k in range(1, 6)
        )
    rows.append(number(Region("all"), "calcinosis_volume", 0.0, Unit.MILLILITER, statistic="total"))
    return tuple(rows)


def findings() -> tuple[Finding, ...]:
    left, right = Region("vastus_lateralis", Side.LEFT), Region("vastus_lateralis", Side.RIGHT)
    return (
        Finding(
            FindingKind.EDEMA,
            Truth.TRUE,
            "Muscle edema in both thighs, left more than right.",
            limits=("Default limit.",),
        ),
        Finding(FindingKind.FASCIA, Truth.FALSE, "No fascial signal was found."),
        Finding(FindingKind.SKIN, Truth.UNKNOWN, "Skin could not be assessed: voxels are too coarse."),
        Finding(FindingKind.EDEMA, Truth.TRUE, "Left vastus lateralis: edema in 42 %.", (left,)),
        Finding(FindingKind.EDEMA, Truth.FALSE, "Right vastus lateralis: no edema.", (right,)),
        Finding(
            FindingKind.BIOPSY_SITE,
            Truth.TRUE,
            "First target: left vastus lateralis.",
            (left,),
            details={"depth_mm": 18.0, "score": None},
        ),
        Finding(FindingKind.QUALITY, Truth.TRUE, "Fat suppression failed at the edge."),
    )


def study(*, synthetic: bool = False) -> Study:
    acquisition = Acquisition(
        Modality.MR,
        field_strength_t=3.0,
        repetition_time_ms=3000.0,
        echo_times_ms=tuple(10.9 * (k + 1) for k in range(17)),
        slice_thickness_mm=10.0,
        manufacturer="Example",
    )
    mese = Series(
        "s01",
        "1.2.3.4",
        5,
        "SECRET DESCRIPTION",
        Role.MULTI_ECHO_T2,
        "17 spin echoes",
        acquisition,
        thigh_grid(),
        17,
        (),
        ("Slice 3 was stored twice; one copy was used.",),
        synthetic,
    )
    scout = replace(mese, key="s02", uid="1.2.3.5", role=Role.OTHER, defects=())
    files = (
        FileRecord("DOE^JANE/1.dcm", FileOutcome.USED),
        FileRecord("DOE^JANE/2.pdf", FileOutcome.SKIPPED, "not an image"),
        FileRecord("DOE^JANE/3.dcm", FileOutcome.REFUSED, "truncated", "E_FILE"),
    )
    notes = ("The header says CALF; the images show thighs.",)
    return Study("study-7f3a", "subject-91c2", "2026-03-04", (mese, scout), files, synthetic, notes)


def result(*, synthetic: bool = False, seed: int = 1) -> AnalysisResult:
    grid = thigh_grid()
    labels = thigh_labels(grid)
    random = np.random.default_rng(seed)
    gray = np.choose(np.minimum(labels.labels, 6), (5, 300, 300, 700, 700, 90, 90)) + random.normal(0, 8, grid.shape)
    muscle = labels.mask_where(structure="muscle")
    t2 = np.where(labels.mask(LEGEND[2]), 44.6, 36.1) + random.normal(0, 2, grid.shape)
    water_t2 = ParametricMap(
        "water_t2", t2.astype(np.float32), muscle, grid, Unit.MILLISECOND, "epg-joint/1", (FLAG,), {"too_much_fat": 12}
    )
    residual = ParametricMap(
        "water_t2_residual", np.abs(t2 - 36).astype(np.float32), muscle, grid, Unit.ONE, "epg-joint/1"
    )
    verdict = Verdict(
        "NIH whole-body tool",
        "1",
        {"intensity_sum": None, "covered": 4},
        (TraceStep("extent/1", "0.42 against limits 0.025, 0.30, 0.75"),),
        ("Forearms were not imaged.",),
        ("Not prorated.",),
    )
    return AnalysisResult(
        study=study(synthetic=synthetic),
        maps={"water_t2": water_t2, "water_t2_residual": residual},
        labels=labels,
        measurements=measurements(),
        findings=findings(),
        not_assessed=(NotAssessed("adc", Missing("M_NO_SERIES", "No diffusion series.")),),
        quality=(
            QualityCheck("field-of-view", False, "both thighs touch the border of 2 slices"),
            QualityCheck("left-and-right", True, "sides agree with the header"),
            QualityCheck("noise", None, "no background was left unfiltered"),
        ),
        methods=(
            MethodStep("intake/1", "Images were read from DICOM", (), 0.4),
            MethodStep("water-t2/1", "Water T2 was fitted jointly with fat.", ("no-such-key",), 3.2, True),
        ),
        backgrounds={"labels": Volume(gray, grid)},
        verdicts=(verdict,),
        provenance={"version": "0.1.0", "inputs": "3 files"},
        quantities={"volume": QuantityText("Size of the region", "Larger is not better.")},
    )
