"""Where the rules for reading myositis on MR come from, and those of the phantoms they are checked on."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source("klupp-2017", "Klupp et al., T2 of thigh muscle at 3 T, PLoS ONE 2017", doi="10.1371/journal.pone.0171337"),
    Source(
        "farrow-2019", "Farrow et al., quantitative MR of thigh muscle, Br J Radiol 2019", doi="10.1259/bjr.20190143"
    ),
)
"""Works cited by the reading of MR."""

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "spatial-block-bootstrap",
        "Intervals of region statistics draw whole 10 mm blocks, because neighboring voxels are not independent; they "
        "hold for noise and spatial variation within the region as drawn, not for errors of its outline",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.spatial_bootstrap",
    ),
    Statement(
        "margin-erosion",
        "One pixel, at least 1.5 mm, is taken off a region within each slice before a map is read",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.map_statistics",
    ),
    Statement(
        "voxel-count",
        "Volume is the number of voxels times their cell (slice spacing, not thickness); one cut by the image edge "
        "has none",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.morphometry",
    ),
    Statement(
        "contractile-area",
        "Contractile size is the size of muscle times one minus its fat fraction",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.morphometry",
    ),
    Statement(
        "ring-thickness",
        "Thickness of the subcutis is that of a ring of its area around a disc of the area it encloses",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.morphometry",
    ),
    Statement(
        "phantom-muscle-t2",
        "Healthy thigh muscle is simulated with a water T2 of 33 ms at 3 T, edema with 40 to 75 ms",
        (),
        Status.UNVERIFIED,
        "digital phantom, 3 T",
        "phantoms.mr_tissue",
    ),
    Statement(
        "phantom-transmit-field",
        "Transmit field of the left rectus femoris is 54 to 93 % of nominal at 3 T",
        ("klupp-2017",),
        Status.VERIFIED,
        "healthy thighs, 3 T",
        "phantoms.mr_tissue",
    ),
    Statement(
        "hamstring-fat-difference",
        "Hamstrings hold 1.81 (1.63 to 2.00) percentage points more fat than the quadriceps",
        ("farrow-2019",),
        Status.VERIFIED,
        "healthy adults, 3 T",
        "phantoms.mr_tissue",
    ),
)
"""Rules and numbers behind measures, findings and phantoms."""
