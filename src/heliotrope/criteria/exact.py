"""Exact numbers: decimal text becomes a rational, and no cut-off ever meets a binary fraction."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

MAX_EXPONENT = 30
MAX_DIGITS = 60


def exact(value: object) -> Fraction | None:
    """Rational of a number as it was written; None when `value` is no finite number.

    A binary float stands for the shortest decimal text that names it, as JSON and YAML writers print it.

    Raises
    ------
    OverflowError
        More digits than any clinical number has; refused before memory is spent on it.

    Examples
    --------
    >>> exact(1.1) - exact(0.6)
    Fraction(1, 2)
    >>> exact(True) is None
    True
    """
    if type(value) is int:
        if value.bit_length() > 4 * MAX_EXPONENT:
            raise OverflowError
        return Fraction(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        if abs(value.adjusted()) > MAX_EXPONENT or len(value.as_tuple().digits) > MAX_DIGITS:
            if not value:
                return Fraction(0)
            raise OverflowError
        return Fraction(value)
    if isinstance(value, Fraction):
        return value
    return None


def rounded(value: Fraction, digits: int) -> Fraction:
    """`value` to `digits` decimals, half to even; for display, after every comparison is done.

    Examples
    --------
    >>> float(rounded(Fraction(200, 3), 4))
    66.6667
    """
    return Fraction(round(value, digits))


def plain(value: Fraction | int) -> int | float:
    """The JSON number of an exact value."""
    if isinstance(value, int):
        return value
    return value.numerator if value.denominator == 1 else float(value)


def text(value: Fraction | int) -> str:
    """The value for people: at most four decimals, no trailing zeros.

    Examples
    --------
    >>> text(Fraction(11, 2)), text(Fraction(2, 3))
    ('5.5', '0.6667')
    """
    return format(round(float(value), 4), ".15g")


def to_json(value: object) -> object:
    """`value` with every exact number, tuple and mapping turned into what JSON knows."""
    if isinstance(value, Fraction):
        return plain(value)
    if isinstance(value, dict):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    return value
