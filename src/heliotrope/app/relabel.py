"""A corrected label map for a finished analysis: a new revision, and only what depends on it runs again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from heliotrope.app import output_folder
from heliotrope.app.analyze import Outcome, analyze_study
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.person_labels import require_label_file
from heliotrope.app.pipeline import Progress
from heliotrope.domain.errors import FileFormatError, StudyError
from heliotrope.domain.images import LabelMap
from heliotrope.io import nifti, read_study
from heliotrope.io.atomic import write_bytes, write_text
from heliotrope.segment.transfer import resample_labels

SOURCE = ".source.json"
"""Where the study of a result folder lies; stays on this machine and goes into no report."""
REVISIONS = "revisions"
"""Folder of the label revisions, each with its legend, and of ``revisions.json``."""


@dataclass(frozen=True, eq=False)
class Relabeling:
    """What a relabeling did.

    Parameters
    ----------
    outcome : Outcome
    revision : int
        1 for the first correction of this result folder.
    reran, reused : tuple of str
        Names of stages.
    changes : tuple of dict
        Structure, side, milliliters before and after.
    """

    outcome: Outcome
    revision: int
    reran: tuple[str, ...]
    reused: tuple[str, ...]
    changes: tuple[dict[str, Any], ...]


def remember_source(folder: Path, study_path: Path, options: AnalyzeOptions) -> None:
    """Note where the study of a result folder lies, for a later `relabel`."""
    note = {"study": str(study_path.resolve()), "role": options.role, "key": options.study}
    write_text(folder / SOURCE, json.dumps(note, indent=2) + "\n")


def relabel(
    folder: Path,
    labels: Path,
    *,
    study_path: Path | None,
    by: str | None,
    progress: Progress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Relabeling:
    """Put corrected labels in the place of a result folder's labels.

    Parameters
    ----------
    folder : Path
        A result folder of `analyze`.
    labels : Path
        NIfTI; its legend is ``NAME.json`` beside it, else the folder's own ``labels.json``.
    study_path : Path or None
        Where the study lies now; None where it was.
    by : str or None
        Who corrected; kept with the revision.

    Raises
    ------
    StudyError
        The folder holds no finished analysis, or its study is not where it was.
    FileFormatError
        The labels or their legend are missing or cannot be read.
    """
    require_label_file(labels)
    record = _finished_run(folder)
    options = _options_of(record)
    study = read_study(
        _source(folder, study_path, options),
        role=options.role,
        study_key=options.study,
        pixel_size_mm=options.pixel_size_mm,
    )
    before = _labels_of(folder)
    history = _history(folder)
    number = len(history) + 1
    kept = _keep_revision(folder, labels, number)
    try:
        outcome = analyze_study(study, folder, options.overridden_by(labels=str(kept)), progress=progress)
    except BaseException:
        for file in (kept, _legend_beside(kept)):
            file.unlink(missing_ok=True)
        raise
    reran = tuple(step.name.split("/")[0] for step in outcome.run.result.methods if not step.reused)
    reused = tuple(step.name.split("/")[0] for step in outcome.run.result.methods if step.reused)
    changes = _changes(before, outcome.run.result.labels)
    entry = {
        "revision": number,
        "made_at": now().isoformat(timespec="seconds"),
        "by": by,
        "file": kept.name,
        "sha256": hashlib.sha256(kept.read_bytes()).hexdigest(),
        "stages_run": list(reran),
        "changes": list(changes),
    }
    plain = {"schema": "heliotrope-label-revisions/1", "revisions": [*history, entry]}
    write_text(folder / REVISIONS / "revisions.json", json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    return Relabeling(outcome, number, reran, reused, changes)


def _finished_run(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / output_folder.MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("options"), dict):
        raise StudyError(
            f"folder {folder.name!r} holds no finished analysis",
            hint="run heliotrope analyze STUDY --out DIR first",
            code="E_NO_RESULT",
        )
    return record


def _options_of(record: dict[str, Any]) -> AnalyzeOptions:
    replaced = {"labels", "labels_from", "engine", "engine_task"}
    kept = {name: value for name, value in record["options"].items() if name not in replaced}
    return AnalyzeOptions.from_plan(kept)


def _source(folder: Path, given: Path | None, options: AnalyzeOptions) -> Path:
    if given is not None:
        remember_source(folder, given, options)
        return given
    try:
        path = Path(json.loads((folder / SOURCE).read_text(encoding="utf-8"))["study"])
    except (OSError, ValueError, KeyError, TypeError):
        path = None
    if path is None or not path.exists():
        raise StudyError(
            "the study of this result folder is not where it was",
            hint="name its place with --study-path PATH",
            code="E_STUDY_MOVED",
        )
    return path


def _labels_of(folder: Path) -> LabelMap | None:
    file = folder / "labels.nii.gz"
    return nifti.read_labels(file, folder / "labels.json") if file.is_file() else None


def _history(folder: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads((folder / REVISIONS / "revisions.json").read_text(encoding="utf-8"))["revisions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in found if isinstance(entry, dict)]


def _legend_beside(image: Path) -> Path:
    return image.with_name(nifti.nifti_stem(image.name) + ".json")


def _keep_revision(folder: Path, labels: Path, number: int) -> Path:
    """Copy the corrected labels and their legend into the result folder."""
    if not labels.is_file() or not nifti.is_nifti_name(labels.name):
        raise FileFormatError(
            f"{labels.name}: corrected labels must be a NIfTI file",
            hint="give NAME.nii.gz, as saved by your editor",
            code="E_FILE",
        )
    legend = _legend_beside(labels)
    if not legend.is_file():
        legend = folder / "labels.json"
    if not legend.is_file():
        raise FileFormatError(
            f"no legend for {labels.name}", hint=f"write {_legend_beside(labels).name} beside it", code="E_LEGEND"
        )
    (folder / REVISIONS).mkdir(exist_ok=True)
    ending = ".nii.gz" if labels.name.lower().endswith(".gz") else ".nii"
    kept = folder / REVISIONS / f"{number:03d}{ending}"
    write_bytes(kept, labels.read_bytes())
    write_bytes(_legend_beside(kept), legend.read_bytes())
    return kept


def _changes(before: LabelMap | None, after: LabelMap | None) -> tuple[dict[str, Any], ...]:
    """Volumes per structure and side that differ."""
    if after is None:
        return ()
    earlier = None if before is None else resample_labels(before, after.grid)
    regions = {(r.structure, r.side) for r in after.legend.values()}
    regions |= set() if earlier is None else {(r.structure, r.side) for r in earlier.legend.values()}
    found = []
    for structure, side in sorted(regions, key=str):
        new = _mask(after, structure, side)
        old = np.zeros_like(new) if earlier is None else _mask(earlier, structure, side)
        changed = int(np.count_nonzero(new != old))
        if changed:
            voxel_ml = after.grid.voxel_volume_mm3 / 1000.0
            found.append(
                {
                    "structure": structure,
                    "side": side,
                    "changed_voxels": changed,
                    "before_ml": round(int(np.count_nonzero(old)) * voxel_ml, 3),
                    "after_ml": round(int(np.count_nonzero(new)) * voxel_ml, 3),
                }
            )
    return tuple(found)


def _mask(labels: LabelMap, structure: str, side: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    numbers = [n for n, region in labels.legend.items() if region.structure == structure and region.side == side]
    return np.isin(labels.labels, numbers)
