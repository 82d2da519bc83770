"""The edge: DICOM, NIfTI, tables and their writers."""
