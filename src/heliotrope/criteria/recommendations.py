"""Recommendations with a bearing on imaging: information only; nothing here orders an examination or a drug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from heliotrope.criteria.antibodies import Remark


@dataclass(frozen=True)
class Recommendation:
    """What one guideline says.

    Parameters
    ----------
    key : str
    title : str
    source : str or None
        Key of the ledger's source; None where no source could be verified.
    scope : str
        What it covers, and what it must not be cited for.
    remarks : tuple of Remark
    """

    key: str
    title: str
    source: str | None
    scope: str
    remarks: tuple[Remark, ...]


RECOMMENDATIONS: Final = (
    Recommendation(
        "share_jdm",
        "SHARE, juvenile dermatomyositis",
        "bellutti-enders-2017",
        "diagnosis, treatment and follow-up of juvenile dermatomyositis",
        (
            Remark("7 principles, 33 diagnostic, 19 therapeutic recommendations, >80 % agreement", True),
            Remark("refer to a specialized centre; high-risk urgently", True),
            Remark(
                (
                    "high risk: severe disability, aspiration or dysphagia, GI vasculitis, myocarditis, "
                    "parenchymal lung disease, CNS disease, skin ulceration, age under 1 year"
                ),
                True,
            ),
            Remark("tools: CHAQ, VAS, CHQ, DAS; damage (for example MDI) at least yearly", True),
            Remark("consider enzymes, ESR, CRP, MSA/MAA, infection screen, metabolic and mitochondrial tests", True),
            Remark("MRI with T2-weighted fat-suppressed or STIR for diagnosis and to choose the biopsy site", False),
            Remark("MRI can help monitoring", False),
            Remark("biopsy above all when rash is absent or presentation unusual", False),
            Remark("nailfold capillaroscopy", False),
            Remark(
                (
                    "first line: high-dose glucocorticoid with methotrexate; IVIG, cyclophosphamide, "
                    "mycophenolate, ciclosporin, rituximab, TNF inhibitors as later options"
                ),
                False,
            ),
        ),
    ),
    Recommendation(
        "bsr_2022",
        "BSR guideline 2022",
        "oldroyd-2022-bsr",
        "management; does not cover diagnosis, classification, investigation or IBM, so it must not be cited for MRI",
        (
            Remark("high-dose glucocorticoid at induction (1B)", True),
            Remark("adult prednisolone 0.5-1 mg/kg/day, usually 40-60 mg", True),
            Remark("child prednisolone 1-2 mg/kg/day or IV methylprednisolone 30 mg/kg, maximum 1 g", True),
            Remark("csDMARD adult: methotrexate, azathioprine, tacrolimus, ciclosporin, mycophenolate (2C)", True),
            Remark("child: glucocorticoid plus methotrexate first line in most", True),
            Remark("supervised exercise", True),
            Remark("screen all for swallowing problems; test myositis antibodies; assess wellbeing", True),
            Remark("IVIG, rituximab, abatacept, JAK inhibitors in refractory disease", False),
            Remark("cancer screening wording", False),
        ),
    ),
    Recommendation(
        "gkjr_2018",
        "Treat to target in juvenile dermatomyositis, Germany and Austria",
        "hinze-2018",
        "juvenile dermatomyositis",
        (Remark("10 consensus statements, 92-100 %, treat-to-target in moderate and severe JDM", True),),
    ),
    Recommendation(
        "eular_management",
        "EULAR management of myositis",
        None,
        "none was verified; a page titled so has no DOI and must not be cited",
        (),
    ),
    Recommendation(
        "mri_protocol",
        "MRI protocol, usual practice",
        None,
        "suggestion from memory",
        (
            Remark("axial T1 of pelvis and thighs", False),
            Remark("axial STIR or fat-suppressed T2", False),
            Remark("optional Dixon fat fraction and T2 map", False),
            Remark("report muscle edema", False),
            Remark("report fascial edema", False),
            Remark("report subcutaneous edema", False),
            Remark("report fat replacement", False),
            Remark("report atrophy", False),
            Remark("report symmetry", False),
            Remark("report biopsy target", False),
            Remark("edema falls under glucocorticoid; note drug and date", False),
            Remark("exercise and injection before the scan raise T2", False),
            Remark("same scanner and sequence for change", False),
            Remark("STIR signal has no unit; T2 map in ms", False),
        ),
    ),
    Recommendation(
        "biopsy_target",
        "Biopsy target on MRI",
        None,
        "from memory, but standard",
        (Remark("edematous, accessible muscle that is not fat-replaced; avoid sites of recent needle EMG", False),),
    ),
)
EVIDENCE: Final = ("share-recommendations", "bsr-scope", "gkjr-statements", "mri-protocol-practice")
