"""Ledger of ultrasound: what echo intensity depends on."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source("heckmatt-1982", "Heckmatt et al.: ultrasound in the diagnosis of muscle disease, J Pediatr 1982;101:656"),
)

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "echo-intensity-settings",
        "The gray level of muscle in B-mode pictures depends on machine, preset, gain, depth and probe; only "
        "pictures of one preset compare.",
        (),
        Status.UNVERIFIED,
        used_by="measure.echo_intensity",
    ),
    Statement(
        "echo-intensity-subcutis",
        "Muscle is set beside subcutaneous fat of the same picture, as a ratio of mean gray levels.",
        (),
        Status.PROJECT_RULE,
        used_by="measure.echo_intensity",
    ),
    Statement(
        "echo-intensity-z",
        "A z-score is given only against a site's own controls for the named machine preset.",
        (),
        Status.PROJECT_RULE,
        used_by="measure.echo_intensity",
    ),
    Statement(
        "heckmatt-grade",
        "Heckmatt grades 1 to 4 of muscle echo and bone shadow are read by a person, never computed.",
        ("heckmatt-1982",),
        Status.UNVERIFIED,
        used_by="app.stages.echo_intensity",
    ),
)
