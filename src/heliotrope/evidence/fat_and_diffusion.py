"""Ledger of the fat-fraction, diffusion and STIR-ratio maps."""

from __future__ import annotations

from heliotrope.evidence.model import Source, Statement, Status

SOURCES: tuple[Source, ...] = (
    Source(
        "fwqpbo-program", "Berglund J: fwqpbo, water-fat separation program, parameter files", other="bretglun/fwqpbo"
    ),
    Source("myoqmri-program", "Santini F: MyoQMRI, quantitative muscle MRI program", other="fsantini/MyoQMRI"),
    Source("grimm-2018", "Grimm et al.: repeatability of thigh fat fraction, JCSM 2018", doi="10.1002/jcsm.12343"),
    Source(
        "farrow-2019", "Farrow et al.: quantitative MRI of healthy thigh muscle, BJR 2019", doi="10.1259/bjr.20190143"
    ),
    Source(
        "jiang-2023",
        "Jiang et al.: diffusion of edematous muscle in myositis, 2023",
        doi="10.12015/issn.1674-8034.2023.07.018",
    ),
    Source("ai-2014", "Ai et al.: diffusion tensor imaging in myositis, BJR 2014", doi="10.1259/bjr.20140261"),
    Source("englund-2021", "Englund et al.: IVIM of skeletal muscle, 2021", other="PMC8841570"),
    Source(
        "ivim-muscle-2024", "IVIM of skeletal muscle: fitting and signal needed, 2024", doi="10.3389/fmscd.2024.1386276"
    ),
    Source("pvp-diffusion", "Diffusion of polyvinylpyrrolidone phantoms", other="NIHMS1782132"),
    Source(
        "dahlqvist-2020", "Dahlqvist et al.: quantitative STIR in muscle disease, Sci Rep 2020", other="Sci Rep 10:7246"
    ),
)

STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "pdff-definition",
        "Proton-density fat fraction is 100 F / (W + F) of proton densities, free of T1, R2*, spectral and noise bias.",
        (),
        Status.PROJECT_RULE,
        used_by="maps.fat_fraction",
    ),
    Statement(
        "fat-spectrum-six-peak",
        "Fat peaks at 5.30, 4.31, 2.76, 2.10, 1.30, 0.90 ppm with weights 0.048, 0.039, 0.004, 0.128, 0.693, 0.087; "
        "water 4.70 ppm.",
        ("fwqpbo-program",),
        Status.VERIFIED,
        used_by="physics.fat_spectrum",
    ),
    Statement(
        "fat-spectrum-ten-peak",
        "Ten-peak positions and chain length 17.4; a fifth of 2.6 double bonds interrupted. The count 2.6 is "
        "unverified.",
        ("fwqpbo-program",),
        Status.UNVERIFIED,
        used_by="physics.fat_spectrum",
    ),
    Statement("muscle-water-t1-3t", "T1 of muscle water 1400 ms.", ("myoqmri-program",), Status.VERIFIED, "3 T"),
    Statement(
        "muscle-fat-t1-1p5t",
        "T1 of muscle water 1000 to 1130 ms and of fat 290 to 340 ms; the middle is used.",
        (),
        Status.UNVERIFIED,
        "1.5 T",
        "maps.fat_fraction.t1_guard",
    ),
    Statement(
        "t1-guard-limit",
        "A fat fraction is corrected for T1 weighting when its predicted bias exceeds 1 percentage point.",
        (),
        Status.PROJECT_RULE,
        used_by="maps.fat_fraction.t1_guard",
    ),
    Statement(
        "r2star-assumed",
        "Where echoes are too few to fit it, R2* of 40 /s is assumed, the single candidate of an open program.",
        ("fwqpbo-program",),
        Status.VERIFIED,
        used_by="maps.fat_fraction",
    ),
    Statement(
        "two-point-bias",
        "Magnitude two-point Dixon at 1.15 and 2.30 ms reads 0, 5, 10, 20, 40 % as -1.8, 2.4, 6.7, 15.5, 34.2 %.",
        (),
        Status.MEASURED,
        "3 T, six-peak fat, R2* 30 /s, simulation",
        "maps.fat_fraction.two_point",
    ),
    Statement(
        "pdff-crlb",
        "Smallest sd of the fat fraction at SNR 50, six echoes of 1.15 + 0.95 ms: 1.28, 1.17, 0.91, 0.71 percentage "
        "points at 2, 10, 30, 60 %.",
        (),
        Status.MEASURED,
        "3 T, R2* and field free, computed",
        "physics.chemical_shift",
    ),
    Statement(
        "swap-test-rule",
        "A limb section is swapped when over half of the ring below the skin reads as water and the core as fat.",
        (),
        Status.PROJECT_RULE,
        used_by="maps.fat_fraction.swaps",
    ),
    Statement(
        "edema-diffusivity-cutoff",
        "Edematous muscle: diffusivity above 1.62e-3 mm2/s, sensitivity 87.5 %, specificity 85.0 %.",
        ("jiang-2023",),
        Status.VERIFIED,
        "PM/DM",
    ),
    Statement(
        "fa-no-activity-score",
        "FA did not differ between edematous and normal muscle in two cohorts; it is reported, never scored.",
        ("jiang-2023", "ai-2014"),
        Status.VERIFIED,
        "PM/DM",
    ),
    Statement(
        "fa-rician-inflation",
        "True FA 0.232 is fitted as 0.263, 0.242, 0.237, 0.233 at SNR 15, 25, 40, 60; MD is unbiased.",
        (),
        Status.MEASURED,
        "b 500 s/mm2, 30 directions, 3 unweighted, simulation",
        "maps.dti",
    ),
    Statement(
        "fa-snr-gate",
        "FA needs a signal-to-noise ratio of at least 25 in the unweighted image.",
        (),
        Status.PROJECT_RULE,
        used_by="maps.dti",
    ),
    Statement(
        "ivim-segmented",
        "Three-step segmented fit: D from b above 200 s/mm2, f from the intercept, D* last.",
        ("englund-2021", "ivim-muscle-2024"),
        Status.VERIFIED,
        "skeletal muscle",
        "maps.ivim",
    ),
    Statement(
        "ivim-snr-gate",
        "IVIM of muscle needs a signal-to-noise ratio above 35.",
        ("ivim-muscle-2024",),
        Status.VERIFIED,
        used_by="maps.ivim",
    ),
    Statement(
        "ivim-information-limit",
        "At SNR 40 with 15 b-values and 3 averages no estimator reaches D* better than 37 to 81 %: D* is given as a "
        "mean over a mask with its interval.",
        (),
        Status.MEASURED,
        "computed bound",
        "maps.ivim",
    ),
    Statement(
        "adc-perfusion-free",
        "b of 50 to 100 s/mm2 or more is needed for an ADC free of perfusion.",
        (),
        Status.PROJECT_RULE,
        used_by="maps.adc",
    ),
    Statement(
        "adc-crlb",
        "Smallest sd of the ADC at SNR 30 and 1.5e-3 mm2/s: 9.6 % for b 0, 800; 7.9 % for 0, 400, 800; 4.2 % for "
        "2 x 0, 6 x 800.",
        (),
        Status.MEASURED,
        "computed bound",
        "physics.diffusion",
    ),
    Statement(
        "pvp-diffusivity",
        "Diffusivity of polyvinylpyrrolidone over water is 12.5e-5 c^2 - 23.2e-3 c + 1, c in weight percent.",
        ("pvp-diffusion",),
        Status.VERIFIED,
        used_by="physics.diffusion",
    ),
    Statement(
        "stir-water-ratio",
        "STIR over Dixon water of one session and coil cancels coil sensitivity and proton density; it is compared "
        "with healthy controls of the same protocol only.",
        ("dahlqvist-2020",),
        Status.PROJECT_RULE,
        used_by="maps.stir_ratio",
    ),
)
