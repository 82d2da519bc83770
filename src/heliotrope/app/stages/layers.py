"""The stage that reads the layers around muscle on STIR: deep fascia, subcutis and skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.app.stages.measurements import SEED
from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import GeometryError, QualityRefusal
from heliotrope.domain.findings import Finding
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import NotAssessed
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.findings.layers import fascia_finding, skin_finding, subcutis_finding
from heliotrope.measure.compartment_layers import measure_compartment_layers
from heliotrope.measure.edema_mask import DENSE_STRANDS, FAILED_REACH_MM, find_failed_fat
from heliotrope.measure.layers import (
    METHOD,
    gather_places,
    layer_measurements,
    measure_skin,
    sample_fascia,
    sample_subcutis,
    share_also_bright,
)
from heliotrope.measure.morphometry import cuts_across, slice_axis
from heliotrope.measure.on_grid import values_on
from heliotrope.measure.regions import is_lean
from heliotrope.segment.label_coverage import LEAST_COVERED, covered_share

QUANTITIES = (
    Quantity(
        "fascia_extent",
        "Perifascial signal",
        Unit.PERCENT,
        "Share of the deep fascia with more signal than both its sides; diluted by the pixel, so only change has a "
        "meaning.",
    ),
    Quantity(
        "fascia_arc", "Longest perifascial arc", Unit.MILLIMETER, "Longest unbroken perifascial signal in a slice."
    ),
    Quantity(
        "subcutis_extent",
        "Subcutaneous signal",
        Unit.PERCENT,
        "Share of the subcutis brighter than its usual signal; veins and poor fat suppression can look alike.",
    ),
    Quantity("subcutis_reticular", "Reticular index", Unit.ONE, "Share of that signal on thin sheets, 0 to 1."),
    Quantity(
        "skin_signal",
        "Signal of the skin",
        Unit.ONE,
        "Median STIR signal of the skin over normal muscle; no limit of normal is published, so only change and the "
        "difference between sides have a meaning.",
    ),
    Quantity(
        "subcutis_edema",
        "Subcutaneous signal in each voxel",
        Unit.PERCENT,
        "100 where the subcutis is brighter than its usual signal, 0 elsewhere in the layer that could be judged; "
        "kept so that later calcification at the same place can be found.",
    ),
)

LOWEST_B, HIGHEST_B, SAME_SHELL = 300.0, 1200.0, 60.0
"""Weakest and strongest weighting read for the fascia, and the reach of one shell. Project rule. [s/mm2]"""

_OUTSIDE = frozenset({"skin", "subcutaneous_fat", "fiducial", "body", "limb"})


def _select(study: Study) -> tuple[Series, ...] | Missing:
    for role in (Role.STIR, Role.T2_FAT_SUPPRESSED):
        found = [series for series in study.with_role(role) if series.grid is not None]
        if found:
            return (max(found, key=lambda s: int(np.prod(s.grid.shape)) if s.grid else 0),)
    return Missing("M_NO_SERIES", "Fascia and subcutis need STIR or fat-suppressed T2.")


def _run(given: StageInput) -> StageOutput:
    layers = given.maps.get("stir_layers")
    if given.labels is None or layers is None:
        reason = Missing("M_NO_REFERENCE", "There is no signal of normal muscle on STIR to compare the layers with.")
        return StageOutput(
            sentence="", not_assessed=tuple(NotAssessed(quantity.key, reason) for quantity in QUANTITIES)
        )
    raw = np.asarray(given.read_volume(given.series[0]).frame(0).data, dtype=np.float64)
    labels = given.labels_on(layers.grid)
    values = np.where(layers.valid, layers.values, np.nan).astype(np.float64)
    diffusion = _diffusion_weighted(given, labels)
    findings: list[Finding] = []
    measurements: list[Measurement] = []
    generator = np.random.default_rng(SEED)
    edema = np.zeros(layers.grid.shape, dtype=bool)
    judged = np.zeros_like(edema)
    for side in Side:
        subcutis = labels.mask_where(structure="subcutaneous_fat", side=side)
        inside = np.isin(
            labels.labels,
            [n for n, region in labels.legend.items() if region.side is side and region.structure not in _OUTSIDE],
        )
        if not subcutis.any() or not inside.any():
            continue
        failed = find_failed_fat(raw, subcutis, layers.grid, uneven_above=DENSE_STRANDS)
        if failed.any():
            failed = ndimage.distance_transform_edt(~failed, sampling=layers.grid.spacing_mm) <= FAILED_REACH_MM / 2.0
        skin_label = labels.mask_where(structure="skin", side=side)
        whole = _drawn_whole(inside, subcutis, skin_label, layers.grid)
        inside = inside & np.expand_dims(whole, [a for a in range(3) if a != slice_axis(layers.grid)])
        fascia = sample_fascia(values, inside, subcutis, failed, layers.grid)
        strands = sample_subcutis(values, subcutis, raw, layers.grid)
        gaps = _gaps(whole)
        rows = layer_measurements(side, fascia, strands, layers.grid, generator=generator, gaps=gaps)
        measurements.extend(rows)
        measurements.extend(
            measure_compartment_layers(side, fascia, strands, labels, generator=generator, drawn_whole=whole)
        )
        share = None
        if fascia is not None and diffusion is not None:
            weighted = sample_fascia(diffusion, inside, subcutis, failed, layers.grid)
            share = None if weighted is None else share_also_bright(fascia, weighted)
        findings.append(fascia_finding(side, fascia, rows, diffusion_share=share, gaps=gaps))
        places = () if strands is None else gather_places(strands.edema, layers.grid)
        findings.append(subcutis_finding(side, strands, rows, places=places, frame=layers.grid.frame_key))
        skin = measure_skin(side, values, skin_label, layers.grid, generator=generator)
        measurements.append(skin)
        findings.append(skin_finding(skin))
        if strands is not None:
            edema |= strands.edema
            judged |= strands.judged
    if not findings:
        raise QualityRefusal(
            "the labels hold no subcutaneous fat with a side",
            hint="label subcutaneous fat and what lies inside the fascia, left and right",
            code="E_NO_LABELS",
        )
    return StageOutput(
        sentence=(
            "Signal at the deep fascia was sampled along 360 rays per slice and compared with both its sides; "
            "strands of the subcutis were compared with its usual signal, 2 mm off skin and fascia; signal of the skin "
            "was measured and not judged."
        ),
        evidence=("fascia-rule", "skin-signal"),
        maps={} if not judged.any() else {"subcutis_edema": _edema_map(edema, judged, layers)},
        measurements=tuple(measurements),
        findings=tuple(findings),
    )


def _drawn_whole(
    inside: NDArray[np.bool_], subcutis: NDArray[np.bool_], skin: NDArray[np.bool_], grid: Grid
) -> NDArray[np.bool_]:
    """Slices in which nearly all that lies deep to the fascia of a limb has a label; all where slices lie along it."""
    axis = slice_axis(grid)
    if not cuts_across(grid):
        return np.ones(grid.shape[axis], dtype=bool)
    deep, outside = (np.moveaxis(mask, axis, 0) for mask in (inside, subcutis | skin))
    shares = [covered_share(core, cover) for core, cover in zip(deep, outside, strict=True)]
    return np.array(shares) >= LEAST_COVERED


def _gaps(whole: NDArray[np.bool_]) -> str:
    """Why slices were left out; empty where none was."""
    left_out = int(np.count_nonzero(~whole))
    if not left_out:
        return ""
    return (
        f"In {left_out} of {whole.size} slices less than {100 * LEAST_COVERED:.0f} % of what lies deep to the fascia "
        "has a label, and the fascia was not looked at there: draw all muscle, not single ones."
    )


def _diffusion_weighted(given: StageInput, labels: LabelMap) -> NDArray[np.float64] | None:
    """Mean diffusion-weighted image of the highest usable b-value over its median in muscle, on the grid of the labels.

    None where the study has none in the same space.
    """
    lean = np.isin(labels.labels, [n for n, region in labels.legend.items() if is_lean(region)])
    for series in given.study.with_role(Role.DWI):
        b_values = np.asarray(series.acquisition.b_values_s_per_mm2, dtype=np.float64)
        usable = b_values[(b_values >= LOWEST_B) & (b_values <= HIGHEST_B)]
        if series.grid is None or usable.size == 0 or b_values.size != series.n_frames:
            continue
        volume = given.read_volume(series)
        shell = np.flatnonzero(np.abs(b_values - usable.max()) < SAME_SHELL)
        mean = np.mean([np.asarray(volume.frame(int(k)).data, dtype=np.float64) for k in shell], axis=0)
        try:
            values = values_on(mean, volume.grid, labels.grid)
        except GeometryError:
            continue
        middle = float(np.nanmedian(values[lean])) if lean.any() else 0.0
        if middle > 0.0:
            return values / middle
    return None


def _edema_map(edema: NDArray[np.bool_], judged: NDArray[np.bool_], layers: ParametricMap) -> ParametricMap:
    percent = np.where(edema, 100.0, 0.0).astype(np.float32)
    return ParametricMap("subcutis_edema", percent, judged, layers.grid, Unit.PERCENT, METHOD, layers.flags)


STAGES: tuple[Stage, ...] = (
    Stage("layers", 10, QUANTITIES, _select, _run, uses=("tissues", "muscles", "person-labels", "edema", "alignment")),
)
