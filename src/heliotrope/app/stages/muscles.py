"""The stage that names the single muscles of the thigh on the tissues drawn before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import numpy as np

from heliotrope.app.stage import Quantity, Stage, StageInput, StageOutput
from heliotrope.backends.muscle_network import load_muscle_network, weights_identity
from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.errors import EngineError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import Volume
from heliotrope.domain.measurement import Missing
from heliotrope.domain.result import NotAssessed, QualityCheck
from heliotrope.domain.study import Role, Series, Study
from heliotrope.domain.units import Unit
from heliotrope.segment.label_quality import check_labels
from heliotrope.segment.muscles.label import LEAST_AGREEMENT, MOST_IMAGES, label_muscles
from heliotrope.segment.muscles.network import THIGH, MuscleNetwork
from heliotrope.segment.muscles.predict import VIEWS_OF_IMAGES
from heliotrope.segment.muscles.result import AGREE_WITH_TISSUES, Muscles
from heliotrope.segment.tissues import PREFERENCE

MUSCLE_LABELS = Quantity(
    "muscle_labels",
    "muscle labels",
    Unit.ONE,
    "Which voxel belongs to which muscle of the thigh, left and right; automatic, a region and not a number.",
)
"""What this stage delivers."""
ROLES: tuple[Role, ...] = (
    Role.DIXON_WATER,
    Role.DIXON_IN_PHASE,
    Role.T1,
    Role.T2,
    Role.MULTI_ECHO_T2,
    Role.GRE_MAGNITUDE,
    Role.DIXON_FAT,
    Role.STIR,
    Role.T2_FAT_SUPPRESSED,
    Role.CT,
)
"""Images the network may see, in the order in which they are taken. Project rule."""
ECHO_TIMES_MS = (20.0, 45.0, 80.0)
"""Echoes of a train nearest to these are shown: little, medium and strong T2 weighting. Project rule. [ms]"""
FITTED = ("water_signal", "fat_signal")
"""Fitted signals that stand for a scanner's water and fat images."""


def _usable(study: Study) -> list[Series]:
    """Series the network may see, the best first."""
    return [series for role in ROLES for series in study.with_role(role) if series.grid is not None]


def _select(study: Study) -> tuple[Series, ...] | Missing:
    usable = _usable(study)
    if not usable:
        return Missing(
            "M_NO_SERIES", "no axial series of a known kind with a regular geometry, in which to name muscles"
        )
    return tuple(usable)


def _images(given: StageInput, grid: Grid) -> list[tuple[str, Volume]]:
    """Up to `MOST_IMAGES` images on a grid, each with what it is."""
    found: list[tuple[str, Volume]] = []
    for name in FITTED:
        fitted = given.maps.get(name)
        if fitted is not None and fitted.grid.is_same_as(grid, 0.5):
            values = np.where(fitted.valid, np.abs(fitted.values), 0.0).astype(np.float32)
            found.append((f"fitted {name.replace('_', ' ')}", Volume(values, grid)))
    for series in given.series:
        if series.grid is None or not series.grid.is_same_as(grid, 0.5):
            continue
        words = series.role.replace("_", " ")
        volume = given.read_volume(series)
        if volume.data.ndim == 3:
            found.append((words, volume))
            continue
        frames = _frames_shown(series, volume.n_frames)
        found.extend((f"{words} (echo {frame + 1})", volume.frame(frame)) for frame in frames)
    return list(islice(found, MOST_IMAGES))


def _tissues_tell_fat(given: StageInput, grid: Grid) -> bool:
    """Whether the tissues were drawn on more than a water image alone."""
    if all((fitted := given.maps.get(name)) is not None and fitted.grid.is_same_as(grid, 0.5) for name in FITTED):
        return True
    series = given.study.series
    roles = {item.role for item in series if item.grid is not None and item.grid.is_same_as(grid, 0.5)}
    return next((row for row in PREFERENCE if roles.issuperset(row)), ()) != (Role.DIXON_WATER,)


def _frames_shown(series: Series, n_frames: int) -> tuple[int, ...]:
    """Frames of a series with a fourth axis: echoes of different weighting."""
    times = series.acquisition.echo_times_ms
    if len(times) != n_frames:
        return (0,)
    nearest = [int(np.argmin(np.abs(np.asarray(times) - wanted))) for wanted in ECHO_TIMES_MS]
    return tuple(dict.fromkeys(nearest))


