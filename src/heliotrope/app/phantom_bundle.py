"""What a phantom hands over for writing, and the name under which a user finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from heliotrope.domain.images import LabelMap, ParametricMap
from heliotrope.phantoms.study import PhantomSeries


@dataclass(frozen=True, eq=False)
class PhantomBundle:
    """What any phantom hands over for writing.

    Parameters
    ----------
    name : str
    seed : int
    subject : str
        Equal for phantoms of one simulated person.
    note : str
        What it shows, beginning with the synthetic marking.
    series : tuple of PhantomSeries
    label_maps : mapping of file stem to LabelMap
    maps : mapping of file stem to ParametricMap
    truth : mapping
        Further truth as JSON values.
    """

    name: str
    seed: int
    subject: str
    note: str
    series: tuple[PhantomSeries, ...]
    label_maps: Mapping[str, LabelMap]
    maps: Mapping[str, ParametricMap]
    truth: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PhantomEntry:
    """A phantom a user can name.

    Parameters
    ----------
    title : str
        What it shows, one sentence.
    build : callable
        Seed to bundle.
    """

    title: str
    build: Callable[[int], PhantomBundle]
