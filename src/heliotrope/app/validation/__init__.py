"""Accuracy gates by topic; each module exports `GATES`."""
