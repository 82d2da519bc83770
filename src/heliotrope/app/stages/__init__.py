"""Stages by topic; each module exports `STAGES` in the order they run."""
