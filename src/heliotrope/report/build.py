"""`AnalysisResult` to `Document`."""

from __future__ import annotations

from heliotrope.domain.findings import FindingKind
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import AnalysisResult
from heliotrope.evidence.model import Status
from heliotrope.report.calcium_tables import burden_table, calcium_blocks, is_calcium_in_ct
from heliotrope.report.citations import Citations
from heliotrope.report.document import (
    Block,
    BulletItem,
    BulletList,
    Column,
    Document,
    Facts,
    Foldable,
    Notice,
    Paragraph,
    References,
    Row,
    Section,
    Subheading,
    Table,
    Text,
    Tone,
)
from heliotrope.report.inventory import inventory_blocks
from heliotrope.report.kept_apart import kept_apart_table
from heliotrope.report.pictures import label_figure, main_map_figures, supporting_map_figures
from heliotrope.report.plain_pictures import radiograph_figure
from heliotrope.report.profile_charts import profile_figure
from heliotrope.report.scanned import files_list, files_paragraph, role_table, scanner_words, series_table, study_line
from heliotrope.report.spotlights import calcium_figures, target_figure
from heliotrope.report.statements import (
    KIND_TITLES,
    detail_blocks,
    key_findings,
    quality_blocks,
    regional_findings,
    verdict_blocks,
)
from heliotrope.report.station_pictures import station_blocks
from heliotrope.report.tables import (
    is_regional,
    measurement_table,
    missing_rows,
    ordered_quantities,
    page_fulls,
    region_table,
    whole_study_table,
)
from heliotrope.report.vocabulary import capitalized, is_supporting, quantity_title, sentence, words_of


def _shown(result: AnalysisResult) -> tuple[Measurement, ...]:
    """Every number, and every missing one whose quantity the study permits; the others stand among what it does not."""
    refused = {item.quantity for item in result.not_assessed}
    return tuple(m for m in result.measurements if m.value is not None or m.quantity not in refused)


def _titles(result: AnalysisResult) -> dict[str, str]:
    return {key: text.title for key, text in result.quantities.items()}


def build(result: AnalysisResult, *, show_identifiers: bool = False) -> Document:
    """The report of one analysis.

    Parameters
    ----------
    result : AnalysisResult
    show_identifiers : bool
        Also show series descriptions and the study date.

    Returns
    -------
    Document
        First what a clinician reads, then all numbers, methods, evidence and provenance. Equal results give equal
        documents: nothing is read but `result` and the evidence ledger.
    """
    citations = Citations()
    study = result.study
    sections = [
        _scanned(result, show_identifiers=show_identifiers),
        Section("quality", "Image quality and checks", quality_blocks(result, citations)),
        _findings(result, citations),
        _by_muscle(result, citations),
        _pictures(result),
        _own_sections(result),
        _regions(result),
        _not_assessed(result),
        _criteria(result, citations),
        _all_numbers(result, citations),
        _methods(result, citations),
        _references(citations),
        _provenance(result),
    ]
    identity = [("Study", study.key)]
    if study.subject_key:
        identity.append(("Subject", study.subject_key))
    scanner = scanner_words(study)
    if scanner:
        identity.append(("Scanner", scanner))
    if show_identifiers and study.acquired_on:
        identity.append(("Acquired", study.acquired_on))
    version = result.provenance.get("heliotrope") or result.provenance.get("version")
    if version:
        identity.append(("Heliotrope", version))
    return Document(
        title="Imaging report",
        subtitle=study_line(study),
        identity=tuple(identity),
        sections=tuple(section for section in sections if section is not None),
        synthetic=study.synthetic,
    )


def _scanned(result: AnalysisResult, *, show_identifiers: bool) -> Section:
    blocks: list[Block] = []
    table = series_table(result.study, show_identifiers=show_identifiers)
    blocks.append(table if table is not None else Notice("No series of a known kind was found in this study."))
    blocks.append(files_paragraph(result.study))
    listed = files_list(result.study)
    if listed is not None:
        blocks.append(Foldable("Files that were skipped or refused", (listed,)))
    return Section("scanned", "What was scanned", tuple(blocks))