def _run(given: StageInput, load: Callable[[], MuscleNetwork] = load_muscle_network) -> StageOutput:
    if given.options.muscles == "none":
        return _without("M_SWITCHED_OFF", "Single muscles were switched off in the plan.")
    grid = given.labels.grid if given.labels is not None else given.series[0].grid
    assert grid is not None
    try:
        network = load()
        images = _images(given, grid)
        if not images:
            return _without("M_NO_SERIES", "No image that the network may see lies on the grid of the tissues.")
        shown = [volume for _, volume in images]
        muscles = label_muscles(shown, network, given.labels, within_muscle=_tissues_tell_fat(given, grid))
    except (EngineError, QualityRefusal) as error:
        return _without(error.code, error.message)
    names = [name for name, _ in images]
    return StageOutput(
        sentence=_sentence(network, names),
        evidence=("muscle-network", "muscle-agreement", "muscle-order"),
        labels=muscles.labels,
        backgrounds={} if given.labels is not None else {"labels": images[0][1]},
        quality=(*_checks(muscles), *check_labels(muscles.labels)),
    )


def _without(code: str, reason: str) -> StageOutput:
    return StageOutput(sentence="", not_assessed=(NotAssessed(MUSCLE_LABELS.key, Missing(code, reason)),))


def _sentence(network: MuscleNetwork, names: list[str]) -> str:
    answers = sum(len(views) for views in VIEWS_OF_IMAGES[len(names)])
    return (
        f"Single muscles of the thigh were named automatically by the network {network.title}, trained on images "
        "generated from label maps and not tested on inflamed muscle of patients; it saw "
        f"{' and '.join(names)}; {answers} answers of different scale and position were averaged and weighed by "
        "the neighboring slices. Muscles whose "
        f"answers agreed by less than a Dice of {LEAST_AGREEMENT}, or that lay in a wrong place, were left to their "
        "compartment; slices that are no thigh hold no single muscles."
    )


def _checks(muscles: Muscles) -> tuple[QualityCheck, ...]:
    named = {leg.side: [n for n in leg.confidence if _is_single(n) and n not in leg.withheld] for leg in muscles.legs}
    counted = ", ".join(f"{len(names)} {side}" for side, names in named.items())
    anything = any(named.values())
    withheld = [f"{leg.side} {STRUCTURES[name].title}" for leg in muscles.legs for name in leg.withheld]
    refused = [f"{leg.side} {phrase}" for leg in muscles.legs for phrase in leg.refused]
    thigh = sum(level == THIGH for leg in muscles.legs if named[leg.side] for level in leg.levels)
    alike = [leg.dice_with_tissues for leg in muscles.legs if np.isfinite(leg.dice_with_tissues)]
    checks = [
        QualityCheck(
            "muscle-level",
            True if anything else None,
            f"Muscles are named in {thigh} slices of a leg{_not_named_in(muscles, named, refused)}."
            if anything
            else "No single muscle was named in any slice.",
        ),
        QualityCheck(
            "muscle-certainty",
            not withheld,
            (f"Muscles named: {counted}." if anything else "No single muscle was named.")
            + (f" Withheld: {', '.join(withheld)}." if withheld else ""),
        ),
    ]
    if alike:
        checks.append(
            QualityCheck(
                "muscle-against-tissues",
                min(alike) >= AGREE_WITH_TISSUES,
                f"All muscle by the network overlaps the weight-free muscle with a Dice of {min(alike):.2f} or more "
                f"(limit {AGREE_WITH_TISSUES}).",
            )
        )
    return tuple(checks)


def _not_named_in(muscles: Muscles, named: Mapping[Side, Sequence[str]], refused: Sequence[str]) -> str:
    """The slices and legs in which nothing is named, in words."""
    without = [f"the {leg.side} leg" for leg in muscles.legs if THIGH in leg.levels and not named[leg.side]]
    return f"; not in {'; '.join((*refused, *without))}" if refused or without else ", all that were imaged"


def _is_single(name: str) -> bool:
    return STRUCTURES[name].compartment is not None


STAGES: tuple[Stage, ...] = (
    Stage(
        "muscles",
        5,
        (MUSCLE_LABELS,),
        _select,
        _run,
        uses=("fat-fraction", "tissues"),
        reads=("muscles",),
        material=weights_identity,
    ),
)
"""Stages of this topic."""
