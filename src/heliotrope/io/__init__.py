"""The edge: DICOM, NIfTI, tables, records and their writers.

The readers of images are loaded when they are first asked for, so that a record is read without them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliotrope.io.intake import read_studies, read_study, read_volume

__all__ = ["read_studies", "read_study", "read_volume"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from heliotrope.io import intake

        return getattr(intake, name)
    raise AttributeError(name)
