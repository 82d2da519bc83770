"""Options of an analysis: one frozen class feeds flags, plan file and docs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from heliotrope.criteria.calcification_prompts import GIVEN
from heliotrope.domain.errors import OptionError
from heliotrope.domain.study import Role
from heliotrope.stations.place import StationOrder

FACT_NAMES = frozenset(fact.name.lower() for fact in GIVEN)
"""Names under which `AnalyzeOptions.facts` takes a fact."""

MUSCLE_SOURCES = ("network", "none")
"""What `AnalyzeOptions.muscles` takes."""


_ABOVE_ZERO = (
    "pixel_size_mm",
    "stir_ratio",
    "stir_ratio_sd",
    "vial_ratio",
    "vial_ratio_sd",
    "slab_ratio",
    "t2_upper_limit_ms",
    "echo_control_mean",
    "echo_control_sd",
)
"""Options that are numbers above zero."""


def _option(sentence: str, default: Any = None) -> Any:
    return field(default=default, metadata={"sentence": sentence})


@dataclass(frozen=True)
class AnalyzeOptions:
    """What a user may choose for `heliotrope analyze`; a plan file holds the same names.

    Each field's ``metadata["sentence"]`` is the help text of its flag.
    """

    labels: str | None = _option(
        "A person's labels (NIfTI with legend, DICOM SEG or RTSTRUCT) instead of automatic ones."
    )
    labels_from: str | None = _option(
        "Result folder of an earlier visit of the same patient whose muscle labels are carried to this one."
    )
    engine: str | None = _option(
        "Installed engine whose labels take the place of the automatic ones; `heliotrope engines` lists them."
    )
    engine_task: str | None = _option("Task or region of `engine`, e.g. total_mr or thigh; else its usual one.")
    role: str | None = _option("Role of NIfTI files and pictures that have no sidecar, e.g. multi_echo_t2, radiograph.")
    pixel_size_mm: float | None = _option("Pixel size of plain pictures and DICOM radiographs that state none, in mm.")
    study: str | None = _option(
        "Key of one study, where the folder holds several; `heliotrope inspect` lists the keys."
    )
    station_order: str | None = _option(
        "foot_first or head_first: stations whose files lost their position follow one another in order of name."
    )
    only: tuple[str, ...] = _option("Run these stages and what they use, instead of all the study permits.", ())
    muscles: str = _option(
        "Single muscles: network names them by the shipped network, none leaves muscle in compartments.", "network"
    )
    stir_ratio: float | None = _option(
        "STIR-to-Dixon-water ratio of normal muscle in this site's controls, under this protocol."
    )
    stir_ratio_sd: float | None = _option("Standard deviation of `stir_ratio` among the controls.")
    vial_ratio: float | None = _option(
        "STIR-to-water ratio of normal muscle over that of the vial labeled `vial`, in controls scanned with it."
    )
    vial_ratio_sd: float | None = _option("Standard deviation of `vial_ratio` among the controls.")
    spared_muscle: str | None = _option(
        "Muscle that a reader found spared, e.g. gracilis or left gracilis; STIR reference after it was vetted."
    )
    slab_ratio: float | None = _option(
        "Refocusing slab of the water-T2 model in slices, e.g. that of an earlier visit; else found on the echoes."
    )
    t2_upper_limit_ms: float | None = _option("Upper limit of normal water T2 at this site, in ms.")
    facts: Mapping[str, bool] = field(
        default_factory=dict,
        metadata={"sentence": "Known facts for what else a calcification could be, e.g. calcium_raised: false."},
    )
    echo_control_mean: float | None = _option("Mean gray level of muscle in this site's ultrasound controls.")
    echo_control_sd: float | None = _option("Standard deviation of `echo_control_mean` among the controls.")
    echo_preset: str | None = _option("Machine and preset with which the ultrasound controls were scanned.")
    heckmatt_grade: int | None = _option("Heckmatt grade 1 to 4 that a reader gave; it is shown, not computed.")
    ultrasound_shadowing: bool | None = _option("Whether a reader saw calcification with shadowing on ultrasound.")
    show_identifiers: bool = _option("Put series descriptions, dates and UIDs into the outputs.", False)

    def __post_init__(self) -> None:
        if self.role is not None and self.role not in set(Role):
            raise OptionError(f"unknown role {self.role!r}", hint="one of: " + ", ".join(sorted(Role)), code="E_ROLE")
        if self.muscles not in MUSCLE_SOURCES:
            raise OptionError(
                f"option muscles: unknown source {self.muscles!r}", hint="one of: " + ", ".join(MUSCLE_SOURCES)
            )
        if self.station_order is not None and self.station_order not in set(StationOrder):
            raise OptionError(
                f"unknown station order {self.station_order!r}", hint="one of: " + ", ".join(StationOrder)
            )
        for name in ("labels", "labels_from", "engine", "engine_task", "study"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise OptionError(
                    f"option {name}: text needed, {type(value).__name__} given", hint=f"write {name}: TEXT"
                )
        self._check_engine()
        self._check_numbers()
        if not isinstance(self.show_identifiers, bool):
            raise OptionError("option show_identifiers: true or false needed", hint="write show_identifiers: true")
        self._check_facts()
        self._check_ultrasound()
        only: object = self.only
        if not isinstance(only, (tuple, list)) or not all(isinstance(name, str) for name in only):
            raise OptionError("option only: a list of stage names needed", hint="write only: [water-t2, measurements]")
        object.__setattr__(self, "only", tuple(self.only))

    def _check_engine(self) -> None:
        sources = {"labels": self.labels, "labels_from": self.labels_from, "engine": self.engine}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise OptionError(
                f"{' and '.join(given)} exclude one another",
                hint="give a person's labels, name an engine, or carry labels of an earlier visit: one of them",
            )
        if self.engine_task is not None and self.engine is None:
            raise OptionError("engine_task is given without engine", hint="name the engine too: --engine NAME")

    def _check_numbers(self) -> None:
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise OptionError(f"option {name}: a number above 0 needed", hint=f"write {name}: NUMBER")
        for name in ("stir_ratio", "vial_ratio"):
            if (getattr(self, name) is None) != (getattr(self, f"{name}_sd") is None):
                raise OptionError(
                    f"{name} and {name}_sd belong together", hint="give mean and standard deviation of the controls"
                )

    def _check_facts(self) -> None:
        facts: object = self.facts
        if not isinstance(facts, Mapping) or not all(isinstance(value, bool) for value in facts.values()):
            raise OptionError(
                "option facts: names with true or false needed", hint="write facts: {skin_necrosis: true}"
            )
        unknown = sorted(str(name) for name in set(facts) - FACT_NAMES)
        if unknown:
            raise OptionError(
                f"option facts: unknown fact {', '.join(unknown)}", hint="facts: " + ", ".join(sorted(FACT_NAMES))
            )
        object.__setattr__(self, "facts", dict(facts))

    def _check_ultrasound(self) -> None:
        controls = (self.echo_control_mean, self.echo_control_sd, self.echo_preset)
        if any(value is None for value in controls) != all(value is None for value in controls):
            raise OptionError(
                "echo_control_mean, echo_control_sd and echo_preset belong together",
                hint="give mean and standard deviation of the controls and the machine preset they hold for",
            )
        if self.echo_preset is not None and (not isinstance(self.echo_preset, str) or not self.echo_preset.strip()):
            raise OptionError("option echo_preset: text needed", hint="write echo_preset: MACHINE PRESET")
        grade: object = self.heckmatt_grade
        if grade is not None and (isinstance(grade, bool) or grade not in (1, 2, 3, 4)):
            raise OptionError("option heckmatt_grade: 1, 2, 3 or 4 needed", hint="write heckmatt_grade: 2")
        shadowing: object = self.ultrasound_shadowing
        if shadowing is not None and not isinstance(shadowing, bool):
            raise OptionError(
                "option ultrasound_shadowing: true or false needed", hint="write ultrasound_shadowing: true"
            )

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> AnalyzeOptions:
        """Options from the mapping of a plan file.

        Raises
        ------
        OptionError
            An unknown name (``E_PLAN``; the message lists what exists) or a value of the wrong kind.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(str(name) for name in set(plan) - known)
        if unknown:
            raise OptionError(
                f"plan: unknown option {', '.join(unknown)}", hint="options: " + ", ".join(sorted(known)), code="E_PLAN"
            )
        return cls(**plan)

    def reduced_to(self, names: Collection[str]) -> AnalyzeOptions:
        """Only the named options as they were given, every other as if it were not."""
        return AnalyzeOptions(**{name: getattr(self, name) for name in names})

    def overridden_by(self, **flags: Any) -> AnalyzeOptions:
        """Options with every flag that was given on the command line in place of the plan's."""
        given = {name: value for name, value in flags.items() if value not in (None, (), False)}
        return replace(self, **given)
