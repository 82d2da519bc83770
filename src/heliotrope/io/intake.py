"""Studies from folders, archives and files: every file accounted for, every series in geometric order with its role."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from heliotrope.domain.errors import FileFormatError, OptionError, StudyError
from heliotrope.domain.images import Volume
from heliotrope.domain.study import FileOutcome, FileRecord, FrameSource, Role, Series, Study
from heliotrope.io.assembly import Assembly, assemble
from heliotrope.io.frames import DicomFrame, FrameFacts
from heliotrope.io.identity import SYNTHETIC_KEY, Patient, pseudonym_key, study_key, subject_key
from heliotrope.io.media import is_media_directory, list_media
from heliotrope.io.nifti_intake import NiftiFrame, is_nifti_name, nifti_studies, read_nifti_volume
from heliotrope.io.pictures import (
    PictureFrame,
    is_picture_name,
    picture_studies,
    read_picture_volume,
    with_given_pixel_size,
)
from heliotrope.io.pixels import read_dicom_volume
from heliotrope.io.scan import Scanned, ScannedObject, scan
from heliotrope.io.series import object_series, series_of
from heliotrope.io.sources import Entry, list_input

UNSURE_PATIENT = "the patient is not certain"
"""How the note begins that a study may be of two people."""


def role_of(text: str) -> Role:
    """The role of that name.

    Raises
    ------
    OptionError
        Unknown; the hint lists what exists.
    """
    try:
        return Role(text)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise OptionError(f"unknown role {text!r}", hint=f"use one of: {known}", code="E_OPTION") from None


def read_study(
    path: Path | str, *, role: str | None = None, study_key: str | None = None, pixel_size_mm: float | None = None
) -> Study:
    """Read the one study that a folder, archive, media directory or file holds.

    Parameters
    ----------
    path : Path or str
        Folder of any nesting, ``.zip``, DICOMDIR, DICOM, NIfTI or picture file.
    role : str or None
        Role of NIfTI files and plain pictures that do not state one.
    pixel_size_mm : float or None
        Pixel size of plain pictures, and of DICOM radiographs and ultrasound, that do not state one. [mm]
    study_key : str or None
        Which study to take where one patient has several.

    Raises
    ------
    StudyError
        ``E_NOT_FOUND``, ``E_EMPTY``, ``E_NO_IMAGES``, ``E_MIXED_PATIENTS``, ``E_MIXED_STUDIES``, ``E_NO_STUDY``.
    OptionError
        Unknown role.
    """
    studies, conflict = _read(Path(path), role, pixel_size_mm)
    images = [study for study in studies if study.series]
    if not images:
        files = tuple(record for study in studies for record in study.files)
        hint = "`heliotrope inspect` lists every file with its reason; export the images again if they are damaged"
        if role is None and any(is_picture_name(record.path) for record in files):
            hint = "say what the picture is: --role radiograph or --role ultrasound, and --pixel-size-mm where known"
        raise StudyError(
            f"no usable image: {_account(files)}",
            hint=hint,
            code="E_NO_IMAGES",
        )
    if study_key is not None:
        chosen = [study for study in images if study.key == study_key]
        if not chosen:
            known = ", ".join(study.key for study in images)
            raise StudyError("no study of that key", hint=f"use one of: {known}", code="E_NO_STUDY")
        doubt = next((note for note in chosen[0].notes if note.startswith(UNSURE_PATIENT)), None)
        if doubt is not None:
            raise StudyError(f"that study mixes patients: {doubt}", hint="separate the files", code="E_MIXED_PATIENTS")
        return chosen[0]
    subjects = {study.subject_key for study in images}
    if len(subjects) > 1 or conflict is not None:
        found = conflict or f"{len(subjects)} patients"
        raise StudyError(
            f"the input mixes patients ({found}) in {len(images)} studies",
            hint="give one patient's folder; or choose one study by its key: " + _choices(images),
            code="E_MIXED_PATIENTS",
        )
    if len(images) > 1:
        raise StudyError(
            f"the input holds {len(images)} studies of one patient",
            hint="give one study's folder; or choose one by its key: " + _choices(images),
            code="E_MIXED_STUDIES",
        )
    return images[0]


def read_studies(path: Path | str, *, role: str | None = None, pixel_size_mm: float | None = None) -> tuple[Study, ...]:
    """All studies an input holds, of any number of patients, oldest first.

    Stray files of an input with several studies are carried by a last study without series.
    """
    return _read(Path(path), role, pixel_size_mm)[0]


def read_volume(series: Series) -> Volume:
    """The pixels of a series as float32 signal (x, y, z) or (x, y, z, n) on ``series.grid``.

    Axes are column, row, slice; slices run along the slice normal. CT is in Hounsfield units.
    """
    if series.frames and (isinstance(series.frames[0], NiftiFrame) or is_nifti_name(series.frames[0].path)):
        return read_nifti_volume(series)
    if series.frames and (isinstance(series.frames[0], PictureFrame) or is_picture_name(series.frames[0].path)):
        return read_picture_volume(series)
    if not all(isinstance(frame, DicomFrame) for frame in series.frames):
        series = replace(series, frames=_located(series))
    return read_dicom_volume(series)


def _located(series: Series) -> tuple[FrameSource, ...]:
    """Frames known by path and number alone, with their pixel format read from the files again."""
    paths = dict.fromkeys(frame.path for frame in series.frames)
    found: dict[tuple[str, int], FrameSource] = {}
    for one in scan([Entry(Path(path).name, path, 0) for path in paths]):
        for frame in one.frames:
            found[frame.source.path, frame.source.frame] = frame.source
    missing = [frame for frame in series.frames if (frame.path, frame.frame) not in found]
    if missing:
        raise FileFormatError(
            f"series {series.key}: {len(missing)} of its images cannot be read any more",
            hint="check that the study is still where it was",
            code="E_UNREADABLE",
        )
    return tuple(found[frame.path, frame.frame] for frame in series.frames)


def _choices(studies: Sequence[Study]) -> str:
    """Keys, oldest first; dates are left to ``inspect --show-identifiers``, for an error may travel."""
    return ", ".join(study.key for study in studies)


def _account(files: Sequence[FileRecord]) -> str:
    counts = Counter(record.reason.split(":")[0] for record in files if record.outcome is not FileOutcome.USED)
    words = ", ".join(f"{count} x {reason}" for reason, count in counts.most_common(4))
    return f"{len(files)} files ({words})" if words else f"{len(files)} files"


def _read(path: Path, role: str | None, pixel_size_mm: float | None) -> tuple[tuple[Study, ...], str | None]:
    wanted = None if role is None else role_of(role)
    listing = list_media(path) if is_media_directory(path) else list_input(path)
    entries, aside = _set_aside(listing.entries)
    nifti = [entry for entry in entries if is_nifti_name(entry.name)]
    companions = [entry for entry in entries if Path(entry.name).suffix.lower() in (".json", ".bval", ".bvec")]
    other = [entry for entry in entries if entry not in set(nifti)]
    nifti_read = nifti_studies(nifti, companions, wanted) if nifti else None
    used_companions = nifti_read.companions if nifti_read else {}
    pictures = [entry for entry in other if is_picture_name(entry.name)]
    pictured = picture_studies(pictures, companions, wanted, pixel_size_mm) if pictures else None
    taken = {record.path for record in pictured[0].files} if pictured else set()
    scanned = list(scan([entry for entry in other if entry.name not in {*used_companions, *taken}]))
    dicom, stray, conflict = _dicom_studies(scanned)
    if pixel_size_mm is not None:
        dicom = [with_given_pixel_size(study, pixel_size_mm) for study in dicom]
    stray += [*listing.turned_away, *aside]
    studies = list(dicom)
    if nifti_read is not None:
        studies = _join(studies, list(nifti_read.studies), "NIfTI files")
    if pictured is not None:
        studies = _join(studies, [pictured[0]], "pictures")
    studies.sort(key=lambda study: (study.acquired_on or "9999", study.key))
    if not studies:
        return (Study("study-none", None, None, (), tuple(sorted(stray, key=lambda r: r.path))),), conflict
    if len(studies) == 1:
        files = (*studies[0].files, *stray)
        studies[0] = replace(studies[0], files=tuple(sorted(files, key=lambda record: record.path)))
    elif stray:
        studies.append(Study("study-none", None, None, (), tuple(sorted(stray, key=lambda r: r.path))))
    return tuple(studies), conflict


def _set_aside(entries: Sequence[Entry]) -> tuple[list[Entry], list[FileRecord]]:
    """Keep out what is no part of the study: a phantom's answers, and the results of earlier runs in a folder below."""
    names = {entry.name for entry in entries}
    reasons: dict[str, str] = {}
    for name in names:
        folder, _, last = name.rpartition("/")
        if f"/{name}".endswith("/truth/truth.json"):
            reasons[name.removesuffix("truth.json")] = "truth of a digital phantom, no part of its study"
        elif folder and last == "run.json" and f"{folder}/result.json" in names:
            reasons[f"{folder}/"] = "results of an earlier analysis, no part of the study"
        elif "/.stages/" in f"/{name}" and not name.startswith(".stages/"):
            reasons[name.split("/.stages/")[0] + "/"] = "results of an earlier analysis, no part of the study"
    kept: list[Entry] = []
    aside: list[FileRecord] = []
    folders = tuple(reasons)
    for entry in entries:
        if folders and entry.name.startswith(folders):
            reason = next(reason for folder, reason in reasons.items() if entry.name.startswith(folder))
            aside.append(FileRecord(entry.name, FileOutcome.SKIPPED, reason))
        else:
            kept.append(entry)
    return kept, aside


