"""What the edema stage looks at: labels and maps on one grid, and the reference of normal muscle found in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.app.options import AnalyzeOptions
from heliotrope.app.stage import StageInput
from heliotrope.domain.anatomy import STRUCTURES, Side
from heliotrope.domain.errors import GeometryError, OptionError, QualityRefusal
from heliotrope.domain.geometry import Grid
from heliotrope.domain.images import ParametricMap, Volume
from heliotrope.domain.study import Study
from heliotrope.measure.cores import Cores
from heliotrope.measure.edema_mask import fat_interface
from heliotrope.measure.edema_reference import RelativeSignal, SiteRatio, ratio_from_vial, relative_signal
from heliotrope.measure.on_grid import values_on
from heliotrope.measure.regions import RegionIndex, index_regions, is_lean


@dataclass(frozen=True, eq=False)
class Scene:
    """Labels and maps brought onto one grid."""

    study: Study
    grid: Grid
    index: RegionIndex
    muscle: NDArray[np.bool_]
    subcutis: NDArray[np.bool_]
    water_t2: NDArray[np.float64] | None
    fat: NDArray[np.float64] | None
    water_signal: NDArray[np.float64] | None
    fat_signal: NDArray[np.float64] | None

    def limited_to(self, seen: NDArray[np.bool_]) -> Scene:
        """The same with tissue and signal in one part of the grid alone."""
        water = None if self.water_signal is None else np.where(seen, self.water_signal, np.nan)
        return replace(self, muscle=self.muscle & seen, subcutis=self.subcutis & seen, water_signal=water)


def is_fat_measured(t2: ParametricMap) -> bool:
    """Whether fat was measured by another series than the water-T2 map; a joint fit is too imprecise for limits."""
    return "joint" not in t2.method


def scene_on(given: StageInput, grid: Grid) -> Scene:
    """Labels and maps of a run brought onto a grid."""
    moved = given.labels_on(grid)
    index = index_regions(moved)
    muscle = np.zeros(grid.shape, dtype=bool)
    subcutis = np.zeros(grid.shape, dtype=bool)
    for region in index.members:
        if is_lean(region):
            muscle |= index.mask(region)
        elif region.structure == "subcutaneous_fat":
            subcutis |= index.mask(region)

    def on_grid(name: str) -> NDArray[np.float64] | None:
        found = given.maps.get(name)
        if found is None:
            return None
        try:
            return values_on(found.values, found.grid, grid)
        except GeometryError:
            return None

    t2 = given.maps.get("water_t2")
    return Scene(
        study=given.study,
        grid=grid,
        index=index,
        muscle=muscle,
        subcutis=subcutis,
        water_t2=on_grid("water_t2") if t2 is not None and is_fat_measured(t2) else None,
        fat=on_grid("fat_fraction"),
        water_signal=on_grid("water_signal"),
        fat_signal=on_grid("fat_signal"),
    )


def _spared(options: AnalyzeOptions, index: RegionIndex) -> NDArray[np.bool_] | None:
    if options.spared_muscle is None:
        return None
    words = options.spared_muscle.strip().lower().replace(" ", "_")
    side = next((s for s in Side if words.startswith(f"{s}_")), None)
    structure = words.removeprefix(f"{side}_") if side else words
    if structure not in STRUCTURES:
        raise OptionError(f"unknown muscle {options.spared_muscle!r}", hint="e.g. gracilis or left gracilis")
    masks = [
        index.mask(region)
        for region in index.members
        if region.structure == structure and (side is None or region.side is side)
    ]
    return np.logical_or.reduce(masks) if masks else None


def _site_ratio(options: AnalyzeOptions, scene: Scene, stir: Volume) -> tuple[SiteRatio | None, str]:
    """Ratio of normal muscle from this scan's vial, else of the site's controls; and why a vial did not serve."""
    problem = ""
    inside = np.zeros(scene.grid.shape, dtype=bool)
    cores = Cores(scene.index)
    for region in scene.index.members:
        if region.structure == "vial":
            core = cores.core(region)
            inside[core.box] |= core.mask
    known = options.vial_ratio is not None and options.vial_ratio_sd is not None
    if known and inside.any() and scene.water_signal is not None:
        assert options.vial_ratio is not None
        assert options.vial_ratio_sd is not None
        over_vial = SiteRatio(options.vial_ratio, options.vial_ratio_sd)
        try:
            return ratio_from_vial(stir, scene.water_signal, inside, over_vial), ""
        except QualityRefusal as refusal:
            problem = refusal.message
    elif known:
        problem = "vial: it is not labeled, or there is no Dixon water image of the same session"
    if options.stir_ratio is None or options.stir_ratio_sd is None:
        return None, problem
    return SiteRatio(options.stir_ratio, options.stir_ratio_sd), problem


def relative_to_normal(given: StageInput, scene: Scene, stir: Volume, field_t: float) -> RelativeSignal:
    """STIR over normal muscle in what a scene holds, by the best reference found in it."""
    site, problem = _site_ratio(given.options, scene, stir)
    core = scene.muscle & ~fat_interface(scene.muscle, np.zeros(scene.grid.shape, dtype=bool), scene.grid)
    try:
        relative = relative_signal(
            stir,
            core,
            field_strength_t=field_t,
            water_t2_ms=scene.water_t2,
            fat_percent=scene.fat,
            water_signal=scene.water_signal,
            fat_signal=scene.fat_signal,
            subcutis=scene.subcutis,
            site_ratio=site,
            spared=_spared(given.options, scene.index),
        )
    except QualityRefusal as refusal:
        if not problem:
            raise
        raise QualityRefusal(f"{refusal.message}; {problem}", hint=refusal.hint, code=refusal.code) from refusal
    return replace(relative, notes=(*relative.notes, f"The {problem}.")) if problem else relative
