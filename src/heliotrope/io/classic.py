"""Frames of a classic DICOM object: one file is one frame (or a multi-frame object without functional groups)."""

from __future__ import annotations

from heliotrope.domain.study import Modality
from heliotrope.io import tags, vendor
from heliotrope.io.content import component_of, content_of
from heliotrope.io.frames import Component, Content, DicomFrame, FrameFacts, PixelFormat, SeriesContext, Vector
from heliotrope.io.header import Header, HeaderCache

_MODALITIES = {
    "MR": Modality.MR,
    "CT": Modality.CT,
    "CR": Modality.RADIOGRAPH,
    "DX": Modality.RADIOGRAPH,
    "RG": Modality.RADIOGRAPH,
    "US": Modality.ULTRASOUND,
}
_SOP_MODALITIES = {
    "1.2.840.10008.5.1.4.1.1.4": Modality.MR,
    "1.2.840.10008.5.1.4.1.1.4.1": Modality.MR,
    "1.2.840.10008.5.1.4.1.1.4.4": Modality.MR,
    "1.2.840.10008.5.1.4.1.1.2": Modality.CT,
    "1.2.840.10008.5.1.4.1.1.2.1": Modality.CT,
    "1.2.840.10008.5.1.4.1.1.2.2": Modality.CT,
    "1.2.840.10008.5.1.4.1.1.1": Modality.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.1.1": Modality.RADIOGRAPH,
    "1.2.840.10008.5.1.4.1.1.6.1": Modality.ULTRASOUND,
    "1.2.840.10008.5.1.4.1.1.3.1": Modality.ULTRASOUND,
}
_FAT_SUPPRESSION = frozenset(
    {"FS", "FATSAT", "FAT_SAT", "SPIR", "SPAIR", "SPECIAL", "WE", "PROSET", "SPSP", "WFS", "DIET"}
)
MAX_FIELD_T = 25.0
"""No scanner of people has a stronger field; larger values are gauss or damage. [T]"""
FARTHEST_MM = 1e5
"""A position further from the scanner's center than this is damage. [mm]"""
EXCITATION_LIMIT_DEG = 100.0
"""A spin echo that states a larger flip angle states its refocusing angle. [deg]"""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_NO_CONTRAST = ("NONE", "NO", "N", "0")
_MAX_FRAMES = 100_000
_MAX_SIDE = 1 << 16
_SIGNAL = (
    Content.PLAIN,
    Content.WATER,
    Content.FAT,
    Content.IN_PHASE,
    Content.OPPOSED_PHASE,
    Content.DIFFUSION_TRACE,
)


def modality_of(header: Header) -> tuple[Modality, str]:
    """Modality by object class, then by the modality attribute; and the claim itself."""
    claim = (header.text(tags.MODALITY) or "").upper()
    by_class = _SOP_MODALITIES.get(header.text(tags.SOP_CLASS_UID) or "")
    return by_class or _MODALITIES.get(claim, Modality.OTHER), claim


def pixel_format(header: Header, transfer_syntax: str) -> PixelFormat | None:
    """How the pixels are stored; None when the header does not describe an image."""
    rows, columns = header.integer(tags.ROWS), header.integer(tags.COLUMNS)
    if not rows or not columns or not 0 < rows < _MAX_SIDE or not 0 < columns < _MAX_SIDE:
        return None
    allocated = header.integer(tags.BITS_ALLOCATED)
    if allocated not in (1, 8, 16, 32, 64):
        return None
    stored = header.integer(tags.BITS_STORED) or allocated
    n_frames = header.integer(tags.NUMBER_OF_FRAMES) or 1
    samples = header.integer(tags.SAMPLES_PER_PIXEL) or 1
    if not 0 < n_frames <= _MAX_FRAMES or samples not in (1, 3, 4) or not 0 < stored <= allocated:
        return None
    return PixelFormat(
        transfer_syntax=transfer_syntax,
        rows=rows,
        columns=columns,
        samples=samples,
        n_frames=n_frames,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=header.integer(tags.PIXEL_REPRESENTATION) == 1,
        photometric=(header.text(tags.PHOTOMETRIC) or "MONOCHROME2").upper(),
        planar=header.integer(tags.PLANAR) or 0,
    )


