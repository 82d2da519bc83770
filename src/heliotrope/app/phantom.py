"""Digital phantoms written as studies: DICOM or NIfTI as a scanner would leave them, and the truth beside them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from heliotrope import __version__
from heliotrope.app.output_folder import writing
from heliotrope.app.phantom_bundle import PhantomBundle, PhantomEntry
from heliotrope.app.phantom_calcinosis import CALCINOSIS_PHANTOMS
from heliotrope.app.phantom_whole_body import WHOLE_BODY_PHANTOMS
from heliotrope.domain.errors import OptionError, OutputError
from heliotrope.domain.study import Role
from heliotrope.io.dicom_writer import synthetic_uid, write_dicom_series
from heliotrope.io.gradient_files import write_gradients
from heliotrope.io.nifti import region_entry, write_labels, write_map, write_sidecar, write_volume
from heliotrope.phantoms.catalogue import SCENES, build_phantom
from heliotrope.phantoms.study import SYNTHETIC_NOTE, PhantomSeries, PhantomStudy

TRUTH_FOLDER = "truth"
TRUTH_FILE = "truth.json"


class PhantomFormat(StrEnum):
    """How the images are written."""

    DICOM = "dicom"
    NIFTI = "nifti"


@dataclass(frozen=True)
class WrittenPhantom:
    """What was written.

    Parameters
    ----------
    folder : Path
    name : str
    seed : int
    n_files : int
        Image files, truth not counted.
    series : tuple of str
        Description of each series.
    truth : Path
        ``truth.json``.
    """

    folder: Path
    name: str
    seed: int
    n_files: int
    series: tuple[str, ...]
    truth: Path


def bundle_of(study: PhantomStudy) -> PhantomBundle:
    """A thigh phantom with its truth in JSON."""
    return PhantomBundle(
        name=study.name,
        seed=study.seed,
        subject=study.subject,
        note=study.note,
        series=study.series,
        label_maps={"labels": study.truth_labels},
        maps=study.truth_maps,
        truth={
            "lesions": [
                {**asdict(row), "region": {key: region_entry(row.region)[key] for key in ("structure", "side")}}
                for row in study.lesions
            ],
            "regions": _region_truth(study),
        },
    )


def _region_truth(study: PhantomStudy) -> list[dict[str, Any]]:
    """Volume and mean truth of every labeled region, muscle by muscle."""
    labels, rows = study.truth_labels, []
    for number, region in sorted(labels.legend.items()):
        inside = labels.labels == number
        row: dict[str, Any] = {
            "structure": region.structure,
            "side": None if region.side is None else region.side.value,
            "volume_ml": round(float(inside.sum()) * labels.grid.voxel_volume_mm3 / 1000.0, 4),
        }
        for key in ("water_t2", "fat_fraction", "edema_fraction", "mean_diffusivity"):
            if key not in study.truth_maps:
                continue
            found = study.truth_maps[key]
            values = found.values[inside & found.valid]
            digits = 7 if key == "mean_diffusivity" else 4
            row[key] = round(float(np.mean(values, dtype=np.float64)), digits) if values.size else None
        rows.append(row)
    return rows


def _thigh_entry(name: str) -> PhantomEntry:
    return PhantomEntry(SCENES[name].note, lambda seed: bundle_of(build_phantom(name, seed)))


PHANTOMS: Mapping[str, PhantomEntry] = MappingProxyType(
    {**{name: _thigh_entry(name) for name in SCENES}, **CALCINOSIS_PHANTOMS, **WHOLE_BODY_PHANTOMS}
)
"""Every phantom by name."""


def find_phantom(name: str) -> PhantomEntry:
    """The phantom of a name.

    Raises
    ------
    OptionError
        Unknown name (``E_PHANTOM``); the message lists what exists.
    """
    if name not in PHANTOMS:
        raise OptionError(f"unknown phantom {name!r}", hint="one of: " + ", ".join(sorted(PHANTOMS)), code="E_PHANTOM")
    return PHANTOMS[name]


def write_phantom(
    name: str, out: Path, seed: int = 0, image_format: PhantomFormat | str = PhantomFormat.DICOM
) -> WrittenPhantom:
    """Build a phantom and write it to a folder.

    Parameters
    ----------
    name : str
        Key of `PHANTOMS`.
    out : Path
        New, empty, or holding an earlier phantom, which is replaced.
    seed : int
        0 or more; draws the person, the lesions and the noise.
    image_format : PhantomFormat
        ``dicom`` writes one folder per series, ``nifti`` one image with sidecar per series.

    Raises
    ------
    OptionError
        Unknown phantom or format, negative seed.
    OutputError
        The folder holds something else or cannot be written.
    """
    entry = find_phantom(name)
    if image_format not in set(PhantomFormat):
        raise OptionError(
            f"unknown format {image_format!r}", hint="one of: " + ", ".join(PhantomFormat), code="E_FORMAT"
        )
    if not 0 <= seed < 2**31:
        raise OptionError(f"seed {seed}: 0 to 2147483647 needed", hint="give --seed a whole number", code="E_SEED")
    _require_free(Path(out))
    return write_bundle(entry.build(seed), Path(out), image_format)


def write_bundle(bundle: PhantomBundle, folder: Path, image_format: PhantomFormat | str) -> WrittenPhantom:
    """Write a built phantom and its truth to a free folder.

    Parameters
    ----------
    folder : Path
        New, empty, or holding an earlier phantom, which is replaced.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        try:
            write = _write_dicom if PhantomFormat(image_format) is PhantomFormat.DICOM else _write_nifti
            n_files = write(bundle, fresh)
            _write_truth(bundle, fresh / TRUTH_FOLDER)
            _publish(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return WrittenPhantom(
        folder,
        bundle.name,
        bundle.seed,
        n_files,
        tuple(series.description for series in bundle.series),
        folder / TRUTH_FOLDER / TRUTH_FILE,
    )


def _require_free(folder: Path) -> None:
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder.name!r} is a file", hint="name a folder with --out", code="E_OUTPUT")
        foreign = folder.is_dir() and any(not entry.name.startswith(".unfinished-") for entry in folder.iterdir())
    if foreign and not (folder / TRUTH_FOLDER / TRUTH_FILE).is_file():
        raise OutputError(
            f"output folder {folder.name!r} holds other files and no earlier phantom",
            hint="name an empty or new folder with --out",
            code="E_OUTPUT_IN_USE",
        )


