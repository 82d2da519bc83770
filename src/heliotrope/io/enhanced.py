"""Frames of an enhanced multi-frame MR or CT object: geometry, timing and weighting stand in functional groups."""

from __future__ import annotations

from dataclasses import replace

from heliotrope.domain.errors import FileFormatError
from heliotrope.domain.study import Modality
from heliotrope.io import classic, tags, vendor
from heliotrope.io.content import component_of, content_of
from heliotrope.io.frames import DicomFrame, FrameFacts, PixelFormat, SeriesContext, Vector
from heliotrope.io.header import Header

PIXEL_MEASURES = 0x00289110
PLANE_POSITION = 0x00209113
PLANE_ORIENTATION = 0x00209116
FRAME_CONTENT = 0x00209111
TEMPORAL_INDEX = 0x00209128
FRAME_ACQUISITION = 0x00209156
MR_ECHO = 0x00189114
EFFECTIVE_ECHO_TIME = 0x00189082
MR_TIMING = 0x00189112
RF_ECHO_TRAIN_LENGTH = 0x00189240
MR_MODIFIER = 0x00189115
INVERSION_RECOVERY = 0x00189009
INVERSION_TIMES = 0x00189079
MR_FIELD_OF_VIEW = 0x00189125
MR_IMAGING_MODIFIER = 0x00189006
MR_DIFFUSION = 0x00189117
MR_FRAME_TYPE = 0x00189226
CT_FRAME_TYPE = 0x00189329
MR_TRANSMIT_COIL = 0x00189049
PIXEL_TRANSFORMATION = 0x00289145
CT_XRAY_DETAILS = 0x00189325
CT_RECONSTRUCTION = 0x00189314
ECHO_PULSE_SEQUENCE = 0x00189008
ECHO_PLANAR = 0x00189018
FAT_SELECTED_SUPPRESSION = 0x00189025
PHILIPS_FRAME = 0x2005140F
CONVERTED_SHARED = 0x00209170
CONVERTED_PER_FRAME = 0x00209171
_ECHO_WORDS = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}


def is_enhanced(header: Header) -> bool:
    """True when geometry and timing stand in functional groups."""
    return tags.FRAME_GROUPS in header and (tags.SHARED_GROUPS in header or PLANE_POSITION not in header)


class _Groups:
    """Functional groups of one frame: its own first, then the shared ones, then classic attributes left anywhere."""

    def __init__(self, root: Header, shared: Header | None, frame: Header) -> None:
        self._layers = [layer for layer in (frame, shared) if layer is not None]
        loose = [frame.first(PHILIPS_FRAME), frame.first(CONVERTED_PER_FRAME)]
        loose += [shared.first(CONVERTED_SHARED), shared.first(PHILIPS_FRAME)] if shared is not None else []
        self.loose = [one for one in loose if one is not None] + [root]

    def macro(self, sequence: int) -> Header | None:
        for layer in self._layers:
            item = layer.first(sequence)
            if item is not None:
                return item
        return None

    def macro_holder(self, sequence: int) -> Header | None:
        """The layer that holds a sequence."""
        return next((layer for layer in self._layers if sequence in layer), None)

    def number(self, sequence: int, tag: int) -> float | None:
        """A number of a macro, else of the classic attributes left in converted objects."""
        item = self.macro(sequence)
        value = None if item is None else item.number(tag)
        return value if value is not None else self.plain(tag)

    def plain(self, tag: int) -> float | None:
        return next((value for one in self.loose if (value := one.number(tag)) is not None), None)

    def text(self, sequence: int, tag: int) -> str | None:
        item = self.macro(sequence)
        value = None if item is None else item.text(tag)
        return value or next((found for one in self.loose if (found := one.text(tag))), None)


