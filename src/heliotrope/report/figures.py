"""Pictures of slices: gray image, map, label outlines, marks and scale bar, as small PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure as Canvas
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from heliotrope.domain.units import Unit
from heliotrope.report.album import current_album, key_of
from heliotrope.report.display import SliceView, Window, gray_window, scale_bar_cm
from heliotrope.report.document import Picture
from heliotrope.report.palette import Scale
from heliotrope.report.vocabulary import number_text, unit_symbol

PICTURE_WIDTH_PX = 560
MAXIMUM_HEIGHT_PX = 640
MINIMUM_HEIGHT_PX = 180
_DPI = 100
_STROKE = [withStroke(linewidth=2.5, foreground="black")]


@dataclass(frozen=True)
class Outline:
    """How one region of a label image is drawn.

    Parameters
    ----------
    numbers : tuple of int
        Label numbers that make up the region.
    color : str
    number : str
        Written at the middle of the region; empty for none.
    fill : float
        Opacity of the inside, 0 to 1.
    width : float
        Line width. [points]
    beside : bool
        The number stands beside the region, so that it does not cover a small one.
    """

    numbers: tuple[int, ...]
    color: str
    number: str = ""
    fill: float = 0.0
    width: float = 1.2
    beside: bool = False


@dataclass(frozen=True)
class Outlines:
    """A label image and how its regions are drawn."""

    labels: NDArray[np.uint16] = field(repr=False)
    regions: tuple[Outline, ...]


@dataclass(frozen=True)
class Overlay:
    """A map drawn over the gray image where it is finite."""

    values: NDArray[np.float32] = field(repr=False)
    scale: Scale


@dataclass(frozen=True)
class Marker:
    """A cross-hair ring at a position given in voxel indices, with a short text."""

    index: tuple[float, float, float]
    text: str


@dataclass(frozen=True)
class Rule:
    """A dashed line across the picture at a row given as a voxel index along the view's row axis, with a short text."""

    row: float
    text: str


def drawn_once(draw: Callable[[], Canvas], *content: object) -> tuple[bytes, int, int]:
    """A picture out of the album of this report, else drawn and packed; bytes, width and height.

    Parameters
    ----------
    draw : callable
    *content : arrays and values
        All that the picture depends on, as `key_of` takes it.
    """
    album = current_album()
    if album is None:
        return encode(draw())
    key = key_of(*content)
    png = album.find(key)
    if png is None:
        png = encode(draw())[0]
        album.keep(key, png)
    with Image.open(io.BytesIO(png)) as image:
        return png, image.width, image.height


