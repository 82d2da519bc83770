"""The calcinosis stage: one CT series to components, amounts and statements."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.domain.anatomy import STRUCTURES, Region, Side, StructureKind, TissuePlane
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.findings.calcinosis import find_calcinosis_statements
from heliotrope.measure.calcium import MODEL_ERROR, measure_calcium
from heliotrope.measure.calcium_summary import calcium_by_muscle, missing_calcium, summarize_calcium
from heliotrope.physics.ct_attenuation import table_calibration
from heliotrope.segment.axial import AxialFrame
from heliotrope.segment.calcium.body import box_around_body
from heliotrope.segment.calcium.find import METHOD, THICKEST_SLICE_MM, Calcinosis, find_calcinosis
from heliotrope.segment.calcium.geometry import Box
from heliotrope.segment.calcium.places import name_places
from heliotrope.segment.transfer import resample_labels

_Scalar = TypeVar("_Scalar", bound=np.generic)

LEAST_SLICES = 5
"""Fewer slices are no volume to look for components in."""

QUANTITIES = (
    Quantity(
        "calcinosis_volume",
        "Volume of calcinosis",
        Unit.MILLILITER,
        "Volume of soft-tissue calcification in CT, corrected for partial volume; more is worse. "
        "Exploratory, no published score.",
    ),
    Quantity(
        "calcinosis_mass",
        "Mineral mass of calcinosis",
        Unit.MILLIGRAM,
        "Hydroxyapatite-equivalent mass of soft-tissue calcification in CT; more is worse. Depends on the "
        "named calibration.",
    ),
    Quantity(
        "calcinosis_threshold_volume",
        "Thresholded volume of calcinosis",
        Unit.MILLILITER,
        "Voxels above the calcium threshold; over-reads thin sheets and lines. More is worse.",
    ),
    Quantity(
        "calcinosis_agatston",
        "Agatston-type sum",
        Unit.SCORE,
        "Area times density weight, summed over slices, for comparison with the literature. More is "
        "worse. Not a coronary score.",
    ),
    Quantity(
        "calcinosis_count", "Number of calcifications", Unit.COUNT, "Separate components of soft-tissue calcification."
    ),
    Quantity(
        "calcinosis_skin_at_risk",
        "Skin over shallow calcium",
        Unit.SQUARE_CENTIMETER,
        "Area of skin with calcium nearer than 3 mm, where it may break. More is worse.",
    ),
    Quantity(
        "calcinosis_plane",
        "Tissue plane of calcinosis",
        Unit.ONE,
        "Code of the tissue plane a calcified voxel lies in: 1 cutaneous, 2 subcutaneous, 3 fascial, 4 intermuscular, "
        "5 intramuscular, 7 mixed, 8 superficial, 9 deep; 0 none. Calcium grown onto bone is not counted and has no "
        "code. A code, not an amount.",
    ),
    Quantity(
        "calcinosis_excluded_volume",
        "Dense volume not counted",
        Unit.MILLILITER,
        "Dense structures near bone, in vessels, cavities or from metal that were not counted as "
        "calcinosis, by reason.",
    ),
)


def _select(study: Study) -> tuple[Series, ...] | Missing:
    found = study.with_role(Role.CT)
    if not found and study.with_role(Role.RADIOGRAPH):
        return Missing("M_NO_SERIES", "a radiograph is a projection and shows no volume or mass; there is no CT series")
    if not found:
        return Missing("M_NO_SERIES", "no CT series")
    regular = [s for s in found if s.grid is not None and s.n_frames == 1]
    if not regular:
        reason = next((d for s in found for d in s.defects), "its slices form no regular volume")
        return Missing("M_IRREGULAR_SERIES", f"the CT series cannot be used: {reason}")
    enough = [s for s in regular if s.grid is not None and min(s.grid.shape) >= LEAST_SLICES]
    if not enough:
        return Missing("M_TOO_FEW_SLICES", f"the CT series has fewer than {LEAST_SLICES} slices")
    thin = [s for s in enough if _thickness(s) <= THICKEST_SLICE_MM]
    if not thin:
        least = min(_thickness(s) for s in enough)
        return Missing("M_THICK_SLICES", f"CT slices are {least:.1f} mm thick (at most {THICKEST_SLICE_MM:g} mm)")
    return (min(thin, key=_preference),)


def _thickness(series: Series) -> float:
    assert series.grid is not None
    return max(series.acquisition.slice_thickness_mm or 0.0, *series.grid.spacing_mm)


def _preference(series: Series) -> tuple[float, bool, bool, int]:
    """Thin slices first; then no contrast, a soft kernel, many slices."""
    assert series.grid is not None
    acquisition = series.acquisition
    return (
        round(_thickness(series), 1),
        bool(acquisition.contrast_agent),
        is_sharp_kernel(acquisition.convolution_kernel),
        -series.grid.shape[2],
    )


def is_sharp_kernel(kernel: str | None) -> bool:
    """True for reconstruction kernels that sharpen edges: bone, lung, detail.

    Examples
    --------
    >>> is_sharp_kernel("B70f"), is_sharp_kernel("Br40d"), is_sharp_kernel("BONEPLUS"), is_sharp_kernel(None)
    (True, False, True, False)
    """
    if not kernel:
        return False
    name = kernel.upper().strip()
    if any(word in name for word in ("BONE", "EDGE", "LUNG", "DETAIL", "SHARP")):
        return True
    digits = "".join(c for c in name if c.isdigit())[:2]
    letters = name[:1]
    return letters in {"B", "H", "U", "I", "Q"} and len(digits) == 2 and int(digits) >= 60


def _run(stage_input: StageInput) -> StageOutput:
    series = stage_input.series[0]
    acquisition = series.acquisition
    stored = stage_input.read_volume(series)
    frame = AxialFrame.of(stored.grid)
    axial = Volume(frame.to_axial(stored.data), frame.axial_grid, Unit.HOUNSFIELD)
    box = box_around_body(np.asarray(axial.data, np.float32), frame.spacing_mm)
    axial = axial.part(box)
    labels = _on_grid(stage_input.labels, stored.grid)
    drawn = (
        None
        if labels is None
        else LabelMap(frame.to_axial(labels.labels)[box], axial.grid, labels.legend, labels.source)
    )
    found = find_calcinosis(
        axial,
        slice_thickness_mm=acquisition.slice_thickness_mm,
        contrast=acquisition.contrast_agent,
        known_bones=None if drawn is None else _named_bones(drawn),
    )
    calibration = table_calibration(acquisition.tube_voltage_kv)
    burdens = measure_calcium(found, calibration)
    places = name_places(
        found.numbers,
        found.components,
        found.cavity,
        found.spacing,
        None if drawn is None else drawn.labels,
        {} if drawn is None else drawn.legend,
    )
    measurements = summarize_calcium(found, burdens, calibration, places)
    if drawn is not None:
        measurements = (*measurements, *calcium_by_muscle(found, burdens, drawn, calibration))
    sentence = (
        f"Calcium of the soft tissue was sought in CT above {found.threshold_hu:.0f} HU (noise "
        f"{found.noise_hu:.0f} HU), "
        f"without bone, vessels, metal and contents of the body cavities; mass by the {calibration.name}. "
        "Its 95 % interval holds image noise, the uncertainty of the background and the method's error on phantoms, "
        f"taken as {100 * MODEL_ERROR:.0f} %; the error of the calibration is not in it."
    )
    return StageOutput(
        sentence=sentence,
        evidence=("calcium-threshold", "calcium-mass-integral", "calcium-hydroxyapatite-slope", "calcium-planes"),
        maps={"calcinosis_plane": plane_map(found, frame, box)},
        labels=calcium_labels(found, frame, box),
        backgrounds={"ct": stored},
        measurements=measurements,
        findings=find_calcinosis_statements(found, burdens, measurements, places),
        quality=_quality(series, found),
    )


def _on_grid(labels: LabelMap | None, grid: Grid) -> LabelMap | None:
    """Labels of tissues on the CT's grid; None where they were drawn in another frame of reference."""
    if labels is None or labels.grid.is_same_as(grid):
        return labels
    frames = {labels.grid.frame_of_reference_uid, grid.frame_of_reference_uid}
    return resample_labels(labels, grid) if len(frames) == 1 and None not in frames else None


