"""Degradation of an imported volume.

Needs  an imported, and perhaps aligned, volume; the study's degrade section
Makes  degrade/{sample}/level{level}.ome.zarr
"""


ruleorder: axial > degrade_images > degrade


rule axial:
    """Make a volume coarser along z alone."""
    input:
        lambda w: imported(w.sample),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    wildcard_constraints:
        level=r"[0-9]+" if AXIAL else "none",
    conda:
        ENVIRONMENT
    resources:
        **needs("axial"),
    params:
        cfg=lambda w: {"factor": int(w.level), "mode": STUDY.degrade.mode},
        code=lambda w: code("axial"),
    message:
        "{wildcards.sample}: one slice of every {wildcards.level}"
    script:
        "../scripts/axial.py"


rule degrade_images:
    """Make images worse at random."""
    input:
        lambda w: imported(w.sample),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    wildcard_constraints:
        level=r"[0-9]+" if FLAT else "none",
    conda:
        ENVIRONMENT
    resources:
        **needs("degrade_images"),
    params:
        cfg=lambda w: {
            "factor": int(w.level),
            "seed": seed_of(w.sample, "degrade", w.level),
            **STUDY.degrade.random.model_dump(mode="json"),
        },
        code=lambda w: code("degrade_images"),
    message:
        "{wildcards.sample}: degrade at random to level {wildcards.level}"
    script:
        "../scripts/degrade_images.py"


rule degrade:
    """Blur, down-sample and add noise."""
    input:
        lambda w: imported(w.sample),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("degrade"),
    params:
        cfg=lambda w: {
            "sigma": float(w.level),
            "photons": STUDY.degrade.photons,
            "noise_sd": STUDY.degrade.noise,
            "downsample": list(STUDY.degrade.downsample),
            "seed": seed_of(w.sample, "degrade", w.level),
        },
        code=lambda w: code("degrade"),
    message:
        "{wildcards.sample}: degrade to level {wildcards.level}"
    script:
        "../scripts/degrade.py"
