"""Every instrument by its name."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from heliotrope.criteria import (
    antisynthetase,
    bohan_peter_1975,
    cdasi_v2,
    cmas,
    das_jdm,
    enmc_239_dm,
    enzymes,
    eular_acr_2017,
    haq_chaq,
    imacs_cancer_2023,
    imacs_doi_2004,
    imnm_enmc224,
    mmt,
    printo_inactive,
    sctc_calcinosis_change,
    tis_2016,
)
from heliotrope.criteria.instrument import Instrument
from heliotrope.domain.errors import OptionError

_ALL: Final = (
    eular_acr_2017.INSTRUMENT,
    bohan_peter_1975.INSTRUMENT,
    enmc_239_dm.INSTRUMENT,
    antisynthetase.INSTRUMENT,
    imnm_enmc224.INSTRUMENT,
    tis_2016.INSTRUMENT,
    mmt.MMT8,
    mmt.MMT24,
    mmt.GRADE_MAP,
    cmas.CMAS,
    cmas.DURATION,
    cdasi_v2.INSTRUMENT,
    haq_chaq.INSTRUMENT,
    enzymes.INSTRUMENT,
    printo_inactive.INSTRUMENT,
    das_jdm.INSTRUMENT,
    imacs_doi_2004.INSTRUMENT,
    imacs_cancer_2023.INSTRUMENT,
    sctc_calcinosis_change.INSTRUMENT,
)
INSTRUMENTS: Final = MappingProxyType({instrument.key: instrument for instrument in _ALL})


def find(key: str) -> Instrument:
    """The instrument of this name.

    Raises
    ------
    OptionError
        No such instrument; the message lists what exists.
    """
    try:
        return INSTRUMENTS[key]
    except KeyError:
        raise OptionError(
            f"no instrument '{key[:60]}'; known: {', '.join(INSTRUMENTS)}",
            hint="heliotrope criteria list shows each with its purpose",
            code="E_INSTRUMENT",
        ) from None
