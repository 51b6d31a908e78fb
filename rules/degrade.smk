"""Degradation of an imported volume.

Needs  ingest/{sample}.ome.zarr, the study's degrade section
Makes  degrade/{sample}/level{level}.ome.zarr
"""


rule degrade:
    """Blur, down-sample and add noise."""
    input:
        volume("ingest/{sample}"),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    conda:
        ENVIRONMENT
    threads: 2
    params:
        cfg=lambda w: {
            "sigma": float(w.level),
            "photons": STUDY.degrade.photons,
            "noise_sd": STUDY.degrade.noise,
            "downsample": list(STUDY.degrade.downsample),
            "seed": seed_of(w.sample, "degrade", w.level),
        },
        code=code("degrade"),
    message:
        "{wildcards.sample}: degrade to level {wildcards.level}"
    script:
        "../scripts/degrade.py"
