"""What a frame shows according to its coded attributes: complex component, Dixon image, derived map."""

from __future__ import annotations

from heliotrope.io.frames import Component, Content

_CONTENT_WORDS: dict[Content, frozenset[str]] = {
    Content.FAT_FRACTION: frozenset(
        {"FAT_FRACTION", "FATFRACTION", "FF", "PDFF", "FAT_FRAC", "FATFRAC", "FAT FRACTION", "FP"}
    ),
    Content.WATER: frozenset({"WATER", "W", "WATER_ONLY"}),
    Content.FAT: frozenset({"FAT", "F", "FAT_ONLY"}),
    Content.IN_PHASE: frozenset({"IN_PHASE", "IP", "INPHASE", "IN-PHASE", "IN PHASE", "IN"}),
    Content.OPPOSED_PHASE: frozenset(
        {
            "OPP_PHASE",
            "OUT_PHASE",
            "OP",
            "OOP",
            "OPPOSED_PHASE",
            "OUTPHASE",
            "OPPHASE",
            "OUT-OF-PHASE",
            "OUT_OF_PHASE",
            "OUT OF PHASE",
            "OPPOSED PHASE",
            "OPP",
            "OUT",
        }
    ),
    Content.T2_MAP: frozenset({"T2 MAP", "T2_MAP", "T2MAP", "R2", "R2 MAP", "R2_MAP"}),
    Content.T2_STAR_MAP: frozenset(
        {"T2_STAR_MAP", "R2_STAR_MAP", "T2* MAP", "R2*", "T2*", "R2STAR", "T2STAR", "R2_STAR", "T2_STAR", "T2STAR MAP"}
    ),
    Content.T1_MAP: frozenset({"T1 MAP", "T1_MAP", "T1MAP"}),
    Content.B1_MAP: frozenset({"B1", "B1 MAP", "B1_MAP", "FLIP_ANGLE_MAP", "FLIP ANGLE MAP", "FLIPANGLE"}),
    Content.B0_MAP: frozenset({"B0", "B0 MAP", "B0_MAP", "FIELD_MAP", "FIELDMAP"}),
    Content.ADC_MAP: frozenset({"ADC", "ADC_MAP", "ADC MAP", "MD"}),
    Content.DIFFUSION_TRACE: frozenset({"TRACEW", "TRACE", "ISOTROPIC", "DW_TRACE"}),
    Content.DIFFUSION_DERIVED: frozenset({"FA", "EADC", "EXP", "TENSOR", "TENSOR_B0", "COLFA", "CALC_BVALUE"}),
    Content.PROJECTION: frozenset({"MIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "MNIP", "CPR", "VRT", "SSD"}),
    Content.LOCALIZER: frozenset({"LOCALIZER", "SCOUT"}),
    Content.SCREEN: frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "CSA REPORT", "POSDISP"}),
}
_ORDER = tuple(_CONTENT_WORDS)

_COMPONENT_WORDS: dict[Component, frozenset[str]] = {
    Component.PHASE: frozenset(
        {"P", "PHASE", "PHASE MAP", "P_FFE", "P_SE", "P_IR", "PHASE_MAP", "PCA", "VELOCITY", "PHASECONTRAST"}
    ),
    Component.REAL: frozenset({"R", "REAL", "R_FFE", "R_SE", "R_IR"}),
    Component.IMAGINARY: frozenset({"I", "IMAGINARY", "I_FFE", "I_SE", "I_IR", "IMAG"}),
    Component.MAGNITUDE: frozenset({"M", "MAGNITUDE", "M_FFE", "M_SE", "M_IR", "M_PCA", "MAG"}),
}
_CODED_COMPONENT = {
    "MAGNITUDE": Component.MAGNITUDE,
    "PHASE": Component.PHASE,
    "REAL": Component.REAL,
    "IMAGINARY": Component.IMAGINARY,
}
_GE_COMPONENT = {0: Component.MAGNITUDE, 1: Component.PHASE, 2: Component.REAL, 3: Component.IMAGINARY}


def content_of(image_type: tuple[str, ...], *, private_type: str | None = None) -> tuple[Content, str]:
    """What the image type (and a vendor's private image type) codes.

    Returns
    -------
    tuple
        The content and the attribute that decided, as words.

    Examples
    --------
    >>> content_of(("DERIVED", "PRIMARY", "DIXON", "WATER"))
    (<Content.WATER: 'water'>, 'image type WATER')
    """
    words = tuple(word.upper() for word in image_type)
    for content in _ORDER:
        for word in words:
            if word in _CONTENT_WORDS[content]:
                return content, f"image type {word}"
    if private_type is not None:
        for content in _ORDER:
            if private_type.upper() in _CONTENT_WORDS[content]:
                return content, f"private image type {private_type.upper()}"
    return Content.PLAIN, ""


def component_of(
    image_type: tuple[str, ...],
    *,
    coded: str | None = None,
    ge_code: int | None = None,
    private_type: str | None = None,
) -> Component | None:
    """Part of the complex signal, from the coded attribute, GE's private code or the image type; None when unstated.

    Examples
    --------
    >>> component_of(("ORIGINAL", "PRIMARY", "P", "ND"))
    <Component.PHASE: 'phase'>
    """
    if coded is not None and coded.upper() in _CODED_COMPONENT:
        return _CODED_COMPONENT[coded.upper()]
    if ge_code is not None and ge_code in _GE_COMPONENT:
        return _GE_COMPONENT[ge_code]
    words = {word.upper() for word in image_type[2:]}
    for component, known in _COMPONENT_WORDS.items():
        if words & known:
            return component
    if private_type is not None:
        for component, known in _COMPONENT_WORDS.items():
            if private_type.upper() in known:
                return component
    return None