def _join(dicom: list[Study], nifti: list[Study], what: str) -> list[Study]:
    """Files that name no subject belong to the only study beside them."""
    if len(dicom) != 1 or len(nifti) != 1 or nifti[0].subject_key is not None:
        return dicom + nifti
    return [
        replace(
            dicom[0],
            series=renumbered((*dicom[0].series, *nifti[0].series)),
            files=(*dicom[0].files, *nifti[0].files),
            notes=(*dicom[0].notes, *nifti[0].notes, f"{what} beside the study were taken to belong to it"),
        )
    ]


def renumbered(series: Sequence[Series]) -> tuple[Series, ...]:
    """Series with keys ``s01``, ``s02`` ... in order."""
    return tuple(replace(one, key=f"s{index:02d}") for index, one in enumerate(series, start=1))


def _dicom_studies(scanned: Sequence[Scanned]) -> tuple[list[Study], list[FileRecord], str | None]:
    stray = [one.record for one in scanned if one.record is not None]
    homes = _study_homes(scanned)
    by_study: dict[str, list[Scanned]] = defaultdict(list)
    for one in scanned:
        if one.record is None:
            by_study[homes[one.study_uid]].append(one)
    key: bytes | None = None
    note: str | None = None
    studies: list[Study] = []
    conflict: str | None = None
    for uid, members in by_study.items():
        groups = _by_patient(members)
        for handle, part in groups.items():
            synthetic = all(
                (frames[0].context.synthetic if (frames := one.frames) else one.thing is None or one.thing.synthetic)
                for one in part
            )
            if not synthetic and handle and key is None:
                key, note = pseudonym_key()
            subject = subject_key(handle, SYNTHETIC_KEY if synthetic else (key or SYNTHETIC_KEY))
            suffix = "" if len(groups) == 1 else f"\0{subject}"
            notes = [note] if note else []
            doubt = _identity_conflict(part)
            notes += [f"{UNSURE_PATIENT}: {doubt}"] if doubt else []
            studies.append(_study(uid + suffix, subject, part, synthetic, notes))
    conflict = _identity_conflict(scanned)
    return studies, stray, conflict


