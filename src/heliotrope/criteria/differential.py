"""Imaging differential diagnosis as prompts for a reader: what fits, and what would separate it. Not a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class MuscleEdema:
    """A cause of bright muscle on water-sensitive MR images.

    Parameters
    ----------
    key, label, pattern, labs, context, against_dm : str
    sources : tuple of str
        Keys of the ledger's sources; empty when nothing was read.
    status : str
        What of the row was read; U is from memory.
    """

    key: str
    label: str
    pattern: str
    labs: str
    context: str
    against_dm: str
    sources: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class Calcification:
    """A class of calcification or ossification of soft tissue.

    Parameters
    ----------
    key, label, serum, pattern, context : str
    sources : tuple of str
    status : str
    """

    key: str
    label: str
    serum: str
    pattern: str
    context: str
    sources: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class Question:
    """A question that separates classes of calcification.

    Parameters
    ----------
    text : str
    if_yes : tuple of str
        Keys of the classes that fit.
    note : str
    """

    text: str
    if_yes: tuple[str, ...]
    note: str = ""


MUSCLE_EDEMA_GENERAL: Final = (
    "Three MR patterns: edema, fat replacement, mass. Autoimmune, paraneoplastic and drug-"
    "induced myositis tend to be symmetric; infection, radiation and myonecrosis focal and "
    "asymmetric; architectural distortion points to the latter."
)
MUSCLE_EDEMA: Final = (
    MuscleEdema(
        "iim",
        "IIM (DM, IMNM, ASyS, overlap)",
        "symmetric, proximal, patchy; fascia and subcutis in DM",
        "CK, MSA",
        "weeks to months",
        "-",
        ("smitaman-2018",),
        "VERIFIED symmetry; rest U",
    ),
    MuscleEdema(
        "ibm",
        "inclusion body myositis",
        "fat replacement dominates; vasti, deep finger flexors; asymmetric",
        "CK mild; cN1A",
        "over 45, years",
        "slow, distal",
        (),
        "U",
    ),
    MuscleEdema(
        "denervation",
        "subacute denervation",
        "nerve territory, edema without fascial or subcutaneous change, later fat",
        "CK normal",
        "nerve lesion",
        "territorial",
        ("may-2000",),
        "VERIFIED as cause; features U",
    ),
    MuscleEdema(
        "rhabdo",
        "rhabdomyolysis",
        "sharply demarcated, swelling, rim enhancement possible",
        "CK very high, myoglobinuria",
        "hours-days; drug, exertion, crush",
        "tempo",
        ("may-2000",),
        "VERIFIED as cause; features U",
    ),
    MuscleEdema(
        "infection",
        "pyomyositis or viral myositis",
        "focal, asymmetric, abscess",
        "CRP, culture",
        "fever, immunosuppression",
        "focal",
        ("smitaman-2018",),
        "VERIFIED",
    ),
    MuscleEdema(
        "trauma_doms",
        "strain, contusion, delayed-onset soreness",
        "one muscle or myotendinous",
        "CK transient",
        "exercise",
        "history",
        ("may-2000",),
        "VERIFIED",
    ),
    MuscleEdema(
        "compartment",
        "compartment syndrome",
        "one compartment",
        "CK up",
        "acute pain",
        "emergency",
        ("may-2000",),
        "VERIFIED",
    ),
    MuscleEdema(
        "myonecrosis",
        "diabetic or idiopathic muscle infarction",
        "T1 isointense swelling, displaced fascial planes, heterogeneous T2, non-enhancing areas",
        "CK variable; diabetes",
        "acute painful thigh",
        "focal",
        ("kattapuram-2005",),
        "VERIFIED",
    ),
    MuscleEdema(
        "radiation",
        "radiation",
        "straight field edge",
        "-",
        "radiotherapy",
        "geometry",
        (
            "may-2000",
            "smitaman-2018",
        ),
        "VERIFIED cause",
    ),
    MuscleEdema(
        "drug",
        "drug-induced (statin, checkpoint inhibitor)",
        "symmetric",
        "HMGCR; troponin",
        "exposure",
        "no rash",
        ("smitaman-2018",),
        "VERIFIED symmetry",
    ),
    MuscleEdema(
        "dystrophy",
        "muscular dystrophy",
        "fat replacement in a genetic pattern, some edema",
        "CK high, gene",
        "family, years",
        "selective fat",
        (),
        "U",
    ),
    MuscleEdema(
        "fasciitis",
        "eosinophilic or necrotizing fasciitis",
        "fascial thickening and enhancement, muscle spared or superficial",
        "eosinophils / sepsis",
        "skin induration / emergency",
        "fascia first",
        (),
        "U",
    ),
    MuscleEdema(
        "sickle_sarcoid_parasite",
        "sickle crisis, sarcoid, parasites",
        "edema or mass",
        "specific",
        "-",
        "-",
        ("may-2000",),
        "VERIFIED cause",
    ),
    MuscleEdema(
        "artifact",
        "magic angle, incomplete fat suppression, post-injection, post-EMG",
        "technique",
        "-",
        "protocol",
        "repeat",
        (),
        "U",
    ),
)
CALCIFICATION: Final = (
    Calcification(
        "dystrophic",
        "dystrophic",
        "Ca and P normal",
        "amorphous, focal or extensive; DM sheets in subcutis and fascia",
        "DM/JDM, SSc, SLE, trauma, infection; ~95 % of soft-tissue calcification",
        (
            "carr-calcifications",
            "eurorad-8744",
            "hoeltzel-2014",
        ),
        "VERIFIED",
    ),
    Calcification(
        "metastatic",
        "metastatic",
        "Ca and/or P raised (or CaxP)",
        "speckled to large globular, periarticular; vessels, heart valves, kidney, lung",
        "renal failure, hyperparathyroidism, hypervitaminosis D, hypercalcemia",
        (
            "carr-calcifications",
            "isr-tropical-29",
            "roentgen-ray-reader",
        ),
        "VERIFIED",
    ),
    Calcification(
        "idiopathic",
        "idiopathic calcinosis cutis",
        "normal",
        "nodules, for example scrotal or subepidermal",
        "no tissue disease",
        ("eurorad-8744",),
        "VERIFIED class; pattern U",
    ),
    Calcification(
        "iatrogenic",
        "iatrogenic",
        "usually normal",
        "along vein or injection site",
        "calcium gluconate, phosphate, EMG/EEG paste",
        ("eurorad-8744",),
        "VERIFIED class; pattern U",
    ),
    Calcification(
        "calciphylaxis",
        "calciphylaxis",
        "CaxP often raised",
        "small-vessel lines, net-like, with skin necrosis",
        "end-stage renal disease; also non-uremic",
        (),
        "U",
    ),
    Calcification(
        "tumoral",
        "tumoral calcinosis",
        "P raised in familial hyperphosphatemic type, Ca normal",
        "lobulated periarticular masses at extensor surface of large joints, fluid-calcium levels",
        "familial; or secondary in dialysis",
        (
            "carr-calcifications",
            "roentgen-ray-reader",
        ),
        "VERIFIED pattern; serum U",
    ),
    Calcification(
        "ossification_fop",
        "fibrodysplasia (myositis) ossificans progressiva",
        "normal",
        "true bone: cortex and trabeculae, bridges; big-toe malformation",
        "child; biopsy and injection contraindicated",
        (
            "radiology-key-soft-tissue",
            "roentgen-ray-reader",
        ),
        "VERIFIED class; toe and biopsy U",
    ),
    Calcification(
        "ossification_traumatic",
        "myositis ossificans (traumatic)",
        "normal",
        "peripheral mineral rim, shrinking mass",
        "injury, burns, paraplegia",
        ("radiology-key-soft-tissue",),
        "VERIFIED",
    ),
    Calcification(
        "neurogenic_ho",
        "neurogenic heterotopic ossification",
        "normal",
        "periarticular bone, often hip",
        "CNS injury",
        ("radiology-key-soft-tissue",),
        "VERIFIED",
    ),
    Calcification(
        "scleroderma",
        "systemic sclerosis calcinosis",
        "normal",
        "fingertips, pressure points; amorphous or linear, sheet-like",
        "SSc, anticentromere; acro-osteolysis",
        (
            "roentgen-ray-reader",
            "chung-2015",
        ),
        "VERIFIED pattern; antibody U",
    ),
    Calcification(
        "vascular",
        "arterial, venous, phlebolith",
        "usually normal",
        "tram-lines; rings",
        "age, renal disease",
        ("isr-tropical-29",),
        "VERIFIED",
    ),
    Calcification(
        "crystal_tendon",
        "calcific tendinitis, CPPD",
        "normal",
        "in tendon or cartilage",
        "shoulder, elbow",
        (
            "isr-tropical-29",
            "carr-calcifications",
        ),
        "VERIFIED",
    ),
    Calcification(
        "parasite_granuloma",
        "parasites, tuberculosis",
        "normal",
        "rice-grain along muscle fibres (cysticercosis)",
        "exposure",
        (
            "isr-tropical-29",
            "roentgen-ray-reader",
        ),
        "VERIFIED cause; pattern U",
    ),
    Calcification(
        "neoplasm",
        "synovial sarcoma, extraskeletal osteosarcoma or chondrosarcoma, hemangioma",
        "normal",
        "mass; central mineral",
        "growing mass",
        (
            "radiology-key-soft-tissue",
            "carr-calcifications",
        ),
        "VERIFIED",
    ),
    Calcification(
        "milk_of_calcium",
        "milk-of-calcium collection (JDM)",
        "normal",
        "mobile echogenic fluid between muscles, high T2, CT dense linear",
        "JDM; not tumoral calcinosis",
        ("isr-tropical-29",),
        "VERIFIED",
    ),
)
QUESTIONS: Final = (
    Question(
        "bone structure (cortex, trabeculae) present?",
        (
            "ossification_fop",
            "ossification_traumatic",
            "neurogenic_ho",
        ),
        "if not: calcification classes",
    ),
    Question(
        "serum Ca or P abnormal?",
        (
            "metastatic",
            "tumoral",
            "calciphylaxis",
        ),
        "if not: dystrophic and others",
    ),
    Question(
        "known DM/JDM/SSc and normal Ca/P?",
        (
            "dystrophic",
            "scleroderma",
            "milk_of_calcium",
        ),
        "",
    ),
    Question("skin necrosis in renal failure?", ("calciphylaxis",), ""),
    Question("single growing mass?", ("neoplasm",), "do not label as calcinosis"),
)

RULES: Final = (
    "No cause is chosen: what fits is listed, and what would separate it.",
    "Serum calcium and phosphate are needed before 'dystrophic' may be written; 'ossification' needs visible bone.",
)
EVIDENCE: Final = ("differential-muscle-edema", "differential-calcification", "differential-unverified")
