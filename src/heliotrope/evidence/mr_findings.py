"""Where the rules for reading myositis on MR come from, and those of the phantoms they are checked on."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source("dahlqvist-2020", "Dahlqvist et al., quantitative STIR of muscle, Sci Rep 2020, 10:7246"),
    Source("malattia-2014", "Malattia et al., whole-body MR in juvenile dermatomyositis, Ann Rheum Dis 2014"),
    Source("bartlett-1999", "Bartlett et al., calculated myositis index, Magn Reson Imaging 1999, 17:183"),
    Source("rapami-trial", "Trial in inclusion-body myositis, conference abstract (control water T2 about 39 ms)"),
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
        "stir-reference-order",
        "STIR is scored against a paired water T2 map, else the site's STIR-to-water ratio, else a vetted spared "
        "muscle; otherwise no fraction is given",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.edema_reference",
    ),
    Statement(
        "stir-median-rule-fails",
        "Scored against the patient's own median muscle, STIR finds almost no edema where 40-60 % or more of muscle "
        "is edematous",
        (),
        Status.MEASURED,
        "digital phantoms",
        "measure.edema_reference",
    ),
    Statement(
        "stir-edema-limit",
        "Edema is STIR above 1.25 times normal muscle and above 2.5 standard deviations of it, with less than half fat",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.edema_mask",
    ),
    Statement(
        "stir-positive-fraction",
        "A muscle is STIR-positive when more than 2.5 % of its pixels exceed the healthy upper reference limit; "
        "agrees with T2 in 95 % of muscles",
        ("dahlqvist-2020",),
        Status.VERIFIED,
        "neuromuscular patients",
        "findings.edema",
    ),
    Statement(
        "healthy-t2-band",
        "Water T2 of healthy thigh muscle is 30-38 ms at 3 T and 32-40 ms at 1.5 T",
        (),
        Status.UNVERIFIED,
        "",
        "measure.edema_reference",
    ),
    Statement(
        "t2-upper-limit-default",
        "Upper limit of normal water T2: 39 ms at 3 T, 41 ms at 1.5 T, until the site gives its own (one trial "
        "reports 39 ms as the mean of controls)",
        ("rapami-trial",),
        Status.UNVERIFIED,
        "",
        "app.stages.edema",
    ),
    Statement(
        "asymmetry-index",
        "Asymmetry is (left - right)/(left + right) of the edema load per assessable volume",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.edema_load",
    ),
    Statement(
        "symmetry-band",
        "Edema is symmetric when the 95 % interval of the asymmetry index lies within +-0.20, asymmetric when outside",
        (),
        Status.PROJECT_RULE,
        "",
        "findings.edema",
    ),
    Statement(
        "edema-descriptors",
        "Clusters, patch size, Moran's I, entropy, lacunarity and rim index describe how edema lies; none is a "
        "severity",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.distribution",
    ),
    Statement(
        "pattern-classes",
        "Diffuse: at least 75 % of a muscle in one set; focal: one set below 15 %; patchy: between 2.5 and 75 % in "
        "parts; peripheral: rim brighter by 0.5 SD with twice the fraction; by eye 27 of 34 children had patchy and "
        "7 diffuse edema",
        ("malattia-2014",),
        Status.PROJECT_RULE,
        "",
        "findings.edema",
    ),
    Statement(
        "edema-index",
        "Fraction times relative excess follows the calculated myositis index (ROC area 0.93 against 0.94 of readers)",
        ("bartlett-1999",),
        Status.VERIFIED,
        "myositis, thigh",
        "measure.edema_load",
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