def _study_homes(scanned: Sequence[Scanned]) -> dict[str, str]:
    """Study UID to the UID that stands for it: anonymizers give files of one series different study UIDs."""
    homes = {one.study_uid: one.study_uid for one in scanned}

    def home(uid: str) -> str:
        while homes[uid] != uid:
            uid = homes[uid]
        return uid

    def join(key_of: Callable[[Scanned], tuple[str, ...] | None]) -> set[str]:
        first: dict[tuple[str, ...], str] = {}
        moved: set[str] = set()
        for one in scanned:
            key = key_of(one)
            if key is None:
                continue
            mine, theirs = home(one.study_uid), home(first.setdefault(key, one.study_uid))
            if mine != theirs:
                homes[max(mine, theirs)] = min(mine, theirs)
                moved.update((one.study_uid, first[key]))
        return moved

    def by_series(one: Scanned) -> tuple[str, ...] | None:
        uid = one.frames[0].context.series_uid if one.frames else ""
        return (one.patient.handle if one.patient else "", uid) if uid else None

    rewritten = join(by_series)

    def by_frame_of_reference(one: Scanned) -> tuple[str, ...] | None:
        if one.study_uid not in rewritten or not one.frames or not one.frames[0].context.frame_of_reference:
            return None
        handle = one.patient.handle if one.patient else ""
        return (handle, one.frames[0].context.frame_of_reference, one.study_date or "")

    join(by_frame_of_reference)
    return {uid: home(uid) for uid in homes}


