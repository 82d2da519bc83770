"""Myositis-specific autoantibodies: phenotype, and what each asks of imaging. For display; no input to a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from heliotrope.domain.errors import OptionError


@dataclass(frozen=True)
class Remark:
    """One remark with how firm it is.

    Parameters
    ----------
    text : str
    verified : bool
        Read in a source; otherwise from memory, and shown as such.
    """

    text: str
    verified: bool


@dataclass(frozen=True)
class Antibody:
    """One row: remarks under the headings of the table.

    Parameters
    ----------
    key : str
    group : str
    loinc_name : str or None
        Name of the antibody in LOINC, where it was seen.
    aliases, members : tuple of str
    phenotype, malignancy, ild, calcinosis, imaging : tuple of Remark
    """

    key: str
    group: str
    loinc_name: str | None
    aliases: tuple[str, ...]
    members: tuple[str, ...]
    phenotype: tuple[Remark, ...]
    malignancy: tuple[Remark, ...]
    ild: tuple[Remark, ...]
    calcinosis: tuple[Remark, ...]
    imaging: tuple[Remark, ...]


ANTIBODIES: Final = (
    Antibody(
        "Mi2",
        "DM",
        "Mi-2",
        (),
        (),
        phenotype=(
            Remark("adult DM and JDM with hallmark skin disease, milder myositis, good response", True),
            Remark("several cohorts report the opposite for muscle: higher CK and more weakness", False),
        ),
        malignancy=(Remark("about background; moderate-risk list in the 2023 guideline", False),),
        ild=(Remark("low", False),),
        calcinosis=(Remark("low", False),),
        imaging=(Remark("muscle edema usually clear; MRI suits as activity marker", False),),
    ),
    Antibody(
        "MDA5",
        "DM",
        "MDA5",
        (),
        (),
        phenotype=(
            Remark("clinically amyopathic DM; rapidly progressive ILD", True),
            Remark("skin ulcers, palmar papules, arthritis", False),
        ),
        malignancy=(Remark("low to background", False),),
        ild=(Remark("rapidly progressive ILD", True),),
        calcinosis=(Remark("variable, ulceration-related", False),),
        imaging=(
            Remark(
                (
                    "little or no muscle edema does not exclude active disease; chest CT early and repeated; "
                    "normal MRI must not be reported as inactive disease"
                ),
                False,
            ),
        ),
    ),
    Antibody(
        "TIF1g",
        "DM",
        "TIF1-gamma",
        ("p155/140",),
        (),
        phenotype=(
            Remark("cancer-associated myositis in adult DM; severe skin disease in adult DM and JDM", True),
            Remark("dysphagia frequent in adults", False),
        ),
        malignancy=(
            Remark("RR 4.66 within IIM (meta-analysis); adult only in meaning", True),
            Remark("not raised in children", False),
        ),
        ild=(Remark("low", False),),
        calcinosis=(Remark("children: possible; adults: less", False),),
        imaging=(Remark("PET-CT single-test rule with DM, onset >40 and one more high-risk clinical feature", True),),
    ),
    Antibody(
        "NXP2",
        "DM",
        "Mj",
        (
            "MJ",
            "p140",
        ),
        (),
        phenotype=(
            Remark("mostly JDM; subcutaneous edema, calcinosis, severe muscle disease with contractures", True),
        ),
        malignancy=(Remark("increased in some adult DM studies", True),),
        ild=(Remark("low", False),),
        calcinosis=(Remark("associated", True),),
        imaging=(
            Remark(
                (
                    "look for subcutaneous and fascial edema on STIR; radiograph/CT/ultrasound for calcinosis; "
                    "include buttocks, elbows, knees, trunk"
                ),
                False,
            ),
        ),
    ),
    Antibody(
        "SAE",
        "DM",
        "SUMO-activating enzyme subunit 1",
        (),
        (),
        phenotype=(
            Remark("adult DM; may begin as CADM", True),
            Remark("later myositis and dysphagia", False),
        ),
        malignancy=(
            Remark("moderate-risk item in the 2023 guideline (published case); OR 11.9 in an Italian cohort", True),
        ),
        ild=(Remark("mild, more in East Asia", False),),
        calcinosis=(Remark("low", False),),
        imaging=(Remark("repeat muscle MRI when weakness appears after a skin-only start", False),),
    ),
    Antibody(
        "ARS",
        "antisynthetase",
        None,
        (),
        (
            "Jo1",
            "PL7",
            "PL12",
            "EJ",
            "OJ",
            "KS",
            "Zo",
            "Ha",
        ),
        phenotype=(
            Remark(
                (
                    "ILD, arthritis, Raynaud, fever, mechanic hands, moderate-severe weakness with high "
                    "enzymes; PL-7 and PL-12 more ILD; KS ILD with less myositis"
                ),
                True,
            ),
        ),
        malignancy=(Remark("Jo-1 RR 0.45, EJ RR 0.17 within IIM", True),),
        ild=(Remark("high", True),),
        calcinosis=(Remark("low", False),),
        imaging=(Remark("HRCT (NSIP/OP) regardless of muscle MRI; peri-fascial edema may exceed muscle edema", False),),
    ),
    Antibody(
        "SRP",
        "IMNM",
        None,
        (),
        (),
        phenotype=(Remark("acute severe necrotizing myopathy, high CK, cardiac involvement, refractory", True),),
        malignancy=(Remark("not clearly raised", False),),
        ild=(Remark("some", False),),
        calcinosis=(Remark("rare", False),),
        imaging=(
            Remark(
                (
                    "widespread muscle edema with early fat replacement and atrophy; fascial edema less than in"
                    " DM; quantify fat fraction early"
                ),
                False,
            ),
        ),
    ),
    Antibody(
        "HMGCR",
        "IMNM",
        None,
        (),
        (),
        phenotype=(
            Remark(
                "necrotizing, statin link in adults, severe proximal weakness, partial response, better to IVIG", True
            ),
        ),
        malignancy=(Remark("possibly raised; moderate-risk list", False),),
        ild=(Remark("low", False),),
        calcinosis=(Remark("rare", False),),
        imaging=(Remark("as SRP; children may look like dystrophy", False),),
    ),
    Antibody(
        "cN1A",
        "IBM",
        None,
        (
            "NT5C1A",
            "Mup44",
        ),
        (),
        phenotype=(
            Remark("IBM; higher mortality", True),
            Remark("not specific: also in Sjögren and SLE", False),
        ),
        malignancy=(Remark("not raised", False),),
        ild=(Remark("low", False),),
        calcinosis=(Remark("rare", False),),
        imaging=(
            Remark(
                (
                    "fat replacement of vasti with relative sparing of rectus femoris, medial gastrocnemius and"
                    " deep finger flexors; asymmetric"
                ),
                False,
            ),
        ),
    ),
)

RULES: Final = (
    Remark(
        (
            "Myositis-specific antibodies exclude one another with rare exceptions; two positives may "
            "mean a false positive."
        ),
        True,
    ),
    Remark("A weak positive of a line blot needs a second method.", False),
)
CONFLICT: Final = "A patient association's table calls anti-Mi-2 muscle disease mild; several cohorts say the opposite."
EVIDENCE: Final = ("msa-phenotypes", "msa-cancer", "msa-exclusive", "msa-imaging", "msa-line-blot")


def antibody(key: str) -> Antibody:
    """The row of an antibody, by its key, alias or member (anti-Jo-1 is a member of ARS).

    Examples
    --------
    >>> antibody("NXP2").loinc_name, antibody("Jo1").key
    ('Mj', 'ARS')

    Raises
    ------
    OptionError
        No such antibody.
    """
    for row in ANTIBODIES:
        if key in (row.key, *row.aliases, *row.members):
            return row
    known = ", ".join(row.key for row in ANTIBODIES)
    raise OptionError(f"no antibody '{key[:40]}' in the table", hint=f"known: {known}")
