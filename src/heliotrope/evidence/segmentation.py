"""Where the rules of segmentation come from."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source(
        "orgiu-2016",
        "Orgiu et al., automatic segmentation of thigh tissues on MR, J Magn Reson Imaging 2016, 43:601",
    ),
    Source("park-1995", "Park, skin thickness by computed tomography, Korean J Dermatol 1995, 33:303"),
    Source("fascia-thickness-2021", "Thickness of the deep fascia of the thigh, histology", other="PMC7930759"),
    Source("adipose-window-2014", "Attenuation windows of adipose tissue and muscle on CT", pmid="24393306"),
)
"""Works cited by the segmentation."""

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "tissue-layers-classical",
        "Thigh tissues can be parted on MR without trained weights: sensitivity above 96 % for muscle, fat and "
        "bone, mean "
        "contour distance of the fascia lata 0.81 mm",
        ("orgiu-2016",),
        Status.VERIFIED,
        "thigh MR, abstract only",
        "segment.layers",
    ),
    Statement(
        "skin-thickness-ct",
        "Skin is 0.84-3.07 mm thick by site on CT",
        ("park-1995",),
        Status.VERIFIED,
        "adults, by site",
        "segment.layers",
    ),
    Statement(
        "fascia-subvoxel",
        "The deep fascia of the thigh is 0.56 mm (anterior) to 1.11 mm (lateral) thick: thinner than a voxel, so it is "
        "located as a surface and not painted",
        ("fascia-thickness-2021",),
        Status.VERIFIED,
        "histology",
        "segment.fascia",
    ),
    Statement(
        "ct-tissue-windows",
        "On CT adipose tissue lies at -190 to -30 HU and muscle at -29 to 150 HU",
        ("adipose-window-2014",),
        Status.VERIFIED,
        "",
        "segment.ct",
    ),
    Statement(
        "septum-angles",
        "About the femur, from anterior and positive toward lateral, the lateral septum lies near 145 degrees, the "
        "septum "
        "between hamstrings and adductors near 187 (deep) to 223 (superficial), the medial septum near 265",
        (),
        Status.PROJECT_RULE,
        "mid-thigh; between one person's labels and the textbook phantom; the medial septum turns forward toward "
        "the hip",
        "segment.compartments",
    ),
    Statement(
        "muscle-network",
        "Single muscles of the thigh are named by a network trained only on images generated from label maps of 34 "
        "people; where it was measured, it was against another network's labels of one healthy person",
        (),
        Status.MEASURED,
        "not tested on inflamed or heavily replaced muscle of patients; figures stand on the model card",
        "segment.muscles",
    ),
    Statement(
        "muscle-agreement",
        "A muscle is named where the answers at different scales and positions agree by a mean Dice of at least 0.85; "
        "on generated images of held-out people 96 % of these overlapped the truth by a Dice of at least 0.7, and "
        "those withheld had a mean Dice of 0.59",
        (),
        Status.PROJECT_RULE,
        "438 muscles of four slices each, images generated from label maps; agreement and Dice correlate by 0.75",
        "segment.muscles.label",
    ),
    Statement(
        "muscle-order",
        "The centers of the thigh's muscles keep their order toward medial and anterior, and their share of the muscle "
        "area its limit: each relation used holds in at least 99.7 % of 1,100 slices of a leg in 35 label maps",
        (),
        Status.MEASURED,
        "label maps of 32 people, predictions of a published model; limits of share with a margin of 1.5",
        "segment.muscles.plausibility",
    ),
    Statement(
        "fat-half-rule",
        "Inside the fascia a voxel of at least half fat is intermuscular fat, else muscle",
        (),
        Status.PROJECT_RULE,
        "",
        "segment.layers",
    ),
    Statement(
        "registration-limit",
        "Labels carried to another image are used only where outlines of bone and limb then lie within 3 mm (95th "
        "percentile) or 1.5 pixels of the coarser image, whichever is more",
        (),
        Status.PROJECT_RULE,
        "",
        "segment.carried_labels",
    ),
    Statement(
        "decay-parts-fat",
        "In a multi-echo spin-echo train fat keeps its signal where muscle loses it; the share of fat is read from "
        "the ratio of "
        "late to early echoes between the two modes of the image itself, and is relative",
        (),
        Status.PROJECT_RULE,
        "no calibrated fat fraction; long-T2 fluid reads as part fat",
        "segment.contrast",
    ),
)
"""Statements behind the labels."""
