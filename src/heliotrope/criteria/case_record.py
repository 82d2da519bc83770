"""One patient over time as plain data: what was observed, when, and when it was written down.

Nothing is overwritten: an entry that turns out wrong stays, and a later entry names it in `corrects`. What was known on
a day is every entry written down by then, less those corrected by then.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, TypeVar

from heliotrope.criteria import eular_acr_2017, imacs_cancer_2023

RECORD_VERSION: Final = 1
BOOLEAN_FACTS: Final = (
    *(name for name in eular_acr_2017.ITEMS if name not in {"anti_jo1", "dysphagia"}),
    *eular_acr_2017.BIOPSY_ITEMS,
    "better_explanation",
    "biopsy_performed",
    "finger_flexor_weakness",
    "treatment_not_improved",
    "emg_triad",
    "biopsy_myositis",
    "exclusion_present",
    "myositis",
    "ild",
    "arthritis",
    "fever",
    "raynaud",
    "mechanics_hands",
    "necrotizing_biopsy",
    "interface_dermatitis",
    "bx_suggestive",
    "bx_definitive",
    "persistent_activity",
    "skin_necrosis",
)
# Facts that pass and return: what holds is what was seen last, not what was seen ever.
CURRENT_FACTS: Final = frozenset({"persistent_activity", "better_explanation", "exclusion_present"})
DYSPHAGIA: Final = imacs_cancer_2023.DYSPHAGIA
ANTIBODIES: Final = (
    *imacs_cancer_2023.SCORED_ANTIBODIES,
    *imacs_cancer_2023.STANDARD_ANTIBODIES,
    "cN1A",
)
SYNTHETASE_ANTIBODIES: Final = ("Jo1", "PL7", "PL12", "EJ", "OJ", "KS", "Zo", "Ha")
DM_ANTIBODIES: Final = ("TIF1g", "NXP2", "Mi2", "MDA5", "SAE1")
RESULTS: Final = ("positive", "weak_positive", "negative")
SCREENING_TESTS: Final = ("basic", "enhanced", "pet_ct", "gi_endoscopy", "nasoendoscopy")
SCREENING_RESULTS: Final = ("nothing_found", "finding")
VISIT_INSTRUMENTS: Final = ("mmt8", "cmas", "cdasi_v2", "haq_chaq", "das_jdm")
GLOBAL_SCALES: Final = ("physician_global", "patient_global", "extramuscular_global")


@dataclass(frozen=True, order=True)
class PartialDate:
    """A date known to the day, the month or the year.

    Parameters
    ----------
    earliest, latest : dt.date
        First and last day it may be.
    text : str
        As written.

    Examples
    --------
    >>> PartialDate.parse("2021-02").latest.isoformat()
    '2021-02-28'
    """

    earliest: dt.date
    latest: dt.date
    text: str

    @classmethod
    def parse(cls, written: object) -> PartialDate | None:
        """A date of the form 2021, 2021-03 or 2021-03-14; None when it is no such date."""
        text = str(written) if type(written) in (int, str) else ""
        match = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", text, flags=re.ASCII)
        if match is None or not 1900 <= int(match[1]) <= 2199:
            return None
        year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
        try:
            earliest = dt.date(year, month, day)
        except ValueError:
            return None
        if match[3]:
            return cls(earliest, earliest, text)
        last_month = month if match[2] else 12
        return cls(earliest, dt.date(year, last_month, calendar.monthrange(year, last_month)[1]), text)

    def __str__(self) -> str:
        return self.text


def years_between(start: PartialDate, end: PartialDate) -> tuple[Fraction, Fraction]:
    """Least and most time from `start` to `end`, anniversaries passed and the part of a year since; never below zero.

    The third anniversary is three years whether or not a leap day lies before it.
    """
    return _years(start.latest, end.earliest), _years(start.earliest, end.latest)


def _years(start: dt.date, end: dt.date) -> Fraction:
    if end <= start:
        return Fraction(0)
    whole = end.year - start.year
    if _anniversary(start, whole) > end:
        whole -= 1
    passed = _anniversary(start, whole)
    return whole + Fraction((end - passed).days, (_anniversary(start, whole + 1) - passed).days)


def _anniversary(day: dt.date, years: int) -> dt.date:
    """The same day some years on; 29 February becomes 28 where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


@dataclass(frozen=True)
class Written:
    """When an entry was written down, and what it replaces.

    Parameters
    ----------
    key : str
        Name of the entry.
    recorded : PartialDate or None
        When it was written down; taken as the day of observation when not said.
    corrects : str or None
        Key of the entry that it replaces.
    """

    key: str
    recorded: PartialDate | None = None
    corrects: str | None = None