def _publish(fresh: Path, folder: Path) -> None:
    """Replace an earlier phantom by the one just written, its truth last."""
    for old in list(folder.iterdir()):
        if old.name != fresh.name:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for item in sorted(fresh.iterdir(), key=lambda path: path.name == TRUTH_FOLDER):
        item.rename(folder / item.name)


def _stem(number: int, series: PhantomSeries) -> str:
    return f"{number:02d}_{series.role.value}"


def _write_dicom(bundle: PhantomBundle, folder: Path) -> int:
    study_uid = synthetic_uid("phantom", bundle.name, bundle.seed)
    count = 0
    for number, series in enumerate(bundle.series, start=1):
        paths = write_dicom_series(
            series.volume,
            series.acquisition,
            role=series.role,
            description=series.description,
            series_number=number,
            study_uid=study_uid,
            series_uid=synthetic_uid("phantom", bundle.name, bundle.seed, number),
            patient_label=bundle.subject,
            folder=folder / _stem(number, series),
        )
        count += len(paths)
    return count


def _write_nifti(bundle: PhantomBundle, folder: Path) -> int:
    for number, series in enumerate(bundle.series, start=1):
        path = folder / f"{_stem(number, series)}.nii.gz"
        write_volume(path, series.volume)
        write_sidecar(path, series.acquisition, role=series.role, synthetic=True, description=series.description)
        if series.role is Role.DWI:
            write_gradients(path, series.acquisition, series.volume.grid)
    return len(bundle.series)


def _write_truth(bundle: PhantomBundle, folder: Path) -> None:
    folder.mkdir()
    for stem, labels in bundle.label_maps.items():
        write_labels(folder / f"{stem}.nii.gz", labels)
    for stem, parametric in bundle.maps.items():
        write_map(folder / f"{stem}.nii.gz", parametric)
    content = {
        "synthetic": True,
        "marking": SYNTHETIC_NOTE,
        "name": bundle.name,
        "seed": bundle.seed,
        "subject": bundle.subject,
        "note": bundle.note,
        "version": __version__,
        "series": [{"description": series.description, "role": series.role.value} for series in bundle.series],
        "labels": sorted(f"{stem}.nii.gz" for stem in bundle.label_maps),
        "maps": {f"{stem}.nii.gz": item.unit.value for stem, item in sorted(bundle.maps.items())},
        **bundle.truth,
    }
    (folder / TRUTH_FILE).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
