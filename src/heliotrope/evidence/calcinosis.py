"""Ledger of calcinosis: how calcium is found, placed, weighed and compared."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source("ct-ha-linearity", "Linearity of CT number with hydroxyapatite, 2013", doi="10.12989/aba.2013.1.1.015"),
    Source("ct-calcium-mass-phantom", "Calcium mass of a phantom by CT", pmid="28189204"),
    Source("park-1995", "Park et al.: skin thickness by CT, Korean J Dermatol 1995;33:303"),
    Source("cervantes-2023", "Cervantes: whole-body CT of calcinosis in myositis, 2023", other="institut-myologie.org"),
    Source("valenzuela-2022", "Valenzuela et al.: change of calcinosis over one year, Semin Arthritis Rheum 2022",
           doi="10.1016/j.semarthrit.2022.151980"),
    Source("demantke-2011", "Demantke et al.: dimensionality of point clouds, ISPRS Archives XXXVIII-5/W12, 2011"),
    Source("agatston-score", "Agatston et al.: coronary calcium by CT, J Am Coll Cardiol 1990;15:827"),
)  # fmt: skip

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "calcium-threshold",
        "Calcium is sought above 130 HU, or above the muscle's median by 4 standard deviations where that is higher; "
        "the 130 HU come from coronary scoring and are borrowed for soft tissue.",
        ("agatston-score",),
        Status.SECONDARY,
        used_by="segment.calcium.candidates",
    ),
    Statement(
        "calcium-hydroxyapatite-slope",
        "CT number rises by 1.90, 1.60, 1.35 and 1.20 HU per mg/mL hydroxyapatite at 80, 100, 120 and 140 kVp. "
        "These table values were not checked against a phantom.",
        (),
        Status.UNVERIFIED,
        used_by="physics.ct_attenuation",
    ),
    Statement(
        "calcium-linearity",
        "CT number is linear in hydroxyapatite up to 1750 mg/mL, calibration varies by less than 3.5 %.",
        ("ct-ha-linearity",),
        Status.VERIFIED,
        used_by="measure.calcium",
    ),
    Statement(
        "calcium-mass-integral",
        "The background-subtracted CT number integral gives mass free of the point spread; a phantom of "
        "34.0 mg read 32.9 to 33.1 mg.",
        ("ct-calcium-mass-phantom",),
        Status.VERIFIED,
        used_by="measure.calcium",
    ),
    Statement(
        "calcium-mass-phantom-error",
        "On eight digital thighs with 1 mm slices the mass of 115 of 116 calcifications above 100 mm3 was within 15 % "
        "(nets left out), and that of all 24 skin plaques within 20 %.",
        (),
        Status.MEASURED,
        used_by="measure.calcium",
    ),
    Statement(
        "calcium-planes",
        "Skin, subcutis, fascia, between and within muscles are told apart by distances to skin and "
        "fascia surfaces and "
        "by the fat that continues a septum beyond the calcium's edge; measured on digital thighs, not on patients.",
        ("fascia-thickness-2021", "park-1995"),
        Status.MEASURED,
        setting="slices of 3 mm or less",
        used_by="segment.calcium.components",
    ),
    Statement(
        "calcium-planes-withheld",
        "Above 3 mm slices only superficial and deep are told apart, above 1.5 mm plane calls carry a warning.",
        (),
        Status.PROJECT_RULE,
        used_by="segment.calcium.find",
    ),
    Statement(
        "calcium-shapes",
        "Sheet, linear, nodular, clump, tumoral and reticular are told apart by local dimensionality, thickness, "
        "lengths and holes.",
        ("demantke-2011",),
        Status.MEASURED,
        used_by="segment.calcium.components",
    ),
    Statement(
        "calcium-skin-at-risk",
        "Calcium nearer to the skin than 3 mm is listed as a place where the skin may break.",
        (),
        Status.PROJECT_RULE,
        used_by="measure.calcium",
    ),
    Statement(
        "calcinosis-change-radiograph",
        "Radiographic calcinosis of the hand: more than +25 % is progression, less than -25 % "
        "improvement, in between stable. "
        "Published for hands in systemic sclerosis; borrowed for other places.",
        ("valenzuela-2022",),
        Status.VERIFIED,
        setting="hands, systemic sclerosis, one year",
        used_by="measure.calcium_change",
    ),
    Statement(
        "calcinosis-change-ct",
        "No repeatability of CT calcinosis mass in dermatomyositis is published. Change is called beyond "
        "15 % with matched "
        "protocols and beyond 30 % otherwise; nodules below 50 mm3 are not trended.",
        (),
        Status.PROJECT_RULE,
        used_by="measure.calcium_change",
    ),
    Statement(
        "calcinosis-agatston",
        "An Agatston-type sum has been used in whole-body CT of dermatomyositis and called usable though imperfect.",
        ("cervantes-2023", "agatston-score"),
        Status.VERIFIED,
        used_by="measure.calcium",
    ),
    Statement(
        "calcinosis-radiograph-projection",
        "On radiographs calcification is sought as spots that rise 3 local standard deviations above a 15 "
        "mm running median, "
        "outside bone; area, opacity relative to soft tissue, pattern and a density grade are given, no tissue plane.",
        (),
        Status.PROJECT_RULE,
        used_by="segment.radiograph",
    ),
)
