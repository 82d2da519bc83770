"""From a study path to a folder of results."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import heliotrope
from heliotrope import report
from heliotrope.app import codec, output_folder
from heliotrope.app.earlier_labels import read_earlier_visit
from heliotrope.app.engines import EngineSettings, make_engine
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.person_labels import read_person_labels
from heliotrope.app.pipeline import Failure, PipelineRun, Progress, chosen_stages, run_stages
from heliotrope.app.registry import STAGES
from heliotrope.app.result_document import IMAGES_BESIDE, LABELED_IMAGE, further_labels_file, result_to_plain
from heliotrope.app.stage import Stage
from heliotrope.app.stages.labels import PERSON_LABELS, with_engine
from heliotrope.app.stations import StationReader, on_one_stretch, placed_in_order, with_stations
from heliotrope.app.store import PictureStore, StageStore
from heliotrope.domain.errors import StudyError
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.study import FileOutcome, Role, Study
from heliotrope.io import nifti, read_volume, tables
from heliotrope.stations.place import StationOrder

_NO_LIMB = frozenset({"E_NOT_A_LIMB", "E_NO_LIMB"})

_PROJECTIONS = {Role.RADIOGRAPH, Role.ULTRASOUND}
_RECORDED_LIBRARIES = ("numpy", "scipy", "numba", "pydicom", "nibabel", "SimpleITK", "scikit-image")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run left behind.

    Parameters
    ----------
    status : str
        ``"complete"``, ``"partial"`` (a permitted stage failed, or nothing could be
        assessed) or ``"refused"`` (nothing could be delivered).
    document : dict
        Content of ``result.json``.
    """

    folder: Path
    status: str
    run: PipelineRun
    document: dict[str, Any]

    @property
    def report_path(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"


def analyze_study(
    study: Study,
    out: Path,
    options: AnalyzeOptions,
    *,
    progress: Progress,
    stages: tuple[Stage, ...] = STAGES,
    engines: EngineSettings | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Outcome:
    """Run all stages the study permits and write the results.

    Parameters
    ----------
    study : Study
    out : Path
        Folder for ``report.html``, ``result.json``, ``measurements.csv``, ``maps/``, ``labels.nii.gz``,
        ``labels.json``, ``image.nii.gz`` and ``run.json``; with calcium of a CT also ``ct.nii.gz`` and, beside labels
        of tissues, ``labels-calcinosis.nii.gz`` with its legend.
    engines : EngineSettings or None
        Where the engine of the options finds its program, weights and license key.

    Raises
    ------
    StudyError
        No series of the study holds a usable image (``E_NO_USABLE_SERIES``).
    EngineError
        The engine of the options is not ready, or the study has no image for it.
    OutputError
        `out` cannot be written or holds something else.
    """
    if all(series.grid is None for series in study.series) and not any(
        series.role in _PROJECTIONS for series in study.series
    ):
        raise StudyError(
            f"no usable series: none of {len(study.series)} series holds an image with a known geometry",
            hint="`heliotrope inspect` shows each series and what is wrong with it",
            code="E_NO_USABLE_SERIES",
        )
    output_folder.prepare(out)
    if options.station_order is not None:
        study = placed_in_order(study, StationOrder(options.station_order), read_volume)
    study = with_stations(study)
    # labels that fit nothing are refused before anything runs
    drawn_on = None if options.labels is None else read_person_labels(Path(options.labels), study)[1]
    study = on_one_stretch(study, drawn_on)
    reader = StationReader(study, read_volume)
    if options.labels_from is not None:
        read_earlier_visit(Path(options.labels_from), study)
    if options.engine is not None:
        engine = make_engine(options.engine, engines or EngineSettings(), options.engine_task)
        stages = with_engine(stages, engine, study)
    started = now()
    with output_folder.writing(out):
        run = run_stages(
            study,
            chosen_stages(stages, options.only),
            options,
            read_volume=reader,
            harmony_of=reader.harmony_of,
            store=StageStore(out / output_folder.STAGES_FOLDER),
            progress=progress,
        )
    result = replace(run.result, provenance=_provenance(options, started))
    status = _status(run)
    document = result_to_plain(result, status=status, failures=run.failures, show_identifiers=options.show_identifiers)
    with output_folder.publishing(out) as fresh:
        _write(fresh, result, document, earlier=out, show_identifiers=options.show_identifiers)
        _write_run_record(fresh, run, options, started, now())
    return Outcome(out, status, run, document)


def _status(run: PipelineRun) -> str:
    delivered = bool(run.result.maps) or any(item.value is not None for item in run.result.measurements)
    hindrances = hindering(run)
    if hindrances and not delivered:
        return "refused"
    return "complete" if delivered and not hindrances else "partial"


def hindering(run: PipelineRun) -> tuple[Failure, ...]:
    """Failures that keep a run from being complete.

    Where no limb is seen whose tissues could be labeled, as in a trunk or a whole body, a CT that was read for calcium
    and a study with labels of a person or an engine are complete all the same: the refusal is stated.
    """
    served = any(
        step.name.startswith("calcinosis/") or (step.name.startswith(f"{PERSON_LABELS}/") and step.sentence)
        for step in run.result.methods
    )
    return tuple(f for f in run.failures if not (served and f.stage == "tissues" and f.code in _NO_LIMB))


def _provenance(options: AnalyzeOptions, started: datetime) -> dict[str, str]:
    return {
        "heliotrope": heliotrope.__version__,
        "python": platform.python_version(),
        "analyzed_at": started.isoformat(timespec="seconds"),
        "identifiers": "shown" if options.show_identifiers else "withheld",
    }


def _write(
    folder: Path, result: AnalysisResult, document: dict[str, Any], *, earlier: Path, show_identifiers: bool
) -> None:
    """Write the results of a run to `folder`; images and pictures that the `earlier` run wrote alike are taken over."""
    (folder / "maps").mkdir()
    for name, item in result.maps.items():
        file = f"maps/{name}.nii.gz"
        nifti.write_map(folder / file, item, earlier=earlier / file)
    if result.labels is not None:
        nifti.write_labels(folder / "labels.nii.gz", result.labels)
        _write_json(folder / "labels.json", codec.legend_to_plain(result.labels.legend))
        if "labels" in result.backgrounds:
            nifti.write_volume(folder / LABELED_IMAGE, result.backgrounds["labels"], earlier=earlier / LABELED_IMAGE)
    for name, labels in result.further_labels.items():
        nifti.write_labels(folder / further_labels_file(name), labels)
    for name, file in IMAGES_BESIDE.values():
        if name in result.backgrounds:
            nifti.write_volume(folder / file, result.backgrounds[name], earlier=earlier / file)
    (folder / "measurements.csv").write_text(
        tables.measurements_to_csv(result.measurements), encoding="utf-8", newline=""
    )
    album = PictureStore(earlier / output_folder.PICTURES_FOLDER)
    with report.taking_from(album):
        page = report.to_html(report.build(result, show_identifiers=show_identifiers))
    album.forget_unused()
    (folder / "report.html").write_text(page, encoding="utf-8")
    _write_json(folder / "result.json", document)


def _write_run_record(
    folder: Path, run: PipelineRun, options: AnalyzeOptions, started: datetime, ended: datetime
) -> None:
    plain_options = asdict(options)
    for name in ("labels", "labels_from"):
        if plain_options[name] is not None:
            plain_options[name] = Path(plain_options[name]).name
    record = {
        "schema": "heliotrope-run/1",
        "heliotrope": heliotrope.__version__,
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in _RECORDED_LIBRARIES},
        "started": started.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "options": plain_options,
        "inputs": [
            codec.file_to_plain(record)
            for record in run.result.study.files
            if record.outcome is not FileOutcome.SKIPPED or record.sha256
        ],
        "stages": [
            {
                "name": step.name,
                "key": run.keys[step.name.split("/")[0]],
                "seconds": round(step.seconds, 3),
                "reused": step.reused,
            }
            for step in run.result.methods
        ],
        "failures": [asdict(failure) for failure in run.failures],
        "outputs": sorted(entry.name for entry in folder.iterdir()),
    }
    _write_json(folder / output_folder.MARKER, record)


def _write_json(path: Path, plain: dict[str, Any]) -> None:
    path.write_text(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
