"""Evidence behind joined stations, the inventory of the whole body and the profile along a limb."""

from __future__ import annotations

from heliotrope.evidence.model import Statement, Status

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "station-overlap",
        "Neighboring stations are joined when they share at least 20 mm, one contrast, one resolution and one frame of "
        "reference; otherwise they stay apart",
        (),
        Status.PROJECT_RULE,
        "",
        "stations.layout",
    ),
    Statement(
        "station-shift",
        "A station is moved by the translation of at most 5 mm that makes it most like its neighbor in their overlap; "
        "less than half a voxel is not believed",
        (),
        Status.PROJECT_RULE,
        "",
        "stations.overlap",
    ),
    Statement(
        "station-gain",
        "Gains are the least-squares solution of the robust median log ratios of all overlaps with mean log gain 0, "
        "held within 0.5 to 2; roll-off is a second-order polynomial across the slices that fades to the station's "
        "middle, and the fall toward a station's end may differ linearly across the slices",
        (),
        Status.PROJECT_RULE,
        "",
        "stations.chain",
    ),
    Statement(
        "station-seam",
        "A seam is good when local means of both stations differ by at most 5 % (median) and their correlation is at "
        "least 0.5",
        (),
        Status.PROJECT_RULE,
        "",
        "stations.merge",
    ),
    Statement(
        "station-nearest",
        "Maps and images that are measured are never averaged at a seam: every slice comes from the station whose "
        "middle, which stands for the isocenter, is nearer",
        (),
        Status.PROJECT_RULE,
        "",
        "stations.merge",
    ),
    Statement(
        "whole-body-inventory",
        "17 muscle compartments on each side from neck to leg; their number is that of the NIH whole-body tool, names "
        "and members are a choice of this project",
        ("nih-wb-tool-2018",),
        Status.PROJECT_RULE,
        "",
        "domain.whole_body",
    ),
    Statement(
        "whole-body-coverage",
        "Burden is a sum over the compartments that were assessed; a value for all of them is prorated only when at "
        "most 20 % are missing",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.whole_body",
    ),
    Statement(
        "limb-profile",
        "Edema fraction by height along the axis of the bone, in stretches of at least 10 mm; its slope is that of "
        "Theil and Sen with their 95 % interval, which takes the stretches for independent",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.profile",
    ),
)
"""Rules behind `stations` and what is measured over the whole body."""
