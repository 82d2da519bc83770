"""Complete records of each instrument, and blanking of parts of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from heliotrope.criteria import cdasi_v2, cmas, das_jdm, eular_acr_2017, imacs_cancer_2023, mmt, tis_2016
from heliotrope.criteria.haq_chaq import CATEGORIES

Record = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


def decimals(high: int) -> st.SearchStrategy[Decimal]:
    """0 to `high` in tenths, as a clinician writes it."""
    return st.integers(0, 10 * high).map(lambda tenths: Decimal(tenths) / 10)


def flags(*names: str) -> st.SearchStrategy[Record]:
    """Every fact known."""
    return st.fixed_dictionaries({name: st.booleans() for name in names})


def pair(high: int) -> st.SearchStrategy[Record]:
    """Baseline and follow-up within one range."""
    return st.fixed_dictionaries({"baseline": decimals(high), "followup": decimals(high)})


@st.composite
def eular_acr(draw: Draw) -> Record:
    """Complete EULAR/ACR record, with or without biopsy."""
    record: Record = draw(
        flags(*eular_acr_2017.ITEMS, "better_explanation", "finger_flexor_weakness", "treatment_not_improved")
    )
    record["better_explanation"] = False
    record["age_at_onset"] = draw(st.one_of(st.integers(0, 120), decimals(120)))
    record["biopsy_performed"] = draw(st.booleans())
    if record["biopsy_performed"]:
        record |= draw(flags(*eular_acr_2017.BIOPSY_ITEMS))
    return record


@st.composite
def response(draw: Draw) -> Record:
    """Complete record of both visits, either core set."""
    population = draw(st.sampled_from(["adult", "juvenile"]))
    scales = [name for name in tis_2016.MUSCLE_RANGES if population == "juvenile" or name != "CMAS"]
    scale = draw(st.sampled_from(scales))
    record = {
        "population": population,
        "core_set": draw(st.sampled_from(["IMACS", "PRINTO"] if population == "juvenile" else ["IMACS"])),
        "physician_global": draw(pair(10)),
        "patient_global": draw(pair(10)),
        "muscle": {**draw(pair(tis_2016.MUSCLE_RANGES[scale])), "instrument": scale},
        "function": draw(pair(3)),
    }
    if record["core_set"] == "IMACS":
        record["extramuscular"] = draw(pair(10))
        record["enzymes"] = {"CK": {**draw(pair(9000)), "uln": draw(st.integers(1, 400))}}
    else:
        record["das"] = draw(pair(20))
        record["chq_phs"] = {**draw(pair(100)), "range_min": 0, "range_max": 100}
    return record


def graded(maxima: dict[str, int]) -> st.SearchStrategy[Record]:
    """Every graded item known."""
    return st.fixed_dictionaries({name: st.integers(0, most) for name, most in maxima.items()})


@st.composite
def strength(draw: Draw) -> Record:
    """Complete MMT8."""
    side = st.fixed_dictionaries({name: st.integers(0, 10) for name in mmt.PAIRED})
    record = {"mode": draw(st.sampled_from(mmt.MODES)), "neck_flexors": draw(st.integers(0, 10)), "right": draw(side)}
    if record["mode"] == "bilateral":
        record["left"] = draw(side)
    return record


@st.composite
def skin(draw: Draw) -> Record:
    """Complete CDASI."""
    site = graded({**cdasi_v2.SITE_ACTIVITY, **cdasi_v2.SITE_DAMAGE})
    return {
        "sites": draw(st.fixed_dictionaries(dict.fromkeys(cdasi_v2.SITES, site))),
        "gottron_hands": {
            **draw(graded({"erythema": 3, "ulceration": 1, "damage": 2})),
            "papules": draw(st.booleans()),
        },
        "periungual": draw(st.integers(0, 2)),
        "alopecia": draw(st.integers(0, 1)),
    }


@st.composite
def questionnaire(draw: Draw) -> Record:
    """Complete HAQ or CHAQ."""
    form = draw(st.sampled_from(list(CATEGORIES)))
    return {
        "instrument": form,
        "categories": {
            name: {
                "items": draw(st.lists(st.integers(0, 3), min_size=1, max_size=most)),
                "aid_or_help": draw(st.booleans()),
            }
            for name, most in CATEGORIES[form].items()
        },
    }


@st.composite
def cancer(draw: Draw) -> Record:
    """Complete screening record of an adult within the window."""
    return {
        "age_at_onset": draw(st.integers(18, 90)),
        "years_since_onset": draw(decimals(3)),
        "subtype": draw(st.sampled_from([name for name in imacs_cancer_2023.SUBTYPES if name != "IBM"])),
        "antibodies": draw(flags(*imacs_cancer_2023.SCORED_ANTIBODIES)),
        "persistent_activity": draw(st.booleans()),
        "dysphagia": draw(st.sampled_from(imacs_cancer_2023.DYSPHAGIA)),
        "skin_necrosis": draw(st.booleans()),
        "sex": draw(st.sampled_from(["female", "male"])),
        "npc_region": draw(st.booleans()),
        "initial_screen_negative": draw(st.booleans()),
    }


@st.composite
def improvement(draw: Draw) -> Record:
    """Complete record of the 2004 definition, baselines above zero."""
    measures = {"physician_global": 10, "patient_global": 10, "mmt": 150, "function": 3, "enzyme": 5000}
    record = {name: draw(pair(high)) for name, high in {**measures, "extramuscular": 10}.items()}
    for ends in record.values():
        ends["baseline"] = max(ends["baseline"], Decimal("0.1"))
    return record


COMPLETE: dict[str, st.SearchStrategy[Record]] = {
    "eular_acr_2017": eular_acr(),
    "bohan_peter_1975": flags("weakness", "enzymes", "emg", "biopsy", "rash").map(
        lambda record: {**record, "exclusion_present": False}
    ),
    "enmc_239_dm": flags(
        "gottron_sign", "gottron_papules", "heliotrope", "interface_dermatitis", "proximal_weakness",
        "enzymes_elevated", "bx_suggestive", "bx_definitive", "dmsa",
    ),
    "asys": flags("ars_antibody", "myositis", "ild", "arthritis", "fever", "raynaud", "mechanics_hands"),
    "imnm_enmc224": flags("srp", "hmgcr", "proximal_weakness", "ck_elevated", "necrotising_biopsy"),
    "tis_2016": response(),
    "mmt8": strength(),
    "cmas": graded(cmas.MAXIMA),
    "cdasi_v2": skin(),
    "haq_chaq": questionnaire(),
    "printo_inactive": st.fixed_dictionaries(
        {
            "ck_u_l": decimals(400),
            "cmas": st.integers(0, 52),
            "mmt8": st.integers(0, 80),
            "physician_global": decimals(10),
        }
    ),
    "das_jdm": graded({**das_jdm.SKIN, **das_jdm.MUSCLE}),
    "imacs_doi_2004": improvement(),
    "imacs_cancer_2023": cancer(),
}  # fmt: skip

# What is never blanked: what a record must say, and what changes the rule itself when it is not said.
ALWAYS = {
    "eular_acr_2017": {"biopsy_performed", "better_explanation", "bx_endomysial"},
    "bohan_peter_1975": {"exclusion_present"},
    "tis_2016": {"population", "core_set", "instrument", "range_min", "range_max", "uln"},
    "mmt8": {"mode"},
    "haq_chaq": {"instrument", "items", "categories", *CATEGORIES["HAQ"]},
    "imacs_cancer_2023": {"age_at_onset"},
}


def paths(record: Record, always: set[str], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every place of a record that may be unknown."""
    found: list[tuple[str, ...]] = []
    for name, value in record.items():
        if name not in always:
            found.append((*prefix, name))
        if isinstance(value, dict):
            found += paths(value, always, (*prefix, name))
    return found


def blanked(record: Record, unknown: list[tuple[str, ...]], *, absent: bool) -> Record:
    """A copy in which the given places hold null, or nothing."""
    copied = copy.deepcopy(record)
    for path in unknown:
        place: Any = copied
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if absent:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = None
    return copied
