"""The CT phantoms by name: calcinosis of every plane and shape, thin septa, artery walls alone, and a pair in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from heliotrope.app.phantom_bundle import PhantomBundle, PhantomEntry
from heliotrope.domain.anatomy import Side
from heliotrope.domain.study import Acquisition, Modality, Role
from heliotrope.phantoms.catalogue import SCENES
from heliotrope.phantoms.ct_calcinosis import (
    CalcinosisVariant,
    CtCalcinosisPhantom,
    CtCalcinosisSettings,
    build_ct_calcinosis,
)
from heliotrope.phantoms.ct_longitudinal import GROWTH, CtPair, build_ct_pair
from heliotrope.phantoms.ct_thighs import CtOfThighs, SubcutaneousNodule, build_ct_of_thighs
from heliotrope.phantoms.radiograph import build_radiograph
from heliotrope.phantoms.study import SYNTHETIC_NOTE, PhantomSeries

_TITLES = {
    CalcinosisVariant.CALCINOSIS: "CT of a thigh with calcinosis in every tissue plane and of every shape.",
    CalcinosisVariant.THIN_SEPTA: "CT of a thigh with calcinosis and septa of 0.3 mm between its muscles.",
    CalcinosisVariant.VASCULAR: "CT of a thigh with calcium of the artery wall alone: no calcinosis.",
}


def calcinosis_bundle(name: str, phantom: CtCalcinosisPhantom, title: str, subject: str) -> PhantomBundle:
    """A CT phantom with its truth by lesion and in total.

    Parameters
    ----------
    name : str
        Name under which it was asked for.
    phantom : CtCalcinosisPhantom
    title : str
    subject : str
        Equal for two visits of one simulated person.
    """
    settings = phantom.settings
    acquisition = Acquisition(
        Modality.CT,
        slice_thickness_mm=settings.voxel_mm[2] * settings.slices_averaged,
        slice_spacing_mm=settings.voxel_mm[2] * settings.slices_averaged,
        tube_voltage_kv=settings.tube_voltage_kv,
        convolution_kernel="STANDARD",
        contrast_agent=False,
    )
    series = PhantomSeries(phantom.volume, acquisition, Role.CT, f"synthetic CT, {name}")
    return PhantomBundle(
        name=name,
        seed=phantom.seed,
        subject=subject,
        note=f"{SYNTHETIC_NOTE} {title}",
        series=(series,),
        label_maps={"labels": phantom.labels},
        maps={},
        truth={
            "calcinosis_volume_ml": round(phantom.total_volume_ml, 6),
            "calcinosis_mass_mg": round(phantom.total_mass_mg, 4),
            "lesions": [
                {
                    "number": lesion.number,
                    "side": lesion.side.value,
                    "plane": None if lesion.plane is None else lesion.plane.value,
                    "shape": lesion.shape,
                    "calcinosis": lesion.plane is not None,
                    "attenuation_hu": round(lesion.attenuation_hu, 2),
                    "volume_mm3": round(lesion.volume_mm3, 3),
                    "mass_mg": round(lesion.mass_mg, 4),
                }
                for lesion in phantom.lesions
            ],
        },
    )


def _entry(variant: CalcinosisVariant) -> PhantomEntry:
    title, name = _TITLES[variant], variant.value

    def build(seed: int) -> PhantomBundle:
        return calcinosis_bundle(name, build_ct_calcinosis(seed, variant=variant), title, f"{name}-{seed}")

    return PhantomEntry(title, build)


def _fine_net() -> PhantomEntry:
    title = "CT of a thigh with calcinosis whose subcutaneous net has strands thinner than a voxel."

    def build(seed: int) -> PhantomBundle:
        phantom = build_ct_calcinosis(seed, settings=CtCalcinosisSettings(fine_net=True))
        return calcinosis_bundle("ct-fine-net", phantom, title, f"ct-fine-net-{seed}")

    return PhantomEntry(title, build)


def _two_thighs() -> PhantomEntry:
    title = "CT of two thighs that touch and fuse at the groin, with calcinosis."

    def build(seed: int) -> PhantomBundle:
        settings = CtCalcinosisSettings(shape=(460, 280, 110), limbs=2)
        return calcinosis_bundle(
            "ct-two-thighs", build_ct_calcinosis(seed, settings=settings), title, f"ct-two-thighs-{seed}"
        )

    return PhantomEntry(title, build)


def _visit(name: str, *, second: bool) -> PhantomEntry:
    title = (
        "Follow-up of ct-longitudinal: the same thigh laid down anew; some calcifications grew by "
        f"{100 * (GROWTH - 1):.0f} %, others shrank, came, went, merged or came apart."
        if second
        else "First visit of a pair in time; ct-longitudinal-follow-up with the same seed is the second."
    )

    def build(seed: int) -> PhantomBundle:
        pair = build_ct_pair(seed)
        bundle = calcinosis_bundle(name, pair.followup if second else pair.baseline, title, f"ct-longitudinal-{seed}")
        return replace(bundle, truth={**bundle.truth, **pair_truth(pair)})

    return PhantomEntry(title, build)


def pair_truth(pair: CtPair) -> dict[str, Any]:
    """What became of every calcification, by lesion numbers of the two scans, and how the limb was moved."""
    return {
        "pose_baseline_to_follow_up": [[round(float(v), 6) for v in row] for row in pair.pose],
        "courses": [
            {
                "before": list(course.before),
                "after": list(course.after),
                "mass_before_mg": round(course.mass_before_mg, 4),
                "mass_after_mg": round(course.mass_after_mg, 4),
                "course": course.course.value,
            }
            for course in pair.courses
        ],
    }


def _radiograph() -> PhantomEntry:
    title = "Radiograph of a forearm with five stones, a plate and a net of calcium."

    def build(seed: int) -> PhantomBundle:
        phantom = build_radiograph(seed)
        series = PhantomSeries(
            phantom.volume, Acquisition(Modality.RADIOGRAPH), Role.RADIOGRAPH, "synthetic radiograph of a forearm"
        )
        return PhantomBundle(
            name="radiograph-calcinosis",
            seed=seed,
            subject=f"radiograph-calcinosis-{seed}",
            note=f"{SYNTHETIC_NOTE} {title}",
            series=(series,),
            label_maps={},
            maps={},
            truth={
                "projected_area_cm2": round(phantom.area_cm2, 4),
                "lesions": [{"shape": item.shape, "area_mm2": round(item.area_mm2, 3)} for item in phantom.lesions],
            },
        )

    return PhantomEntry(title, build)


LATER_NODULES = (
    SubcutaneousNodule(Side.LEFT, 60.0),
    SubcutaneousNodule(Side.LEFT, 120.0),
    SubcutaneousNodule(Side.RIGHT, 280.0),
)
"""On the left within the strands of `EARLIER`, on the right far from them."""

EARLIER = "subcutis-reticular"
"""The MR phantom that shows the person before."""


def _later() -> PhantomEntry:
    title = (
        f"CT of the person of {EARLIER} at a later visit: on the left calcium in the subcutis where edema lay, on the "
        "right elsewhere."
    )

    def build(seed: int) -> PhantomBundle:
        return later_bundle(seed, title=title)

    return PhantomEntry(title, build)


def later_bundle(
    seed: int,
    nodules: tuple[SubcutaneousNodule, ...] = LATER_NODULES,
    *,
    scan: CtOfThighs | None = None,
    title: str = "CT of the subcutis at a later visit.",
) -> PhantomBundle:
    """The person of `EARLIER` by CT, with nodules of calcium in the subcutis.

    Parameters
    ----------
    seed : int
        Of `EARLIER`.
    nodules : tuple of SubcutaneousNodule
    scan : CtOfThighs or None
    title : str
    """
    chosen = CtOfThighs() if scan is None else scan
    volume, truths = build_ct_of_thighs(seed, nodules, build=SCENES[EARLIER].build, scan=chosen)
    acquisition = Acquisition(
        Modality.CT,
        slice_thickness_mm=chosen.voxel_mm[1],
        slice_spacing_mm=chosen.voxel_mm[1],
        tube_voltage_kv=chosen.tube_voltage_kv,
        convolution_kernel="STANDARD",
        contrast_agent=False,
    )
    return PhantomBundle(
        name="subcutis-calcinosis",
        seed=seed,
        subject=f"{EARLIER}-{seed}",
        note=f"{SYNTHETIC_NOTE} {title}",
        series=(PhantomSeries(volume, acquisition, Role.CT, "synthetic CT, subcutis-calcinosis"),),
        label_maps={},
        maps={},
        truth={
            "calcinosis_mass_mg": round(sum(truth.mass_mg for truth in truths), 4),
            "lesions": [
                {
                    "side": truth.nodule.side.value,
                    "angle_deg": truth.nodule.angle_deg,
                    "center_mm": [round(v, 3) for v in truth.center_mm],
                    "mass_mg": round(truth.mass_mg, 4),
                }
                for truth in truths
            ],
        },
    )


CALCINOSIS_PHANTOMS: Mapping[str, PhantomEntry] = MappingProxyType(
    {
        **{variant.value: _entry(variant) for variant in CalcinosisVariant},
        "ct-fine-net": _fine_net(),
        "ct-two-thighs": _two_thighs(),
        "radiograph-calcinosis": _radiograph(),
        "subcutis-calcinosis": _later(),
        "ct-longitudinal": _visit("ct-longitudinal", second=False),
        "ct-longitudinal-follow-up": _visit("ct-longitudinal-follow-up", second=True),
    }
)
"""Every phantom of calcinosis by name."""
