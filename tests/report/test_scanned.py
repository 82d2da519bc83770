"""What was scanned, in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heliotrope.domain.study import Acquisition, FrameSource, Modality, Role, Series, Study
from heliotrope.report.scanned import study_line


def _study(*kinds: tuple[Modality, Role], field_strength_t: float | None = None) -> Study:
    acquisition = replace(Acquisition(Modality.MR), field_strength_t=field_strength_t)
    series = (
        Series(f"s{n}", str(n), n, "", role, "", replace(acquisition, modality=modality), None, 1, (FrameSource(""),))
        for n, (modality, role) in enumerate(kinds, start=1)
    )
    return Study("s", None, None, tuple(series), ())


@pytest.mark.parametrize(
    ("study", "line"),
    [
        (_study((Modality.CT, Role.CT)), "CT"),
        (
            _study((Modality.MR, Role.STIR), (Modality.MR, Role.T1), field_strength_t=1.5),
            "MRI at 1.5 T: STIR and T1-weighted",
        ),
        (_study((Modality.MR, Role.OTHER)), "No series of a known kind"),
    ],
)
def test_kind_and_series_are_named_once(study: Study, line: str) -> None:
    assert study_line(study) == line
