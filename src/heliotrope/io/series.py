"""Stacks and non-image objects as series of a study, with acquisition facts and role."""

from __future__ import annotations

import numpy as np

from heliotrope.domain.study import Acquisition, FrameSource, Modality, Role, Series
from heliotrope.io.assembly import Stack
from heliotrope.io.frames import Component
from heliotrope.io.roles import RoleFacts, decide_role
from heliotrope.io.scan import RTSTRUCT_CLASS, ScannedObject

EVEN_ECHOES = 0.02
"""Largest departure of echo spacings from each other, as a fraction. [1]"""


def object_series(thing: ScannedObject) -> Series:
    """Contours or a segmentation as a series without a grid."""
    contours = thing.sop_class == RTSTRUCT_CLASS
    words = "RT structure set: contours" if contours else "segmentation object"
    return Series(
        key="",
        uid=thing.series_uid,
        number=thing.number,
        description=thing.description,
        role=Role.RTSTRUCT if contours else Role.SEGMENTATION,
        role_reason=f"object class: {words}",
        acquisition=Acquisition(Modality.OTHER, acquired_on=thing.acquired_on),
        grid=None,
        n_frames=1,
        frames=(FrameSource(thing.path),),
        synthetic=thing.synthetic,
    )


def series_of(stack: Stack) -> Series:
    """A stack as the study's series, with acquisition facts and role."""
    acquisition, defects = _acquisition(stack)
    first = stack.frames[0]
    context = first.context
    role, reason = decide_role(
        RoleFacts(
            acquisition=acquisition,
            component=context.component,
            content=context.content,
            content_reason=context.content_reason,
            axis=stack.axis,
            isotropic=first.isotropic,
            fat_suppressed=context.fat_suppressed,
            inversion=context.inversion,
            names=tuple(name for name in (context.description, context.protocol) if name),
            synthetic=context.synthetic,
        )
    )
    defects = (*stack.defects, *defects, *context.vendor_notes)
    echoes = acquisition.echo_times_ms
    if role is Role.MULTI_ECHO_T2 and max(steps := np.diff([0.0, *echoes])) > (1 + EVEN_ECHOES) * min(steps):
        defects = (*defects, "echoes are not evenly spaced from the excitation on")
    if context.component is Component.PHASE:
        defects = (*defects, "phase as stored by the scanner: its scale to radians is told from the values")
    return Series(
        key="",
        uid=context.series_uid,
        number=context.number,
        description=context.description,
        role=role,
        role_reason=reason,
        acquisition=acquisition,
        grid=stack.grid,
        n_frames=stack.n_frames,
        frames=tuple(frame.source for frame in stack.frames),
        defects=defects,
        synthetic=context.synthetic,
    )


def _acquisition(stack: Stack) -> tuple[Acquisition, tuple[str, ...]]:
    first = stack.frames[0]
    context = first.context
    n_slices = len(stack.frames) // max(stack.n_frames, 1)
    heads = [stack.frames[index * n_slices] for index in range(stack.n_frames)]
    defects: list[str] = []
    diffusion = stack.axis == "diffusion"
    echo_times = tuple(frame.echo_time_ms for frame in heads if frame.echo_time_ms is not None)
    if stack.axis != "echo":
        echo_times = echo_times[:1] if len(set(echo_times)) == 1 else ()
    elif len(echo_times) != len(heads):
        defects.append("some echoes state no echo time")
        echo_times = ()
    return (
        Acquisition(
            modality=context.modality,
            field_strength_t=context.field_strength_t,
            repetition_time_ms=_one(stack, "repetition_time_ms", "repetition time", defects),
            echo_times_ms=echo_times,
            inversion_time_ms=first.inversion_time_ms,
            flip_angle_deg=first.flip_angle_deg,
            refocusing_flip_angle_deg=first.refocusing_flip_angle_deg,
            echo_train_length=context.echo_train_length,
            b_values_s_per_mm2=tuple(frame.b_value or 0.0 for frame in heads) if diffusion else (),
            b_vectors_lps=tuple(frame.b_vector or (0.0, 0.0, 0.0) for frame in heads) if diffusion else (),
            slice_thickness_mm=context.slice_thickness_mm,
            slice_spacing_mm=stack.grid.spacing_mm[2]
            if stack.grid is not None and n_slices > 1
            else context.spacing_between_slices_mm,
            pixel_bandwidth_hz=context.pixel_bandwidth_hz,
            scanning_sequence=context.scanning_sequence,
            sequence_variant=context.sequence_variant,
            scan_options=context.scan_options,
            sequence_name=context.sequence_name,
            image_type=context.image_type,
            acquisition_type=context.acquisition_type,
            manufacturer=context.manufacturer,
            model=context.model,
            software=context.software,
            body_part_claimed=context.body_part_claimed,
            tube_voltage_kv=context.tube_voltage_kv,
            convolution_kernel=context.convolution_kernel,
            contrast_agent=context.contrast_agent,
            acquired_on=context.acquired_on,
            phase_encoding_axis=context.phase_encoding_axis,
            transmit_coil=context.transmit_coil,
        ),
        tuple(defects),
    )


def _one(stack: Stack, name: str, title: str, defects: list[str]) -> float | None:
    """The value all frames share to 1 %, else None with the range said."""
    values = [value for value in (getattr(frame, name) for frame in stack.frames) if value is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    if high - low > 0.01 * high:
        defects.append(f"{title} varies from {low:g} to {high:g} within the series")
        return None
    return float(values[0])