def _findings(result: AnalysisResult, citations: Citations) -> Section:
    blocks = key_findings(result.findings, citations)
    if not blocks:
        blocks = (
            Paragraph((Text("No finding was stated. The numbers by region and what could not be assessed follow."),)),
        )
    return Section("findings", "Key findings", blocks)


def _regions(result: AnalysisResult) -> Section:
    measurements = _shown(result)
    quantities = ordered_quantities(m for m in measurements if is_regional(m) and not is_supporting(m.quantity))
    titles = _titles(result)
    pages = page_fulls(measurements, quantities)
    caption = (
        "Numbers by region, each with its 95 % interval where an honest one exists. Right and left are the patient's."
    )
    table = region_table(measurements, pages[0] if pages else (), caption, titles)
    blocks: list[Block] = []
    whole = whole_study_table(measurements, titles)
    if whole is not None:
        blocks.append(whole)
    calcium = burden_table(measurements)
    if calcium is not None:
        blocks.append(calcium)
    if table is not None:
        blocks.append(table)
    if not blocks:
        text = Text("No region could be measured; what could not be assessed, and why, is listed below.")
        blocks.append(Paragraph((text,)))
    further = [
        more
        for page in pages[1:]
        if (more := region_table(measurements, page, "Further numbers by region", titles)) is not None
    ]
    if further:
        blocks.append(Foldable("Further numbers by region", tuple(further)))
    return Section("regions", "Numbers by region", tuple(blocks))


def _pictures(result: AnalysisResult) -> Section | None:
    blocks: list[Block] = [*station_blocks(result)]
    blocks.extend(figure for figure in (label_figure(result), radiograph_figure(result)) if figure is not None)
    blocks.extend(calcium_figures(result))
    blocks.extend(main_map_figures(result.maps, result))
    profile = profile_figure(result)
    if profile is not None:
        blocks.append(profile)
    supporting = supporting_map_figures(result.maps, result)
    if supporting:
        blocks.append(Foldable("Supporting maps", supporting))
    return Section("pictures", "Pictures", tuple(blocks)) if blocks else None


def _not_assessed(result: AnalysisResult) -> Section:
    blocks: list[Block] = []
    if result.not_assessed:
        reasons: dict[Missing, list[str]] = {}
        for item in result.not_assessed:
            reasons.setdefault(item.missing, []).append(quantity_title(item.quantity, _titles(result)))
        rows = tuple(
            Row((Text(sentence(missing.reason), note=missing.code), Text(", ".join(titles))))
            for missing, titles in reasons.items()
        )
        blocks.append(Table("Results this study does not permit", (Column("Why"), Column("Results")), rows))
    missing = missing_rows(_shown(result), _titles(result))
    if missing:
        heading = (Column("Quantity"), Column("Region"), Column("Why"))
        blocks.append(Table("Numbers that could not be had in some regions", heading, missing))
    if not blocks:
        blocks.append(Paragraph((Text("Every result that Heliotrope knows could be assessed."),)))
    return Section("not-assessed", "What could not be assessed, and why", tuple(blocks))


def _by_muscle(result: AnalysisResult, citations: Citations) -> Section | None:
    apart = kept_apart_table(result.measurements)
    blocks = (*(() if apart is None else (apart,)), *regional_findings(result.findings, citations))
    return Section("muscles", "Findings by muscle group and side", blocks) if blocks else None


_DETAILED_KINDS = (
    FindingKind.WHOLE_BODY,
    FindingKind.CALCINOSIS,
    FindingKind.BIOPSY_SITE,
    FindingKind.SCORE,
    FindingKind.CHANGE,
    FindingKind.DIFFERENTIAL,
)


