"""Scores are views: each item states what it was read from and how likely another grade is."""

from __future__ import annotations

import numpy as np
import pytest

from heliotrope.domain.anatomy import Region, Side
from heliotrope.domain.findings import Finding
from heliotrope.domain.measurement import Measurement
from heliotrope.domain.units import Unit
from heliotrope.findings.scores import score_findings

LEFT, RIGHT = (Region("anterior_thigh", side) for side in Side)


def _row(region: Region, quantity: str, value: float, reach: float | None, statistic: str = "fraction") -> Measurement:
    interval = None if reach is None else (value - reach, value + reach)
    return Measurement(region, quantity, statistic, value, Unit.PERCENT, "drawn/1", ci95=interval)


def _scores(*rows: Measurement) -> dict[str, Finding]:
    edema = (_row(LEFT, "edema_fraction", 40.0, 4.0), _row(LEFT, "edema_excess", 0.9, 0.05, "mean"))
    found = score_findings((*edema, *rows), (), generator=np.random.default_rng(1))
    return {str(finding.details["instrument"]): finding for finding in found}


def test_an_item_states_its_measurement_and_the_probability_of_another_grade() -> None:
    extent = _scores()["nih-iim-34/extent"].details
    assert extent["item left anterior_thigh"] == 2.0
    assert extent["measured left anterior_thigh"] == "40.0 (36.0 to 44.0) % edema"
    assert extent["may change left anterior_thigh"] == 0.0


def test_a_measurement_at_a_border_may_as_well_have_the_next_grade() -> None:
    rows = (_row(RIGHT, "edema_fraction", 30.0, 4.0), _row(RIGHT, "edema_excess", 0.9, 0.05, "mean"))
    changes = _scores(*rows)["nih-iim-34/extent"].details["may change right anterior_thigh"]
    assert changes == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("reach", "known"), [(6.0, True), (None, False)])
def test_layers_have_a_probability_only_where_they_have_an_interval(reach: float | None, known: bool) -> None:
    details = _scores(_row(LEFT, "fascia_extent", 11.0, reach))["nih-iim-34/fascia"].details
    changes = details["may change left anterior_thigh"]
    assert details["item left anterior_thigh"] == 1.0
    assert (changes is not None) is known
    if changes is not None:
        assert 0.2 < float(changes) < 0.5


def test_atrophy_near_its_limit_may_be_none() -> None:
    rows = (_row(LEFT, "contractile_area", 84.0, None, "max"), _row(RIGHT, "contractile_area", 100.0, None, "max"))
    assert "nih-iim-34/atrophy" not in _scores(*rows)  # compartments by geometry alone differ between sides
    muscle = _row(Region("sartorius", Side.LEFT), "contractile_area", 10.0, None, "max")
    details = _scores(*rows, muscle)["nih-iim-34/atrophy"].details
    assert details["measured left anterior_thigh"] == "16 % below the other side"
    assert details["item left anterior_thigh"] == 1.0
    assert 0.2 < float(details["may change left anterior_thigh"] or 0.0) < 0.6
    assert float(details["may change right anterior_thigh"] or 0.0) < 0.05


def test_the_36_group_score_counts_only_changes_of_its_own_grades() -> None:
    rows = (_row(RIGHT, "edema_fraction", 50.0, 1.0), _row(RIGHT, "edema_excess", 0.6, 0.1, "mean"))
    scores = _scores(*rows)
    assert float(scores["nih-iim-34/intensity"].details["may change right anterior_thigh"] or 0.0) > 0.3
    assert scores["malattia-36"].details["may change right anterior_thigh"] == 0.0


def test_tools_without_public_weights_are_left_to_a_reader() -> None:
    assert _scores()["davis-jdm-thigh, jdm-image-score"].details["source"] == "reader-entered"
