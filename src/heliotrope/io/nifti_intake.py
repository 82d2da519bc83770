"""NIfTI files with BIDS-like sidecars as studies."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from heliotrope.domain.errors import FileFormatError, HeliotropeError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.study import Acquisition, FileOutcome, FileRecord, FrameSource, Modality, Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.io.component_pairs import with_phase_partners
from heliotrope.io.content import component_of, content_of
from heliotrope.io.frames import Component, Content
from heliotrope.io.gradient_files import fsl_to_lps
from heliotrope.io.identity import SYNTHETIC_KEY, pseudonym_key, study_key, subject_key
from heliotrope.io.nifti import MILLISECONDS_PER_SECOND, is_nifti_name, nifti_array, nifti_grid, nifti_stem, open_nifti
from heliotrope.io.roles import RoleFacts, decide_role
from heliotrope.io.sources import MEMBER_MARK, Entry, Reader, read_head

MAX_ECHO_TIME_S = 1.0
"""Longer echo times in a sidecar are milliseconds written where BIDS wants seconds. [s]"""
MAX_REPETITION_TIME_S = 60.0
"""Likewise for repetition and inversion times. [s]"""
MR_CONTENT = (
    Content.WATER,
    Content.FAT,
    Content.IN_PHASE,
    Content.OPPOSED_PHASE,
    Content.FAT_FRACTION,
    Content.T2_MAP,
    Content.ADC_MAP,
    Content.B1_MAP,
)
"""Image types that exist in MR alone."""
_ECHO_PART = re.compile(r"_echo-?\d+|_e\d+(?=$|_)", re.IGNORECASE)
_SUBJECT = re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)")
_SESSION = re.compile(r"(?:^|[/_])ses-([A-Za-z0-9]+)")
_SUFFIX_ROLES = {
    "mese": Role.MULTI_ECHO_T2,
    "megre": Role.GRE_MAGNITUDE,
    "t1w": Role.T1,
    "t2w": Role.T2,
    "dwi": Role.DWI,
    "ct": Role.CT,
    "stir": Role.STIR,
}
_ROLE_MODALITY = {
    Role.CT: Modality.CT,
    Role.RADIOGRAPH: Modality.RADIOGRAPH,
    Role.ULTRASOUND: Modality.ULTRASOUND,
    Role.SEGMENTATION: Modality.OTHER,
    Role.RTSTRUCT: Modality.OTHER,
    Role.OTHER: Modality.OTHER,
}


@dataclass(frozen=True)
class NiftiFrame(FrameSource):
    """A slice of a NIfTI file: `frame` is slice + slices x volume within that file."""


@dataclass(frozen=True)
class NiftiRead:
    """Studies made of NIfTI files, and which companion files they used."""

    studies: tuple[Study, ...]
    companions: Mapping[str, FileRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class _Image:
    entry: Entry
    sha256: str
    grid: Grid
    n_frames: int
    defects: tuple[str, ...]
    facts: Mapping[str, Any] | None
    b_values: tuple[float, ...]
    b_vectors: tuple[tuple[float, float, float], ...]
    legend: bool = False


def nifti_studies(entries: Sequence[Entry], companions: Sequence[Entry], role: Role | None) -> NiftiRead:
    """Studies of NIfTI files, one per subject and session that the names state.

    Parameters
    ----------
    entries : sequence of Entry
        NIfTI files.
    companions : sequence of Entry
        ``.json``, ``.bval`` and ``.bvec`` files that may belong to them.
    role : Role or None
        For images that do not say what they are.
    """
    beside = {entry.name: entry for entry in companions}
    used: dict[str, FileRecord] = {}
    groups: dict[tuple[str, str], list[_Image]] = defaultdict(list)
    refused: dict[tuple[str, str], list[FileRecord]] = defaultdict(list)
    with Reader() as reader:
        for entry in entries:
            home = _labels_of(entry.name)
            try:
                groups[home].append(_open(reader, entry, beside, used))
            except HeliotropeError as error:
                refused[home].append(FileRecord(entry.name, FileOutcome.REFUSED, error.message, error.code))
    studies = [
        _study(home, groups.get(home, []), refused.get(home, []), role) for home in dict.fromkeys((*groups, *refused))
    ]
    if used and studies:
        records = tuple(used.values())
        studies[0] = replace(studies[0], files=(*studies[0].files, *records))
    return NiftiRead(tuple(studies), used)


def _labels_of(name: str) -> tuple[str, str]:
    subject, session = _SUBJECT.search(name), _SESSION.search(name)
    return (subject[1] if subject else "", session[1] if session else "")


def _open(reader: Reader, entry: Entry, beside: Mapping[str, Entry], used: dict[str, FileRecord]) -> _Image:
    head = read_head(reader, entry.source)
    if head.size == 0:
        raise FileFormatError("an empty file", hint="copy the file again", code="E_TRUNCATED")
    image = open_source(reader, entry.source)
    grid, n_frames, defects = nifti_grid(image)
    _require_whole(reader, entry, image)
    stem = nifti_stem(entry.name)
    facts = _sidecar(reader, beside.get(stem + ".json"), used)
    values, vectors = _gradients(reader, beside, stem, grid, used)
    words = list(defects)
    if values and len(values) != n_frames:
        words.append(f"{len(values)} b-values for {n_frames} volumes: ignored")
        values, vectors = (), ()
    legend = facts is not None and bool(facts) and all(str(key).isdigit() for key in facts)
    return _Image(entry, head.sha256, grid, n_frames, tuple(words), None if legend else facts, values, vectors, legend)


def open_source(reader: Reader, source: str) -> Any:
    """An opened NIfTI image of a path or archive member."""
    if MEMBER_MARK in source and not Path(source).exists():
        return open_nifti(None, reader.read(source))
    return open_nifti(Path(source))


def _require_whole(reader: Reader, entry: Entry, image: Any) -> None:
    kind = image.get_data_dtype()
    needed = int(image.dataobj.offset) + kind.itemsize * int(np.prod([int(n) for n in image.shape]))
    with reader.open(entry.source) as file:
        packed = file.read(2) == b"\x1f\x8b"
        size = file.seek(0, 2)
        if not packed:
            available = size
        else:
            file.seek(max(0, size - 4))
            available = int.from_bytes(file.read(4), "little")
            if available == needed % (1 << 32):
                return
            file.seek(0)
            available = _unpacked_size(file, needed)
    if available < needed:
        raise FileFormatError(
            f"the image ends early: {available} of {needed} bytes", hint="copy the file again", code="E_TRUNCATED"
        )


def _unpacked_size(file: Any, needed: int) -> int:
    import gzip
    import zlib

    count = 0
    try:
        with gzip.GzipFile(fileobj=file) as plain:
            while count < needed and (chunk := plain.read(1 << 20)):
                count += len(chunk)
    except (OSError, EOFError, zlib.error):
        pass
    return count


def _sidecar(reader: Reader, entry: Entry | None, used: dict[str, FileRecord]) -> Mapping[str, Any] | None:
    if entry is None:
        return None
    try:
        content = json.loads(reader.read(entry.source).decode("utf-8"))
    except (ValueError, HeliotropeError):
        used[entry.name] = FileRecord(entry.name, FileOutcome.REFUSED, "the sidecar is not readable JSON", "E_SIDECAR")
        return None
    if not isinstance(content, dict):
        used[entry.name] = FileRecord(entry.name, FileOutcome.REFUSED, "the sidecar is not a JSON object", "E_SIDECAR")
        return None
    used[entry.name] = FileRecord(entry.name, FileOutcome.USED, sha256=read_head(reader, entry.source).sha256)
    return content


def _gradients(
    reader: Reader, beside: Mapping[str, Entry], stem: str, grid: Grid, used: dict[str, FileRecord]
) -> tuple[tuple[float, ...], tuple[tuple[float, float, float], ...]]:
    values_entry, vectors_entry = beside.get(stem + ".bval"), beside.get(stem + ".bvec")
    if values_entry is None:
        return (), ()
    values = _numbers(reader, values_entry, used)
    if values is None:
        return (), ()
    b_values = tuple(float(v) for v in values.ravel())
    if vectors_entry is None:
        return b_values, ()
    vectors = _numbers(reader, vectors_entry, used)
    if vectors is None or vectors.size != 3 * len(b_values):
        return b_values, ()
    table = vectors if vectors.shape[0] == 3 else vectors.T
    return b_values, fsl_to_lps(table.reshape(3, -1), grid)


def _numbers(reader: Reader, entry: Entry, used: dict[str, FileRecord]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    try:
        rows = [line.split() for line in reader.read(entry.source).decode("ascii").splitlines() if line.strip()]
        table = np.array([[float(word) for word in row] for row in rows])
        if not np.isfinite(table).all() or table.ndim != 2:
            raise ValueError("not a table of numbers")  # noqa: TRY301
    except (ValueError, HeliotropeError):
        used[entry.name] = FileRecord(entry.name, FileOutcome.REFUSED, "not a table of numbers", "E_SIDECAR")
        return None
    used[entry.name] = FileRecord(entry.name, FileOutcome.USED, sha256=read_head(reader, entry.source).sha256)
    return table


def _study(home: tuple[str, str], images: list[_Image], refused: list[FileRecord], role: Role | None) -> Study:
    series = [_series(group, role) for group in _echo_groups(images)]
    synthetic = bool(series) and all(one.synthetic for one in series)
    subject = None
    notes: list[str] = []
    if home[0]:
        key, note = (SYNTHETIC_KEY, None) if synthetic else pseudonym_key()
        subject = subject_key(f"sub\0{home[0]}", key)
        notes.extend([note] if note else [])
    if role is not None and not any("as the user stated" in one.role_reason for one in series):
        notes.append("the role given was not used: every image states what it is")
    hashes = "\0".join(sorted(image.sha256 for image in images))
    dates = sorted({one.acquisition.acquired_on for one in series if one.acquisition.acquired_on})
    records = [FileRecord(image.entry.name, FileOutcome.USED, sha256=image.sha256) for image in images]
    numbered = with_phase_partners([replace(one, key=f"s{index:02d}") for index, one in enumerate(series, start=1)])
    return Study(
        key=study_key("\0".join(("nifti", *home, hashes))),
        subject_key=subject,
        acquired_on=dates[0] if dates else None,
        series=numbered,
        files=tuple(sorted((*records, *refused), key=lambda record: record.path)),
        synthetic=synthetic,
        notes=tuple(notes),
    )


def _echo_groups(images: Sequence[_Image]) -> list[list[_Image]]:
    """Files of one image each, alike but for their echo time and the echo number in their name, are one series."""
    groups: dict[tuple[object, ...], list[_Image]] = defaultdict(list)
    for index, image in enumerate(images):
        stem = nifti_stem(image.entry.name)
        single = image.n_frames == 1 and image.facts is not None and len(_echo_times(image.facts)[0]) == 1
        if single and image.facts is not None and _ECHO_PART.search(PurePosixPath(stem).name):
            groups[_ECHO_PART.sub("", stem), image.grid.shape, tuple(_words(image.facts, "ImageType"))].append(image)
        else:
            groups["alone", index].append(image)
    result: list[list[_Image]] = []
    for group in groups.values():
        times = [_echo_times(image.facts or {})[0] for image in group]
        apart = len({t for one in times for t in one}) == len(group)
        if len(group) > 1 and apart and all(image.grid.is_same_as(group[0].grid) for image in group):
            order = sorted(range(len(group)), key=lambda index: times[index][0])
            result.append([group[index] for index in order])
        else:
            result.extend([image] for image in group)
    return result


def _echo_times(facts: Mapping[str, Any]) -> tuple[tuple[float, ...], str | None]:
    """Echo times in ms and a defect when the sidecar's unit cannot be seconds."""
    stated = facts.get("EchoTimes", facts.get("EchoTime"))
    values = stated if isinstance(stated, list) else [stated] if stated is not None else []
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != len(values) or any(v <= 0 for v in numbers):
        return (), "echo times in the sidecar are not positive numbers: ignored"
    if any(v > MAX_ECHO_TIME_S for v in numbers):
        longest = f"{max(numbers):g}"
        return (), f"echo time {longest} in the sidecar would be {longest} s: BIDS wants seconds, so it was ignored"
    return tuple(round(v * MILLISECONDS_PER_SECOND, 6) for v in numbers), None


