"""Degradation of an imported volume.

Needs  an imported, and perhaps aligned, volume; the study's degrade section
Makes  degrade/{sample}/level{level}.ome.zarr
"""


ruleorder: axial > degrade_images > degrade


rule axial:
    """Make a volume coarser along z alone, or join its slabs."""
    input:
        volume=lambda w: files(PROJECT.imported(w.sample)),
        slabs=slabs_of("degrade/{sample}/level{level}"),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    wildcard_constraints:
        level=r"[0-9]+" if KIND.degraded_by == "axial" else "none",
    conda:
        ENVIRONMENT
    resources:
        **needs("axial"),
    params:
        cfg=axial_cfg,
        code=lambda w: code("axial"),
    message:
        "{wildcards.sample}: one slice of every {wildcards.level}"
    script:
        "../scripts/axial.py"


if SLABS > 1:

    ruleorder: axial_init > degrade_init
    ruleorder: axial_slab > degrade_slab

    use rule axial as axial_init with:
        input:
            volume=lambda w: files(PROJECT.imported(w.sample)),
        output:
            store_of("degrade/{sample}/level{level}"),
        log:
            logs("degrade/{sample}/level{level}/init"),
        benchmark:
            records("degrade/{sample}/level{level}/init")
        resources:
            **needs("axial_init"),
        params:
            cfg=init_part(axial_cfg),
        message:
            "{wildcards.sample}: one slice of every {wildcards.level}, empty store"

    use rule axial as axial_slab with:
        input:
            volume=lambda w: files(PROJECT.imported(w.sample)),
            store=store_of("degrade/{sample}/level{level}"),
        output:
            slab_of("degrade/{sample}/level{level}"),
        log:
            logs("degrade/{sample}/level{level}/slab{slab}"),
        benchmark:
            records("degrade/{sample}/level{level}/slab{slab}")
        resources:
            **needs("axial_slab"),
        params:
            cfg=slab_part(axial_cfg),
        message:
            "{wildcards.sample}: one slice of every {wildcards.level}, slab {wildcards.slab}"


rule degrade_images:
    """Make images worse at random."""
    input:
        lambda w: files(PROJECT.imported(w.sample)),
    output:
        volume("degrade/{sample}/level{level}"),
    log:
        logs("degrade/{sample}/level{level}"),
    benchmark:
        records("degrade/{sample}/level{level}")
    wildcard_constraints:
        level=r"[0-9]+" if KIND.degraded_by == "degrade_images" else "none",
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
    """Blur, down-sample and add noise, or join the slabs."""
    input:
        volume=lambda w: files(PROJECT.imported(w.sample)),
        slabs=slabs_of("degrade/{sample}/level{level}"),
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
        cfg=degrade_cfg,
        code=lambda w: code("degrade"),
    message:
        "{wildcards.sample}: degrade to level {wildcards.level}"
    script:
        "../scripts/degrade.py"


if SLABS > 1:

    use rule degrade as degrade_init with:
        input:
            volume=lambda w: files(PROJECT.imported(w.sample)),
        output:
            store_of("degrade/{sample}/level{level}"),
        log:
            logs("degrade/{sample}/level{level}/init"),
        benchmark:
            records("degrade/{sample}/level{level}/init")
        resources:
            **needs("degrade_init"),
        params:
            cfg=init_part(degrade_cfg),
        message:
            "{wildcards.sample}: degrade to level {wildcards.level}, empty store"

    use rule degrade as degrade_slab with:
        input:
            volume=lambda w: files(PROJECT.imported(w.sample)),
            store=store_of("degrade/{sample}/level{level}"),
        output:
            slab_of("degrade/{sample}/level{level}"),
        log:
            logs("degrade/{sample}/level{level}/slab{slab}"),
        benchmark:
            records("degrade/{sample}/level{level}/slab{slab}")
        resources:
            **needs("degrade_slab"),
        params:
            cfg=slab_part(degrade_cfg),
        message:
            "{wildcards.sample}: degrade to level {wildcards.level}, slab {wildcards.slab}"