def enhanced_frames(
    header: Header, *, file: int, path: str, stored: PixelFormat, offset: int
) -> tuple[FrameFacts, ...]:
    """The frames of one enhanced object."""
    modality, claim = classic.modality_of(header)
    base = classic.context_of(header, modality=modality, claim=claim, image_type=header.texts(tags.IMAGE_TYPE))
    shared = header.first(tags.SHARED_GROUPS)
    contexts: dict[SeriesContext, SeriesContext] = {}
    frames: list[FrameFacts] = []
    items = header.items(tags.FRAME_GROUPS)
    if len(items) != stored.n_frames:
        raise FileFormatError(
            f"{stored.n_frames} frames but functional groups of {len(items)}", hint="export it again", code="E_LAYOUT"
        )
    for index, item in enumerate(items):
        groups = _Groups(header, shared, item)
        fresh = _context(base, header, groups)
        context = contexts.setdefault(fresh, fresh)
        frames.append(_frame(groups, context, header, file=file, path=path, stored=stored, offset=offset, index=index))
    return tuple(frames)


def _context(base: SeriesContext, header: Header, groups: _Groups) -> SeriesContext:
    kind = groups.macro(MR_FRAME_TYPE) or groups.macro(CT_FRAME_TYPE)
    image_type = (kind.texts(tags.FRAME_TYPE) if kind is not None else ()) or base.image_type
    private = next((found for one in groups.loose if (found := one.text(0x20051011))), None)
    content, reason = content_of(image_type, private_type=private)
    component = None
    if base.modality is Modality.MR:
        coded = kind.text(tags.COMPLEX_IMAGE_COMPONENT) if kind is not None else None
        coded = coded or header.text(tags.COMPLEX_IMAGE_COMPONENT)
        component = component_of(image_type, coded=coded, private_type=private)
    sequence, inversion = _sequence(base, header, groups)
    suppressed = header.text(FAT_SELECTED_SUPPRESSION) or groups.text(MR_MODIFIER, FAT_SELECTED_SUPPRESSION)
    train = groups.number(MR_TIMING, RF_ECHO_TRAIN_LENGTH) or groups.number(MR_TIMING, tags.ECHO_TRAIN_LENGTH)
    axis = groups.text(MR_FIELD_OF_VIEW, tags.PHASE_ENCODING_DIRECTION) or base.phase_encoding_axis
    return replace(
        base,
        image_type=image_type,
        content=content,
        content_reason=reason,
        component=component,
        scanning_sequence=sequence,
        inversion=inversion,
        fat_suppressed=f"spectrally selected suppression {suppressed}"
        if suppressed is not None and "FAT" in suppressed.upper()
        else base.fat_suppressed,
        echo_train_length=int(train) if train and train > 0 else None,
        slice_thickness_mm=classic.positive(groups.number(PIXEL_MEASURES, tags.SLICE_THICKNESS)),
        spacing_between_slices_mm=classic.positive(
            abs(groups.number(PIXEL_MEASURES, tags.SPACING_BETWEEN_SLICES) or 0.0)
        ),
        pixel_bandwidth_hz=classic.positive(groups.number(MR_IMAGING_MODIFIER, tags.PIXEL_BANDWIDTH)),
        sequence_name=base.sequence_name or header.text(tags.PULSE_SEQUENCE_NAME),
        phase_encoding_axis="COL" if axis == "COLUMN" else axis,
        transmit_coil=groups.text(MR_TRANSMIT_COIL, tags.TRANSMIT_COIL),
        tube_voltage_kv=classic.positive(groups.number(CT_XRAY_DETAILS, tags.KVP)),
        convolution_kernel=groups.text(CT_RECONSTRUCTION, tags.KERNEL),
    )


def _sequence(base: SeriesContext, header: Header, groups: _Groups) -> tuple[tuple[str, ...], str | None]:
    words = list(base.scanning_sequence)
    if not words:
        words += _ECHO_WORDS.get((header.text(ECHO_PULSE_SEQUENCE) or "").upper(), ())
        if (header.text(ECHO_PLANAR) or "").upper() == "YES":
            words.append("EP")
        if not words:
            loose = next((found for one in groups.loose if (found := one.texts(tags.SCANNING_SEQUENCE))), ())
            words += loose
    inversion = None
    if (groups.text(MR_MODIFIER, INVERSION_RECOVERY) or "").upper() == "YES":
        inversion = "inversion recovery YES"
        if "IR" not in words:
            words.append("IR")
    return tuple(words), inversion