@dataclass(frozen=True)
class Fact:
    """An observed sign or finding; a value of None was looked for and not settled.

    Parameters
    ----------
    visit : str or None
        Key of the visit at which it was seen; it falls when that visit is corrected.
    """

    written: Written
    name: str
    value: bool | str | None
    date: PartialDate | None
    visit: str | None = None


@dataclass(frozen=True)
class AntibodyResult:
    """An antibody result with its assay and date."""

    written: Written
    antibody: str
    result: str | None
    assay: str | None
    date: PartialDate | None


@dataclass(frozen=True)
class LaboratoryValue:
    """A laboratory value with its unit and the upper limit of that laboratory (ULN).

    `value` and `uln` are None when unknown.
    """

    analyte: str
    value: Fraction | None
    unit: str | None
    uln: Fraction | None
    uln_unit: str | None


@dataclass(frozen=True)
class ImagingReference:
    """An analysis of images, by the folder that holds it; relative to the record."""

    analysis: str
    note: str = ""


@dataclass(frozen=True)
class Visit:
    """What was recorded at one visit.

    Parameters
    ----------
    globals_cm : mapping of str to Fraction
        Global assessments on 10-cm visual analog scales. [cm]
    muscle_total : (Fraction, str) or None
        A muscle testing total and its scale, where single grades were not kept.
    instruments : mapping of str to mapping
        Inputs of the instruments, as they take them.
    quality_of_life : mapping or None
        CHQ-PhS: ``value``, ``range_min``, ``range_max``.
    """

    written: Written
    date: PartialDate | None
    globals_cm: Mapping[str, Fraction] = field(default_factory=dict)
    muscle_total: tuple[Fraction, str] | None = None
    instruments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quality_of_life: Mapping[str, Fraction] | None = None
    laboratory: tuple[LaboratoryValue, ...] = ()
    imaging: tuple[ImagingReference, ...] = ()


@dataclass(frozen=True)
class Treatment:
    """What a patient received; a label beside the course, never advice."""

    drug: str
    dose: str
    start: PartialDate | None
    stop: PartialDate | None


@dataclass(frozen=True)
class Screening:
    """A cancer screening that was done."""

    written: Written
    test: str
    result: str | None
    date: PartialDate | None


@dataclass(frozen=True)
class Case:
    """One patient.

    Parameters
    ----------
    key : str
        A pseudonym.
    age_at_onset : Fraction or None
        At the first symptom thought to be due to the disease. [a]
    sex : str or None
        ``"female"`` or ``"male"``, for the screening guideline only.
    raised_nasopharyngeal_risk : bool or None
        Whether the patient lives in a region with raised risk of nasopharyngeal cancer.
    subtype : str or None
        As the clinician states it, for the screening guideline.
    core_set : str
        ``"IMACS"`` or ``"PRINTO"``.
    enzyme_range_multiplier : mapping
        The site's own ranges for the improvement score, as multiples of the ULN.
    """

    key: str
    age_at_onset: Fraction | None
    onset: PartialDate | None
    diagnosis: PartialDate | None
    sex: str | None
    raised_nasopharyngeal_risk: bool | None
    subtype: str | None
    core_set: str
    enzyme_range_multiplier: Mapping[str, Fraction]
    facts: tuple[Fact, ...]
    antibodies: tuple[AntibodyResult, ...]
    visits: tuple[Visit, ...]
    treatments: tuple[Treatment, ...]
    screening: tuple[Screening, ...]
    synthetic: bool = False

    @property
    def is_juvenile(self) -> bool | None:
        """Onset before 18; None when the age is unknown."""
        return None if self.age_at_onset is None else self.age_at_onset < imacs_cancer_2023.ADULT_AGE


Entry = TypeVar("Entry", Fact, AntibodyResult, Visit, Screening)


def known_by(entries: Iterable[Entry], day: dt.date | None) -> tuple[Entry, ...]:
    """Entries written down by a day (all when None), less those corrected by then.

    An undated entry is known only when no day is asked for.
    """
    written = [entry for entry in entries if _written_by(entry, day)]
    corrected = {entry.written.corrects for entry in written}
    return tuple(entry for entry in written if entry.written.key not in corrected)


def _written_by(entry: Entry, day: dt.date | None) -> bool:
    if day is None:
        return True
    known_on = entry.written.recorded or entry.date
    return known_on is not None and known_on.latest <= day
