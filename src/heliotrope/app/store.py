"""Finished stages on disk, so that an interrupted or repeated run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import heliotrope
from heliotrope.app import codec
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import Stage, StageOutput
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.study import FileOutcome, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.stations import merge

FORMAT = "heliotrope-stage/3"


def content_of(study: Study) -> str:
    """Hash over the content of every file a study uses."""
    used = sorted(f"{record.path}={record.sha256}" for record in study.files if record.outcome is FileOutcome.USED)
    return hashlib.sha256("\n".join(used).encode()).hexdigest()


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash_of_labels(path: Path) -> str:
    """Hash of a label file with the legend beside it, or of a folder of label objects."""
    if path.is_dir():
        return "+".join(_hash_of_file(file) for file in sorted(path.rglob("*")) if file.is_file())
    if not path.is_file():
        return str(path)
    legend = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    return _hash_of_file(path) + (_hash_of_file(legend) if legend.is_file() else "")


def _hash_of_visit(folder: Path) -> str:
    """Hash of what is carried from a result folder: its labels, its fat fraction, and what it says of them."""
    files = ("result.json", "labels.nii.gz", "labels.json", "maps/fat_fraction.nii.gz")
    return "+".join(_hash_of_file(folder / name) for name in files if (folder / name).is_file())


def _identity_of(series: Series) -> str:
    own = f"{series.key}|{series.role}|{series.grid}|{series.acquisition}"
    joined = [merge.METHOD] if series.stations else []
    return "+".join([own, *joined, *(_identity_of(station) for station in series.stations)])


def stage_key(
    stage: Stage,
    series: Sequence[Series],
    options: AnalyzeOptions,
    used_keys: Mapping[str, str],
    content: str,
) -> str:
    """Identity of a stage's result.

    Made of the study's content (`content_of`), the chosen series and how they were read, the options the stage
    reads, and the versions of the stage, of the material it rests on and of all it uses.
    """
    chosen = {name: value for name, value in asdict(options).items() if name in stage.reads}
    if chosen.get("labels") is not None:
        chosen["labels"] = _hash_of_labels(Path(chosen["labels"]))
    if chosen.get("labels_from") is not None:
        chosen["labels_from"] = _hash_of_visit(Path(chosen["labels_from"]))
    parts = {
        "format": FORMAT,
        "stage": stage.name,
        "version": stage.version,
        "content": content,
        "series": [_identity_of(item) for item in series],
        "options": chosen,
        "material": None if stage.material is None else stage.material(),
        "uses": {name: used_keys.get(name) for name in stage.uses},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class StageStore:
    """Stage outputs under one folder; a stage is there whole or not at all.

    Parameters
    ----------
    folder : Path
        Made when the first stage is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, stage: Stage, key: str) -> StageOutput | None:
        """Return the kept output of a stage, or None; a damaged one counts as absent.

        Its arrays are read from disk where and when they are used.
        """
        folder = self._folder / f"{stage.name}-{key[:20]}"
        try:
            plain = json.loads((folder / "output.json").read_text(encoding="utf-8"))
            if plain["key"] != key:
                return None
            arrays = {
                name: np.asarray(np.load(folder / f"{n}.npy", mmap_mode="r", allow_pickle=False))
                for n, name in enumerate(plain["arrays"])
            }
            return _from_plain(plain, arrays)
        except (OSError, ValueError, KeyError, EOFError):
            return None

    def keep(self, stage: Stage, key: str, output: StageOutput) -> None:
        """Write an output beside the others, then give it its name in one step."""
        self._folder.mkdir(parents=True, exist_ok=True)
        final = self._folder / f"{stage.name}-{key[:20]}"
        fresh = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self._folder))
        try:
            plain, arrays = _to_plain(output)
            for n, values in enumerate(arrays.values()):
                np.save(fresh / f"{n}.npy", values)
            kept = {"key": key, "arrays": list(arrays), **plain}
            (fresh / "output.json").write_text(json.dumps(kept), encoding="utf-8")
            if final.exists():
                shutil.rmtree(final)
            fresh.replace(final)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def forget_all_but(self, kept: Mapping[str, str]) -> None:
        """Drop stages of earlier inputs and options, and remains of interrupted writes."""
        if not self._folder.is_dir():
            return
        names = {f"{name}-{key[:20]}" for name, key in kept.items()}
        for entry in self._folder.iterdir():
            if entry.name not in names:
                shutil.rmtree(entry, ignore_errors=True)


