"""Automatic segmentation: threshold, closing, separation, labels.

Needs  a restored volume, the unrestored input or the truth
Makes  segment/{sample}/{image}.ome.zarr, measure/{sample}/{image}/segment.tsv
"""


rule segment:
    """Label the objects of one image."""
    input:
        lambda w: image_volume(w.sample, w.image),
    output:
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
        cfg=lambda w: STUDY.segment.model_dump(mode="json")
        | {
            "separation": STUDY.segment.separation or None,
            "nlm": wants_nlm(w.image),
            "mask_radius": mask_radius(1),
        },
        code=lambda w: code("segment"),
    message:
        "{wildcards.sample}: segment {wildcards.image}"
    script:
        "../scripts/segment.py"
