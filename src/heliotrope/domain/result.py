"""What an analysis returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from heliotrope.domain.findings import Finding
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.study import Study
from heliotrope.domain.verdict import Verdict


@dataclass(frozen=True)
class MethodStep:
    """One step that ran: its sentence for the methods text, its sources.

    Parameters
    ----------
    name : str
        Stage name and version.
    sentence : str
        For the methods section of the report; assembled in order of running.
    evidence : tuple of str
        Keys of the evidence ledger.
    seconds : float
        Wall time, measured by `app`.
    reused : bool
        True when the result of an earlier identical run was taken.
    series : tuple of str
        Keys of the series it read.
    delivered : tuple of str
        Quantities it gave.
    """

    name: str
    sentence: str
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0
    reused: bool = False
    series: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotAssessed:
    """A result the product knows and this study does not permit.

    Parameters
    ----------
    quantity : str
        Registry key.
    missing : Missing
    """

    quantity: str
    missing: Missing


@dataclass(frozen=True)
class QualityCheck:
    """A named check of input or labels.

    Parameters
    ----------
    name : str
    passed : bool or None
        None when it could not be made.
    detail : str
    """

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class QuantityText:
    """What a quantity is called and means, for people.

    Parameters
    ----------
    title : str
    meaning : str
        What it is, which direction is worse, what it is not.
    """

    title: str
    meaning: str


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """Everything an analysis found; writers and report read this and nothing else.

    Parameters
    ----------
    backgrounds : mapping of str to Volume
        Named gray images on which maps and labels are shown, e.g. ``"labels"`` for the image they were drawn on.
    quantities : mapping of str to QuantityText
        Title and meaning of every quantity that the stages of this run know.
    further_labels : mapping of str to LabelMap
        Label maps besides `labels`, by the stage that drew them; e.g. calcifications on CT beside tissues on MR.
    """

    study: Study
    maps: Mapping[str, ParametricMap]
    labels: LabelMap | None
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    not_assessed: tuple[NotAssessed, ...]
    quality: tuple[QualityCheck, ...]
    methods: tuple[MethodStep, ...]
    backgrounds: Mapping[str, Volume] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    quantities: Mapping[str, QuantityText] = field(default_factory=dict)
    further_labels: Mapping[str, LabelMap] = field(default_factory=dict)
