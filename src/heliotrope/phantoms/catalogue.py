"""The catalogue of MR phantoms: what each simulated person has, and how the protocol is simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from heliotrope.domain.anatomy import Side
from heliotrope.domain.errors import OptionError
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap
from heliotrope.phantoms.fibers import Fibers
from heliotrope.phantoms.fields import draw_field
from heliotrope.phantoms.lesions import (
    EdemaPattern,
    FascialFluid,
    FatReplacement,
    Lesion,
    MuscleEdema,
    SubcutaneousStrands,
    place_lesions,
)
from heliotrope.phantoms.mr_protocol import MrProtocol, Sequence, simulate_series
from heliotrope.phantoms.mr_signal import MagnetizationModel, SuppressionFailure
from heliotrope.phantoms.mr_tissue import (
    PersonTissue,
    TissueMaps,
    draw_tissue_maps,
    lesion_table,
    slab_of,
    truth_labels,
    truth_maps,
)
from heliotrope.phantoms.study import SYNTHETIC_NOTE, PhantomStudy
from heliotrope.phantoms.thigh_anatomy import HAMSTRINGS, MUSCLES, QUADRICEPS, BuildOfPerson, PackedThighs, draw_thighs
from heliotrope.phantoms.thigh_voxels import ThighVoxels, fill_voxels

BOTH = (Side.LEFT, Side.RIGHT)


@dataclass(frozen=True)
class ThighScene:
    """Everything that defines a simulated thigh study but the seed.

    Parameters
    ----------
    lesions : tuple of Lesion
    note : str
        What the phantom shows, in one sentence.
    build : BuildOfPerson
    tissue : PersonTissue
    protocol : MrProtocol
    failure : SuppressionFailure or None
    streak_density : float
        Fatty streaks in muscle: 0 none, 1 as in an adult.
    subject : str
        Family of phantoms that are one person; empty for the phantom's own name.
    """

    lesions: tuple[Lesion, ...]
    note: str
    build: BuildOfPerson = field(default_factory=BuildOfPerson)
    tissue: PersonTissue = field(default_factory=PersonTissue)
    protocol: MrProtocol = field(default_factory=MrProtocol)
    failure: SuppressionFailure | None = None
    streak_density: float = 1.0
    subject: str = ""


def build_thigh_study(name: str, scene: ThighScene, seed: int) -> PhantomStudy:
    """Draw the person, place the lesions, fill the voxels and simulate the protocol.

    The same seed gives the same person whatever the lesions are, so that pairs differ only in what was changed.
    """
    protocol = scene.protocol
    subject = scene.subject or name
    person, place, tissue, noise = (np.random.default_rng([seed, stream]) for stream in range(4))
    thighs = PackedThighs.of(draw_thighs(person, scene.build))
    streaks = np.stack([draw_field(person, 7.0)[:24], draw_field(person, 25.0)[:24]])
    grid = protocol.grid()
    slab = slab_of(grid, protocol.slice_thickness_mm)
    tables = place_lesions(scene.lesions, thighs, slab, place)
    voxels = fill_voxels(
        grid,
        thighs,
        tables,
        streaks=streaks,
        streak_limits=(0.7, 0.09 * scene.streak_density),
        slice_thickness_mm=protocol.slice_thickness_mm,
    )
    offset = PersonTissue(
        scene.tissue.t2_offset_ms + float(tissue.normal(0.0, 0.5)),
        scene.tissue.fat_percent + float(tissue.normal(0.0, 0.4)),
    )
    maps = draw_tissue_maps(voxels, tables, offset, tissue)
    model = MagnetizationModel.of(voxels, maps)
    return PhantomStudy(
        name=name,
        seed=seed,
        series=simulate_series(model, protocol, scene.failure, noise),
        truth_labels=truth_labels(voxels),
        truth_maps=MappingProxyType(_truth(voxels, maps, protocol)),
        lesions=lesion_table(voxels, scene.lesions),
        note=f"{SYNTHETIC_NOTE} {scene.note}",
        subject=f"{subject}-{seed}",
    )


def _truth(voxels: ThighVoxels, maps: TissueMaps, protocol: MrProtocol) -> dict[str, ParametricMap]:
    found = truth_maps(voxels, maps)
    return found | Fibers.of(voxels).truth_maps() if Sequence.DIFFUSION in protocol.sequences else found


def _edema(
    muscles: Mapping[str, float],
    pattern: EdemaPattern,
    t2_ms: float,
    sides: tuple[Side, ...] = BOTH,
    range_mm: float = 8.0,
) -> tuple[MuscleEdema, ...]:
    return tuple(
        MuscleEdema(muscle, side, pattern, fraction, t2_ms, range_mm)
        for muscle, fraction in muscles.items()
        for side in sides
    )


def uniform_edema(
    fraction: float, *, t2_ms: float = 50.0, range_mm: float = 8.0, sides: tuple[Side, ...] = BOTH
) -> tuple[MuscleEdema, ...]:
    """Edema of one fraction in every muscle: patchy below three quarters, diffuse above."""
    pattern = EdemaPattern.PATCHY if fraction < 0.75 else EdemaPattern.DIFFUSE
    return _edema(dict.fromkeys(MUSCLES, fraction), pattern, t2_ms, sides, range_mm)


_VASTI = {
    "rectus_femoris": 0.30,
    "vastus_lateralis": 0.48,
    "vastus_intermedius": 0.36,
    "vastus_medialis": 0.42,
    "adductor_magnus": 0.36,
}
_ACTIVE: tuple[Lesion, ...] = (
    *_edema(_VASTI, EdemaPattern.PATCHY, 52.0),
    *_edema({"sartorius": 0.14, "biceps_femoris_long_head": 0.10}, EdemaPattern.PATCHY, 48.0),
    *(FascialFluid(side, (-40.0, 95.0), 1.8) for side in BOTH),
    *(SubcutaneousStrands(side, (0.0, 150.0)) for side in BOTH),
)
_STABLE: tuple[Lesion, ...] = (
    *_edema({"vastus_lateralis": 0.96, "adductor_magnus": 0.96}, EdemaPattern.DIFFUSE, 45.0),
    *_edema({"rectus_femoris": 0.2, "vastus_medialis": 0.25}, EdemaPattern.PATCHY, 50.0),
)
_FATTY: tuple[Lesion, ...] = (
    *_edema({"vastus_lateralis": 0.40, "vastus_medialis": 0.40}, EdemaPattern.PATCHY, 50.0),
    *(FatReplacement(muscle, side, 45.0) for muscle in HAMSTRINGS for side in BOTH),
    *(FatReplacement("vastus_medialis", side, 18.0) for side in BOTH),
    *(FatReplacement("rectus_femoris", side, 70.0) for side in BOTH),
)
_FASCIAL: tuple[Lesion, ...] = (
    *(FascialFluid(side, (-90.0, 120.0), 2.4) for side in BOTH),
    *_edema({"vastus_lateralis": 0.25}, EdemaPattern.PERIPHERAL, 50.0),
)
_PAIR = "longitudinal"
_WITH_DIFFUSION = MrProtocol(
    pixel_mm=2.0,
    matrix=(190, 100),
    slice_thickness_mm=6.0,
    n_slices=12,
    sequences=(Sequence.STIR, Sequence.MULTI_ECHO_T2, Sequence.COMPLEX_DIXON, Sequence.DIFFUSION),
)

SCENES: Mapping[str, ThighScene] = MappingProxyType(
    {
        "active-dm": ThighScene(
            _ACTIVE,
            "Active dermatomyositis: symmetric patchy edema of quadriceps and adductors, perifascial signal, reticular "
            "signal of the subcutis.",
        ),
        "healthy": ThighScene((), "Healthy thighs without edema."),
        "mild-patchy": ThighScene(
            _edema(
                {"vastus_lateralis": 0.18, "vastus_medialis": 0.15, "rectus_femoris": 0.12}, EdemaPattern.PATCHY, 46.0
            ),
            "Mild patchy edema of three heads of the quadriceps on both sides.",
        ),
        "severe-diffuse": ThighScene(uniform_edema(0.95, t2_ms=55.0), "Diffuse edema of 95 % of all thigh muscle."),
        "moderate-diffuse": ThighScene(
            uniform_edema(0.60, t2_ms=52.0), "Edema of 60 % of all thigh muscle, in patches."
        ),
        "asymmetric": ThighScene(
            (
                *_edema(dict.fromkeys(QUADRICEPS, 0.60), EdemaPattern.PATCHY, 52.0, (Side.LEFT,)),
                *_edema(dict.fromkeys(QUADRICEPS, 0.15), EdemaPattern.PATCHY, 52.0, (Side.RIGHT,)),
            ),
            "Patchy edema of the quadriceps, four times as much on the left as on the right.",
        ),
        "fatty-edema": ThighScene(
            _FATTY,
            "Fat-replaced hamstrings and rectus femoris beside patchy edema of the vasti.",
            build=BuildOfPerson(atrophy_mm=tuple(("rectus_femoris", sign, 2.5) for sign in (1.0, -1.0))),
        ),
        "fascia-dominant": ThighScene(
            _FASCIAL,
            "Fluid along the fascia lata and a rim of edema in the vastus lateralis; little edema elsewhere.",
        ),
        "subcutis-reticular": ThighScene(
            (*(SubcutaneousStrands(side, (0.0, 200.0), 1.0, 8.0) for side in BOTH),),
            "Reticular edema of the subcutis without edema of muscle.",
            build=BuildOfPerson(subcutis_mm=16.0),
        ),
        "focal": ThighScene(
            _edema({"vastus_lateralis": 0.07}, EdemaPattern.FOCAL, 55.0, (Side.LEFT,)),
            "One focus of edema in the left vastus lateralis.",
        ),
        "honeycomb": ThighScene(
            _edema(dict.fromkeys(QUADRICEPS, 0.3), EdemaPattern.HONEYCOMB, 60.0, range_mm=7.0),
            "A network of thin edematous walls in the quadriceps, at 0.9 mm pixels.",
            protocol=MrProtocol(pixel_mm=0.9, matrix=(400, 208), slice_thickness_mm=5.0, n_slices=5),
        ),
        "suppression-failure": ThighScene(
            _edema({"vastus_lateralis": 0.2, "vastus_medialis": 0.2}, EdemaPattern.PATCHY, 50.0),
            "Mild patchy edema; fat suppression fails in the front of the right thigh.",
            failure=SuppressionFailure((-95.0, -60.0), 55.0),
        ),
        f"{_PAIR}-baseline": ThighScene(
            _STABLE, "First visit of a pair: diffuse edema of vastus lateralis and adductor magnus.", subject=_PAIR
        ),
        f"{_PAIR}-follow-up": ThighScene(
            tuple(
                replace(lesion, t2_ms=lesion.t2_ms + 5.0)
                if isinstance(lesion, MuscleEdema) and lesion.muscle in ("vastus_lateralis", "adductor_magnus")
                else lesion
                for lesion in _STABLE
            ),
            "Second visit: water T2 of vastus lateralis and adductor magnus 5 ms longer, all else unchanged.",
            protocol=MrProtocol(noise_stream=1, acquired_on="2026-07-15"),
            subject=_PAIR,
        ),
        "scanner-dixon": ThighScene(
            _ACTIVE,
            "The active-dm phantom with the scanner's own water and fat images and no T2 series.",
            protocol=MrProtocol(sequences=(Sequence.T1, Sequence.STIR, Sequence.SCANNER_DIXON)),
        ),
        "diffusion": ThighScene(
            (
                *_edema({"vastus_lateralis": 0.96, "adductor_magnus": 0.96}, EdemaPattern.DIFFUSE, 50.0),
                *_edema({"rectus_femoris": 0.3}, EdemaPattern.PATCHY, 50.0),
            ),
            "Diffuse edema of vastus lateralis and adductor magnus with a diffusion series: b 0, 400, 800 s/mm2.",
            protocol=_WITH_DIFFUSION,
        ),
        "perfusion": ThighScene(
            (),
            "Healthy thighs with a diffusion series of 13 b-values for perfusion (IVIM).",
            protocol=replace(
                _WITH_DIFFUSION,
                diffusion_shells=(
                    (0.0, 3),
                    *((b, 3) for b in (10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0)),
                    *((b, 6) for b in (200.0, 300.0, 400.0, 600.0, 800.0)),
                ),
                perfusion=(0.11, 2.97e-2),
            ),
        ),
        "stir-only": ThighScene(
            _ACTIVE,
            "The active-dm phantom with T1 and STIR only: edema has no valid reference.",
            protocol=MrProtocol(sequences=(Sequence.T1, Sequence.STIR)),
        ),
    }
)
"""Scene by phantom name."""


def _builder(name: str) -> Callable[[int], PhantomStudy]:
    return lambda seed: build_thigh_study(name, SCENES[name], seed)


THIGH_PHANTOMS: Mapping[str, Callable[[int], PhantomStudy]] = MappingProxyType(
    {name: _builder(name) for name in SCENES}
)
"""Builder by phantom name; takes the seed."""


def build_phantom(name: str, seed: int) -> PhantomStudy:
    """A thigh phantom of the catalogue.

    Raises
    ------
    OptionError
        Unknown name; the message lists what exists.
    """
    if name not in THIGH_PHANTOMS:
        raise OptionError(f"unknown phantom {name!r}", hint=f"one of {', '.join(sorted(THIGH_PHANTOMS))}")
    return THIGH_PHANTOMS[name](seed)


def thigh_grid(protocol: MrProtocol) -> Grid:
    """Grid of every series of a protocol."""
    return protocol.grid()
