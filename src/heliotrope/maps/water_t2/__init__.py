"""Water T2 from a multi-echo spin-echo train: two pools, slice profile, transmit field."""

from heliotrope.maps.water_t2.fit import WaterT2Maps, WaterT2Options, fit_joint, fit_two_pass
from heliotrope.maps.water_t2.inputs import EchoTrain, require_echo_train, require_percent

__all__ = [
    "EchoTrain",
    "WaterT2Maps",
    "WaterT2Options",
    "fit_joint",
    "fit_two_pass",
    "require_echo_train",
    "require_percent",
]
