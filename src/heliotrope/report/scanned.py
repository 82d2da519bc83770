"""What was scanned, in plain words: series, geometry, acquisition, files."""

from __future__ import annotations

from collections import Counter

from heliotrope.domain.study import FileOutcome, Modality, Role, Series, Study
from heliotrope.report.display import view_of
from heliotrope.report.document import BulletItem, BulletList, Column, Paragraph, Row, Table, Text
from heliotrope.report.vocabulary import ROLE_TITLES, capitalized, joined, plural, sentence

_MODALITY_TITLES = {
    Modality.MR: "MRI",
    Modality.CT: "CT",
    Modality.RADIOGRAPH: "Radiograph",
    Modality.ULTRASOUND: "Ultrasound",
    Modality.OTHER: "Other images",
}


def _number(value: float, decimals: int = 2) -> str:
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"


def study_line(study: Study) -> str:
    """One line: modality, field strength and what the series are."""
    parts: list[str] = []
    for modality in Modality:
        series = [s for s in study.series if s.acquisition.modality is modality and s.role is not Role.OTHER]
        if not series:
            continue
        fields = sorted({s.acquisition.field_strength_t for s in series if s.acquisition.field_strength_t is not None})
        strength = f" at {joined([_number(f) for f in fields])} T" if fields else ""
        title = _MODALITY_TITLES[modality]
        roles = list(dict.fromkeys(ROLE_TITLES[s.role] for s in series))
        told_twice = [role.casefold() for role in roles] == [title.casefold()]
        parts.append(f"{title}{strength}" + ("" if told_twice else f": {joined(roles)}"))
    return "; ".join(parts) if parts else "No series of a known kind"


def geometry_words(series: Series) -> str:
    """Slices, spacing and pixels in words."""
    if series.grid is None:
        return "no regular volume"
    view = view_of(series.grid)
    spacing = series.grid.spacing_mm[view.slice_axis]
    pixels = f"pixels {_number(view.row_mm)} × {_number(view.column_mm)} mm"
    if series.is_plane_picture:
        shape = f"one picture, {view.n_columns} × {view.n_rows} pixels"
        return f"{shape} of {_number(view.row_mm)} × {_number(view.column_mm)} mm" if series.has_pixel_size else shape
    if view.n_slices == 1:
        return f"1 {view.plane} slice, {pixels}"
    thickness = series.acquisition.slice_thickness_mm
    thick = f"{_number(thickness, 1)} mm thick, " if thickness is not None else ""
    return f"{view.n_slices} {view.plane} slices, {thick}{_number(spacing, 1)} mm apart, {pixels}"


def acquisition_words(series: Series) -> str:
    """Timing and weighting in words; what the header does not say is not mentioned."""
    a = series.acquisition
    words: list[str] = []
    if len(a.echo_times_ms) > 1:
        first, last = _number(a.echo_times_ms[0]), _number(a.echo_times_ms[-1])
        words.append(f"{len(a.echo_times_ms)} echoes, {first} to {last} ms")
    elif a.echo_times_ms:
        words.append(f"echo time {_number(a.echo_times_ms[0])} ms")
    if a.repetition_time_ms is not None:
        words.append(f"repetition time {_number(a.repetition_time_ms, 0)} ms")
    if a.inversion_time_ms is not None:
        words.append(f"inversion time {_number(a.inversion_time_ms, 0)} ms")
    if a.b_values_s_per_mm2:
        values = sorted(set(a.b_values_s_per_mm2))
        listed = joined([_number(b, 0) for b in values]) if len(values) <= 6 else f"0 to {_number(values[-1], 0)}"
        words.append(f"{len(a.b_values_s_per_mm2)} volumes, b {listed} s/mm²")
    if a.tube_voltage_kv is not None:
        words.append(f"{_number(a.tube_voltage_kv, 0)} kV")
    if a.convolution_kernel:
        words.append(f"kernel {a.convolution_kernel}")
    if a.contrast_agent:
        words.append("contrast agent given")
    return ", ".join(words) or "nothing stated in the header"


def series_table(study: Study, *, show_identifiers: bool) -> Table | None:
    """The series of a known kind, one row each."""
    known = [s for s in study.series if s.role is not Role.OTHER]
    if not known:
        return None
    with_remarks = any(series.defects for series in known)
    columns = [Column("Series"), Column("Geometry"), Column("Acquisition")]
    if with_remarks:
        columns.append(Column("Remarks"))
    if show_identifiers:
        columns.insert(1, Column("Description"))
    rows: list[Row] = []
    for series in known:
        cells = [
            Text(f"{ROLE_TITLES[series.role]} ({series.key})", strong=True),
            Text(geometry_words(series) + stations_words(series)),
            Text(capitalized(acquisition_words(series))),
        ]
        if with_remarks:
            cells.append(Text(" ".join(sentence(defect) for defect in series.defects) or "None."))
        if show_identifiers:
            cells.insert(1, Text(series.description or "none"))
        rows.append(Row(tuple(cells)))
    return Table("Series", tuple(columns), tuple(rows))


def stations_words(series: Series) -> str:
    """What a joined series was made of; empty for a series as scanned."""
    if not series.stations:
        return ""
    return f"; joined from {', '.join(station.key for station in series.stations)}"


def role_table(study: Study) -> Table | None:
    """Why each series was taken as what it is."""
    if not study.series:
        return None
    rows = tuple(Row((Text(s.key), Text(ROLE_TITLES[s.role]), Text(sentence(s.role_reason)))) for s in study.series)
    return Table("What each series is, and why", (Column("Series"), Column("Taken as"), Column("Because")), rows)


def scanner_words(study: Study) -> str:
    """Maker and model of every scanner that took part; empty when no header says."""
    scanners = (" ".join(filter(None, (s.acquisition.manufacturer, s.acquisition.model))) for s in study.series)
    return joined(list(dict.fromkeys(name for name in scanners if name)))


def other_series_line(study: Study) -> str:
    """Names the series that are shown nowhere else."""
    others = [s.key for s in study.series if s.role is Role.OTHER]
    if not others:
        return ""
    listed = joined(others) if len(others) <= 12 else joined([*others[:11], f"{len(others) - 11} more"])
    verb = "serves" if len(others) == 1 else "serve"
    return f"{plural(len(others), 'further series', 'further series')} {verb} no result here: {listed}."


def files_paragraph(study: Study) -> Paragraph:
    """How many files were used, skipped and refused."""
    counts = Counter(record.outcome for record in study.files)
    said = [
        f"{counts[FileOutcome.USED]} used",
        f"{counts[FileOutcome.SKIPPED]} skipped",
        f"{counts[FileOutcome.REFUSED]} refused",
    ]
    return Paragraph((Text(f"{plural(len(study.files), 'file')}: {joined(said)}. {other_series_line(study)}".strip()),))


def files_list(study: Study) -> BulletList | None:
    """Why files were skipped or refused, counted by reason; no file names, they may name a person."""
    reasons: Counter[tuple[str, str, str]] = Counter(
        (record.outcome.value, record.code or "", record.reason or "no reason given")
        for record in study.files
        if record.outcome is not FileOutcome.USED
    )
    if not reasons:
        return None
    items = tuple(
        BulletItem(Text(f"{plural(count, 'file')}: {reason}" + (f" [{code}]" if code else "")), mark=outcome)
        for (outcome, code, reason), count in reasons.most_common(20)
    )
    return BulletList(items)
