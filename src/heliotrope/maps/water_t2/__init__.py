"""Water T2 from a multi-echo spin-echo train: two pools, slice profile, transmit field."""

from heliotrope.maps.water_t2.fat_calibration import FatT2, fit_fat_t2
from heliotrope.maps.water_t2.fit import WaterT2Maps, WaterT2Options, fit_joint, fit_two_pass
from heliotrope.maps.water_t2.profile_calibration import SlabRatio, fit_slab_ratio

__all__ = [
    "FatT2",
    "SlabRatio",
    "WaterT2Maps",
    "WaterT2Options",
    "fit_fat_t2",
    "fit_joint",
    "fit_slab_ratio",
    "fit_two_pass",
]