def iso_date(text: str | None) -> str | None:
    """DICOM date to ISO 8601; None when it is not one.

    Examples
    --------
    >>> iso_date("20200217")
    '2020-02-17'
    """
    digits = (text or "").replace(".", "")[:8]
    if len(digits) != 8 or not digits.isdigit() or not 1 <= int(digits[4:6]) <= 12 or not 1 <= int(digits[6:]) <= 31:
        return None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def is_synthetic(header: Header) -> bool:
    """True when the header says the image was generated."""
    if (header.text(tags.SYNTHETIC_DATA) or "").upper() == "YES":
        return True
    if (header.text(tags.HELIOTROPE_SYNTHETIC) or "").upper() == "SYNTHETIC":
        return True
    return (header.text(tags.IMAGE_COMMENTS) or "").upper().startswith("SYNTHETIC")


def positive(value: float | None) -> float | None:
    """The value when it is above zero."""
    return value if value is not None and value > 0 else None


def vector_of(values: tuple[float, ...]) -> Vector | None:
    """Three numbers as a position; None when they are no place near a scanner."""
    if len(values) != 3 or max(abs(value) for value in values) > FARTHEST_MM:
        return None
    return (values[0], values[1], values[2])


def orientation_of(values: tuple[float, ...]) -> tuple[Vector, Vector] | None:
    """Row and column direction as unit vectors; None unless they are two perpendicular directions."""
    if len(values) != 6:
        return None
    row, column = values[:3], values[3:]
    lengths = [sum(v * v for v in part) ** 0.5 for part in (row, column)]
    if min(lengths) < 0.9 or max(lengths) > 1.1:
        return None
    unit_row = (row[0] / lengths[0], row[1] / lengths[0], row[2] / lengths[0])
    unit_column = (column[0] / lengths[1], column[1] / lengths[1], column[2] / lengths[1])
    if abs(sum(a * b for a, b in zip(unit_row, unit_column, strict=True))) > 0.01:
        return None
    return unit_row, unit_column


def spacing_of(header: Header, modality: Modality) -> tuple[float, float] | None:
    """Distance between rows and between columns. [mm]"""
    values = header.numbers(tags.PIXEL_SPACING)
    if len(values) != 2 and modality is Modality.RADIOGRAPH:
        values = header.numbers(tags.IMAGER_PIXEL_SPACING)
    if len(values) != 2 and modality is Modality.ULTRASOUND:
        region = header.first(tags.US_REGIONS)
        if region is not None and region.integer(tags.US_UNITS_X) == 3:  # centimeters
            deltas = (region.number(tags.US_DELTA_Y), region.number(tags.US_DELTA_X))
            values = tuple(abs(delta) * 10.0 for delta in deltas if delta)
    if len(values) != 2 or min(values) <= 0 or max(values) > 1000:
        return None
    return values[0], values[1]


