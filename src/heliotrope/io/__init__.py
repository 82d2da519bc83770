"""The edge: DICOM, NIfTI, tables and their writers."""

from heliotrope.io.intake import read_studies, read_study, read_volume

__all__ = ["read_studies", "read_study", "read_volume"]
