"""Magnitude images that only their phase partner tells apart from other images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from heliotrope.domain.study import Modality, Role, Series
from heliotrope.io.content import component_of
from heliotrope.io.frames import Component

LONGEST_GRADIENT_ECHO_MS = 60.0
"""Gradient echoes of a limb are not read later; later ones are spin echoes. [ms] Project rule."""
_SAME_ECHO_MS = 0.01
_MAGNITUDE_PART = re.compile(r"_part-mag(?![a-z])")


def with_phase_partners(series: Sequence[Series]) -> tuple[Series, ...]:
    """Give magnitude images of an unstated sequence the role of their phase image.

    Parameters
    ----------
    series : sequence of Series
        Of one study, with their keys.

    Returns
    -------
    tuple of Series
        In the same order. An image called magnitude, whose sequence is not stated, becomes a gradient-echo magnitude
        when a phase image of the same grid, echo times and field strength lies beside it.
    """
    phases = [item for item in series if item.role is Role.GRE_PHASE]
    return tuple(_paired(item, phases) for item in series)


def _paired(item: Series, phases: Sequence[Series]) -> Series:
    facts = item.acquisition
    open_question = item.role is Role.OTHER and facts.modality is Modality.MR and not facts.scanning_sequence
    if not open_question or facts.inversion_time_ms is not None or not _is_magnitude(item):
        return item
    if not facts.echo_times_ms or max(facts.echo_times_ms) >= LONGEST_GRADIENT_ECHO_MS:
        return item
    partner = next((phase for phase in phases if _one_acquisition(item, phase)), None)
    if partner is None:
        return item
    return replace(
        item,
        role=Role.GRE_MAGNITUDE,
        role_reason=f"magnitude image beside the phase image {partner.key} of the same echo; "
        "the sequence is not stated",
    )


def _is_magnitude(item: Series) -> bool:
    if component_of(item.acquisition.image_type) is Component.MAGNITUDE:
        return True
    return bool(item.frames) and _MAGNITUDE_PART.search(item.frames[0].path) is not None


def _one_acquisition(first: Series, second: Series) -> bool:
    if first.grid is None or second.grid is None or first.n_frames != second.n_frames:
        return False
    a, b = first.acquisition, second.acquisition
    times = (a.echo_times_ms, b.echo_times_ms)
    if len(times[0]) != len(times[1]) or any(abs(x - y) > _SAME_ECHO_MS for x, y in zip(*times, strict=True)):
        return False
    names = ("field_strength_t", "repetition_time_ms", "flip_angle_deg")
    return all(getattr(a, name) == getattr(b, name) for name in names) and first.grid.is_same_as(second.grid)
