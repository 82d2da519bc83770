"""The JSON Schema of the patient record, built from the same tables that read it."""

from __future__ import annotations

from typing import Any, Final

from heliotrope.criteria import case_record as names
from heliotrope.criteria.case_reading import MAX_ENTRIES, MAX_TEXT
from heliotrope.criteria.enzymes import ANALYTES, UNITS
from heliotrope.criteria.imacs_cancer_2023 import SUBTYPES
from heliotrope.criteria.tis_2016 import CORE_SETS, MUSCLE_RANGES

SCHEMA_ID: Final = "heliotrope-case/1"


def build_case_schema() -> dict[str, Any]:
    """The schema as a JSON value; what it accepts, `read_case` may still refuse (dates, sums, contradictions)."""
    dated: dict[str, Any] = {"date": _ref("date")}
    written: dict[str, Any] = {"id": _ref("text"), "recorded": _ref("date"), "corrects": _ref("text")}
    facts = {name: _ref("truth") for name in names.BOOLEAN_FACTS} | {"dysphagia": _ref("dysphagia")}
    visit = {
        **written,
        **dated,
        "facts": _object(facts),
        **{name: _ref("global") for name in names.GLOBAL_SCALES},
        "muscle_total": _nullable(
            _object({"value": _number(), "scale": {"enum": list(MUSCLE_RANGES)}}, required=["scale"])
        ),
        "chq_phs": _nullable(_object({name: _number() for name in ("value", "range_min", "range_max")})),
        **{
            name: {"type": ["object", "null"], "description": f"Inputs of `heliotrope criteria run {name}`."}
            for name in names.VISIT_INSTRUMENTS
        },
        "laboratory": _list(_ref("laboratory")),
        "imaging": _list(_object({"analysis": _ref("text"), "note": _ref("text")}, required=["analysis"])),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Heliotrope patient record",
        "description": "One patient over time. Null is unknown, never absent and never zero. A wrong entry stays; a "
        "later entry of the same list names it in `corrects`. No names.",
        **_object(
            {
                "heliotrope_case": {"const": names.RECORD_VERSION},
                "key": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": "A pseudonym."},
                "synthetic": _ref("truth"),
                "demographics": _nullable(
                    _object(
                        {
                            "age_at_onset": _number(0, 120),
                            "onset": _ref("date"),
                            "diagnosis": _ref("date"),
                            "sex": _choice("female", "male"),
                            "raised_nasopharyngeal_risk": _ref("truth"),
                            "subtype": _choice(*SUBTYPES),
                        }
                    )
                ),
                "core_set": _choice(*CORE_SETS),
                "enzyme_range_multiplier": _nullable(_object({name: _number(0, 1000) for name in ANALYTES})),
                "facts": _list(
                    _object(
                        {
                            **written,
                            **dated,
                            "fact": {"enum": [*names.BOOLEAN_FACTS, "dysphagia"]},
                            "value": _ref("dysphagia"),
                        },
                        required=["fact"],
                    )
                ),
                "antibodies": _list(
                    _object(
                        {
                            **written,
                            **dated,
                            "antibody": {"enum": list(names.ANTIBODIES)},
                            "result": _choice(*names.RESULTS),
                            "assay": _ref("text"),
                        },
                        required=["antibody"],
                    )
                ),
                "visits": _list(_object(visit)),
                "treatments": _list(
                    _object(
                        {"drug": _ref("text"), "dose": _ref("text"), "start": _ref("date"), "stop": _ref("date")},
                        required=["drug"],
                    )
                ),
                "screening": _list(
                    _object(
                        {
                            **written,
                            **dated,
                            "test": {"enum": list(names.SCREENING_TESTS)},
                            "result": _choice(*names.SCREENING_RESULTS),
                        },
                        required=["test"],
                    )
                ),
            },
            required=["heliotrope_case", "key"],
        ),
        "$defs": {
            "truth": {"type": ["boolean", "null"]},
            "text": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_TEXT},
            "date": {
                "description": "2021, 2021-03 or 2021-03-14.",
                "anyOf": [
                    {"type": "string", "pattern": r"^(19|20|21)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"},
                    {"type": "integer", "minimum": 1900, "maximum": 2199},
                    {"type": "null"},
                ],
            },
            "dysphagia": {"enum": [True, False, None, *names.DYSPHAGIA]},
            "global": {
                "description": "Visual analog scale in cm, or a value with its unit.",
                "anyOf": [
                    _number(0, 10),
                    _object({"value": _number(0, 100), "unit": {"enum": ["cm", "mm"]}}, required=["unit"]),
                ],
            },
            "laboratory": _object(
                {
                    "analyte": {"enum": list(ANALYTES)},
                    "value": _number(0),
                    "unit": _choice(*UNITS),
                    "uln": _number(0),
                    "uln_unit": _choice(*UNITS),
                },
                required=["analyte"],
            ),
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": ["object", "null"]}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["array", "null"], "items": item, "maxItems": MAX_ENTRIES}


def _choice(*options: str) -> dict[str, Any]:
    return {"enum": [*options, None]}


def _number(low: float | None = None, high: float | None = None) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {"type": ["number", "null"], **{name: limit for name, limit in limits.items() if limit is not None}}
