"""What scanners state in private elements: diffusion weighting, intensity scaling, image type."""

from __future__ import annotations

import math
import re

from heliotrope.io import tags
from heliotrope.io.frames import Vector
from heliotrope.io.header import Header

_GE_LARGE_B = 1.0e5
"""GE adds 1e9 to a b-value to mark a kind of acquisition; real b-values are below this. [s/mm2]"""


def is_maker(manufacturer: str | None, *names: str) -> bool:
    """True when the manufacturer's name contains one of `names` (upper case)."""
    return manufacturer is not None and any(name in manufacturer.upper() for name in names)


def diffusion(
    header: Header,
    manufacturer: str | None,
    *,
    row: Vector | None,
    column: Vector | None,
    phase_axis: str | None,
) -> tuple[float | None, Vector | None, bool]:
    """Diffusion weighting of one frame from standard and private elements.

    Parameters
    ----------
    row, column : Vector or None
        Image orientation in LPS; needed for GE, whose directions follow the image.
    phase_axis : str or None
        ``"ROW"`` or ``"COL"``.

    Returns
    -------
    b_value : float or None
        [s/mm2]
    b_vector : Vector or None
        Unit vector in LPS; None when not stated.
    isotropic : bool
        True for trace-weighted images.
    """
    b_value, vector, isotropic = _standard(header)
    if b_value is None or (vector is None and not isotropic and b_value > 0):
        found, direction, trace = _private(header, manufacturer, row=row, column=column, phase_axis=phase_axis)
        b_value = found if b_value is None else b_value
        vector = direction if vector is None else vector
        isotropic = isotropic or trace
    if b_value is not None and (b_value < 0 or b_value > _GE_LARGE_B):
        b_value = None
    if b_value is not None and b_value == 0:
        vector = (0.0, 0.0, 0.0)
    return b_value, vector, isotropic


def _unit(values: tuple[float, ...]) -> Vector | None:
    if len(values) != 3:
        return None
    length = math.sqrt(sum(v * v for v in values))
    if length < 1e-6 or not math.isfinite(length):
        return None
    return (values[0] / length, values[1] / length, values[2] / length)


def _standard(header: Header) -> tuple[float | None, Vector | None, bool]:
    b_value = header.number(tags.DIFFUSION_B_VALUE, "FD")
    kind = (header.text(tags.DIFFUSION_DIRECTIONALITY) or "").upper()
    vector = _unit(header.numbers(tags.DIFFUSION_ORIENTATION, "FD"))
    if vector is None:
        gradient = header.first(tags.DIFFUSION_GRADIENT_SEQUENCE)
        if gradient is not None:
            vector = _unit(gradient.numbers(tags.DIFFUSION_ORIENTATION, "FD"))
    return b_value, vector, kind == "ISOTROPIC"


def _private(
    header: Header, manufacturer: str | None, *, row: Vector | None, column: Vector | None, phase_axis: str | None
) -> tuple[float | None, Vector | None, bool]:
    if is_maker(manufacturer, "SIEMENS"):
        return _siemens(header)
    if is_maker(manufacturer, "GE ", "GEMS", "GENERAL ELECTRIC") or (manufacturer or "").upper() == "GE":
        return _ge(header, row=row, column=column, phase_axis=phase_axis)
    if is_maker(manufacturer, "PHILIPS"):
        return _philips(header)
    if is_maker(manufacturer, "TOSHIBA", "CANON"):
        return _canon(header)
    if is_maker(manufacturer, "UIH", "UNITED IMAGING"):
        return header.number(0x00651009, "FD"), _unit(header.numbers(0x00651037, "FD")), False
    return None, None, False


def _siemens(header: Header) -> tuple[float | None, Vector | None, bool]:
    b_value = header.number(0x0019100C, "IS")
    vector = _unit(header.numbers(0x0019100E, "FD"))
    if b_value is None:
        csa = csa_header(header)
        b_value = _csa_number(csa, "B_value")
        directions = csa.get("DiffusionGradientDirection", ())
        vector = _unit(tuple(directions)) if vector is None else vector
    return b_value, vector, False


def csa_header(header: Header) -> dict[str, tuple[float, ...]]:
    """Numeric entries of the Siemens CSA image header (0029,1010); empty when absent or damaged."""
    content = header.raw(0x00291010)
    if not content or len(content) < 16:
        return {}
    from nibabel.nicom import csareader

    try:
        parsed = csareader.read(content)
    except Exception:  # noqa: BLE001 - a damaged private header is as good as none
        return {}
    found: dict[str, tuple[float, ...]] = {}
    for name, entry in parsed.get("tags", {}).items():
        items = entry.get("items", [])
        try:
            found[str(name)] = tuple(float(item) for item in items)
        except (TypeError, ValueError):
            continue
    return found


def _csa_number(csa: dict[str, tuple[float, ...]], name: str) -> float | None:
    values = csa.get(name, ())
    return values[0] if values else None


def _ge(
    header: Header, *, row: Vector | None, column: Vector | None, phase_axis: str | None
) -> tuple[float | None, Vector | None, bool]:
    values = header.numbers(0x00431039, "IS")
    b_value: float | None = None
    if values:
        b_value = values[0] % _GE_LARGE_B if values[0] > _GE_LARGE_B else values[0]
    parts = tuple(header.number(tag, "DS") for tag in (0x001910BB, 0x001910BC, 0x001910BD))
    if None in parts or row is None or column is None or phase_axis not in ("ROW", "COL"):
        return b_value, None, False
    x, y, z = (float(part) for part in parts if part is not None)
    return b_value, _ge_to_patient(x, y, z, row=row, column=column, phase_axis=phase_axis), False


def _ge_to_patient(x: float, y: float, z: float, *, row: Vector, column: Vector, phase_axis: str) -> Vector | None:
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    # GE states directions along its own frequency, phase and slice axes; signs as in dcm2niix, checked against it
    if abs(normal[1]) > max(abs(normal[0]), abs(normal[2])):
        y = -y
    along_row, along_column = (-x, -y) if phase_axis == "COL" else (-y, x)
    return _unit(tuple(along_row * row[i] + along_column * column[i] + z * normal[i] for i in range(3)))


def _philips(header: Header) -> tuple[float | None, Vector | None, bool]:
    b_value = header.number(0x20011003, "FL")
    direction = (header.text(0x20011004) or "").upper()
    parts = tuple(header.number(tag, "FL") for tag in (0x200510B0, 0x200510B1, 0x200510B2))
    vector = None if None in parts else _unit(tuple(float(part) for part in parts if part is not None))
    isotropic = direction in ("I", "ISOTROPIC")
    return b_value, None if isotropic else vector, isotropic


def _canon(header: Header) -> tuple[float | None, Vector | None, bool]:
    comment = header.text(tags.IMAGE_COMMENTS) or ""
    number = r"([-+]?\d*\.?\d+)"
    found = re.match(rf"\s*b={number}(?:\(\s*{number}\s*,\s*{number}\s*,\s*{number}\s*\))?", comment)
    if found is None:
        return None, None, False
    b_value = float(found[1])
    return b_value, None, False


def philips_scale(header: Header) -> tuple[float, float] | None:
    """Philips scale slope and intercept (2005,100E/100D); None when absent or zero."""
    slope = header.number(0x2005100E, "FL")
    intercept = header.number(0x2005100D, "FL")
    if slope is None or slope == 0:
        return None
    return slope, intercept if intercept is not None else 0.0
