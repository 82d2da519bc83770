"""Keys, units and numbers in the words of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from heliotrope.domain.measurement import Measurement
from heliotrope.domain.study import Role
from heliotrope.domain.units import Unit

NOT_ASSESSABLE = "not assessable"
"""Stands where a number is missing, always with its reason."""


@dataclass(frozen=True)
class UnitStyle:
    """How numbers of a unit are written: symbol, factor applied before writing, decimals."""

    symbol: str
    decimals: int = 1
    factor: float = 1.0


UNIT_STYLES: Mapping[Unit, UnitStyle] = MappingProxyType(
    {
        Unit.ONE: UnitStyle("", 2),
        Unit.PERCENT: UnitStyle("%", 1),
        Unit.PERCENT_PER_CENTIMETER: UnitStyle("%/cm", 2),
        Unit.MILLISECOND: UnitStyle("ms", 1),
        Unit.SECOND: UnitStyle("s", 2),
        Unit.PER_SECOND: UnitStyle("s⁻¹", 1),
        Unit.HERTZ: UnitStyle("Hz", 0),
        Unit.RADIAN: UnitStyle("rad", 2),
        Unit.DEGREE: UnitStyle("°", 0),
        Unit.TESLA: UnitStyle("T", 2),
        Unit.MILLIMETER: UnitStyle("mm", 1),
        Unit.SQUARE_MILLIMETER: UnitStyle("mm²", 0),
        Unit.SQUARE_CENTIMETER: UnitStyle("cm²", 1),
        Unit.CUBIC_MILLIMETER: UnitStyle("mm³", 0),
        Unit.MILLILITER: UnitStyle("mL", 1),
        Unit.DIFFUSIVITY: UnitStyle("10⁻³ mm²/s", 2, 1e3),
        Unit.SECOND_PER_SQUARE_MILLIMETER: UnitStyle("s/mm²", 0),
        Unit.HOUNSFIELD: UnitStyle("HU", 0),
        Unit.MILLIGRAM: UnitStyle("mg", 0),
        Unit.MILLIGRAM_PER_MILLILITER: UnitStyle("mg/mL", 0),
        Unit.ARBITRARY: UnitStyle("a.u.", 1),
        Unit.SCORE: UnitStyle("", 0),
        Unit.COUNT: UnitStyle("", 0),
        Unit.RATIO_MILLILITER: UnitStyle("mL·ratio", 1),
        Unit.MILLISECOND_MILLILITER: UnitStyle("ms·mL", 0),
        Unit.PER_100_MILLILITER: UnitStyle("per 100 mL", 1),
        Unit.SQUARE_MILLIMETER_PER_MILLILITER: UnitStyle("mm²/mL", 1),
        Unit.GRAY_LEVEL: UnitStyle("gray levels", 0),
    }
)

MUSCLE_ABBREVIATIONS: Mapping[str, str] = MappingProxyType(
    {
        "sartorius": "SA",
        "rectus_femoris": "RF",
        "vastus_lateralis": "VL",
        "vastus_intermedius": "VI",
        "vastus_medialis": "VM",
        "adductor_magnus": "AM",
        "adductor_longus": "AL",
        "adductor_brevis": "AB",
        "gracilis": "GR",
        "pectineus": "PE",
        "biceps_femoris_long_head": "BFL",
        "biceps_femoris_short_head": "BFS",
        "semitendinosus": "ST",
        "semimembranosus": "SM",
        "quadriceps_femoris": "QF",
        "biceps_femoris": "BF",
        "anterior_thigh": "Ant",
        "medial_thigh": "Med",
        "posterior_thigh": "Post",
        "gluteus_maximus": "GMax",
        "gluteus_medius": "GMed",
        "gluteus_minimus": "GMin",
        "tensor_fasciae_latae": "TFL",
        "iliopsoas": "IP",
        "tibialis_anterior": "TA",
        "extensor_digitorum_longus": "EDL",
        "extensor_hallucis_longus": "EHL",
        "fibularis": "FI",
        "fibularis_longus": "FL",
        "fibularis_brevis": "FB",
        "gastrocnemius": "GA",
        "gastrocnemius_medial_head": "GM",
        "gastrocnemius_lateral_head": "GL",
        "soleus": "SO",
        "popliteus": "PO",
        "tibialis_posterior": "TP",
        "flexor_digitorum_longus": "FDL",
        "flexor_hallucis_longus": "FHL",
        "anterior_leg": "Ant",
        "lateral_leg": "Lat",
        "superficial_posterior_leg": "Sup",
        "deep_posterior_leg": "Deep",
    }
)
"""Letters that stand on a muscle in a picture; its legend spells them out."""

QUANTITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "t2": "T2",
        "water_t2": "Water T2",
        "water_t2_sd": "Water T2, expected noise",
        "legacy_t2": "T2, mono-exponential (legacy)",
        "b1": "Transmit field B1",
        "transmit_field": "Transmit field B1",
        "fat_signal_fraction": "Fat share of the echo signal",
        "water_t2_residual": "Misfit of the water T2 model",
        "pdff": "Fat fraction",
        "fat_fraction": "Fat fraction",
        "adc": "Apparent diffusion coefficient",
        "md": "Mean diffusivity",
        "fa": "Fractional anisotropy",
        "ivim_d": "IVIM diffusion coefficient D",
        "ivim_f": "IVIM perfusion fraction f",
        "stir_ratio": "STIR-to-water ratio",
        "stir_relative": "STIR over normal muscle",
        "r2_star": "R2*",
        "csa": "Cross-sectional area",
        "calcinosis_volume": "Calcinosis volume",
        "calcinosis_mass": "Calcinosis mass (hydroxyapatite equivalent)",
    }
)

NO_TITLES: Mapping[str, str] = MappingProxyType({})
"""No titles beyond those known here."""

STATISTIC_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "corrected_mean": "mean without neighbors",
        "iqr": "interquartile range",
        "sd": "standard deviation",
        "p10": "10th percentile",
        "p90": "90th percentile",
    }
)

ROLE_TITLES: Mapping[Role, str] = MappingProxyType(
    {
        Role.T1: "T1-weighted",
        Role.T2: "T2-weighted",
        Role.T2_FAT_SUPPRESSED: "T2-weighted, fat suppressed",
        Role.STIR: "STIR",
        Role.MULTI_ECHO_T2: "Multi-echo T2",
        Role.DIXON_WATER: "Dixon water",
        Role.DIXON_FAT: "Dixon fat",
        Role.DIXON_IN_PHASE: "Dixon in-phase",
        Role.DIXON_OPPOSED_PHASE: "Dixon opposed-phase",
        Role.FAT_FRACTION: "Fat fraction map (scanner)",
        Role.GRE_MAGNITUDE: "Multi-echo gradient echo, magnitude",
        Role.GRE_PHASE: "Multi-echo gradient echo, phase",
        Role.GRE_REAL: "Multi-echo gradient echo, real part",
        Role.GRE_IMAGINARY: "Multi-echo gradient echo, imaginary part",
        Role.DWI: "Diffusion-weighted",
        Role.B1_MAP: "B1 map",
        Role.T2_MAP: "T2 map (scanner)",
        Role.ADC_MAP: "ADC map (scanner)",
        Role.CT: "CT",
        Role.RADIOGRAPH: "Radiograph",
        Role.ULTRASOUND: "Ultrasound",
        Role.RTSTRUCT: "Contours (RTSTRUCT)",
        Role.SEGMENTATION: "Segmentation",
        Role.OTHER: "Other",
    }
)

_ACRONYMS = {"t1": "T1", "t2": "T2", "b0": "B0", "b1": "B1", "stir": "STIR", "ct": "CT", "mri": "MRI", "csa": "CSA"}


def capitalized(text: str) -> str:
    """First letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """First letter in upper case and a full stop at the end.

    Examples
    --------
    >>> sentence("no diffusion series")
    'No diffusion series.'
    """
    text = capitalized(text.strip())
    return text if not text or text.endswith((".", "!", "?")) else text + "."


