"""Chaining of stages: study in, `AnalysisResult` out; reuses what an earlier run finished."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import Stage, StageInput, StageOutput
from heliotrope.app.station_runs import run_by_station
from heliotrope.app.store import StageStore, content_of, stage_key
from heliotrope.domain.errors import HeliotropeError, OptionError
from heliotrope.domain.images import LabelMap, ParametricMap, Volume
from heliotrope.domain.measurement import Measurement, Missing
from heliotrope.domain.result import AnalysisResult, MethodStep, NotAssessed, QualityCheck, QuantityText
from heliotrope.domain.study import Series, Study
from heliotrope.stations.merge import Harmony

KEPT_BESIDE = frozenset({"calcinosis", "radiograph-calcinosis"})
"""Stages whose labels are published even where a later stage draws the study's main labels."""

NAMED_BY_NETWORK = "muscles"
"""Stage whose checks hold only while its labels are the study's."""

Progress = Callable[[int, int, str], None]
"""Called with the number of stages done, their total, and a line about the one that just ended."""


@dataclass(frozen=True)
class Failure:
    """A stage the study permitted that did not deliver, and the way out where one is known."""

    stage: str
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, eq=False)
class PipelineRun:
    """A result and what happened on the way.

    Parameters
    ----------
    keys : dict of stage name to stage key
        Of every stage that delivered.
    """

    result: AnalysisResult
    failures: tuple[Failure, ...]
    keys: dict[str, str]


@dataclass(frozen=True)
class _Readers:
    """Access to pixels, the same for every stage of a run."""

    read_volume: Callable[[Series], Volume]
    harmony_of: Callable[[Series], Harmony] | None


@dataclass
class _Progress:
    outputs: dict[str, StageOutput] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    steps: list[MethodStep] = field(default_factory=list)
    not_assessed: list[NotAssessed] = field(default_factory=list)
    missing: list[Measurement] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def chosen_stages(stages: tuple[Stage, ...], only: tuple[str, ...]) -> tuple[Stage, ...]:
    """The stages named, and all they use; every stage when none is named.

    Raises
    ------
    OptionError
        A name that does not exist (``E_STAGE``).
    """
    by_name = {stage.name: stage for stage in stages}
    unknown = sorted(set(only) - set(by_name))
    if unknown:
        raise OptionError(f"unknown stage {', '.join(unknown)}", hint="stages: " + ", ".join(by_name), code="E_STAGE")
    wanted = set(only or by_name)
    for stage in reversed(stages):
        if stage.name in wanted:
            wanted |= set(stage.uses)
    return tuple(stage for stage in stages if stage.name in wanted)


def run_stages(
    study: Study,
    stages: tuple[Stage, ...],
    options: AnalyzeOptions,
    *,
    read_volume: Callable[[Series], Volume],
    store: StageStore,
    progress: Progress,
    harmony_of: Callable[[Series], Harmony] | None = None,
) -> PipelineRun:
    """Run every stage the study permits, in order.

    A stage that refuses or fails leaves its quantities "not assessed" with the reason; the others go on.
    """
    content = content_of(study)
    state = _Progress()
    readers = _Readers(read_volume, harmony_of)
    for number, stage in enumerate(stages):
        line = _run_stage(stage, study, options, readers=readers, store=store, content=content, state=state)
        progress(number + 1, len(stages), line)
    store.forget_all_but(state.keys)
    return PipelineRun(_assemble(study, stages, state), tuple(state.failures), state.keys)


def _run_stage(
    stage: Stage,
    study: Study,
    options: AnalyzeOptions,
    *,
    readers: _Readers,
    store: StageStore,
    content: str,
    state: _Progress,
) -> str:
    selected = stage.select(study)
    if isinstance(selected, Missing):
        _leave_out(stage, selected, state)
        return f"{stage.name}: not possible - {selected.reason}"
    started = time.perf_counter()
    key = stage_key(stage, selected, options, state.keys, content)
    output = store.load(stage, key)
    reused = output is not None
    if output is None:
        try:
            output = _perform(stage, _input_of(stage, study, selected, options, readers, state))
        except HeliotropeError as error:
            return _fail(stage, Failure(stage.name, error.code, error.message, error.hint), state)
        except MemoryError:
            return _fail(stage, Failure(stage.name, "E_MEMORY", "not enough memory for this series"), state)
        except Exception as error:  # noqa: BLE001 - one defect must not lose the other results; it is reported
            return _fail(stage, Failure(stage.name, "E_INTERNAL", _where(error)), state)
        store.keep(stage, key, output)
        # from here on its arrays lie on disk, so that the images of one stage do not burden the next
        output = store.load(stage, key) or output
    seconds = time.perf_counter() - started
    state.outputs[stage.name], state.keys[stage.name] = output, key
    step = MethodStep(
        name=f"{stage.name}/{stage.version}",
        sentence=output.sentence,
        evidence=output.evidence,
        seconds=seconds,
        reused=reused,
        series=tuple(item.key for item in selected),
        delivered=_delivered(output),
    )
    state.steps.append(step)
    state.not_assessed.extend(output.not_assessed)
    return f"{stage.name}: " + ("reused" if reused else f"{seconds:.1f} s")


