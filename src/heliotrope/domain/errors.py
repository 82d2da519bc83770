"""The error tree: every error is also a builtin and carries a stable code and a way out."""

from typing import ClassVar


class HeliotropeError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        Thing, value, limit. Never a patient name, identifier or free text.
    hint : str
        What the user can do about it.
    code : str, optional
        Stable code; the class default when not given.
    """

    default_code: ClassVar[str] = "E_HELIOTROPE"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code if code is not None else self.default_code

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]\nhint: {self.hint}"


class InputError(HeliotropeError, ValueError):
    """A value given by the user or a caller is outside what the operation accepts."""

    default_code = "E_INPUT"


class OptionError(HeliotropeError, ValueError):
    """An unknown or contradictory option; the message lists what exists."""

    default_code = "E_OPTION"
    exit_status = 2


class GeometryError(HeliotropeError, ValueError):
    """Grids, affines or frames of reference do not fit together."""

    default_code = "E_GEOMETRY"


class UnitError(HeliotropeError, ValueError):
    """A quantity came in a unit that was not meant, e.g. a fat fraction as 0-1 where % is meant."""

    default_code = "E_UNIT"


class StudyError(HeliotropeError, ValueError):
    """A study cannot be used: empty, mixed patients, no usable series."""

    default_code = "E_STUDY"


class FileFormatError(HeliotropeError, ValueError):
    """A file is damaged, truncated, hostile or of an unsupported kind."""

    default_code = "E_FILE"


class OutputError(HeliotropeError, OSError):
    """Results cannot be written: no permission, disk full, folder in use."""

    default_code = "E_OUTPUT"


class QualityRefusal(HeliotropeError, ValueError):  # noqa: N818 - a refusal is a verdict on the input, not a fault
    """Quality control refused the input; a number would mislead."""

    default_code = "E_QUALITY"
    exit_status = 4


class EngineError(HeliotropeError, RuntimeError):
    """An optional outside engine is missing, unlicensed or failed."""

    default_code = "E_ENGINE"
