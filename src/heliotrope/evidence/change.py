"""Where the limits of change come from."""

from heliotrope.evidence.model import Source, Statement, Status

SOURCES = (
    Source(
        "klupp-2017",
        "Klupp E et al. B1-corrected T2 mapping of thigh muscle: reproducibility of three sequences. PLoS One 2017",
        doi="10.1371/journal.pone.0171337",
    ),
    Source(
        "grimm-2018",
        "Grimm A et al. Repeatability of thigh proton density fat fraction and muscle volume. "
        "J Cachexia Sarcopenia Muscle 2018",
        doi="10.1002/jcsm.12343",
    ),
    Source(
        "yokoo-2018",
        "Yokoo T et al. Linearity, bias and precision of hepatic proton density fat fraction. Radiology 2018",
        doi="10.1148/radiol.2017170550",
    ),
    Source(
        "valenzuela-2022",
        "Valenzuela A et al. Change of radiographic calcinosis of the hands in systemic sclerosis. "
        "Semin Arthritis Rheum 2022",
        doi="10.1016/j.semarthrit.2022.151980",
    ),
)

_USED_BY = "heliotrope.findings.change"

STATEMENTS = (
    Statement(
        "change-t2-default",
        "System default: 3 ms repeatability coefficient of a muscle's mean water T2. Published RMS-CVs of 2.4 to 3.5 % "
        "at 34 ms correspond to 2.3 to 3.3 ms.",
        ("klupp-2017",),
        Status.PROJECT_RULE,
        "healthy thighs, 3 T, one scanner",
        _USED_BY,
    ),
    Statement(
        "change-fat-fraction-default",
        "System default: 1.5 percentage points on one scanner, 3.5 across scanners, for a muscle's fat fraction. "
        "Published multi-vendor limits of agreement in the liver reach from -3.95 to 3.40 percentage points.",
        ("grimm-2018", "yokoo-2018"),
        Status.PROJECT_RULE,
        "thigh on one scanner; liver across vendors",
        _USED_BY,
    ),
    Statement(
        "change-muscle-volume-borrowed",
        "Thigh muscle volume: published RMS-CV 1.2 to 1.5 %, hence a repeatability coefficient of 4.2 %.",
        ("grimm-2018",),
        Status.VERIFIED,
        "healthy thighs, one site",
        _USED_BY,
    ),
    Statement(
        "change-contractile-default",
        "System default: 4.5 % repeatability coefficient of contractile volume, which is the published 4.2 % of muscle "
        "volume and 1.5 points of fat in quadrature; 10 % of the largest contractile area, which also depends on where "
        "slices cut.",
        ("grimm-2018",),
        Status.PROJECT_RULE,
        "healthy thighs, one site",
        _USED_BY,
    ),
    Statement(
        "change-diffusivity-default",
        "System default: 10 % repeatability coefficient of a muscle's mean diffusivity.",
        (),
        Status.PROJECT_RULE,
        "no muscle claim is published",
        _USED_BY,
    ),
    Statement(
        "change-edema-default",
        "System default: 10 percentage points for an edema fraction, 25 % for an edema load.",
        (),
        Status.PROJECT_RULE,
        "no test-retest is published",
        _USED_BY,
    ),
    Statement(
        "change-calcium-default",
        "System default: 15 % repeatability coefficient of calcium mass and volume with one protocol, 30 % otherwise.",
        (),
        Status.PROJECT_RULE,
        "no test-retest of dermatomyositis calcinosis on CT was found",
        _USED_BY,
    ),
    Statement(
        "change-radiograph-borrowed",
        "Radiographic calcinosis: change called beyond 25 % of the baseline, borrowed from hand radiographs.",
        ("valenzuela-2022",),
        Status.VERIFIED,
        "hands, systemic sclerosis",
        _USED_BY,
    ),
)