def _time_ms(facts: Mapping[str, Any], key: str, defects: list[str]) -> float | None:
    value = _number(facts, key)
    if value is None or value <= 0:
        return None
    if value > MAX_REPETITION_TIME_S:
        defects.append(f"{key} {value:g} in the sidecar would be {value:g} s: BIDS wants seconds, so it was ignored")
        return None
    return round(value * MILLISECONDS_PER_SECOND, 6)


def _number(facts: Mapping[str, Any], key: str) -> float | None:
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def _text(facts: Mapping[str, Any], key: str) -> str | None:
    value = facts.get(key)
    return value if isinstance(value, str) and value else None


def _words(facts: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = facts.get(key)
    if isinstance(value, list):
        return tuple(str(word) for word in value)
    if isinstance(value, str):
        return tuple(word for word in re.split(r"[\\/,\s]+" if key == "ImageType" else r"[\\/,_\s]+", value) if word)
    return ()


def _series(group: list[_Image], role: Role | None) -> Series:
    first = group[0]
    facts = first.facts or {}
    defects = list(first.defects)
    n_frames = len(group) if len(group) > 1 else first.n_frames
    echoes: tuple[float, ...] = ()
    for image in group:
        times, defect = _echo_times(image.facts or {})
        echoes += times
        if defect is not None and defect not in defects:
            defects.append(defect)
    if len(echoes) not in (0, 1, n_frames):
        defects.append(f"{len(echoes)} echo times for {n_frames} volumes: ignored")
        echoes = ()
    acquisition = _acquisition(first, facts, echoes, defects)
    decided, reason = _role(first, facts, acquisition, n_frames, role)
    if acquisition.modality is Modality.OTHER and decided is not Role.OTHER:
        acquisition = replace(acquisition, modality=_ROLE_MODALITY.get(decided, Modality.MR))
    if first.facts is None and not first.legend:
        defects.append("no sidecar: acquisition parameters are unknown")
    n_slices = first.grid.shape[2]
    frames = tuple(
        NiftiFrame(image.entry.source, index) for image in group for index in range(n_slices * (n_frames // len(group)))
    )
    return Series(
        key="",
        uid=f"nifti:{first.sha256[:32]}",
        number=int(number) if (number := _number(facts, "SeriesNumber")) is not None else None,
        description=_text(facts, "SeriesDescription") or "",
        role=decided,
        role_reason=reason,
        acquisition=acquisition,
        grid=first.grid,
        n_frames=n_frames,
        frames=frames,
        defects=tuple(defects),
        synthetic=facts.get("Synthetic") is True,
    )


def _acquisition(image: _Image, facts: Mapping[str, Any], echoes: tuple[float, ...], defects: list[str]) -> Acquisition:
    claim = (_text(facts, "Modality") or "").upper()
    known = {
        "MR": Modality.MR,
        "CT": Modality.CT,
        "CR": Modality.RADIOGRAPH,
        "DX": Modality.RADIOGRAPH,
        "US": Modality.ULTRASOUND,
    }
    modality = known.get(claim, Modality.OTHER)
    content = content_of(_words(facts, "ImageType"))[0]
    stated = any(facts.get(name) for name in ("MagneticFieldStrength", "RepetitionTime", "ScanningSequence"))
    if modality is Modality.OTHER and (echoes or stated or image.b_values or content in MR_CONTENT):
        modality = Modality.MR
    b_values, b_vectors = image.b_values, image.b_vectors
    if not b_values and isinstance(facts.get("BValues"), list) and len(facts["BValues"]) == image.n_frames:
        b_values = tuple(float(v) for v in facts["BValues"])
        vectors = facts.get("BVectorsLPS")
        if isinstance(vectors, list) and len(vectors) == len(b_values):
            b_vectors = tuple((float(v[0]), float(v[1]), float(v[2])) for v in vectors)
    echo_train = _number(facts, "EchoTrainLength")
    date = _text(facts, "AcquisitionDate") or (_text(facts, "AcquisitionDateTime") or "")[:10]
    return Acquisition(
        modality=modality,
        field_strength_t=_number(facts, "MagneticFieldStrength"),
        repetition_time_ms=_time_ms(facts, "RepetitionTime", defects),
        echo_times_ms=echoes,
        inversion_time_ms=_time_ms(facts, "InversionTime", defects),
        flip_angle_deg=_number(facts, "FlipAngle"),
        refocusing_flip_angle_deg=_number(facts, "RefocusingFlipAngle"),
        echo_train_length=int(echo_train) if echo_train else None,
        b_values_s_per_mm2=b_values,
        b_vectors_lps=b_vectors,
        slice_thickness_mm=_number(facts, "SliceThickness"),
        slice_spacing_mm=image.grid.spacing_mm[2]
        if image.grid.shape[2] > 1
        else _number(facts, "SpacingBetweenSlices"),
        pixel_bandwidth_hz=_number(facts, "PixelBandwidth"),
        scanning_sequence=_words(facts, "ScanningSequence"),
        sequence_variant=_words(facts, "SequenceVariant"),
        scan_options=_words(facts, "ScanOptions"),
        sequence_name=_text(facts, "SequenceName"),
        image_type=_words(facts, "ImageType"),
        acquisition_type=_text(facts, "MRAcquisitionType"),
        manufacturer=_text(facts, "Manufacturer"),
        model=_text(facts, "ManufacturersModelName"),
        software=_text(facts, "SoftwareVersions"),
        body_part_claimed=_text(facts, "BodyPartExamined"),
        tube_voltage_kv=_number(facts, "KVP"),
        convolution_kernel=_text(facts, "ConvolutionKernel"),
        acquired_on=date if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else None,
        phase_encoding_axis=_text(facts, "InPlanePhaseEncodingDirectionDICOM"),
        transmit_coil=_text(facts, "TransmitCoilName"),
    )


def _role(
    image: _Image, facts: Mapping[str, Any], acquisition: Acquisition, n_frames: int, stated: Role | None
) -> tuple[Role, str]:
    if image.legend:
        return Role.SEGMENTATION, "a legend of labels lies beside the image"
    own = _text(facts, "HeliotropeRole")
    if own is not None and own in {role.value for role in Role}:
        return Role(own), "stated in the sidecar (HeliotropeRole)"
    content, reason = content_of(acquisition.image_type)
    component = component_of(acquisition.image_type)
    part = re.search(r"_part-(mag|phase|real|imag)", image.entry.name)
    if component is None and part is not None:
        component = {
            "mag": Component.MAGNITUDE,
            "phase": Component.PHASE,
            "real": Component.REAL,
            "imag": Component.IMAGINARY,
        }[part[1]]
    axis = ""
    if n_frames > 1:
        several = len(acquisition.echo_times_ms) == n_frames
        axis = "echo" if several else "diffusion" if acquisition.b_values_s_per_mm2 else "repetition"
    suppressed = {word.upper() for word in acquisition.scan_options} & {"FS", "FATSAT", "SPIR", "SPAIR"}
    decided, words = decide_role(
        RoleFacts(
            acquisition=acquisition,
            component=component,
            content=content,
            content_reason=reason,
            axis=axis,
            fat_suppressed=f"scan option {min(suppressed)}" if suppressed else None,
            synthetic=facts.get("Synthetic") is True,
            names=tuple(name for name in (_text(facts, "SeriesDescription"), _text(facts, "ProtocolName")) if name),
        )
    )
    if decided is not Role.OTHER:
        return decided, words
    if stated is not None:
        return stated, "as the user stated; " + words
    suffix = nifti_stem(PurePosixPath(image.entry.name).name).rsplit("_", 1)[-1].lower()
    if "_" in image.entry.name and suffix in _SUFFIX_ROLES:
        return _SUFFIX_ROLES[suffix], f"only the file name's suffix {suffix!r} says so; {words}"
    return Role.OTHER, words if image.facts is not None else "no sidecar says what this image is; state it with a role"


def read_nifti_volume(series: Series) -> Volume:
    """The pixels of a NIfTI series on its grid."""
    if series.grid is None:
        raise FileFormatError(f"series {series.key} has no grid", hint="choose another series")
    sources = list(dict.fromkeys(frame.path for frame in series.frames))
    parts = []
    with Reader() as reader:
        for source in sources:
            image = open_source(reader, source)
            _, n_frames, _ = nifti_grid(image)
            parts.append(nifti_array(image, space=series.grid.shape, n_frames=n_frames))
    data = parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)
    unit = Unit.HOUNSFIELD if series.acquisition.modality is Modality.CT else Unit.ARBITRARY
    return Volume(data, series.grid, unit)


__all__ = ["NiftiFrame", "NiftiRead", "is_nifti_name", "nifti_studies", "read_nifti_volume"]
