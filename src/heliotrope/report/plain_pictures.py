"""Radiographs and ultrasound stills as they were assessed: no sides, and a scale only where one is stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heliotrope.domain.geometry import Grid
from heliotrope.domain.result import AnalysisResult
from heliotrope.domain.study import Series
from heliotrope.report.display import SliceView, Window, gray_window, view_of
from heliotrope.report.document import Figure, LegendEntry
from heliotrope.report.figures import Outline, Outlines, draw_slice
from heliotrope.report.vocabulary import plural

RADIOGRAPH = "radiograph-calcinosis"
"""Labels of the stage of that name: bone with its margin, and every spot."""

SPOT_COLOR, BONE_COLOR = "#FFD166", "#8ECAE6"


def plane_picture(result: AnalysisResult, grid: Grid) -> Series | None:
    """The radiograph or ultrasound still on this grid; None where the grid is that of a volume."""
    return next(
        (s for s in result.study.series if s.is_plane_picture and s.grid is not None and s.grid.is_same_as(grid)), None
    )


def view_of_picture(grid: Grid) -> SliceView:
    """Layout of a picture as it was stored, without letters of the patient's sides."""
    return replace(view_of(grid), left_letter="", right_letter="", top_letter="", bottom_letter="")


def radiograph_figure(result: AnalysisResult) -> Figure | None:
    """The radiograph beside itself with bone and spots of calcification outlined; None without one."""
    volume, labels = result.backgrounds.get("radiograph"), result.further_labels.get(RADIOGRAPH)
    if volume is None or labels is None:
        return None
    gray: NDArray[np.generic] = volume.frame(0).data
    view = view_of_picture(volume.grid)
    series = plane_picture(result, volume.grid)
    whole = Window(0, view.n_rows, 0, view.n_columns)
    spots = [n for n, region in labels.legend.items() if region.structure == "calcification"]
    bone = [n for n, region in labels.legend.items() if region.structure == "bone"]
    outlines = Outlines(
        labels.labels,
        (
            Outline(tuple(bone), BONE_COLOR, width=0.8),
            *(
                Outline((n,), SPOT_COLOR, str(k), fill=0.25, width=1.0, beside=True)
                for k, n in enumerate(spots, start=1)
            ),
        ),
    )
    found = plural(len(spots), "spot") + " of calcification"
    pictures = tuple(
        draw_slice(
            gray,
            view,
            0,
            whole,
            levels=gray_window(gray),
            outlines=drawn,
            text=text,
            synthetic=result.study.synthetic,
            scaled=series is not None and series.has_pixel_size,
            alt=alt,
        )
        for drawn, text, alt in (
            (None, "as taken", "The radiograph without marks."),
            (outlines, "as assessed", f"The radiograph with {found} and the part not assessed around bone outlined."),
        )
    )
    what = f"{found} outlined" if spots else "the part not assessed outlined; no spot of calcification was found"
    caption = (
        f"The radiograph, and the same with {what}. Sides are not told: the edges of a projection are those of the "
        "picture. Nothing was sought in bone with the margin around it, nor at the skin line."
    )
    legend = (
        *((LegendEntry(SPOT_COLOR, "Calcification"),) if spots else ()),
        *((LegendEntry(BONE_COLOR, "Bone with its margin, not assessed"),) if bone else ()),
    )
    return Figure(pictures, caption, legend=legend)
