"""Results to plain JSON values and back; the shapes here are the published result schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heliotrope.domain.anatomy import STRUCTURES, Region, Side
from heliotrope.domain.findings import Finding, FindingKind, Place
from heliotrope.domain.images import ParametricMap
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import MethodStep, NotAssessed, QualityCheck
from heliotrope.domain.study import FileRecord, Series
from heliotrope.domain.truth import Truth
from heliotrope.domain.units import Unit

Plain = dict[str, Any]


def region_to_plain(region: Region) -> Plain:
    """``{"structure", "side", "level"}``."""
    return {"structure": region.structure, "side": region.side, "level": region.level}


def region_from_plain(plain: Mapping[str, Any]) -> Region:
    """Inverse of `region_to_plain`."""
    side = plain["side"]
    return Region(plain["structure"], None if side is None else Side(side), plain["level"])


def missing_to_plain(missing: Missing | None) -> Plain | None:
    """``{"code", "reason"}`` or None."""
    return None if missing is None else {"code": missing.code, "reason": missing.reason}


def missing_from_plain(plain: Mapping[str, Any] | None) -> Missing | None:
    """Inverse of `missing_to_plain`."""
    return None if plain is None else Missing(plain["code"], plain["reason"])


def measurement_to_plain(measurement: Measurement) -> Plain:
    """One row of ``result.json``'s ``measurements``."""
    return {
        "region": region_to_plain(measurement.region),
        "quantity": measurement.quantity,
        "statistic": measurement.statistic,
        "value": measurement.value,
        "unit": measurement.unit,
        "missing": missing_to_plain(measurement.missing),
        "ci95": None if measurement.ci95 is None else list(measurement.ci95),
        "n_voxels": measurement.n_voxels,
        "method": measurement.method,
        "evidence": list(measurement.evidence),
        "notes": list(measurement.notes),
    }


def measurement_from_plain(plain: Mapping[str, Any]) -> Measurement:
    """Inverse of `measurement_to_plain`."""
    ci95 = plain["ci95"]
    return Measurement(
        region=region_from_plain(plain["region"]),
        quantity=plain["quantity"],
        statistic=plain["statistic"],
        value=plain["value"],
        unit=Unit(plain["unit"]),
        method=plain["method"],
        missing=missing_from_plain(plain["missing"]),
        ci95=None if ci95 is None else (ci95[0], ci95[1]),
        n_voxels=plain["n_voxels"],
        evidence=tuple(plain["evidence"]),
        notes=tuple(plain["notes"]),
    )


def finding_to_plain(finding: Finding) -> Plain:
    """One row of ``result.json``'s ``findings``."""
    return {
        "kind": finding.kind,
        "present": finding.present.value,
        "statement": finding.statement,
        "regions": [region_to_plain(region) for region in finding.regions],
        "measurements": [measurement_to_plain(measurement) for measurement in finding.measurements],
        "limits": list(finding.limits),
        "evidence": list(finding.evidence),
        "details": dict(finding.details),
        "places": [
            {"position_mm": list(place.position_mm), "radius_mm": place.radius_mm, "volume_mm3": place.volume_mm3}
            for place in finding.places
        ],
        "frame": finding.frame,
    }


def finding_from_plain(plain: Mapping[str, Any]) -> Finding:
    """Inverse of `finding_to_plain`."""
    return Finding(
        kind=FindingKind(plain["kind"]),
        present=Truth.of(plain["present"]),
        statement=plain["statement"],
        regions=tuple(region_from_plain(region) for region in plain["regions"]),
        measurements=tuple(measurement_from_plain(row) for row in plain["measurements"]),
        limits=tuple(plain["limits"]),
        evidence=tuple(plain["evidence"]),
        details=dict(plain["details"]),
        places=tuple(
            Place(_position(row["position_mm"]), row["radius_mm"], row["volume_mm3"]) for row in plain["places"]
        ),
        frame=plain["frame"],
    )


def _position(plain: list[float]) -> tuple[float, float, float]:
    return (plain[0], plain[1], plain[2])


