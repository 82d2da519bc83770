"""``result.json`` keeps its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.pipeline import Failure, run_stages
from heliotrope.app.result_document import result_schema, result_to_plain
from heliotrope.app.store import StageStore
from heliotrope.io.tables import COLUMNS, measurements_to_csv
from tests.app.examples import label_stage, read_ones, study_of, t2_stage


@pytest.fixture
def document(tmp_path: Path) -> dict[str, object]:
    image = tmp_path / "image.dcm"
    image.write_bytes(b"pixels")
    run = run_stages(
        study_of(image),
        (t2_stage(), label_stage()),
        AnalyzeOptions(),
        read_volume=read_ones,
        store=StageStore(tmp_path / "stages"),
        progress=lambda *_: None,
    )
    failures = (Failure("dti", "E_QUALITY", "too noisy"),)
    return result_to_plain(run.result, status="partial", failures=failures, show_identifiers=False)


def test_the_document_satisfies_its_schema(document: dict[str, object]) -> None:
    plain = json.loads(json.dumps(document, allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(result_schema())
    jsonschema.validate(plain, result_schema())


def test_the_published_schema_is_the_one_in_use() -> None:
    published = Path(__file__).parents[2] / "docs" / "guide" / "result-1.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == result_schema()


def test_a_value_without_reason_violates_the_schema(document: dict[str, object]) -> None:
    plain = json.loads(json.dumps(document))
    plain["measurements"][0]["value"] = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, result_schema())


def test_identifiers_are_withheld_unless_asked_for(document: dict[str, object]) -> None:
    text = json.dumps(document)
    assert "Jane Doe" not in text
    assert "2026-01-02" not in text
    assert "1.2.3" not in text


def test_the_table_keeps_missing_numbers_empty_with_their_reason(tmp_path: Path) -> None:
    image = tmp_path / "image.dcm"
    image.write_bytes(b"pixels")
    run = run_stages(
        study_of(image),
        (t2_stage(), label_stage()),
        AnalyzeOptions(),
        read_volume=read_ones,
        store=StageStore(tmp_path / "stages"),
        progress=lambda *_: None,
    )
    header, first, second = measurements_to_csv(run.result.measurements).splitlines()
    assert header == ",".join(COLUMNS)
    assert first.startswith("muscle,left,,water_t2,mean,35.0,ms,34.0,36.0,24,,,")
    assert second.startswith("bone,left,,volume,total,,mL,,,,M_EMPTY_REGION,no voxel,")