def _by_patient(members: Sequence[Scanned]) -> dict[str, list[Scanned]]:
    """Files of one study UID by patient; files that name nobody go with the rest."""
    groups: dict[str, list[Scanned]] = defaultdict(list)
    nobody: list[Scanned] = []
    for one in members:
        handle = one.patient.handle if one.patient is not None else ""
        (groups[handle] if handle else nobody).append(one)
    if nobody:
        home = next(iter(groups)) if len(groups) == 1 else ""
        groups[home].extend(nobody)
    return groups


def _identity_conflict(scanned: Sequence[Scanned]) -> str | None:
    first: dict[str, Patient] = {}
    for one in scanned:
        if one.patient is None or not one.patient.identifier:
            continue
        known = first.setdefault(one.patient.handle, one.patient)
        title = known.conflict_with(one.patient)
        if title is not None:
            return f"one patient identifier with different {title}"
        merged = {
            name: getattr(known, name) or getattr(one.patient, name)
            for name in ("identifier", "issuer", "name", "birth_date", "sex")
        }
        first[one.patient.handle] = Patient(**merged)
    return None


def _study(uid: str, subject: str | None, members: Sequence[Scanned], synthetic: bool, notes: list[str]) -> Study:
    by_series: dict[str, list[FrameFacts]] = defaultdict(list)
    things: list[ScannedObject] = []
    for one in members:
        if one.thing is not None:
            things.append(one.thing)
        for frame in one.frames:
            by_series[frame.context.series_uid].append(frame)
    series: list[Series] = []
    reasons: dict[int, str] = {}
    used: set[int] = set()
    damaged: set[int] = set()
    for frames in sorted(by_series.values(), key=_series_order):
        try:
            assembly = assemble(frames)
            made = [series_of(stack) for stack in assembly.stacks]
        except (ArithmeticError, ValueError, IndexError, KeyError, TypeError):
            damaged.update(frame.file for frame in frames)
            continue
        _account_frames(assembly, reasons, used)
        series.extend(made)
    for thing in sorted(things, key=lambda t: (t.number or 0, t.series_uid)):
        series.append(object_series(thing))
        used.add(thing.file)
    dates = sorted({one.study_date for one in members if one.study_date})
    records = tuple(_record(one, used, reasons, damaged) for one in members)
    n_uids = len({one.study_uid for one in members})
    if n_uids > 1:
        notes.append(f"images of one series carry {n_uids} study identifiers; they were taken as one study")
    notes.extend(_claims(series))
    return Study(
        key=study_key(uid),
        subject_key=subject,
        acquired_on=dates[0] if dates else None,
        series=renumbered(series),
        files=tuple(sorted(records, key=lambda record: record.path)),
        synthetic=synthetic,
        notes=tuple(notes),
    )


def _series_order(frames: list[FrameFacts]) -> tuple[int, str]:
    number = frames[0].context.number
    return (number if number is not None else 1 << 30, frames[0].context.series_uid)


def _account_frames(assembly: Assembly, reasons: dict[int, str], used: set[int]) -> None:
    for frame, reason in assembly.left_out:
        reasons.setdefault(frame.file, reason)
    used.update(frame.file for stack in assembly.stacks for frame in stack.frames)


def _record(one: Scanned, used: set[int], reasons: dict[int, str], damaged: set[int]) -> FileRecord:
    number = one.frames[0].file if one.frames else (one.thing.file if one.thing else -1)
    if number in used:
        return FileRecord(one.entry.name, FileOutcome.USED, sha256=one.sha256)
    if number in damaged:
        words = "the geometry of its series is damaged"
        return FileRecord(one.entry.name, FileOutcome.REFUSED, words, "E_GEOMETRY", one.sha256)
    return FileRecord(
        one.entry.name, FileOutcome.SKIPPED, reasons.get(number, "not part of any series"), None, one.sha256
    )


def _claims(series: Sequence[Series]) -> list[str]:
    claimed = sorted({s.acquisition.body_part_claimed for s in series if s.acquisition.body_part_claimed})
    if not claimed:
        return []
    return ["the header claims the body part " + ", ".join(claimed) + "; nothing is decided from this claim"]


__all__ = ["Entry", "read_studies", "read_study", "read_volume", "renumbered", "role_of"]
