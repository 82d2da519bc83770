"""Constants and methods of relaxometry: where they come from and how far they were checked."""

from heliotrope.evidence.model import Source, Statement, Status

SOURCES = (
    Source("weigel-2015", "Weigel M: extended phase graphs, J Magn Reson Imaging, 2015", doi="10.1002/jmri.24619"),
    Source(
        "pauly-1991", "Pauly J et al.: SLR selective excitation pulse design, IEEE TMI, 1991", doi="10.1109/42.75611"
    ),
    Source(
        "gudbjartsson-1995",
        "Gudbjartsson H, Patz S: the Rician distribution of noisy MRI data, Magn Reson Med, 1995",
        doi="10.1002/mrm.1910340618",
    ),
    Source(
        "constantinides-1997",
        "Constantinides CD et al.: SNR with phased-array coils, Magn Reson Med, 1997",
        doi="10.1002/mrm.1910380524",
    ),
    Source(
        "koay-2009",
        "Koay CG et al.: probabilistic identification and estimation of noise, J Magn Reson, 2009",
        doi="10.1016/j.jmr.2009.03.005",
    ),
    Source("myoqmri", "Santini F: MyoQMRI, open muscle quantitative-MRI program", other="github.com/fsantini/MyoQMRI"),
    Source(
        "klupp-2017",
        "Klupp E et al.: B1-corrected muscle T2 at 3 T, PLoS One, 2017",
        doi="10.1371/journal.pone.0171337",
    ),
    Source(
        "stanisz-2006",
        "Stanisz GJ et al.: T1 and T2 of tissue at 1.5 and 3 T, Proc ISMRM 14:2494, 2006",
        other="ISMRM 2006 abstract 2494",
    ),
    Source(
        "rapami",
        "RAPAMI trial abstract: inclusion body myositis, muscle water T2 of controls",
        other="abstract read second-hand",
    ),
)

STATEMENTS = (
    Statement(
        "muscle-t1-3t", "T1 of muscle water 1400 ms", ("myoqmri",), Status.SECONDARY, "3 T", "physics.tissue_constants"
    ),
    Statement("fat-t1-3t", "T1 of fat 365 ms", ("myoqmri",), Status.SECONDARY, "3 T", "physics.tissue_constants"),
    Statement(
        "fat-t2-3t",
        "Apparent T2 of fat in a spin-echo train 151 ms",
        ("myoqmri",),
        Status.SECONDARY,
        "3 T; depends on echo spacing through J-coupling",
        "physics.tissue_constants",
    ),
    Statement(
        "muscle-t1-1.5t-unverified",
        "T1 of muscle water 1050 ms",
        ("stanisz-2006",),
        Status.UNVERIFIED,
        "1.5 T; value from memory, the source supports only that T1 rises with field",
        "physics.tissue_constants",
    ),
    Statement(
        "fat-t1-1.5t-unverified",
        "T1 of fat 310 ms",
        (),
        Status.UNVERIFIED,
        "1.5 T; value from memory",
        "physics.tissue_constants",
    ),
    Statement(
        "fat-t2-1.5t-unverified",
        "Apparent T2 of fat in a spin-echo train 165 ms",
        (),
        Status.UNVERIFIED,
        "1.5 T; value from memory",
        "physics.tissue_constants",
    ),
    Statement(
        "epg-forward-model",
        "Echo amplitudes of imperfectly refocused trains follow the extended phase graph; averaged over the simulated "
        "flip angles across the slice",
        ("weigel-2015", "pauly-1991"),
        Status.VERIFIED,
        "agrees with an isochromat Bloch simulation to 1e-10",
        "maps.water_t2",
    ),
    Statement(
        "slice-profile-preset",
        "Hann-windowed sinc pulses, time-bandwidth product 2.0, refocusing slab 1.2 times the slice",
        ("myoqmri",),
        Status.SECONDARY,
        "default of an open program for Siemens; other vendors' pulses are not known",
        "physics.slice_profile",
    ),
    Statement(
        "rician-correction",
        "The signal behind a magnitude M is sqrt(|M^2 - sd^2|)",
        ("gudbjartsson-1995", "constantinides-1997"),
        Status.SECONDARY,
        "one channel; (2L-1) sd^2 for a sum of squares over L channels",
        "physics.noise",
    ),
    Statement(
        "noise-from-air",
        "Noise-only voxels are those whose mean square over frames follows a gamma law",
        ("koay-2009",),
        Status.SECONDARY,
        "magnitude images with air in the field of view",
        "physics.noise",
    ),
    Statement(
        "b1-thigh-3t",
        "Transmit field 54 to 93 % of nominal in the left rectus femoris",
        ("klupp-2017",),
        Status.SECONDARY,
        "3 T thigh",
        "maps.water_t2.dictionary",
    ),
    Statement(
        "joint-t2-imprecise",
        "Water T2 fitted together with the fat share has a Cramer-Rao sd of 1.8 ms at 35 ms and 6.0 ms at 60 ms, "
        "against 0.7 and 1.1 ms with the fat fraction known",
        (),
        Status.MEASURED,
        "17 echoes of 9.5 ms, first-echo signal-to-noise ratio 60, fat 2 %, transmit field 0.95 and free",
        "maps.water_t2",
    ),
    Statement(
        "fat-fraction-leverage",
        "A fat fraction held wrong by +1 percentage point lowers water T2 by 0.5 to 1.5 ms, typically 0.85 ms",
        (),
        Status.MEASURED,
        "17 echoes of 9.5 ms",
        "maps.water_t2",
    ),
    Statement(
        "mono-exponential-bias",
        "A mono-exponential fit reads a water T2 of 35 ms as 49 to 59 ms",
        (),
        Status.MEASURED,
        "17 echoes of 9.5 ms, simulated slice profile, transmit field 0.85 to 1, fat 0 to 10 %",
        "maps.legacy_t2",
    ),
    Statement(
        "t2-limit-39ms",
        "Water T2 above 39 ms counts as raised where a site has no controls of its own",
        ("rapami",),
        Status.PROJECT_RULE,
        "39 ms was the mean of controls in one trial's method; as an upper limit it is from memory",
        "app.validation.water_t2",
    ),
)