def context_of(header: Header, *, modality: Modality, claim: str, image_type: tuple[str, ...]) -> SeriesContext:
    """What the header says about the acquisition as a whole."""
    manufacturer = header.text(tags.MANUFACTURER)
    private = header.text(0x20051011) if vendor.is_maker(manufacturer, "PHILIPS") else None
    ge_code = None
    if vendor.is_maker(manufacturer, "GE ", "GEMS"):
        code = header.number(0x0043102F, "SS")
        ge_code = None if code is None else int(code)
    content, reason = content_of(image_type, private_type=private)
    capture = (header.text(tags.SOP_CLASS_UID) or "").startswith(SECONDARY_CAPTURE)
    if capture and tags.IMAGE_POSITION not in header:
        content, reason = Content.SCREEN, "secondary capture without a position"
    component = None
    if modality is Modality.MR:
        component = component_of(
            image_type, coded=header.text(tags.COMPLEX_IMAGE_COMPONENT), ge_code=ge_code, private_type=private
        )
    field = positive(header.number(tags.FIELD_STRENGTH))
    options = header.texts(tags.SCAN_OPTIONS)
    suppressed = next((option for option in options if option.upper() in _FAT_SUPPRESSION), None)
    notes: tuple[str, ...] = ()
    if field is not None and field > MAX_FIELD_T:
        notes = (f"field strength {field:g} T is beyond any scanner of people and was left out",)
        field = None
    train = header.integer(tags.ECHO_TRAIN_LENGTH)
    return SeriesContext(
        study_uid=header.text(tags.STUDY_UID) or "",
        series_uid=header.text(tags.SERIES_UID) or "",
        sop_class=header.text(tags.SOP_CLASS_UID) or "",
        modality=modality,
        modality_claimed=claim,
        number=header.integer(tags.SERIES_NUMBER),
        description=header.text(tags.SERIES_DESCRIPTION) or "",
        protocol=header.text(tags.PROTOCOL_NAME) or "",
        frame_of_reference=header.text(tags.FRAME_OF_REFERENCE),
        manufacturer=manufacturer,
        model=header.text(tags.MODEL),
        software=header.text(tags.SOFTWARE),
        field_strength_t=field,
        scanning_sequence=header.texts(tags.SCANNING_SEQUENCE),
        sequence_variant=header.texts(tags.SEQUENCE_VARIANT),
        scan_options=options,
        sequence_name=header.text(tags.SEQUENCE_NAME) or _private_sequence_name(header, manufacturer),
        image_type=image_type,
        acquisition_type=header.text(tags.ACQUISITION_TYPE),
        echo_train_length=train if train and train > 0 else None,
        pixel_bandwidth_hz=positive(header.number(tags.PIXEL_BANDWIDTH)),
        slice_thickness_mm=positive(header.number(tags.SLICE_THICKNESS)),
        spacing_between_slices_mm=positive(abs(header.number(tags.SPACING_BETWEEN_SLICES) or 0.0)),
        body_part_claimed=header.text(tags.BODY_PART),
        tube_voltage_kv=positive(header.number(tags.KVP)),
        convolution_kernel=header.text(tags.KERNEL),
        contrast_agent=_contrast(header.text(tags.CONTRAST_AGENT)),
        acquired_on=_date(header),
        phase_encoding_axis=header.text(tags.PHASE_ENCODING_DIRECTION),
        transmit_coil=header.text(tags.TRANSMIT_COIL),
        rescale_type=header.text(tags.RESCALE_TYPE),
        component=component,
        content=content,
        content_reason=reason,
        synthetic=is_synthetic(header),
        fat_suppressed=None if suppressed is None else f"scan option {suppressed.upper()}",
        vendor_notes=notes,
    )


def _private_sequence_name(header: Header, manufacturer: str | None) -> str | None:
    if vendor.is_maker(manufacturer, "GE ", "GEMS"):
        return header.text(0x0019109C)
    return header.text(0x20012020) if vendor.is_maker(manufacturer, "PHILIPS") else None


def _contrast(stated: str | None) -> bool | None:
    return None if stated is None else stated.upper() not in _NO_CONTRAST


def _date(header: Header) -> str | None:
    for tag in (tags.ACQUISITION_DATE, tags.SERIES_DATE, tags.STUDY_DATE):
        found = iso_date(header.text(tag))
        if found:
            return found
    return None


def scaling(header: Header, context: SeriesContext, stored: PixelFormat) -> tuple[float, float, str]:
    """Slope, intercept and their origin for the frames of a classic object."""
    return scale(rescale=header, real_world=header, private=header, context=context, stored=stored)


