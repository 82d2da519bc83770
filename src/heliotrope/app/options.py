"""Options of an analysis: one frozen class feeds flags, plan file and docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnalyzeOptions:
    """What a user may choose for `heliotrope analyze`.

    Parameters
    ----------
    labels_path : str or None
        A person's label map (NIfTI with legend, DICOM SEG or RTSTRUCT) to use in place of the automatic labels.
    role : str or None
        Role of a NIfTI file that has no sidecar.
    show_identifiers : bool
        Put series descriptions and dates into the outputs.
    """

    labels_path: str | None = None
    role: str | None = None
    show_identifiers: bool = False
