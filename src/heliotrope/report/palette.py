"""Colors that people with any color vision, and a gray printer, can tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

INK = "#1a1a1a"
PAPER = "#ffffff"
QUIET = "#4d4d4d"
LINE = "#c9c9c9"
PANEL = "#f4f3f7"
ACCENT = "#4b2e83"
LINK = "#1f4e9e"
GOOD = "#1b5e20"
ATTENTION = "#8a3c00"
UNKNOWN = "#3f4a59"
ATTENTION_PANEL = "#fff4e5"
SYNTHETIC_PANEL = "#5b1049"

TEXT_ON_BACKGROUND: tuple[tuple[str, str], ...] = (
    (INK, PAPER),
    (INK, PANEL),
    (QUIET, PAPER),
    (QUIET, PANEL),
    (ACCENT, PAPER),
    (LINK, PAPER),
    (GOOD, PAPER),
    (ATTENTION, PAPER),
    (ATTENTION, ATTENTION_PANEL),
    (INK, ATTENTION_PANEL),
    (UNKNOWN, PAPER),
    (UNKNOWN, PANEL),
    (PAPER, SYNTHETIC_PANEL),
)
"""Every pair of text and background color that the page uses."""

TISSUE_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "skin": "#CC79A7",
        "subcutaneous_fat": "#F0E442",
        "muscle": "#56B4E9",
        "intermuscular_fat": "#E69F00",
        "torso_fat": "#009E73",
        "body_cavity": "#999999",
        "bone": "#FFFFFF",
        "bone_cortex": "#FFFFFF",
        "bone_marrow": "#0072B2",
        "fascia": "#009E73",
        "fascia_lata": "#009E73",
        "vessel": "#D55E00",
        "calcification": "#D55E00",
    }
)

MUSCLE_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "sartorius": "#FF2E63",
        "rectus_femoris": "#2EB82E",
        "vastus_lateralis": "#C0FF30",
        "vastus_intermedius": "#6A6AFF",
        "vastus_medialis": "#FF8A5C",
        "adductor_magnus": "#A45CD6",
        "gracilis": "#3DE0E0",
        "biceps_femoris_long_head": "#FF5CF4",
        "biceps_femoris_short_head": "#8CFF9E",
        "semitendinosus": "#FFC2B8",
        "semimembranosus": "#1F9E8F",
        "anterior_thigh": "#B08D57",
        "medial_thigh": "#B9C4FF",
        "posterior_thigh": "#A85C6B",
    }
)
"""Muscles of the thigh and their compartments; neighbors differ most, and letters tell them apart without color."""
FURTHER_COLORS = tuple(MUSCLE_COLORS.values())[:11]
"""For other muscles, in turn."""

PLANE_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "cutaneous": "#CC79A7",
        "subcutaneous": "#F0E442",
        "fascial": "#009E73",
        "intermuscular": "#E69F00",
        "intramuscular": "#D55E00",
        "juxtacortical": "#999999",
        "mixed": "#FFFFFF",
        "superficial": "#F0E442",
        "deep": "#D55E00",
    }
)


@dataclass(frozen=True)
class Scale:
    """Color map and the range it spans, in the map's own unit."""

    color_map: str
    low: float
    high: float


MAP_SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "water_t2": Scale("viridis", 20.0, 80.0),
        "t2": Scale("viridis", 20.0, 120.0),
        "legacy_t2": Scale("viridis", 20.0, 120.0),
        "fat_fraction": Scale("magma", 0.0, 100.0),
        "adc": Scale("cividis", 0.5e-3, 2.5e-3),
        "md": Scale("cividis", 0.5e-3, 2.5e-3),
        "ivim_d": Scale("cividis", 0.5e-3, 2.5e-3),
        "fa": Scale("cividis", 0.0, 0.6),
        "b1": Scale("cividis", 0.4, 1.3),
        "transmit_field": Scale("cividis", 0.4, 1.3),
        "fat_signal_fraction": Scale("magma", 0.0, 100.0),
        "stir_ratio": Scale("inferno", 0.5, 3.0),
        "stir_relative": Scale("inferno", 0.5, 3.0),
        "edema_share": Scale("inferno", 0.0, 100.0),
        "subcutis_edema": Scale("inferno", 0.0, 100.0),
    }
)
"""Fixed ranges, so that two reports can be laid side by side."""


def relative_luminance(color: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG 2 defines it. [1]"""
    channels = [int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def difference(first: str, second: str) -> float:
    """CIE 1976 color difference (Delta E*ab, D65) of two colors; 2.3 is just noticeable.

    Examples
    --------
    >>> round(difference("#000000", "#ffffff"))
    100
    """
    one, two = (_lab(color) for color in (first, second))
    return math.dist(one, two)


def _lab(color: str) -> tuple[float, float, float]:
    """CIELAB of ``#rrggbb`` in sRGB (IEC 61966-2-1)."""
    channels = [int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    f, g, h = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * g - 16, 500 * (f - g), 200 * (g - h)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colors, 1 to 21 (WCAG 2).

    Examples
    --------
    >>> contrast("#000000", "#ffffff")
    21.0
    """
    light, dark = sorted((relative_luminance(first), relative_luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
