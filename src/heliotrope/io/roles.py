"""What a series is, from how it was acquired. Names break ties only, and the reason says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.io.frames import Component, Content

STIR_INVERSION_MS = (80.0, 320.0)
"""Inversion times that null fat from low field to 7 T; longer ones null water or blood. [ms] Project rule."""
T1_REPETITION_MS = 1200.0
"""Spin echoes repeated faster than this are T1-weighted when the echo is short. [ms] Project rule."""
T1_ECHO_MS = 35.0
"""Longest echo time of a T1-weighted spin echo. [ms] Project rule."""
T2_ECHO_MS = 45.0
"""Shortest (effective) echo time of a T2-weighted spin echo. [ms] Project rule."""
T2_REPETITION_MS = 1500.0
"""Shortest repetition time of a T2-weighted spin echo. [ms] Project rule."""
SPIN_ECHO_REPETITION_MS = 100.0
"""No spin echo of a limb is repeated faster. [ms] Project rule."""
SMALL_FLIP_DEG = 60.0
"""Flip angles up to this belong to gradient echoes. [deg] Project rule."""
MULTI_ECHO_MINIMUM = 3
"""Echoes below which a spin-echo train gives no T2. Project rule."""

_CONTENT_ROLES = {
    Content.WATER: Role.DIXON_WATER,
    Content.FAT: Role.DIXON_FAT,
    Content.IN_PHASE: Role.DIXON_IN_PHASE,
    Content.OPPOSED_PHASE: Role.DIXON_OPPOSED_PHASE,
    Content.FAT_FRACTION: Role.FAT_FRACTION,
    Content.T2_MAP: Role.T2_MAP,
    Content.B1_MAP: Role.B1_MAP,
    Content.ADC_MAP: Role.ADC_MAP,
}
_CONTENT_OTHER = (
    Content.T2_STAR_MAP,
    Content.T1_MAP,
    Content.B0_MAP,
    Content.DIFFUSION_DERIVED,
    Content.PROJECTION,
    Content.LOCALIZER,
    Content.SCREEN,
)
_COMPONENT_ROLES = {
    Component.MAGNITUDE: Role.GRE_MAGNITUDE,
    Component.PHASE: Role.GRE_PHASE,
    Component.REAL: Role.GRE_REAL,
    Component.IMAGINARY: Role.GRE_IMAGINARY,
}
_NAMED = (
    (Role.FAT_FRACTION, r"pdff|fat[ _-]?frac"),
    (Role.DIXON_WATER, r"(^|[ _:-])w(ater)?($|[ _:-])"),
    (Role.DIXON_OPPOSED_PHASE, r"(^|[ _:-])(opp|op|oop|out)([ _-]?phase)?($|[ _:-])|opposed|outphase"),
    (Role.DIXON_IN_PHASE, r"(^|[ _:-])(ip|in)([ _-]?phase)?($|[ _:-])|inphase"),
    (Role.DIXON_FAT, r"(^|[ _:-])f(at)?($|[ _:-])"),
)
_STIR_NAME = r"(^|[^a-z0-9])(t2[ _-]?)?(stir|tirm)([^a-z0-9]|$)"
_NAMED_WEIGHTING = (
    (_STIR_NAME, Role.STIR, "STIR"),
    (r"(^|[^a-z0-9])t1(w|[^a-z0-9]|$)", Role.T1, "T1"),
)
_DIXON_FAMILY = re.compile(r"dixon|ideal|flex|mdix|lava|vibe|qdixon|fwi", re.IGNORECASE)


@dataclass(frozen=True)
class RoleFacts:
    """What a role is decided from.

    Parameters
    ----------
    acquisition : Acquisition
    component : Component or None
    content : Content
    content_reason : str
    axis : str
        The fourth axis: ``"echo"``, ``"diffusion"``, ``"repetition"`` or ``""``.
    isotropic : bool
        Trace-weighted diffusion.
    fat_suppressed, inversion : str or None
        The attribute that states it.
    names : tuple of str
        Description and protocol, for ties.
    synthetic : bool
        Generated images are called derived and are meant.
    """

    acquisition: Acquisition
    component: Component | None = None
    content: Content = Content.PLAIN
    content_reason: str = ""
    axis: str = ""
    isotropic: bool = False
    fat_suppressed: str | None = None
    inversion: str | None = None
    names: tuple[str, ...] = ()
    synthetic: bool = False


def decide_role(facts: RoleFacts) -> tuple[Role, str]:
    """The role and the attributes that decided it, as a sentence."""
    modality = facts.acquisition.modality
    if modality is Modality.CT:
        if facts.content in (Content.LOCALIZER, Content.PROJECTION, Content.SCREEN):
            return Role.OTHER, f"CT {facts.content}: {facts.content_reason}"
        return Role.CT, "modality CT"
    if modality is Modality.RADIOGRAPH:
        return Role.RADIOGRAPH, "modality CR or DX: a projection radiograph"
    if modality is Modality.ULTRASOUND:
        return Role.ULTRASOUND, "modality US"
    if modality is not Modality.MR:
        return Role.OTHER, "the modality is not stated as MR, CT, CR, DX or US"
    return _mr_role(facts)


def _mr_role(facts: RoleFacts) -> tuple[Role, str]:
    if facts.content in _CONTENT_ROLES:
        if facts.component not in (None, Component.MAGNITUDE):
            return Role.OTHER, f"{facts.component} of a computed image: {facts.content_reason}"
        turbo = _spin_echo_dixon(facts)
        return turbo or (_CONTENT_ROLES[facts.content], facts.content_reason)
    if facts.content in _CONTENT_OTHER:
        return Role.OTHER, f"{facts.content}: {facts.content_reason}"
    found = _diffusion(facts)
    if found is not None:
        return found
    sequence = _sequence_kind(facts.acquisition)
    if sequence == "GR":
        return _gradient_echo(facts)
    if facts.component not in (None, Component.MAGNITUDE):
        if sequence == "":
            return _COMPONENT_ROLES[facts.component], f"{facts.component} image; the sequence is not stated"
        return Role.OTHER, f"{facts.component} image of a sequence that is no gradient echo"
    if sequence == "SE":
        return _spin_echo(facts)
    return _unstated(facts)


def _spin_echo_dixon(facts: RoleFacts) -> tuple[Role, str] | None:
    """Dixon images of a T2-weighted spin echo are T2 images, with and without fat; they give no fat fraction."""
    acquisition = facts.acquisition
    echoes, repetition = acquisition.echo_times_ms, acquisition.repetition_time_ms
    if _sequence_kind(acquisition) != "SE" or not echoes or repetition is None:
        return None
    if max(echoes) < T2_ECHO_MS or repetition < T2_REPETITION_MS or acquisition.inversion_time_ms is not None:
        return None
    words = f"spin echo, TR {repetition:g} ms, {_echo_words(echoes)}, {facts.content_reason}"
    if facts.content is Content.WATER:
        return Role.T2_FAT_SUPPRESSED, f"{words}: fat separated by Dixon"
    if facts.content is Content.IN_PHASE:
        return Role.T2, words
    if facts.content in (Content.FAT, Content.OPPOSED_PHASE):
        return Role.OTHER, f"{words}: T2-weighted {facts.content} image"
    return None


def _sequence_kind(acquisition: Acquisition) -> str:
    """``"SE"``, ``"GR"``, ``"EP"`` or ``""`` from the scanning sequence."""
    words = {word.upper() for word in acquisition.scanning_sequence}
    if "EP" in words:
        return "EP"
    if "GR" in words and "SE" not in words:
        return "GR"
    if "SE" in words or words == {"IR"}:
        return "SE"
    return ""


def _diffusion(facts: RoleFacts) -> tuple[Role, str] | None:
    b_values = facts.acquisition.b_values_s_per_mm2
    weighted = sorted({round(b) for b in b_values if b > 0})
    if facts.content is Content.DIFFUSION_TRACE:
        return Role.DWI, f"diffusion, {facts.content_reason}"
    if not weighted and not (b_values and facts.axis == "diffusion"):
        return None
    if not weighted:
        return (Role.OTHER, "b = 0 images only") if _sequence_kind(facts.acquisition) == "EP" else None
    directions = {v for b, v in zip(b_values, facts.acquisition.b_vectors_lps, strict=False) if b > 0 and any(v)}
    words = f"b-values {', '.join(str(round(b)) for b in sorted(set(b_values)))} s/mm2"
    if facts.isotropic:
        words += ", trace-weighted"
    elif directions:
        words += f", {len(directions)} direction{'s' if len(directions) > 1 else ''}"
    else:
        words += ", no directions stated"
    return Role.DWI, words


def _gradient_echo(facts: RoleFacts) -> tuple[Role, str]:
    acquisition = facts.acquisition
    echoes = acquisition.echo_times_ms
    named = _by_name(facts)
    if facts.component in (Component.PHASE, Component.REAL, Component.IMAGINARY):
        return _COMPONENT_ROLES[facts.component], f"gradient echo, {facts.component} image, {_echo_words(echoes)}"
    if named is not None:
        return named
    if _prepared(acquisition):
        return Role.T1, "gradient echo with inversion preparation"
    if not echoes:
        return Role.OTHER, "gradient echo without an echo time"
    return Role.GRE_MAGNITUDE, f"gradient echo, magnitude image, {_echo_words(echoes)}"


def _prepared(acquisition: Acquisition) -> bool:
    variants = {word.upper() for word in acquisition.sequence_variant}
    inverted = "MP" in variants or "IR" in {w.upper() for w in acquisition.scanning_sequence}
    return inverted and acquisition.inversion_time_ms is not None


def _by_name(facts: RoleFacts) -> tuple[Role, str] | None:
    """Which image of a Dixon reconstruction, where only the name tells them apart."""
    for name in facts.names:
        if not _DIXON_FAMILY.search(name):
            continue
        for role, pattern in _NAMED:
            if re.search(pattern, name, re.IGNORECASE):
                title = role.value.replace("_", " ")
                return role, f"gradient echo of a Dixon protocol; only the series name says {title} (no attribute does)"
    return None


def _says(facts: RoleFacts, pattern: str) -> bool:
    return any(re.search(pattern, name, re.IGNORECASE) for name in facts.names)


def _echo_words(echoes: tuple[float, ...]) -> str:
    if not echoes:
        return "echo time not stated"
    if len(echoes) == 1:
        return f"TE {echoes[0]:g} ms"
    return f"{len(echoes)} echoes, TE {echoes[0]:g} to {echoes[-1]:g} ms"


def _spin_echo(facts: RoleFacts) -> tuple[Role, str]:
    acquisition = facts.acquisition
    echoes = acquisition.echo_times_ms
    timing = f"{_repetition_words(acquisition.repetition_time_ms)}, {_echo_words(echoes)}"
    if facts.axis == "echo" and len(echoes) >= MULTI_ECHO_MINIMUM:
        if acquisition.image_type[:1] == ("DERIVED",) and not facts.synthetic:
            return Role.OTHER, f"spin echo, {timing}; the image type says DERIVED: computed echoes are no measurement"
        return Role.MULTI_ECHO_T2, f"spin echo, {timing}"
    inversion = acquisition.inversion_time_ms
    inverted = inversion is not None and ("IR" in acquisition.scanning_sequence or facts.inversion is not None)
    if inversion is not None and (inverted or (_inversion_alone(acquisition) and not facts.fat_suppressed)):
        low, high = STIR_INVERSION_MS
        if low <= inversion <= high:
            return Role.STIR, f"spin echo with inversion, TI {inversion:g} ms nulls fat, {timing}"
        return Role.OTHER, f"spin echo with inversion, TI {inversion:g} ms does not null fat, {timing}"
    if "IR" in {word.upper() for word in acquisition.scanning_sequence}:
        if _says(facts, _STIR_NAME):
            return Role.STIR, f"inversion recovery, {timing}; only the series name says STIR (no attribute does)"
        return Role.OTHER, f"inversion recovery without a stated inversion time, {timing}"
    named = _by_name(facts)
    if named is not None:
        return named[0], named[1].replace("gradient echo", "spin echo")
    if facts.component not in (None, Component.MAGNITUDE):
        return Role.OTHER, f"{facts.component} image of a spin echo"
    return _weighting(facts, timing)


def _inversion_alone(acquisition: Acquisition) -> bool:
    # some scanners state TI and leave the scanning sequence at SE
    low, high = STIR_INVERSION_MS
    inversion = acquisition.inversion_time_ms
    return (
        inversion is not None and low <= inversion <= high and (acquisition.repetition_time_ms or 0) > T2_REPETITION_MS
    )


def _weighting(facts: RoleFacts, timing: str) -> tuple[Role, str]:
    acquisition = facts.acquisition
    repetition = acquisition.repetition_time_ms
    if repetition is None or not acquisition.echo_times_ms:
        for pattern, role, title in _NAMED_WEIGHTING:
            if _says(facts, pattern):
                return role, f"spin echo, {timing}; only the series name says {title} (no attribute does)"
        return Role.OTHER, f"spin echo whose weighting cannot be told: {timing}"
    echo = acquisition.echo_times_ms[0] if len(acquisition.echo_times_ms) == 1 else acquisition.echo_times_ms[-1]
    if echo >= T2_ECHO_MS and repetition >= T2_REPETITION_MS:
        if facts.fat_suppressed:
            return Role.T2_FAT_SUPPRESSED, f"spin echo, {timing}, {facts.fat_suppressed}"
        return Role.T2, f"spin echo, {timing}, no fat suppression stated"
    if echo <= T1_ECHO_MS and repetition <= T1_REPETITION_MS:
        extra = f", {facts.fat_suppressed}" if facts.fat_suppressed else ""
        return Role.T1, f"spin echo, {timing}{extra}"
    return Role.OTHER, f"spin echo of intermediate weighting, {timing}"


def _unstated(facts: RoleFacts) -> tuple[Role, str]:
    acquisition = facts.acquisition
    echoes = acquisition.echo_times_ms
    sequence = "\\".join(acquisition.scanning_sequence) or "not stated"
    if facts.axis == "echo" and len(echoes) > 1 and _sequence_kind(acquisition) == "":
        if acquisition.flip_angle_deg is not None and acquisition.flip_angle_deg <= SMALL_FLIP_DEG and max(echoes) < 60:
            return (
                _COMPONENT_ROLES[facts.component or Component.MAGNITUDE],
                f"{_echo_words(echoes)} at a flip angle of {acquisition.flip_angle_deg:g} degrees; sequence {sequence}",
            )
        if len(echoes) >= MULTI_ECHO_MINIMUM and max(echoes) >= 60:
            return Role.MULTI_ECHO_T2, f"{_echo_words(echoes)}, too long for a gradient echo; sequence {sequence}"
    fast = (acquisition.repetition_time_ms or SPIN_ECHO_REPETITION_MS) < SPIN_ECHO_REPETITION_MS
    small = acquisition.flip_angle_deg is not None and acquisition.flip_angle_deg <= SMALL_FLIP_DEG
    if facts.component is Component.MAGNITUDE and echoes and (fast or small):
        return (
            Role.GRE_MAGNITUDE,
            f"magnitude image, {_echo_words(echoes)}, too fast or of too small a flip angle for a spin echo; "
            f"sequence {sequence}",
        )
    low, high = STIR_INVERSION_MS
    inversion = acquisition.inversion_time_ms
    if inversion is not None and low <= inversion <= high and (acquisition.repetition_time_ms or 0) > T2_REPETITION_MS:
        return (
            Role.STIR,
            f"TI {inversion:g} ms nulls fat, {_repetition_words(acquisition.repetition_time_ms)}; sequence {sequence}",
        )
    return Role.OTHER, f"scanning sequence {sequence}: too little is stated to tell what this is"


def _repetition_words(value: float | None) -> str:
    return "TR not stated" if value is None else f"TR {value:g} ms"
