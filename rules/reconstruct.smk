"""Cone-beam FDK reconstruction.

Needs  simulate/{sample}/level{level}.h5 (Data Exchange); for the reference, the spheres
Makes  reconstruct/{sample}/level{level}.ome.zarr, reconstruct/{sample}/truth.ome.zarr
"""


rule reconstruct:
    """Reconstruct a scan on the target's grid, or join its slabs."""
    input:
        scan=results("simulate/{sample}/level{level}.h5"),
        slabs=slabs_of("reconstruct/{sample}/level{level}"),
    output:
        volume("reconstruct/{sample}/level{level}"),
    log:
        logs("reconstruct/{sample}/level{level}"),
    benchmark:
        records("reconstruct/{sample}/level{level}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("reconstruct"),
    params:
        cfg=lambda w: foam_cfg("backend"),
        code=lambda w: code("reconstruct"),
    message:
        "Foam {wildcards.sample}: FDK at level {wildcards.level}"
    script:
        "../scripts/reconstruct.py"


if SLABS > 1:

    use rule reconstruct as reconstruct_init with:
        input:
            scan=results("simulate/{sample}/level{level}.h5"),
        output:
            store_of("reconstruct/{sample}/level{level}"),
        log:
            logs("reconstruct/{sample}/level{level}/init"),
        benchmark:
            records("reconstruct/{sample}/level{level}/init")
        resources:
            **needs("reconstruct_init"),
        params:
            cfg=init_part(lambda w: foam_cfg("backend")),
        message:
            "Foam {wildcards.sample}: FDK at level {wildcards.level}, empty store"

    use rule reconstruct as reconstruct_slab with:
        input:
            scan=results("simulate/{sample}/level{level}.h5"),
            store=store_of("reconstruct/{sample}/level{level}"),
        output:
            slab_of("reconstruct/{sample}/level{level}"),
        log:
            logs("reconstruct/{sample}/level{level}/slab{slab}"),
        benchmark:
            records("reconstruct/{sample}/level{level}/slab{slab}")
        resources:
            **needs("reconstruct_slab"),
        params:
            cfg=slab_part(lambda w: foam_cfg("backend")),
        message:
            "Foam {wildcards.sample}: FDK at level {wildcards.level}, slab {wildcards.slab}"


rule reconstruct_truth:
    """Reconstruct the reference from many noiseless views, none of them stored."""
    input:
        seals("simulate/{sample}/spheres"),
        spheres=results("simulate/{sample}/spheres.tsv"),
        slabs=slabs_of("reconstruct/{sample}/truth"),
    output:
        volume("reconstruct/{sample}/truth"),
    log:
        logs("reconstruct/{sample}/truth"),
    benchmark:
        records("reconstruct/{sample}/truth")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("reconstruct_truth"),
    params:
        cfg=truth_cfg,
        code=lambda w: code("reconstruct_truth"),
    message:
        "Foam {wildcards.sample}: reference reconstruction"
    script:
        "../scripts/reconstruct_truth.py"


if SLABS > 1:

    use rule reconstruct_truth as reconstruct_truth_init with:
        input:
            seals("simulate/{sample}/spheres"),
            spheres=results("simulate/{sample}/spheres.tsv"),
        output:
            store_of("reconstruct/{sample}/truth"),
        log:
            logs("reconstruct/{sample}/truth/init"),
        benchmark:
            records("reconstruct/{sample}/truth/init")
        resources:
            **needs("reconstruct_truth_init"),
        params:
            cfg=init_part(truth_cfg),
        message:
            "Foam {wildcards.sample}: reference reconstruction, empty store"

    use rule reconstruct_truth as reconstruct_truth_slab with:
        input:
            seals("simulate/{sample}/spheres"),
            spheres=results("simulate/{sample}/spheres.tsv"),
            store=store_of("reconstruct/{sample}/truth"),
        output:
            slab_of("reconstruct/{sample}/truth"),
        log:
            logs("reconstruct/{sample}/truth/slab{slab}"),
        benchmark:
            records("reconstruct/{sample}/truth/slab{slab}")
        resources:
            **needs("reconstruct_truth_slab"),
        params:
            cfg=slab_part(truth_cfg),
        message:
            "Foam {wildcards.sample}: reference reconstruction, slab {wildcards.slab}"