def scale(
    *, rescale: Header, real_world: Header, private: Header, context: SeriesContext, stored: PixelFormat
) -> tuple[float, float, str]:
    """Slope, intercept and their origin.

    Philips MR magnitude uses the scanner's floating-point value, (stored x RS + RI) / (RS x SS), which alone is
    comparable between images of one examination. Phase keeps the rescaled value.

    Parameters
    ----------
    rescale, real_world, private : Header
        Where rescale, real-world value mapping and Philips elements stand.
    """
    slope = rescale.number(tags.RESCALE_SLOPE)
    intercept = rescale.number(tags.RESCALE_INTERCEPT)
    if slope is None or slope == 0:
        slope, intercept, origin = 1.0, 0.0, "stored values"
    else:
        intercept, origin = intercept or 0.0, "rescale"
    if context.modality is Modality.RADIOGRAPH and stored.photometric == "MONOCHROME1":
        top = float(2**stored.bits_stored - 1)
        return -slope, slope * top + intercept, "inverted so that dense is bright"
    if context.modality is not Modality.MR:
        return slope, intercept, origin
    mapping = real_world.first(tags.REAL_WORLD_MAPPING)
    if mapping is not None:
        real_slope = mapping.number(tags.REAL_WORLD_SLOPE, "FD")
        if real_slope is not None and real_slope != 0:
            return real_slope, mapping.number(tags.REAL_WORLD_INTERCEPT, "FD") or 0.0, "real-world value"
    if vendor.is_maker(context.manufacturer, "PHILIPS") and context.component in (None, Component.MAGNITUDE):
        found = vendor.philips_scale(private)
        if found is not None and context.content in _SIGNAL:
            total = slope * found[0]
            return slope / total, intercept / total, "Philips scale slope"
    return slope, intercept, origin


def classic_context(header: Header) -> SeriesContext:
    """The context of a classic object."""
    modality, claim = modality_of(header)
    return context_of(header, modality=modality, claim=claim, image_type=header.texts(tags.IMAGE_TYPE))


def classic_frames(
    header: Header, *, file: int, path: str, stored: PixelFormat, offset: int, contexts: HeaderCache[SeriesContext]
) -> tuple[FrameFacts, ...]:
    """The frames of one classic object."""
    context = contexts.get(header, classic_context)
    modality = context.modality
    slope, intercept, origin = scaling(header, context, stored)
    directions = orientation_of(header.numbers(tags.IMAGE_ORIENTATION))
    row, column = directions or (None, None)
    spacing = spacing_of(header, modality)
    b_value, b_vector, isotropic = (None, None, False)
    flip: float | None = None
    if modality is Modality.MR:
        b_value, b_vector, isotropic = vendor.diffusion(
            header, context.manufacturer, row=row, column=column, phase_axis=context.phase_encoding_axis
        )
        flip = positive(header.number(tags.FLIP_ANGLE))
    refocusing = flip if flip is not None and flip > EXCITATION_LIMIT_DEG and _is_spin_echo(context) else None
    return tuple(
        FrameFacts(
            file=file,
            source=DicomFrame(path, index, stored, offset, slope, intercept),
            context=context,
            sop_uid=header.text(tags.SOP_INSTANCE_UID) or "",
            shape=(stored.rows, stored.columns),
            row_spacing_mm=spacing[0] if spacing else None,
            column_spacing_mm=spacing[1] if spacing else None,
            position=vector_of(header.numbers(tags.IMAGE_POSITION)) if stored.n_frames == 1 else None,
            row=row,
            column=column,
            instance=(header.integer(tags.INSTANCE_NUMBER) or 0) + index,
            acquisition=header.integer(tags.ACQUISITION_NUMBER) or 0,
            temporal=header.integer(tags.TEMPORAL_POSITION) or 0,
            echo_time_ms=positive(header.number(tags.ECHO_TIME)),
            repetition_time_ms=positive(header.number(tags.REPETITION_TIME)),
            inversion_time_ms=positive(header.number(tags.INVERSION_TIME)),
            flip_angle_deg=flip,
            refocusing_flip_angle_deg=refocusing,
            b_value=b_value,
            b_vector=b_vector,
            isotropic=isotropic,
            scaling=origin,
        )
        for index in range(stored.n_frames)
    )


def _is_spin_echo(context: SeriesContext) -> bool:
    words = {word.upper() for word in context.scanning_sequence}
    return "SE" in words and "GR" not in words