def _named_bones(labels: LabelMap) -> NDArray[np.bool_] | None:
    """Single bones (femur, sacrum) that an engine or a person named; the tissue ``bone`` rests on density alone and
    would take calcium along.
    """
    numbers = [n for n, region in labels.legend.items() if STRUCTURES[region.structure].kind is StructureKind.BONE]
    return np.isin(labels.labels, numbers) if numbers else None


def plane_map(found: Calcinosis, frame: AxialFrame, box: Box) -> ParametricMap:
    """Tissue plane of every calcified voxel: 1 + position in `TissuePlane`; 0 elsewhere in the body.

    It stays with the CT when the label map of a study is drawn on another series.

    Parameters
    ----------
    found : Calcinosis
        In the box.
    frame : AxialFrame
        Of the stored series.
    box : tuple of 3 slices
        The part of the scan that was assessed, in axial axes.
    """
    table = np.zeros(int(found.numbers.max()) + 1, np.float32)
    planes = list(TissuePlane)
    for component in found.components:
        table[component.number] = 1 + planes.index(TissuePlane(component.plane))
    codes = _in_scan(table[found.numbers], frame, box)
    body = _in_scan(found.body, frame, box)
    return ParametricMap("calcinosis_plane", codes, body | (codes > 0), frame.grid, Unit.ONE, METHOD)


