"""Chaining, refusal and reuse of stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from heliotrope.app.analyze import hindering
from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.pipeline import PipelineRun, chosen_stages, run_stages
from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.app.stages.labels import PERSON_LABELS
from heliotrope.app.store import StageStore
from heliotrope.domain.errors import OptionError, QualityRefusal
from heliotrope.domain.result import QualityCheck
from heliotrope.domain.study import Role, Study
from heliotrope.measure.calcium_summary import missing_calcium
from tests.app.examples import VOLUME, label_stage, read_ones, select_multi_echo, study_of, t2_stage


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.dcm"
    path.write_bytes(b"pixels")
    return path


def _run(study: Study, *stages: Stage, folder: Path, options: AnalyzeOptions | None = None) -> PipelineRun:
    return run_stages(
        study,
        stages,
        options or AnalyzeOptions(),
        read_volume=read_ones,
        store=StageStore(folder / "stages"),
        progress=lambda *_: None,
    )


def test_stages_run_in_order_and_see_what_they_use(image: Path, tmp_path: Path) -> None:
    run = _run(study_of(image), t2_stage(), label_stage(), folder=tmp_path)
    assert run.failures == ()
    assert run.result.measurements[0].value == 35.0
    assert [step.name for step in run.result.methods] == ["t2/1", "labels/1"]


def test_a_second_run_reuses_every_stage_and_gives_the_same_result(image: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    stages = (t2_stage(calls=calls), label_stage(calls=calls))
    first = _run(study_of(image), *stages, folder=tmp_path).result
    second = _run(study_of(image), *stages, folder=tmp_path).result
    assert calls == ["t2", "labels"]
    assert all(step.reused for step in second.methods)
    assert second.measurements == first.measurements
    assert second.findings == first.findings
    assert second.quality == first.quality
    assert second.labels is not None
    assert first.labels is not None
    assert (second.labels.legend, second.labels.confidence, second.labels.notes) == (
        first.labels.legend,
        first.labels.confidence,
        first.labels.notes,
    )
    np.testing.assert_array_equal(second.maps["water_t2"].values, first.maps["water_t2"].values)
    assert second.maps["water_t2"].flags == ("flagged",)


def test_changed_pixels_or_a_new_stage_version_are_computed_again(image: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    _run(study_of(image), t2_stage(calls=calls), folder=tmp_path)
    _run(study_of(image), t2_stage(calls=calls, version=2), folder=tmp_path)
    image.write_bytes(b"other pixels")
    _run(study_of(image), t2_stage(calls=calls, version=2), folder=tmp_path)
    assert len(calls) == 3


def test_new_labels_rerun_only_what_depends_on_the_options(image: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.nii.gz"
    labels.write_bytes(b"one")
    calls: list[str] = []
    stages = (t2_stage(calls=calls), label_stage(calls=calls))
    _run(study_of(image), *stages, folder=tmp_path)
    _run(study_of(image), *stages, folder=tmp_path, options=AnalyzeOptions(labels=str(labels)))
    assert calls == ["t2", "labels", "labels"]


def test_an_option_reruns_the_stage_that_reads_it_and_what_uses_that_alone(image: Path, tmp_path: Path) -> None:
    calls: list[str] = []

    def noting(name: str, seen: list[object] | None = None) -> Callable[[StageInput], StageOutput]:
        def run(given: StageInput) -> StageOutput:
            calls.append(name)
            if seen is not None:
                seen.append((given.options.t2_upper_limit_ms, given.options.spared_muscle))
            return StageOutput(name)

        return run

    seen: list[object] = []
    stages = (
        Stage("first", 1, (), lambda _: (), noting("first")),
        Stage("reader", 1, (), lambda _: (), noting("reader", seen), uses=("first",), reads=("t2_upper_limit_ms",)),
        Stage("user", 1, (), lambda _: (), noting("user"), uses=("reader",)),
        Stage("other", 1, (), lambda _: (), noting("other"), uses=("first",)),
    )
    _run(study_of(image), *stages, folder=tmp_path, options=AnalyzeOptions(spared_muscle="gracilis"))
    calls.clear()
    changed = AnalyzeOptions(spared_muscle="soleus", t2_upper_limit_ms=41.0)
    _run(study_of(image), *stages, folder=tmp_path, options=changed)
    assert calls == ["reader", "user"]
    # a stage is shown the options it declares and no others
    assert seen == [(None, None), (41.0, None)]


def test_arrays_of_a_finished_stage_stay_on_disk(image: Path, tmp_path: Path) -> None:
    values = _run(study_of(image), t2_stage(), folder=tmp_path).result.maps["water_t2"].values
    owner: object = values
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap)


def test_a_damaged_stage_on_disk_is_computed_again(image: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    _run(study_of(image), t2_stage(calls=calls), folder=tmp_path)
    (next((tmp_path / "stages").glob("t2-*")) / "0.npy").write_bytes(b"damaged")
    _run(study_of(image), t2_stage(calls=calls), folder=tmp_path)
    assert calls == ["t2", "t2"]


def test_a_study_without_the_series_says_which_result_lacks_what(image: Path, tmp_path: Path) -> None:
    run = _run(study_of(image, role=Role.T1), t2_stage(), folder=tmp_path)
    assert [(item.quantity, item.missing.code) for item in run.result.not_assessed] == [("water_t2", "M_NO_SERIES")]


def test_a_refusing_stage_leaves_the_others_standing(image: Path, tmp_path: Path) -> None:
    def refuse(_: StageInput) -> StageOutput:
        raise QualityRefusal("not a thigh: looks like an abdomen", hint="give a thigh", code="E_NOT_A_THIGH")

    refusing = Stage("refusing", 1, (VOLUME,), select_multi_echo, refuse)
    run = _run(study_of(image), refusing, t2_stage(), folder=tmp_path)
    assert [(failure.stage, failure.code) for failure in run.failures] == [("refusing", "E_NOT_A_THIGH")]
    assert "water_t2" in run.result.maps
    assert run.result.not_assessed[0].missing.reason.startswith("not a thigh")


def test_a_defect_in_one_stage_is_reported_without_its_message(image: Path, tmp_path: Path) -> None:
    def break_down(_: StageInput) -> StageOutput:
        raise RuntimeError("Jane Doe")

    broken = Stage("broken", 1, (VOLUME,), select_multi_echo, break_down)
    run = _run(study_of(image), broken, t2_stage(), folder=tmp_path)
    assert run.failures[0].code == "E_INTERNAL"
    assert "Jane" not in run.failures[0].message
    assert "RuntimeError" in run.failures[0].message


def test_a_quantity_delivered_by_one_stage_is_not_listed_as_missing_from_another(image: Path, tmp_path: Path) -> None:
    other = replace(t2_stage(), name="t2-joint", select=lambda _: select_multi_echo(study_of(image, role=Role.T1)))
    run = _run(study_of(image), other, t2_stage(), folder=tmp_path)
    assert run.result.not_assessed == ()


def test_only_names_a_stage_and_brings_what_it_uses() -> None:
    stages = (t2_stage(), label_stage())
    assert [stage.name for stage in chosen_stages(stages, ("labels",))] == ["t2", "labels"]
    with pytest.raises(OptionError, match="unknown stage liver"):
        chosen_stages(stages, ("liver",))


def test_an_unknown_plan_option_lists_what_exists() -> None:
    with pytest.raises(OptionError, match="unknown option colour") as caught:
        AnalyzeOptions.from_plan({"colour": "red"})
    assert "labels" in caught.value.hint


def test_an_interrupted_run_keeps_what_was_finished(image: Path, tmp_path: Path) -> None:
    def interrupt(_: StageInput) -> StageOutput:
        raise KeyboardInterrupt

    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _run(
            study_of(image),
            t2_stage(calls=calls),
            Stage("long", 1, (VOLUME,), select_multi_echo, interrupt),
            folder=tmp_path,
        )
    run = _run(study_of(image), t2_stage(calls=calls), label_stage(), folder=tmp_path)
    assert calls == ["t2"]
    assert run.result.methods[0].reused


def test_remains_of_a_killed_write_are_never_taken_for_a_stage(image: Path, tmp_path: Path) -> None:
    calls: list[str] = []
    remains = tmp_path / "stages" / ".unfinished-abc"
    remains.mkdir(parents=True)
    (remains / "output.json").write_text("{")
    _run(study_of(image), t2_stage(calls=calls), folder=tmp_path)
    assert calls == ["t2"]
    assert not remains.exists()


def test_a_stage_that_cannot_run_may_leave_a_number_with_its_reason(image: Path, tmp_path: Path) -> None:
    stage = replace(t2_stage(), without=missing_calcium)
    run = _run(study_of(image, role=Role.STIR), stage, folder=tmp_path)
    rows = {m.quantity: m for m in run.result.measurements}
    assert {(m.region.structure, m.value) for m in rows.values()} == {("all", None)}
    missing = rows["calcinosis_mass"].missing
    assert missing is not None
    assert missing.code == "M_NO_SERIES"
    # and nothing of it when the stage runs
    measured = _run(study_of(image), stage, folder=tmp_path / "b").result.measurements
    assert "calcinosis_mass" not in {m.quantity for m in measured}


def test_labels_of_calcium_stand_beside_those_of_tissues_and_alone_where_there_are_no_others(
    image: Path, tmp_path: Path
) -> None:
    calcium = replace(label_stage(), name="calcinosis")
    tissues = label_stage()
    both = _run(study_of(image), t2_stage(), tissues, calcium, folder=tmp_path).result
    assert set(both.further_labels) == {"calcinosis"}
    assert both.labels is not both.further_labels["calcinosis"]
    alone = _run(study_of(image), t2_stage(), calcium, folder=tmp_path / "b").result
    assert alone.labels is not None
    assert alone.further_labels == {}


def test_checks_of_labels_that_were_replaced_are_not_shown(image: Path, tmp_path: Path) -> None:
    def drawing(name: str, *checks: QualityCheck) -> Stage:
        stage = label_stage()
        return replace(stage, name=name, run=lambda given: replace(stage.run(given), quality=checks))

    network = drawing(
        "muscles", QualityCheck("muscle-certainty", False, "none"), QualityCheck("label-sides", True, "a")
    )
    person = drawing(PERSON_LABELS, QualityCheck("label-sides", False, "b"))
    tissues = drawing("tissues", QualityCheck("fascia-edge", True, "c"), QualityCheck("label-sides", True, "d"))
    found = _run(study_of(image), t2_stage(), tissues, network, person, folder=tmp_path).result.quality
    assert [(check.name, check.detail) for check in found] == [("fascia-edge", "c"), ("label-sides", "b")]
    alone = _run(study_of(image), t2_stage(), tissues, network, folder=tmp_path / "b").result.quality
    assert [check.name for check in alone] == ["fascia-edge", "muscle-certainty", "label-sides"]


def test_a_trunk_read_for_calcium_is_complete_and_its_refused_tissues_are_stated(image: Path, tmp_path: Path) -> None:
    def refuse(_: StageInput) -> StageOutput:
        raise QualityRefusal("not a limb", hint="give a limb", code="E_NOT_A_LIMB")

    tissues = replace(label_stage(), name="tissues", run=refuse)
    calcium = replace(t2_stage(), name="calcinosis")
    run = _run(study_of(image), tissues, calcium, folder=tmp_path)
    assert [failure.code for failure in run.failures] == ["E_NOT_A_LIMB"]
    assert hindering(run) == ()
    # without calcium the same refusal leaves the analysis unfinished
    without = _run(study_of(image), tissues, t2_stage(), folder=tmp_path / "b")
    assert [failure.stage for failure in hindering(without)] == ["tissues"]


def test_a_body_with_labels_of_a_person_is_complete_without_tissues(image: Path, tmp_path: Path) -> None:
    def refuse(_: StageInput) -> StageOutput:
        raise QualityRefusal("not a limb", hint="give a limb", code="E_NOT_A_LIMB")

    tissues = replace(label_stage(), name="tissues", run=refuse)
    drawn = replace(
        label_stage(), name=PERSON_LABELS, uses=(), run=lambda _: StageOutput(sentence="Labels were drawn.")
    )
    assert hindering(_run(study_of(image), tissues, drawn, folder=tmp_path)) == ()
    nothing = replace(drawn, run=lambda _: StageOutput(sentence=""))
    undrawn = _run(study_of(image), tissues, nothing, folder=tmp_path / "b")
    assert [failure.stage for failure in hindering(undrawn)] == ["tissues"]