def _where(error: Exception) -> str:
    """Kind and place of a defect; never its message, which may hold identifiers."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error {type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"


def _leave_out(stage: Stage, missing: Missing, state: _Progress) -> None:
    state.not_assessed.extend(NotAssessed(quantity.key, missing) for quantity in stage.quantities)
    state.missing.extend(stage.without(missing))


def _fail(stage: Stage, failure: Failure, state: _Progress) -> str:
    state.failures.append(failure)
    _leave_out(stage, Missing(failure.code, failure.message), state)
    return f"{stage.name}: refused - {failure.message} [{failure.code}]"


def _delivered(output: StageOutput) -> tuple[str, ...]:
    maps = {item.quantity for item in output.maps.values()}
    return tuple(sorted(maps | {item.quantity for item in output.measurements if item.value is not None}))


def _perform(stage: Stage, given: StageInput) -> StageOutput:
    if stage.by_station and any(series.stations for series in given.series):
        return run_by_station(stage, given)
    return stage.run(given)


def _input_of(
    stage: Stage,
    study: Study,
    series: tuple[Series, ...],
    options: AnalyzeOptions,
    readers: _Readers,
    state: _Progress,
) -> StageInput:
    used = [state.outputs[name] for name in stage.uses if name in state.outputs]
    return StageInput(
        study=study,
        series=series,
        options=options.reduced_to(stage.reads),
        read_volume=readers.read_volume,
        harmony_of=readers.harmony_of,
        maps=_merged_maps(used),
        labels=_last_labels(used),
        carried=tuple(item for output in used for item in output.carried),
        backgrounds={name: volume for output in used for name, volume in output.backgrounds.items()},
        measurements=tuple(item for output in used for item in output.measurements),
        findings=tuple(item for output in used for item in output.findings),
    )


def _merged_maps(outputs: Iterable[StageOutput]) -> dict[str, ParametricMap]:
    return {name: item for output in outputs for name, item in output.maps.items()}


def _last_labels(outputs: Iterable[StageOutput]) -> LabelMap | None:
    labels = [output.labels for output in outputs if output.labels is not None]
    return labels[-1] if labels else None


def _assemble(study: Study, stages: tuple[Stage, ...], state: _Progress) -> AnalysisResult:
    outputs = list(state.outputs.values())
    measurements = (*(item for output in outputs for item in output.measurements), *state.missing)
    delivered = {quantity for output in outputs for quantity in _delivered(output)}
    return AnalysisResult(
        study=study,
        maps=_merged_maps(outputs),
        labels=_main_labels(state.outputs),
        measurements=measurements,
        findings=tuple(item for output in outputs for item in output.findings),
        not_assessed=tuple(item for item in _unique(state.not_assessed) if item.quantity not in delivered),
        quality=_quality(state.outputs),
        methods=tuple(state.steps),
        backgrounds={name: volume for output in outputs for name, volume in output.backgrounds.items()},
        quantities={q.key: QuantityText(q.title, q.meaning) for stage in stages for q in stage.quantities},
        further_labels=_further_labels(state.outputs),
    )


def _quality(outputs: Mapping[str, StageOutput]) -> tuple[QualityCheck, ...]:
    """Checks of every stage, each of one name by the last stage that made it: earlier label maps were replaced.

    How certain single muscles were is not said of muscles that a person or another engine drew in their place.
    """
    drawing = [name for name in _drawn(outputs) if name not in KEPT_BESIDE]
    replaced = NAMED_BY_NETWORK if drawing and drawing[-1] != NAMED_BY_NETWORK else None
    last = {item.name: name for name, output in outputs.items() if name != replaced for item in output.quality}
    return tuple(item for name, output in outputs.items() for item in output.quality if last.get(item.name) == name)


def _drawn(outputs: Mapping[str, StageOutput]) -> dict[str, LabelMap]:
    return {name: output.labels for name, output in outputs.items() if output.labels is not None}


def _main_labels(outputs: Mapping[str, StageOutput]) -> LabelMap | None:
    """The label map that regions are measured in: the last one, calcium's on CT only where there is no other."""
    drawn = _drawn(outputs)
    tissues = [labels for name, labels in drawn.items() if name not in KEPT_BESIDE]
    return tissues[-1] if tissues else drawn.get("calcinosis")


def _further_labels(outputs: Mapping[str, StageOutput]) -> dict[str, LabelMap]:
    """Label maps of other things than tissues, beside the main one."""
    main = _main_labels(outputs)
    return {name: labels for name, labels in _drawn(outputs).items() if name in KEPT_BESIDE and labels is not main}


def _unique(items: Iterable[NotAssessed]) -> list[NotAssessed]:
    return list(dict.fromkeys(items))