class PictureStore:
    """Pictures of a report under one folder, by the hash of what they show, the program and its libraries.

    Parameters
    ----------
    folder : Path
        Made when the first picture is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def find(self, key: str) -> bytes | None:
        """Return a kept picture, or None; a damaged one counts as absent."""
        try:
            digest, _, png = self._file(key).read_bytes().partition(b"\n")
        except OSError:
            return None
        return png if digest == _digest(png) else None

    def keep(self, key: str, png: bytes) -> None:
        """Write a picture, after the hash of its bytes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(key).write_bytes(_digest(png) + b"\n" + png)

    def forget_unused(self) -> None:
        """Drop pictures that were neither found nor kept since this store was opened."""
        if self._folder.is_dir():
            for entry in self._folder.iterdir():
                if entry.name not in self._used:
                    entry.unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        made_by = [heliotrope.__version__, *(metadata.version(name) for name in _DRAWN_BY)]
        name = hashlib.sha256("|".join([key, *made_by]).encode()).hexdigest()[:40]
        self._used.add(name)
        return self._folder / name


_DRAWN_BY = ("matplotlib", "pillow", "contourpy")


def _digest(png: bytes) -> bytes:
    return hashlib.sha256(png).hexdigest().encode()


def _grid_to_plain(grid: Grid) -> dict[str, Any]:
    return {"shape": grid.shape, "affine": grid.affine, "frame": grid.frame_of_reference_uid}


def _grid_from_plain(plain: Mapping[str, Any]) -> Grid:
    return Grid.from_matrix(tuple(plain["shape"]), plain["affine"], plain["frame"])


def _labels_to_plain(labels: LabelMap) -> dict[str, Any]:
    return {
        "grid": _grid_to_plain(labels.grid),
        "legend": {str(n): codec.region_to_plain(region) for n, region in labels.legend.items()},
        "source": labels.source,
        "confidence": {str(n): value for n, value in labels.confidence.items()},
        "notes": labels.notes,
    }


def _labels_from_plain(row: Mapping[str, Any], values: np.ndarray[Any, Any]) -> LabelMap:
    return LabelMap(
        labels=values,
        grid=_grid_from_plain(row["grid"]),
        legend={int(n): codec.region_from_plain(region) for n, region in row["legend"].items()},
        source=row["source"],
        confidence={int(n): value for n, value in row["confidence"].items()},
        notes=tuple(row["notes"]),
    )


def _to_plain(output: StageOutput) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    maps: dict[str, Any] = {}
    for name, item in output.maps.items():
        arrays[f"map.{name}.values"], arrays[f"map.{name}.valid"] = item.values, item.valid
        maps[name] = {
            "quantity": item.quantity,
            "grid": _grid_to_plain(item.grid),
            "unit": item.unit,
            "method": item.method,
            "flags": item.flags,
            "invalid_reasons": dict(item.invalid_reasons),
        }
    backgrounds: dict[str, Any] = {}
    for name, volume in output.backgrounds.items():
        arrays[f"background.{name}"] = volume.data
        backgrounds[name] = {"grid": _grid_to_plain(volume.grid), "unit": volume.unit}
    labels = None if output.labels is None else _labels_to_plain(output.labels)
    if output.labels is not None:
        arrays["labels"] = output.labels.labels
    for n, placed in enumerate(output.carried):
        arrays[f"carried.{n}"] = placed.labels
    plain = {
        "sentence": output.sentence,
        "evidence": output.evidence,
        "maps": maps,
        "backgrounds": backgrounds,
        "labels": labels,
        "carried": [_labels_to_plain(item) for item in output.carried],
        "measurements": [codec.measurement_to_plain(item) for item in output.measurements],
        "findings": [codec.finding_to_plain(item) for item in output.findings],
        "not_assessed": [codec.not_assessed_to_plain(item) for item in output.not_assessed],
        "quality": [codec.quality_to_plain(item) for item in output.quality],
    }
    return plain, arrays


def _from_plain(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> StageOutput:
    maps = {
        name: ParametricMap(
            quantity=row["quantity"],
            values=arrays[f"map.{name}.values"],
            valid=arrays[f"map.{name}.valid"],
            grid=_grid_from_plain(row["grid"]),
            unit=Unit(row["unit"]),
            method=row["method"],
            flags=tuple(row["flags"]),
            invalid_reasons=row["invalid_reasons"],
        )
        for name, row in plain["maps"].items()
    }
    backgrounds = {
        name: Volume(arrays[f"background.{name}"], _grid_from_plain(row["grid"]), Unit(row["unit"]))
        for name, row in plain["backgrounds"].items()
    }
    row = plain["labels"]
    labels = None if row is None else _labels_from_plain(row, arrays["labels"])
    carried = tuple(_labels_from_plain(row, arrays[f"carried.{n}"]) for n, row in enumerate(plain["carried"]))
    return StageOutput(
        sentence=plain["sentence"],
        evidence=tuple(plain["evidence"]),
        maps=maps,
        labels=labels,
        carried=carried,
        backgrounds=backgrounds,
        measurements=tuple(codec.measurement_from_plain(item) for item in plain["measurements"]),
        findings=tuple(codec.finding_from_plain(item) for item in plain["findings"]),
        not_assessed=tuple(codec.not_assessed_from_plain(item) for item in plain["not_assessed"]),
        quality=tuple(codec.quality_from_plain(item) for item in plain["quality"]),
    )
