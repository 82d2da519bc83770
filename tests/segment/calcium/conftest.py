"""One small scan for every test of calcium."""

import pytest

from heliotrope.phantoms.ct_calcinosis import CtCalcinosisPhantom, CtCalcinosisSettings, build_ct_calcinosis
from heliotrope.segment.calcium.find import Calcinosis, find_calcinosis


@pytest.fixture(scope="session")
def phantom() -> CtCalcinosisPhantom:
    return build_ct_calcinosis(101, settings=CtCalcinosisSettings(shape=(190, 190, 60), voxel_mm=(1.0, 1.0, 1.0)))


@pytest.fixture(scope="session")
def found(phantom: CtCalcinosisPhantom) -> Calcinosis:
    return find_calcinosis(phantom.volume)
