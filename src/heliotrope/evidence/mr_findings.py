"""Where the rules for reading myositis on MR come from, and those of the phantoms they are checked on."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source("dahlqvist-2020", "Dahlqvist et al., quantitative STIR of muscle, Sci Rep 2020, 10:7246"),
    Source("malattia-2014", "Malattia et al., whole-body MR in juvenile dermatomyositis, Ann Rheum Dis 2014"),
    Source(
        "ukichi-2019", "Ukichi et al., MR patterns in dermatomyositis, RMD Open 2019", doi="10.1136/rmdopen-2018-000850"
    ),
    Source("bartlett-1999", "Bartlett et al., calculated myositis index, Magn Reson Imaging 1999, 17:183"),
    Source("rapami-trial", "Trial in inclusion-body myositis, conference abstract (control water T2 about 39 ms)"),
    Source("kimball-2000", "Kimball et al., MR in juvenile dermatomyositis, Arthritis Rheum 2000, 43:1866"),
    Source("nih-wb-tool-2018", "Semiquantitative whole-body MR tool with 34 compartments, ACR abstract 2018"),
    Source(
        "gramegna-2024", "Gramegna et al., lower-limb edema score, Neurol Sci 2024", doi="10.1007/s10072-024-07386-y"
    ),
    Source("pipitone-2016", "Adult myositis MR score, ACR abstract 2016"),
    Source("davis-2011", "Davis et al., thigh tool, Rheumatology 2011", doi="10.1093/rheumatology/ker262"),
    Source(
        "van-de-vlekkert", "Van de Vlekkert et al., biopsy and MR in myositis, Muscle Nerve", doi="10.1002/mus.24307"
    ),
    Source("klupp-2017", "Klupp et al., T2 of thigh muscle at 3 T, PLoS ONE 2017", doi="10.1371/journal.pone.0171337"),
    Source(
        "farrow-2019", "Farrow et al., quantitative MR of thigh muscle, Br J Radiol 2019", doi="10.1259/bjr.20190143"
    ),
)
"""Works cited by the reading of MR."""

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "spatial-block-bootstrap",
        "Intervals of region statistics draw parts of up to 30 mm made of 10 mm blocks, because neighboring voxels are "
        "not independent; they hold for noise and spatial variation within the region as drawn, not for errors of its "
        "outline",
        (),
        Status.PROJECT_RULE,
        "held 91 to 100 % on drawn maps that vary over up to 2 mm, 88 to 97 % at 3 mm, 82 to 95 % at 5 mm",
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
        "partial-volume-regression",
        "Of a region that loses more than 60 % of its voxels to the margin, the mean is also given by regression of "
        "each voxel on the shares of the region and its neighbors in it",
        (),
        Status.PROJECT_RULE,
        "linear mixing; for T2 an approximation",
        "measure.partial_volume",
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
        "STIR is scored against a paired water T2 map, else the STIR-to-water ratio of a vial in the field or of the "
        "site's controls, else a vetted spared muscle; otherwise no fraction is given",
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
        "parts; nodular: three or more round sets below 30 %; peripheral: rim brighter by 0.5 SD with twice the "
        "fraction; by eye 27 of 34 children had patchy and 7 diffuse edema",
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
        "fascia-rule",
        "Perifascial signal: excess over both sides above half of normal muscle on more than 10 % of the surface or "
        "along "
        "30 mm; subcutaneous signal: more than 10 % of the layer above its usual signal by half of normal muscle",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.layers",
    ),
    Statement(
        "skin-signal",
        "Signal of the skin is the median of its STIR over normal muscle; no limit of normal is published, so it is "
        "never called edema",
        (),
        Status.PROJECT_RULE,
        "",
        "measure.layers",
    ),
    Statement(
        "subcutis-then-calcinosis",
        "Five children with subcutaneous edema of the thigh developed calcinosis at that site within 9 months",
        ("kimball-2000",),
        Status.VERIFIED,
        "juvenile dermatomyositis",
        "findings.layers",
    ),
    Statement(
        "fat-grades",
        "Fat fraction below 10, 30, 60 % makes grades 0 to 3 (boundaries of the Mercuri scale); Goutallier 5, 15, "
        "45, 55 %; Fischer 5, 10, 50, 90 %; Lamminen 10, 30, 90 %",
        (),
        Status.PROJECT_RULE,
        "",
        "findings.damage",
    ),
    Statement(
        "atrophy-rule",
        "Contractile area more than 15 % below the other side is called atrophy",
        (),
        Status.PROJECT_RULE,
        "",
        "findings.damage",
    ),
    Statement(
        "score-nih-34",
        "34 compartments, STIR intensity 0-3, extent 0-3 and fat 0-3 each, fascia, skin and atrophy 0/1",
        ("nih-wb-tool-2018",),
        Status.SECONDARY,
        "30 patients, abstract",
        "findings.scores",
    ),
    Statement(
        "score-malattia-36",
        "36 muscle groups on whole-body STIR; muscle items 0-2",
        ("malattia-2014",),
        Status.SECONDARY,
        "41 children and 41 controls",
        "findings.scores",
    ),
    Statement(
        "undrawn-muscle-fraction",
        "Where single muscles are not labeled, edema is not called up to 10 % of muscle: in a healthy volunteer's "
        "calves 6 to 7 % of it lay above the limit of water T2, in vessels, septa and the tail of noise",
        (),
        Status.PROJECT_RULE,
        "one healthy volunteer, 3 T, pixels of 3 mm, slices of 12 mm",
        "findings.edema",
    ),
    Statement(
        "distal-involvement",
        "On whole-body MR the distal leg was involved in 26 and the forearm in 19 of 41 children",
        ("malattia-2014",),
        Status.SECONDARY,
        "41 children with juvenile dermatomyositis",
        "findings.edema",
    ),
    Statement(
        "score-quantitative-stir",
        "A muscle with more than 2.5 % of its pixels above the upper limit of healthy controls is positive; agrees "
        "with T2 in 95 % of muscles; readers on STIR had 88 % sensitivity and 84 % specificity",
        ("dahlqvist-2020",),
        Status.VERIFIED,
        "muscle disease, abstract",
        "findings.scores",
    ),
    Statement(
        "score-gramegna",
        "11 thigh and 8 leg muscles on both sides, 0-3 each; at least 18 of 114: AUC 0.85, specificity 96 %, "
        "sensitivity 52.9 %",
        ("gramegna-2024",),
        Status.VERIFIED,
        "34 myositis, 51 other patients",
        "findings.scores",
    ),
    Statement(
        "score-pipitone",
        "17 thigh and pelvic muscles, edema 0/1 on each side",
        ("pipitone-2016",),
        Status.VERIFIED,
        "adults with myositis, abstract",
        "findings.scores",
    ),
    Statement(
        "score-ukichi",
        "Subcutaneous, fascial, peripheral and honeycomb signal counted; 3 or more: sensitivity 72.2 %, specificity "
        "88.5 %",
        ("ukichi-2019",),
        Status.VERIFIED,
        "36 dermatomyositis, 52 others",
        "findings.scores",
    ),
    Statement(
        "score-reader-entered",
        "Item weights of the thigh tool and of the JDM Image Score were not found in public",
        ("davis-2011",),
        Status.VERIFIED,
        "48 children",
        "findings.scores",
    ),
    Statement(
        "biopsy-gain",
        "Biopsies of muscle bright on STIR were false negative in 0.19, all biopsies in 0.23: targeting gains little",
        ("van-de-vlekkert",),
        Status.VERIFIED,
        "suspected myositis",
        "findings.biopsy",
    ),
    Statement(
        "biopsy-rule",
        "Sites are scored by edema, leanness, evenness, safety and access in vastus lateralis and rectus femoris; "
        "limits are defaults for clinicians to edit",
        (),
        Status.UNVERIFIED,
        "",
        "measure.biopsy",
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
