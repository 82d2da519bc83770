"""The list of accuracy gates and its command."""

import json

import pytest

from heliotrope.app import validate as use_case
from heliotrope.app.validation.gate import Effort, Gate, Sense, run_gate
from heliotrope.app.validation.registry import GATES
from heliotrope.cli.main import main
from heliotrope.domain.errors import OptionError
from heliotrope.domain.units import Unit


def _gate(name: str, value: float, sense: Sense = Sense.AT_MOST) -> Gate:
    return Gate(name, "A gate.", 1.0, Unit.MILLISECOND, sense, lambda _: value)


def test_every_gate_has_its_own_kebab_case_name() -> None:
    names = [gate.name for gate in GATES]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name and "_" not in name for name in names)


@pytest.mark.parametrize(
    ("value", "sense", "passed"),
    [
        (0.9, Sense.AT_MOST, True),
        (1.0, Sense.AT_MOST, True),
        (1.1, Sense.AT_MOST, False),
        (0.9, Sense.AT_LEAST, False),
        (float("nan"), Sense.AT_MOST, False),
        (float("nan"), Sense.AT_LEAST, False),
    ],
)
def test_a_gate_passes_on_its_side_of_the_limit_only(value: float, sense: Sense, passed: bool) -> None:
    assert run_gate(_gate("g", value, sense), Effort.REDUCED).passed is passed


def test_a_name_beginning_chooses_its_family() -> None:
    gates = (_gate("water-t2-bias", 0.0), _gate("water-t2-sd", 0.0), _gate("watering", 0.0))
    assert [gate.name for gate in use_case.chosen_gates(["water-t2"], gates)] == ["water-t2-bias", "water-t2-sd"]


def test_an_unknown_gate_is_refused_with_the_list() -> None:
    with pytest.raises(OptionError, match="nonsense") as caught:
        use_case.chosen_gates(["nonsense"])
    assert "epg-vs-bloch" in caught.value.hint


def test_a_failing_gate_makes_the_command_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = (_gate("good", 0.5), _gate("bad", float("nan")))
    monkeypatch.setattr(use_case, "GATES", gates)
    monkeypatch.setattr(use_case.chosen_gates, "__defaults__", (gates,))
    assert main(["validate", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert [gate["passed"] for gate in answer["gates"]] == [True, False]
    assert answer["gates"][1]["value"] is None


def test_the_command_measures_one_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--only", "epg-vs-bloch", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (gate,) = answer["gates"]
    assert set(answer) == {"ok", "gates"}
    assert set(gate) == {"name", "value", "limit", "unit", "passed"}
    assert gate["value"] <= 1e-10


def test_water_t2_keeps_its_gates() -> None:
    results = use_case.validate(["water-t2"])
    assert {result.name: result.value for result in results if not result.passed} == {}