def _own_sections(result: AnalysisResult) -> Section | None:
    """Details behind calcifications, biopsy targets, scores, change and differential."""
    blocks: list[Block] = []
    for kind in _DETAILED_KINDS:
        mine = [finding for finding in result.findings if finding.kind is kind]
        calcium = [finding for finding in mine if is_calcium_in_ct(finding)]
        others = [finding for finding in mine if finding not in calcium and kind is not FindingKind.WHOLE_BODY]
        found = (
            *inventory_blocks(mine),
            *calcium_blocks(calcium, result.measurements),
            *detail_blocks(KIND_TITLES[kind], others),
        )
        if found:
            blocks += [Subheading(KIND_TITLES[kind]), *found]
        if kind is FindingKind.BIOPSY_SITE and (figure := target_figure(result)) is not None:
            blocks.append(figure)
    return Section("details", "Details of findings", tuple(blocks)) if blocks else None


def _criteria(result: AnalysisResult, citations: Citations) -> Section | None:
    blocks = tuple(block for verdict in result.verdicts for block in verdict_blocks(verdict, citations))
    return Section("criteria", "Clinical instruments", blocks) if blocks else None


def _all_numbers(result: AnalysisResult, citations: Citations) -> Section | None:
    measurements = _shown(result)
    blocks: list[Block] = []
    titles = _titles(result)
    for quantity in ordered_quantities(measurements):
        for levels in (False, True):
            table = measurement_table(quantity, measurements, citations, levels=levels, titles=titles)
            if table is not None:
                count = len(table.rows)
                blocks.append(Foldable(f"{table.caption} ({count} row{'' if count == 1 else 's'})", (table,)))
    return Section("numbers", "All measurements", tuple(blocks), new_page=True) if blocks else None


def _methods(result: AnalysisResult, citations: Citations) -> Section:
    runs = tuple(
        Text(sentence(step.sentence), citations.cite(step.evidence)) for step in result.methods if step.sentence
    )
    if not runs:
        runs = (Text("No step ran."),)
    blocks: list[Block] = [Paragraph(runs)]
    shown = {m.quantity for m in result.measurements} | {m.quantity for m in result.maps.values()}
    meanings = tuple((text.title, text.meaning) for key, text in result.quantities.items() if key in shown)
    if meanings:
        blocks.append(Foldable("What the numbers mean", (Facts(meanings),)))
    return Section("methods", "Methods", tuple(blocks))


def _references(citations: Citations) -> Section | None:
    blocks: list[Block] = []
    if citations.references:
        blocks.append(References(citations.references))
    rows = tuple(
        Row(
            (
                Text(statement.text, numbers),
                Text(statement.setting or "any"),
                Text(
                    statement.status.value,
                    tone=Tone.ATTENTION if statement.status is Status.UNVERIFIED else Tone.PLAIN,
                ),
            )
        )
        for statement, numbers in citations.statements
    )
    if rows:
        heading = (Column("Statement"), Column("Holds for"), Column("Status"))
        table = Table("Numbers and rules relied on, and how far each was checked", heading, rows)
        blocks.append(Foldable("What the numbers and limits rest on", (table,)))
    if citations.unknown_keys:
        items = tuple(BulletItem(Text(key)) for key in citations.unknown_keys)
        blocks += [Subheading("Referred to, and not in the evidence ledger"), BulletList(items)]
    return Section("references", "References and evidence", tuple(blocks)) if blocks else None


def _provenance(result: AnalysisResult) -> Section:
    pairs = tuple((capitalized(words_of(key)), value) for key, value in result.provenance.items())
    blocks: list[Block] = [Facts(pairs)] if pairs else [Paragraph((Text("Nothing was recorded."),))]
    roles = role_table(result.study)
    if roles is not None:
        blocks.append(Foldable(roles.caption, (roles,)))
    if result.methods:
        rows = tuple(
            Row((Text(step.name), Text(f"{step.seconds:.1f}"), Text("reused" if step.reused else "computed")))
            for step in result.methods
        )
        heading = (Column("Step"), Column("Time [s]", numeric=True), Column("Result"))
        blocks.append(Foldable("Steps that ran", (Table("Steps in order", heading, rows),)))
    return Section("provenance", "Provenance", tuple(blocks))