def _frame(
    groups: _Groups,
    context: SeriesContext,
    header: Header,
    *,
    file: int,
    path: str,
    stored: PixelFormat,
    offset: int,
    index: int,
) -> FrameFacts:
    slope, intercept, origin = _scaling(groups, context, stored)
    position = groups.macro(PLANE_POSITION)
    orientation = groups.macro(PLANE_ORIENTATION)
    directions = (
        classic.orientation_of(orientation.numbers(tags.IMAGE_ORIENTATION)) if orientation is not None else None
    )
    row, column = directions or (None, None)
    measures = groups.macro(PIXEL_MEASURES)
    spacing = classic.spacing_of(measures if measures is not None else header, context.modality)
    b_value, b_vector, isotropic = _diffusion(groups, context, row, column)
    content = groups.macro(FRAME_CONTENT)
    times = [groups.number(MR_ECHO, EFFECTIVE_ECHO_TIME), groups.plain(tags.ECHO_TIME)]
    flip = classic.positive(groups.number(MR_TIMING, tags.FLIP_ANGLE)) if context.modality is Modality.MR else None
    spin = "SE" in context.scanning_sequence and "GR" not in context.scanning_sequence
    inversions = groups.macro(MR_MODIFIER)
    inversion = inversions.number(INVERSION_TIMES) if inversions is not None else None
    return FrameFacts(
        file=file,
        source=DicomFrame(path, index, stored, offset, slope, intercept),
        context=context,
        sop_uid=header.text(tags.SOP_INSTANCE_UID) or "",
        shape=(stored.rows, stored.columns),
        row_spacing_mm=spacing[0] if spacing else None,
        column_spacing_mm=spacing[1] if spacing else None,
        position=classic.vector_of(position.numbers(tags.IMAGE_POSITION)) if position is not None else None,
        row=row,
        column=column,
        instance=index,
        acquisition=(header.integer(tags.INSTANCE_NUMBER) or 0),
        temporal=int((content.number(TEMPORAL_INDEX) if content is not None else None) or 0),
        echo_time_ms=next((time for time in times if time is not None and time > 0), None),
        repetition_time_ms=classic.positive(groups.number(MR_TIMING, tags.REPETITION_TIME)),
        inversion_time_ms=classic.positive(inversion if inversion is not None else groups.plain(tags.INVERSION_TIME)),
        flip_angle_deg=flip,
        refocusing_flip_angle_deg=flip if spin and flip is not None and flip > classic.EXCITATION_LIMIT_DEG else None,
        b_value=b_value,
        b_vector=b_vector,
        isotropic=isotropic,
        scaling=origin,
    )


def _diffusion(
    groups: _Groups, context: SeriesContext, row: Vector | None, column: Vector | None
) -> tuple[float | None, Vector | None, bool]:
    if context.modality is not Modality.MR:
        return None, None, False
    for layer in (groups.macro(MR_DIFFUSION), *groups.loose):
        if layer is None:
            continue
        found = vendor.diffusion(
            layer, context.manufacturer, row=row, column=column, phase_axis=context.phase_encoding_axis
        )
        if found[0] is not None:
            return found
    return None, None, False


def _scaling(groups: _Groups, context: SeriesContext, stored: PixelFormat) -> tuple[float, float, str]:
    transformation = groups.macro(PIXEL_TRANSFORMATION)
    real_world = groups.macro_holder(tags.REAL_WORLD_MAPPING)
    private = next((one for one in groups.loose if vendor.philips_scale(one) is not None), None)
    return classic.scale(
        rescale=transformation if transformation is not None else groups.loose[-1],
        real_world=real_world if real_world is not None else groups.loose[-1],
        private=private if private is not None else groups.loose[-1],
        context=context,
        stored=stored,
    )
