"""Days from the first visit to each: given, or from study dates that the results show; dates themselves go nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise

from heliotrope.app.timepoints import Timepoint
from heliotrope.domain.errors import InputError, OptionError


def days_of(timepoints: Sequence[Timepoint], given: Sequence[int] | None, *, blinded: bool) -> Mapping[str, int]:
    """Days since the first visit by timepoint; empty where unknown, or where the order in time is hidden.

    Parameters
    ----------
    timepoints : sequence of Timepoint
        In order of time, unblinded.
    given : sequence of int or None
        Days on any count, one per timepoint; None takes the study dates of results made with identifiers shown.

    Raises
    ------
    OptionError
        ``E_DAYS``: another number of days than timepoints, or days beside blinding.
    InputError
        ``E_ORDER``: a later timepoint lies before an earlier one.
    """
    if given is not None and blinded:
        raise OptionError(
            "days would tell the order that blinding hides", hint="leave out --days or --blind", code="E_DAYS"
        )
    if given is not None and len(given) != len(timepoints):
        raise OptionError(
            f"{len(given)} days for {len(timepoints)} timepoints",
            hint="give one number of days per folder, e.g. --days 0,182,365",
            code="E_DAYS",
        )
    days = list(given) if given is not None else _from_dates(timepoints)
    for (first, before), (second, after) in pairwise(zip((item.name for item in timepoints), days, strict=False)):
        if after < before:
            raise InputError(
                f"{second} lies {before - after} days before {first}",
                hint="give the folders in order of time, baseline first",
                code="E_ORDER",
            )
    if blinded or not days:
        return {}
    return {item.name: day - days[0] for item, day in zip(timepoints, days, strict=True)}


def _from_dates(timepoints: Sequence[Timepoint]) -> list[int]:
    """Days on the calendar's count; empty where any study shows no date."""
    stated = [item.document["study"].get("acquired_on") for item in timepoints]
    try:
        return [date.fromisoformat(str(day)).toordinal() for day in stated]
    except ValueError:
        return []
