"""Automatic segmentation: non-local means where a method wants them, threshold, closing,
separation, labels.

Needs  a restored volume, the unrestored input or the truth
Makes  segment/{sample}/{image}.ome.zarr, measure/{sample}/{image}/segment.tsv; for methods that want
       it segment/{sample}/smoothed/{image}.ome.zarr, measure/{sample}/{image}/nlm.tsv; in slabs
       segment/{sample}/numbers/{image}.ome.zarr, what each block has found
"""


rule smooth:
    """Smooth one image by non-local means, or join its slabs."""
    input:
        image=lambda w: files(PROJECT.image(w.sample, w.image)),
        slabs=slabs_of("segment/{sample}/smoothed/{image}"),
    output:
        seals("measure/{sample}/{image}/nlm"),
        smoothed=volume("segment/{sample}/smoothed/{image}"),
        table=results("measure/{sample}/{image}/nlm.tsv"),
    log:
        logs("segment/{sample}/smoothed/{image}"),
    benchmark:
        records("segment/{sample}/smoothed/{image}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("smooth"),
    params:
        cfg={},
        code=lambda w: code("smooth"),
    message:
        "{wildcards.sample}: smooth {wildcards.image}"
    script:
        "../scripts/smooth.py"


rule segment:
    """Label the objects of one image, or join what its slabs have found."""
    input:
        image=lambda w: files(PROJECT.image_to_segment(w.sample, w.image)),
        slabs=slabs_of("segment/{sample}/numbers/{image}"),
    output:
        seals("measure/{sample}/{image}/segment"),
        labels=volume("segment/{sample}/{image}"),
        table=results("measure/{sample}/{image}/segment.tsv"),
    log:
        logs("segment/{sample}/{image}"),
    benchmark:
        records("segment/{sample}/{image}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("segment"),
    params:
        cfg=segment_cfg() | {"smallest": STUDY.segment.smallest if STUDY.segment else 1},
        code=lambda w: code("segment"),
    message:
        "{wildcards.sample}: segment {wildcards.image}"
    script:
        "../scripts/segment.py"


if SLABS > 1:

    use rule smooth as smooth_init with:
        input:
            image=lambda w: files(PROJECT.image(w.sample, w.image)),
        output:
            store_of("segment/{sample}/smoothed/{image}"),
        log:
            logs("segment/{sample}/smoothed/{image}/init"),
        benchmark:
            records("segment/{sample}/smoothed/{image}/init")
        resources:
            **needs("smooth_init"),
        params:
            cfg=init_part({}),
        message:
            "{wildcards.sample}: smooth {wildcards.image}, empty store"

    use rule smooth as smooth_slab with:
        input:
            image=lambda w: files(PROJECT.image(w.sample, w.image)),
            store=store_of("segment/{sample}/smoothed/{image}"),
        output:
            slab_of("segment/{sample}/smoothed/{image}"),
        log:
            logs("segment/{sample}/smoothed/{image}/slab{slab}"),
        benchmark:
            records("segment/{sample}/smoothed/{image}/slab{slab}")
        resources:
            **needs("smooth_slab"),
        params:
            cfg=slab_part({}),
        message:
            "{wildcards.sample}: smooth {wildcards.image}, slab {wildcards.slab}"

    use rule segment as segment_init with:
        input:
            image=lambda w: files(PROJECT.image_to_segment(w.sample, w.image)),
        output:
            store_of("segment/{sample}/numbers/{image}"),
        log:
            logs("segment/{sample}/{image}/init"),
        benchmark:
            records("segment/{sample}/{image}/init")
        resources:
            **needs("segment_init"),
        params:
            cfg=init_part(segment_cfg()),
        message:
            "{wildcards.sample}: segment {wildcards.image}, empty store"

    use rule segment as segment_slab with:
        input:
            image=lambda w: files(PROJECT.image_to_segment(w.sample, w.image)),
            store=store_of("segment/{sample}/numbers/{image}"),
        output:
            slab_of("segment/{sample}/numbers/{image}"),
        log:
            logs("segment/{sample}/{image}/slab{slab}"),
        benchmark:
            records("segment/{sample}/{image}/slab{slab}")
        resources:
            **needs("segment_slab"),
        params:
            cfg=slab_part(segment_cfg()),
        message:
            "{wildcards.sample}: segment {wildcards.image}, slab {wildcards.slab}"