def encode(canvas: Canvas) -> tuple[bytes, int, int]:
    """Draw, and pack as PNG with an adaptive palette; bytes, width and height."""
    agg = FigureCanvasAgg(canvas)
    agg.draw()
    rgb = Image.fromarray(np.asarray(agg.buffer_rgba())[..., :3])
    packed = rgb.quantize(colors=256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    packed.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue(), rgb.width, rgb.height


def _crop(plane: NDArray[np.generic], window: Window) -> NDArray[np.generic]:
    return plane[window.top : window.bottom, window.left : window.right]


def _write(axes: Any, x: float, y: float, text: str, **style: object) -> None:
    options: dict[str, object] = {"color": "white", "fontsize": 9, "path_effects": _STROKE, **style}
    axes.text(x, y, text, transform=axes.transAxes, **options)


def _real(image: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.asarray(np.abs(image) if np.iscomplexobj(image) else image, dtype=np.float64)


def draw_slice(
    background: NDArray[np.generic],
    view: SliceView,
    index: int,
    window: Window,
    *,
    alt: str,
    levels: tuple[float, float] | None = None,
    overlay: Overlay | None = None,
    outlines: Outlines | None = None,
    markers: Sequence[Marker] = (),
    rules: Sequence[Rule] = (),
    text: str = "",
    synthetic: bool = False,
    scaled: bool = True,
) -> Picture:
    """One slice with side letters, a scale bar in centimeters and its true pixel shape.

    Parameters
    ----------
    background : array (x, y, z)
        Gray image; magnitude is shown for complex data.
    view : SliceView
    index : int
        Along the slice axis of the array, 0-based.
    window : Window
    alt : str
    levels : tuple of 2 floats, optional
        Shown as black and white; robust percentiles of the volume by default.
    overlay : Overlay, optional
    outlines : Outlines, optional
    markers : sequence of Marker
        Drawn when within half a slice of `index`.
    rules : sequence of Rule
        Lines across the picture.
    text : str
        Top left corner.
    synthetic : bool
        Writes SYNTHETIC across the picture.
    scaled : bool
        False where the pixel size is not known: no scale bar.
    """
    shown = _Shown(
        gray=_real(_crop(view.cut(background, index), window)),
        levels=levels or gray_window(background),
        values=None if overlay is None else _crop(view.cut(overlay.values, index), window),
        scale=None if overlay is None else overlay.scale,
        labels=None if outlines is None else _crop(view.cut(outlines.labels, index), window),
        regions=() if outlines is None else outlines.regions,
    )
    marks = (tuple(markers), tuple(rules), text, synthetic, scaled)
    content = ("slice", *vars(shown).values(), view, index, window, *marks)
    png, width, height = drawn_once(lambda: _slice_canvas(shown, view, index, window, *marks), *content)
    return Picture(png, alt, width, height)


@dataclass(frozen=True, eq=False)
class _Shown:
    """What one slice shows within its window: arrays (row, column), and how they are drawn."""

    gray: NDArray[np.float64]
    levels: tuple[float, float]
    values: NDArray[np.generic] | None
    scale: Scale | None
    labels: NDArray[np.generic] | None
    regions: tuple[Outline, ...]


def _slice_canvas(
    shown: _Shown,
    view: SliceView,
    index: int,
    window: Window,
    markers: Sequence[Marker],
    rules: Sequence[Rule],
    text: str,
    synthetic: bool,
    scaled: bool,
) -> Canvas:
    gray, (low, high) = shown.gray, shown.levels
    rows, columns = gray.shape
    width_mm, height_mm = columns * view.column_mm, rows * view.row_mm
    height_px = PICTURE_WIDTH_PX * height_mm / width_mm
    bounded = float(np.clip(height_px, MINIMUM_HEIGHT_PX, MAXIMUM_HEIGHT_PX))
    width_px = (
        PICTURE_WIDTH_PX
        if height_px <= MAXIMUM_HEIGHT_PX
        else max(240.0, PICTURE_WIDTH_PX * MAXIMUM_HEIGHT_PX / height_px)
    )
    canvas = Canvas(figsize=(round(width_px) / _DPI, round(bounded) / _DPI), dpi=_DPI, facecolor="black")
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    extent = (0.0, width_mm, height_mm, 0.0)
    axes.imshow(gray, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear", aspect="equal")
    if shown.values is not None and shown.scale is not None:
        norm = Normalize(shown.scale.low, shown.scale.high)
        values = np.ma.masked_invalid(shown.values)
        axes.imshow(values, cmap=shown.scale.color_map, norm=norm, extent=extent, interpolation="nearest")
    if shown.labels is not None:
        _draw_outlines(axes, shown.labels, shown.regions, view)
    for marker in markers:
        _draw_marker(axes, marker, view, index, window)
    for rule in rules:
        _draw_rule(axes, rule, view, window, width_mm)
    axes.set_xlim(0.0, width_mm)
    axes.set_ylim(height_mm, 0.0)
    _write(axes, 0.012, 0.5, view.left_letter, ha="left", va="center", fontsize=13, fontweight="bold")
    _write(axes, 0.988, 0.5, view.right_letter, ha="right", va="center", fontsize=13, fontweight="bold")
    if text:
        _write(axes, 0.012, 0.975, text, ha="left", va="top")
    if scaled:
        _draw_bar(axes, width_mm, height_mm)
    if synthetic:
        _write(
            axes, 0.5, 0.5, "SYNTHETIC", ha="center", va="center", fontsize=30, rotation=20, alpha=0.22, path_effects=[]
        )
        _write(axes, 0.988, 0.975, "SYNTHETIC", ha="right", va="top", fontweight="bold")
    return canvas


def _draw_outlines(axes: Any, labels: NDArray[np.generic], regions: Sequence[Outline], view: SliceView) -> None:
    rows, columns = labels.shape
    x = (np.arange(columns + 2) - 0.5) * view.column_mm
    y = (np.arange(rows + 2) - 0.5) * view.row_mm
    filled = np.zeros((rows, columns, 4))
    lines: list[NDArray[np.float64]] = []
    styles: list[tuple[str, float]] = []
    for region in regions:
        mask = np.isin(labels, region.numbers)
        if not mask.any():
            continue
        filled[mask] = to_rgba(region.color, region.fill)
        # a border of background closes outlines of regions that the window or the image cuts
        found = contour_generator(x, y, np.pad(mask, 1).astype(np.float64), name="serial").lines(0.5)
        lines += [np.asarray(line, dtype=np.float64) for line in found]
        styles += [(region.color, region.width)] * len(found)
        if region.number:
            inside = np.argwhere(mask)
            row, column = inside[inside[:, 1].argmax()] if region.beside else inside.mean(axis=0)
            axes.text(
                (column + (2.0 if region.beside else 0.5)) * view.column_mm,
                (row + 0.5) * view.row_mm,
                region.number,
                color="white",
                fontsize=8,
                ha="left" if region.beside else "center",
                va="center",
                path_effects=_STROKE,
            )
    if filled.any():
        extent = (0.0, columns * view.column_mm, rows * view.row_mm, 0.0)
        axes.imshow(filled, extent=extent, interpolation="nearest")
    axes.add_collection(
        LineCollection(lines, colors=[color for color, _ in styles], linewidths=[width for _, width in styles])
    )


def _draw_marker(axes: Any, marker: Marker, view: SliceView, index: int, window: Window) -> None:
    if round(marker.index[view.slice_axis]) != index:
        return
    row, column = view.place(marker.index)
    x, y = (column + 0.5 - window.left) * view.column_mm, (row + 0.5 - window.top) * view.row_mm
    axes.plot(
        [x],
        [y],
        "o",
        ms=16,
        mfc="none",
        mec="white",
        mew=2.0,
        path_effects=[withStroke(linewidth=4.0, foreground="black")],
    )
    axes.annotate(
        marker.text,
        (x, y),
        xytext=(12, 8),
        textcoords="offset points",
        color="white",
        fontsize=10,
        fontweight="bold",
        path_effects=_STROKE,
    )


def _draw_rule(axes: Any, rule: Rule, view: SliceView, window: Window, width_mm: float) -> None:
    row = view.n_rows - 1 - rule.row if view.flip_rows else rule.row
    y = (row + 0.5 - window.top) * view.row_mm
    axes.plot([0.0, width_mm], [y, y], color="#FFD24A", linewidth=0.9, linestyle=(0, (6, 4)))
    style = {"color": "#FFD24A", "fontsize": 7.5, "path_effects": _STROKE}
    axes.text(0.985 * width_mm, y, rule.text, ha="right", va="bottom", **style)


def _draw_bar(axes: Any, width_mm: float, height_mm: float) -> None:
    length_cm = scale_bar_cm(width_mm)
    left, bottom = 0.02 * width_mm, 0.95 * height_mm
    style = {"solid_capstyle": "butt", "path_effects": [withStroke(linewidth=5.5, foreground="black")]}
    axes.plot([left, left + length_cm * 10.0], [bottom, bottom], color="white", linewidth=3.0, **style)
    axes.text(
        left,
        bottom - 0.015 * height_mm,
        f"{length_cm:g} cm",
        color="white",
        fontsize=9,
        ha="left",
        va="bottom",
        path_effects=_STROKE,
    )


def draw_scale(scale: Scale, unit: Unit, title: str, *, below: bool, above: bool) -> Picture:
    """Horizontal color bar with title and unit; pointed ends where values lie outside the range."""
    labels = [number_text(float(tick), unit) for tick in _ticks(scale)]
    symbol = unit_symbol(unit)
    png, width, height = drawn_once(
        lambda: _scale_canvas(scale, labels, f"{title} [{symbol}]" if symbol else title, below=below, above=above),
        "scale",
        scale,
        labels,
        title,
        symbol,
        below,
        above,
    )
    alt = f"Color scale of {title} from {labels[0]} to {labels[-1]} {symbol}".strip()
    return Picture(png, alt, width, height)


def _ticks(scale: Scale) -> NDArray[np.float64]:
    return np.linspace(scale.low, scale.high, 5)


def _scale_canvas(scale: Scale, labels: list[str], title: str, *, below: bool, above: bool) -> Canvas:
    canvas = Canvas(figsize=(5.6, 0.62), dpi=_DPI, facecolor="white")
    axes = canvas.add_axes((0.04, 0.60, 0.92, 0.30))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    mappable = ScalarMappable(Normalize(scale.low, scale.high), colormaps[scale.color_map])
    bar = canvas.colorbar(mappable, cax=axes, orientation="horizontal", extend=extend[(below, above)])
    bar.set_ticks(_ticks(scale).tolist(), labels=labels)
    bar.ax.tick_params(labelsize=8, length=3)
    bar.set_label(title, fontsize=8, labelpad=1)
    return canvas


def draw_projection(
    background: NDArray[np.generic],
    classes: Mapping[str, NDArray[np.bool_]],
    colors: Mapping[str, str],
    view: SliceView,
    *,
    alt: str,
    levels: tuple[float, float] | None = None,
    synthetic: bool = False,
) -> Picture:
    """Maximum-intensity projection across the view's slice axis, each class of voxels in its color.

    Parameters
    ----------
    background : array (x, y, z)
    classes : mapping of name to bool array (x, y, z)
        Where several lie behind one another, the one of the brightest voxel is shown.
    colors : mapping of name to color
    view : SliceView
        Across whose slice axis to project.
    """
    axis = view.slice_axis
    low, high = levels or gray_window(background)
    signal = np.abs(background) if np.iscomplexobj(background) else background
    gray = view.lay_out(_real(signal.max(axis=axis)))
    rows, columns = gray.shape
    width_mm, height_mm = columns * view.column_mm, rows * view.row_mm
    factor = min(1.0, MAXIMUM_HEIGHT_PX * width_mm / (height_mm * PICTURE_WIDTH_PX))
    width_px = max(200.0, PICTURE_WIDTH_PX * factor)
    height_px = float(np.clip(width_px * height_mm / width_mm, 120.0, MAXIMUM_HEIGHT_PX))
    canvas = Canvas(figsize=(round(width_px) / _DPI, round(height_px) / _DPI), dpi=_DPI, facecolor="black")
    axes = canvas.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    extent = (0.0, width_mm, height_mm, 0.0)
    axes.imshow(gray, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear", aspect="equal")
    peaks = [np.where(mask, signal, -np.inf).max(axis=axis) for mask in classes.values()]
    layer = np.zeros((*gray.shape, 4))
    for name, peak in zip(classes, peaks, strict=True):
        brightest = (peak > -np.inf) & (peak >= np.max(peaks, axis=0))
        layer[view.lay_out(brightest).astype(bool)] = to_rgba(colors.get(name, "#FFFFFF"), 0.95)
    axes.imshow(layer, extent=extent, interpolation="nearest")
    _write(axes, 0.012, 0.5, view.left_letter, ha="left", va="center", fontsize=13, fontweight="bold")
    _write(axes, 0.988, 0.5, view.right_letter, ha="right", va="center", fontsize=13, fontweight="bold")
    _draw_bar(axes, width_mm, height_mm)
    if synthetic:
        _write(axes, 0.988, 0.975, "SYNTHETIC", ha="right", va="top", fontweight="bold")
    png, width, height = encode(canvas)
    return Picture(png, alt, width, height)