def _in_scan(part: NDArray[_Scalar], frame: AxialFrame, box: Box) -> NDArray[_Scalar]:
    """An array of the box on the grid of the stored series, 0 around it."""
    whole = np.zeros(frame.axial_grid.shape, part.dtype)
    whole[box] = part
    return frame.from_axial(whole)


def calcium_labels(found: Calcinosis, frame: AxialFrame, box: Box) -> LabelMap:
    """Bone, body cavity and every component, on the grid of the stored series.

    Notes
    -----
    A component's level reads ``"component 7: fascial sheet"``; numbers start at 11.
    """
    labels = np.zeros(found.numbers.shape, np.uint16)
    legend = {1: Region("bone"), 2: Region("body_cavity")}
    labels[found.bone] = 1
    labels[found.cavity & (labels == 0)] = 2
    inside = found.numbers > 0
    labels[inside] = np.minimum(found.numbers[inside] + 10, np.iinfo(np.uint16).max).astype(np.uint16)
    for c in found.components:
        side: Side | None = c.side
        legend[c.number + 10] = Region("calcification", side, f"component {c.number}: {c.plane} {c.shape}")
    return LabelMap(_in_scan(labels, frame, box), frame.grid, legend, source=METHOD, notes=found.notes)


def _quality(series: Series, found: Calcinosis) -> tuple[QualityCheck, ...]:
    acquisition = series.acquisition
    sharp = is_sharp_kernel(acquisition.convolution_kernel)
    kernel = acquisition.convolution_kernel or "not stated"
    contrast = acquisition.contrast_agent
    cut = bool(found.body[0].any() or found.body[-1].any() or found.body[:, 0].any() or found.body[:, -1].any())
    return (
        QualityCheck(
            "CT completeness",
            not series.defects,
            f"only this part was assessed: {'; '.join(series.defects)}" if series.defects else "no slice is missing",
        ),
        QualityCheck(
            "CT slice thickness",
            _thickness(series) <= 1.5,
            f"{_thickness(series):.2f} mm; planes: {found.detail} (all planes up to 1.5 mm, with a warning up to 3 mm)",
        ),
        QualityCheck(
            "CT kernel",
            None if acquisition.convolution_kernel is None else not sharp,
            f"kernel {kernel}" + ("; it sharpens edges and noise, volumes and masses may be off" if sharp else ""),
        ),
        QualityCheck(
            "CT contrast medium",
            None if contrast is None else not contrast,
            "contrast medium was given: vessels were sought and the threshold raised"
            if contrast
            else ("no contrast medium stated" if contrast is None else "no contrast medium"),
        ),
        QualityCheck(
            "CT noise",
            found.noise_hu <= 36.0,
            f"{found.noise_hu:.0f} HU in lean tissue (phantoms were tested up to 36 HU)",
        ),
        QualityCheck(
            "CT field of view",
            not cut,
            "the body is cut by the image edge; calcium beyond it was not seen"
            if cut
            else "the outline is inside the image",
        ),
    )


STAGES = (
    Stage(
        "calcinosis",
        5,
        QUANTITIES,
        _select,
        _run,
        uses=("tissues", "muscles", "person-labels"),
        without=missing_calcium,
    ),
)
