"""Terminology codes, only those whose code and name were read together in a source; the rest stays text.

SNOMED CT and LOINC carry license terms of their own. No RadLex code, and no code for the instruments, was verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from heliotrope.domain.errors import OptionError


@dataclass(frozen=True)
class Disease:
    """A disease with the codes mapped to its MONDO class.

    Parameters
    ----------
    mondo, label : str
    snomed_ct, icd10cm, icd11_foundation, orphanet, mesh, omim : tuple of str
        Empty where the source maps none. ICD-10-CM M33 is a category, not a billable leaf.
    """

    mondo: str
    label: str
    snomed_ct: tuple[str, ...] = ()
    icd10cm: tuple[str, ...] = ()
    icd11_foundation: tuple[str, ...] = ()
    orphanet: tuple[str, ...] = ()
    mesh: tuple[str, ...] = ()
    omim: tuple[str, ...] = ()


DISEASES: Final = (
    Disease(
        "MONDO:0016367",
        "dermatomyositis",
        snomed_ct=("396230008",),
        icd10cm=("M33",),
        icd11_foundation=("739030149",),
        orphanet=("221",),
        mesh=("D003882",),
    ),
    Disease(
        "MONDO:0008054",
        "juvenile dermatomyositis",
        snomed_ct=("1212005",),
        icd10cm=("M33.0",),
        icd11_foundation=("1428089375",),
        orphanet=("93672",),
        mesh=("C000598745",),
    ),
    Disease("MONDO:0001907", "adult dermatomyositis", snomed_ct=("402425006",), icd11_foundation=("544509908",)),
    Disease(
        "MONDO:0043317",
        "amyopathic dermatomyositis",
        snomed_ct=("238935002",),
        icd11_foundation=("727262285",),
        orphanet=("645617",),
        mesh=("C538250",),
    ),
    Disease("MONDO:1010089", "hypomyopathic dermatomyositis", icd11_foundation=("619606071",)),
    Disease(
        "MONDO:0019127",
        "polymyositis",
        snomed_ct=("31384009",),
        icd10cm=("M33.2",),
        icd11_foundation=("1157134196",),
        orphanet=("732",),
        mesh=("D017285",),
    ),
    Disease(
        "MONDO:0019734",
        "juvenile polymyositis",
        snomed_ct=("738526005",),
        icd11_foundation=("633330307",),
        orphanet=("93568",),
    ),
    Disease(
        "MONDO:0007827",
        "inclusion body myositis",
        snomed_ct=("72315009",),
        icd10cm=("G72.41",),
        orphanet=("611",),
        mesh=("D018979",),
        omim=("147421",),
    ),
    Disease("MONDO:0016098", "immune-mediated necrotizing myopathy", snomed_ct=("715863001",), orphanet=("206569",)),
    Disease("MONDO:0016099", "overlap myositis", orphanet=("206572",)),
    Disease(
        "MONDO:0019344",
        "antisynthetase syndrome",
        snomed_ct=("445187004",),
        icd11_foundation=("1572057936",),
        orphanet=("81",),
        mesh=("C537778",),
    ),
    Disease(
        "MONDO:0020122",
        "acquired idiopathic inflammatory myopathy",
        icd11_foundation=("464294586",),
        orphanet=("98482",),
    ),
    Disease("MONDO:0021167", "myositis disease", snomed_ct=("128496001",), mesh=("D009220",)),
    Disease("MONDO:0002123", "calcinosis", snomed_ct=("6595006",), icd11_foundation=("1374802956",), mesh=("D002114",)),
    Disease(
        "MONDO:0017215",
        "calciphylaxis",
        snomed_ct=("237900002",),
        icd11_foundation=("574291789",),
        orphanet=("280062",),
        mesh=("D002115",),
    ),
    Disease("MONDO:0018891", "familial tumoral calcinosis", orphanet=("53715",)),
    Disease(
        "MONDO:0100251",
        "familial hyperphosphatemic tumoral calcinosis/hyperphosphatemic hyperostosis syndrome",
        orphanet=("306661",),
    ),
    Disease(
        "MONDO:0012502",
        "normophosphatemic familial tumoral calcinosis",
        orphanet=("306658",),
        mesh=("C566473",),
        omim=("610455",),
    ),
    Disease(
        "MONDO:0007606",
        "fibrodysplasia ossificans progressiva",
        snomed_ct=("82725007",),
        icd10cm=("M61.1",),
        icd11_foundation=("2102976705",),
        orphanet=("337",),
        omim=("135100",),
    ),
    Disease("MONDO:0003964", "myositis ossificans", icd11_foundation=("635062595",), mesh=("D009221",)),
    Disease(
        "MONDO:0005100",
        "systemic sclerosis",
        snomed_ct=("89155008",),
        icd10cm=("M34",),
        icd11_foundation=("1084365812",),
        orphanet=("90291",),
        mesh=("D012595",),
    ),
    Disease(
        "MONDO:0016358",
        "limited cutaneous systemic sclerosis",
        snomed_ct=(
            "298285004",
            "299276009",
        ),
        orphanet=("220402",),
        mesh=("D045745",),
    ),
    Disease("MONDO:0019563", "CREST syndrome", snomed_ct=("31848007",), orphanet=("90290",), mesh=("D017675",)),
    Disease(
        "MONDO:0005854",
        "mixed connective tissue disease",
        snomed_ct=("398049005",),
        icd11_foundation=("891652224",),
        orphanet=("809",),
        mesh=("D008947",),
    ),
    Disease(
        "MONDO:0009175",
        "eosinophilic fasciitis",
        snomed_ct=("24129002",),
        icd11_foundation=("1977389237",),
        orphanet=("3165",),
        mesh=("C562487",),
        omim=("226350",),
    ),
    Disease(
        "MONDO:0018845",
        "focal myositis",
        snomed_ct=("240119009",),
        icd11_foundation=("708931518",),
        orphanet=("48918",),
    ),
    Disease(
        "MONDO:0019168",
        "pyomyositis",
        snomed_ct=("65110003",),
        icd11_foundation=("856598467",),
        orphanet=("764",),
        mesh=("D052880",),
    ),
    Disease(
        "MONDO:0016126",
        "viral myositis",
        snomed_ct=("240105009",),
        icd11_foundation=("864399177",),
        orphanet=("206991",),
    ),
    Disease(
        "MONDO:0007915",
        "systemic lupus erythematosus",
        snomed_ct=("55464009",),
        icd10cm=("M32",),
        icd11_foundation=("749596428",),
        orphanet=("536",),
        mesh=("D008180",),
        omim=("152700",),
    ),
)
# OHDSI concept sets.
SNOMED_CT: Final = {
    "1144920003": "Juvenile dermatomyositis overlap syndrome",
    "1144977002": "Hypomyopathic juvenile dermatomyositis",
    "1212005": "Childhood type dermatomyositis",
    "238935002": "Dermatomyositis sine myositis",
    "239901009": "Dermatomyositis with malignant disease",
    "311671000119100": "Juvenile dermatomyositis co-occurrent with respiratory involvement",
    "396230008": "Dermatomyositis",
    "402425006": "Adult onset dermatomyositis",
    "72315009": "Inclusion body myositis",
    "774082004": "Neonatal dermatomyositis",
}
# Anti-NXP2 is 'Mj' and anti-SAE 'SUMO-activating enzyme subunit 1'; none was found for SRP, HMGCR or cN1A.
LOINC_ANTIBODIES: Final = {
    "101220-2": "SUMO-activating enzyme subunit 1 IgG Ab [Units/volume] in Serum by Immunoassay",
    "11565-9": "Jo-1 extractable nuclear Ab [Units/volume] in Serum",
    "18485-3": "Mi-2 Ab [Presence] in Serum",
    "33771-7": "PL-12 Ab [Presence] in Serum",
    "33772-5": "PL-7 Ab [Presence] in Serum",
    "35333-4": "Jo-1 extractable nuclear Ab [Units/volume] in Serum by Immunoassay",
    "45149-2": "Ej Ab [Presence] in Serum",
    "45152-6": "OJ Ab [Presence] in Serum",
    "48647-2": "Ej Ab [Presence] in Serum by Radioimmunoprecipitation assay (RIPA)",
    "48649-8": "OJ Ab [Presence] in Serum by Radioimmunoprecipitation assay (RIPA)",
    "5234-0": "Jo-1 extractable nuclear Ab [Presence] in Serum by Immunoassay",
    "56637-2": "Mi-2 Ab [Units/volume] in Serum by Immunoassay",
    "56731-3": "Jo-1 extractable nuclear Ab [Presence] in Serum by Immunoblot",
    "56743-8": "Mi-2 Ab [Presence] in Serum by Immunoblot",
    "56744-6": "PL-7 Ab [Presence] in Serum by Immunoblot",
    "56745-3": "PL-12 Ab [Presence] in Serum by Immunoblot",
    "69557-7": "OJ Ab [Presence] in Serum by Immunoblot",
    "8076-2": "Jo-1 extractable nuclear Ab [Presence] in Serum",
    "82392-2": "Ej Ab [Presence] in Serum by Line blot",
    "82424-3": "MDA5 Ab [Presence] in Serum by Line blot",
    "82425-0": "Mj Ab [Units/volume] in Serum by Line blot",
    "82426-8": "Mj Ab [Presence] in Serum by Line blot",
    "82430-0": "OJ Ab [Units/volume] in Serum by Line blot",
    "82439-1": "SUMO-activating enzyme subunit 1 Ab [Units/volume] in Serum by Line blot",
    "82440-9": "SUMO-activating enzyme subunit 1 Ab [Presence] in Serum by Line blot",
    "82448-2": "TIF1-gamma Ab [Presence] in Serum by Line blot",
    "82924-2": "PL-7 IgG Ab [Presence] in Serum by Immunoassay",
    "82992-9": "SUMO-activating enzyme subunit 1 IgG Ab [Presence] in Serum by Line blot",
    "82993-7": "Mj IgG Ab [Presence] in Serum by Line blot",
    "82994-5": "MDA5 IgG Ab [Presence] in Serum by Line blot",
    "82995-2": "TIF1-gamma IgG Ab [Presence] in Serum by Line blot",
    "82996-0": "Mi-2 beta IgG Ab [Presence] in Serum by Line blot",
    "82997-8": "Mi-2 alpha IgG Ab [Presence] in Serum by Line blot",
    "83137-0": "OJ IgG Ab [Presence] in Serum by Line blot",
    "88725-7": "MDA5 Ab [Units/volume] in Serum by Line blot",
    "88732-3": "Mi-2 alpha Ab [Units/volume] in Serum by Line blot",
    "88733-1": "Mi-2 beta Ab [Units/volume] in Serum by Line blot",
    "88739-8": "TIF1-gamma Ab [Units/volume] in Serum by Line blot",
    "96501-2": "TIF1-gamma Ab [Units/volume] in Serum by Immunoassay",
}
# Code: name and UCUM unit where one was read; secondary source.
LOINC_CHEMISTRY: Final = {
    "2157-6": ("CK total", "U/L"),
    "1920-8": ("AST", "U/L"),
    "1742-6": ("ALT", "U/L"),
    "17861-6": ("Calcium", "mg/dL"),
    "2160-0": ("Creatinine", "mg/dL"),
    "2857-1": ("PSA", "ng/mL"),
    "1988-5": ("CRP", None),
    "4537-7": ("ESR Westergren", "mm/h"),
}
# Labels of the release 2023-07-21.
HPO: Final = {
    "HP:0003701": "Proximal muscle weakness",
    "HP:0008994": "Proximal muscle weakness in lower limbs",
    "HP:0008997": "Proximal muscle weakness in upper limbs",
    "HP:0000467": "Neck muscle weakness",
    "HP:0003236": "Elevated circulating creatine kinase concentration",
    "HP:0012544": "Elevated circulating aldolase concentration",
    "HP:0025435": "Increased circulating lactate dehydrogenase concentration",
    "HP:0031956": "Elevated circulating aspartate aminotransferase concentration",
    "HP:0031964": "Elevated circulating alanine aminotransferase concentration",
    "HP:0003458": "EMG: myopathic abnormalities",
    "HP:0100614": "Myositis",
    "HP:0009071": "Inflammatory myopathy",
    "HP:0030845": "Heliotrope rash of eyelid",
    "HP:0025508": "Gottron's papules",
    "HP:0025535": "Shawl sign",
    "HP:0025536": "V-sign",
    "HP:0025555": "Periungual teleangiectasia",
    "HP:0025520": "Calcinosis cutis",
    "HP:0007618": "Subcutaneous calcification",
    "HP:0003761": "Calcinosis",
    "HP:0010766": "Ectopic calcification",
    "HP:0025477": "Periarticular calcification",
    "HP:0011986": "Ectopic ossification",
    "HP:0011987": "Ectopic ossification in muscle tissue",
    "HP:0002015": "Dysphagia",
    "HP:0006515": "Interstitial pneumonitis",
    "HP:0006530": "Abnormal pulmonary interstitial morphology",
    "HP:0002206": "Pulmonary fibrosis",
    "HP:0030880": "Raynaud phenomenon",
    "HP:0001369": "Arthritis",
    "HP:0003805": "Rimmed vacuoles",
    "HP:0003713": "Muscle fiber necrosis",
    "HP:0008978": "Necrotizing myopathy",
    "HP:0012548": "Fatty replacement of skeletal muscle",
    "HP:0003202": "Skeletal muscle atrophy",
    "HP:0200042": "Skin ulcer",
    "HP:0001371": "Flexion contracture",
    "HP:0100537": "Fasciitis",
    "HP:0012490": "Panniculitis",
    "HP:0003326": "Myalgia",
    "HP:0001618": "Dysphonia",
    "HP:0009125": "Lipodystrophy",
    "HP:0001029": "Poikiloderma",
}
UCUM: Final = ("U/L", "mm/h", "%")
TRAPS: Final = (
    "HP:0003729 'Enteroviral dermatomyositis syndrome' is not dermatomyositis.",
    "MONDO maps both SNOMED CT codes of limited systemic sclerosis to one class.",
    "ICD-10-CM has no code for antisynthetase syndrome in the mapping.",
    "M33.2 is polymyositis.",
)
EVIDENCE: Final = ("terminology-diseases", "terminology-antibodies", "terminology-phenotypes", "terminology-chemistry")


def disease(label: str) -> Disease:
    """The codes of a disease.

    Examples
    --------
    >>> disease("juvenile dermatomyositis").snomed_ct
    ('1212005',)

    Raises
    ------
    OptionError
        No such disease in the verified list.
    """
    for row in DISEASES:
        if label.lower() in (row.label.lower(), row.mondo.lower()):
            return row
    raise OptionError(
        f"no verified codes for '{label[:60]}'", hint=f"known: {', '.join(row.label for row in DISEASES)}"
    )
