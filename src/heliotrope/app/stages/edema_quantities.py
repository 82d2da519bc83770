"""What the stage of edema can deliver."""

from __future__ import annotations

from heliotrope.app.stage import Quantity
from heliotrope.domain.units import Unit

_DESCRIPTORS = (
    ("edema_clusters", "Edema clusters", Unit.PER_100_MILLILITER, "Separate sets of edema per volume of muscle."),
    (
        "edema_largest_cluster",
        "Largest edema cluster",
        Unit.ONE,
        "Share of all edema in its largest set; 1 is one set.",
    ),
    (
        "edema_boundary",
        "Edema boundary",
        Unit.SQUARE_MILLIMETER_PER_MILLILITER,
        "Surface of edema per volume of muscle; higher is more broken up.",
    ),
    ("edema_range", "Edema patch size", Unit.MILLIMETER, "Distance over which signal stays alike; not a severity."),
    ("edema_moran", "Moran's I", Unit.ONE, "Likeness of neighboring signal; not a severity."),
    ("edema_entropy", "Signal entropy", Unit.ONE, "Spread of signal over its range, 0 to 1; not a severity."),
    ("edema_lacunarity", "Lacunarity", Unit.ONE, "Clumping of edema in 6 mm boxes; 1 is even."),
    (
        "edema_rim_index",
        "Rim index",
        Unit.ONE,
        "Rim against core of a muscle in standard deviations; above 0.5 is peripheral.",
    ),
    ("edema_honeycomb", "Honeycomb index", Unit.ONE, "Share of edema on thin bright sheets; needs fine pixels."),
    ("edema_roundness", "Roundness of edema", Unit.ONE, "Shape of the sets of edema within slices; 1 is a disc."),
)


def _load_quantities(prefix: str, image: str, load: Unit, excess: Unit) -> tuple[Quantity, ...]:
    return (
        Quantity(
            f"{prefix}_fraction",
            f"Edema fraction ({image})",
            Unit.PERCENT,
            "Share of assessable muscle with edema-like signal; higher is more water, whatever its cause.",
        ),
        Quantity(f"{prefix}_volume", f"Edema volume ({image})", Unit.MILLILITER, "Volume of edema-like signal."),
        Quantity(f"{prefix}_excess", f"Edema excess ({image})", excess, "Mean of edema above normal muscle."),
        Quantity(f"{prefix}_load", f"Edema load ({image})", load, "Excess times volume: extent and intensity in one."),
        Quantity(
            f"{prefix}_index",
            f"Edema index ({image})",
            Unit.ONE,
            "Fraction times relative excess, a histogram index after Bartlett; comparable only within one method.",
        ),
        Quantity(
            f"{prefix}_asymmetry",
            f"Edema asymmetry ({image})",
            Unit.ONE,
            "(left - right)/(left + right) of the load per volume; 0 is symmetric, positive is more on the left.",
        ),
    )


QUANTITIES = (
    *_load_quantities("edema", "leading image", Unit.RATIO_MILLILITER, Unit.ONE),
    *_load_quantities("t2_edema", "water T2", Unit.MILLISECOND_MILLILITER, Unit.MILLISECOND),
    *(Quantity(*row) for row in _DESCRIPTORS),
    Quantity("stir_relative", "STIR over normal muscle", Unit.ONE, "1 is normal muscle; higher is more water."),
    Quantity(
        "stir_layers", "STIR over normal muscle, all tissues", Unit.ONE, "For the layers beside muscle; diluted by fat."
    ),
    Quantity("edema_share", "Edema in each voxel", Unit.PERCENT, "Edema by voxel; where it could be judged."),
)