def not_assessed_to_plain(item: NotAssessed) -> Plain:
    """One row of ``result.json``'s ``not_assessed``."""
    return {"quantity": item.quantity, "missing": missing_to_plain(item.missing)}


def not_assessed_from_plain(plain: Mapping[str, Any]) -> NotAssessed:
    """Inverse of `not_assessed_to_plain`."""
    return NotAssessed(plain["quantity"], Missing(plain["missing"]["code"], plain["missing"]["reason"]))


def quality_to_plain(check: QualityCheck) -> Plain:
    """One row of ``result.json``'s ``quality``."""
    return {"name": check.name, "passed": check.passed, "detail": check.detail}


def quality_from_plain(plain: Mapping[str, Any]) -> QualityCheck:
    """Inverse of `quality_to_plain`."""
    return QualityCheck(plain["name"], plain["passed"], plain["detail"])


def method_to_plain(step: MethodStep) -> Plain:
    """One row of ``result.json``'s ``methods``; timings stand in ``run.json`` alone."""
    return {
        "name": step.name,
        "sentence": step.sentence,
        "evidence": list(step.evidence),
        "series": list(step.series),
        "delivered": list(step.delivered),
    }


def map_to_plain(quantity_map: ParametricMap, file_name: str) -> Plain:
    """One row of ``result.json``'s ``maps``."""
    return {
        "quantity": quantity_map.quantity,
        "file": file_name,
        "unit": quantity_map.unit,
        "method": quantity_map.method,
        "flags": list(quantity_map.flags),
        "invalid_reasons": dict(quantity_map.invalid_reasons),
    }


def legend_to_plain(legend: Mapping[int, Region]) -> Plain:
    """``labels.json``: label number to structure, side and codes."""
    return {
        str(number): {
            "structure": region.structure,
            "side": region.side,
            "level": region.level,
            "codes": dict(STRUCTURES[region.structure].codes),
        }
        for number, region in sorted(legend.items())
    }


def series_to_plain(series: Series, *, show_identifiers: bool) -> Plain:
    """What a series is, why, and how it was acquired."""
    acquisition = series.acquisition
    grid = series.grid
    plain: Plain = {
        "key": series.key,
        "number": series.number,
        "role": series.role,
        "reason": series.role_reason,
        "modality": acquisition.modality,
        "shape": None if grid is None else [*grid.shape, series.n_frames],
        "spacing_mm": None if grid is None else [round(value, 4) for value in grid.spacing_mm],
        "axes": None if grid is None else "".join(grid.axis_codes),
        "frame": None if grid is None else grid.frame_key,
        "slice_thickness_mm": acquisition.slice_thickness_mm,
        "field_strength_t": acquisition.field_strength_t,
        "repetition_time_ms": acquisition.repetition_time_ms,
        "echo_times_ms": list(acquisition.echo_times_ms),
        "inversion_time_ms": acquisition.inversion_time_ms,
        "flip_angle_deg": acquisition.flip_angle_deg,
        "b_values_s_per_mm2": sorted(set(acquisition.b_values_s_per_mm2)),
        "tube_voltage_kv": acquisition.tube_voltage_kv,
        "convolution_kernel": acquisition.convolution_kernel,
        "contrast_agent": acquisition.contrast_agent,
        "manufacturer": acquisition.manufacturer,
        "model": acquisition.model,
        "body_part_claimed": acquisition.body_part_claimed,
        "n_files": len({frame.path for item in (series, *series.stations) for frame in item.frames}),
        "defects": list(series.defects),
        "synthetic": series.synthetic,
    }
    if series.stations:
        plain["stations"] = [series_to_plain(item, show_identifiers=show_identifiers) for item in series.stations]
    if show_identifiers:
        plain |= {"uid": series.uid, "description": series.description}
    return plain


def file_to_plain(record: FileRecord) -> Plain:
    """One row of the accounting of files."""
    return {
        "path": record.path,
        "outcome": record.outcome,
        "reason": record.reason,
        "code": record.code,
        "sha256": record.sha256,
    }