def words_of(key: str) -> str:
    """A key as words: ``edema_fraction`` gives ``edema fraction``, acronyms in capitals."""
    return " ".join(_ACRONYMS.get(part, part) for part in key.replace("-", "_").split("_") if part)


def quantity_title(key: str, titles: Mapping[str, str] = NO_TITLES) -> str:
    """Title of a quantity for people: the given one, else a known one, else the key as words.

    Examples
    --------
    >>> quantity_title("edema_fraction")
    'Edema fraction'
    """
    return titles.get(key) or QUANTITY_TITLES.get(key) or capitalized(words_of(key))


_SUPPORTING_ENDINGS = (
    "_sd",
    "residual",
    "amplitude",
    "b1",
    "_signal",
    "_field",
    "field_map",
    "signal_fraction",
    "r2star",
    "margin_loss",
)


def is_supporting(quantity: str) -> bool:
    """True for quantities that serve to judge another, such as a misfit or the transmit field."""
    return quantity.endswith(_SUPPORTING_ENDINGS)


def statistic_title(key: str) -> str:
    """Title of a statistic for people."""
    return STATISTIC_TITLES.get(key) or words_of(key)


def unit_symbol(unit: Unit) -> str:
    """The unit as printed; empty for pure numbers, counts and scores."""
    return UNIT_STYLES[unit].symbol


def number_text(value: float, unit: Unit) -> str:
    """A value as printed, without its unit; a true minus sign, and more decimals for small values.

    Examples
    --------
    >>> number_text(0.00155, Unit.DIFFUSIVITY)
    '1.55'
    >>> number_text(-80.4, Unit.HOUNSFIELD)
    '−80'
    """
    style = UNIT_STYLES[unit]
    scaled = value * style.factor
    decimals = style.decimals
    if unit in (Unit.COUNT, Unit.SCORE) and scaled != round(scaled):
        decimals = 1
    while scaled != 0 and decimals < 4 and abs(scaled) < 10**-decimals:
        decimals += 1
    if scaled != 0 and decimals == 4 and abs(scaled) < 1e-4:
        return f"{scaled:.1e}".replace("-", "−")
    text = f"{scaled:.{decimals}f}"
    if decimals == 0 and abs(scaled) >= 10_000:
        text = f"{scaled:,.0f}".replace(",", "\u202f")
    return text.replace("-", "−") if float(text.replace("\u202f", "")) != 0 else text.lstrip("-")


def with_unit(text: str, unit: Unit) -> str:
    """Number text followed by its unit."""
    symbol = unit_symbol(unit)
    return f"{text} {symbol}" if symbol else text


def value_text(measurement: Measurement, *, show_unit: bool = True) -> str:
    """A measurement's value as printed, or `NOT_ASSESSABLE`."""
    if measurement.value is None:
        return NOT_ASSESSABLE
    text = number_text(measurement.value, measurement.unit)
    return with_unit(text, measurement.unit) if show_unit else text


def interval_text(measurement: Measurement) -> str:
    """The 95 % interval as printed, empty when there is none."""
    if measurement.ci95 is None:
        return ""
    low, high = (number_text(bound, measurement.unit) for bound in measurement.ci95)
    return f"{low} to {high}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Count and noun: ``1 file``, ``3 files``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def joined(items: tuple[str, ...] | list[str]) -> str:
    """Items as a phrase: ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
