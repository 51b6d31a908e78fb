"""Automatic segmentation: threshold, closing, separation, labels.

Needs  a restored volume, the unrestored input or the truth
Makes  segment/{sample}/{image}.ome.zarr, measure/{sample}/{image}/segment.tsv
"""


def wants_nlm(image):
    """Whether the image's method asks for non-local means before the threshold."""
    method = split_image(image)[1]
    return bool(STUDY.methods.get(method, {}).get("nlm_before_threshold", False))


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
    threads: 2
    params:
        cfg=lambda w: STUDY.segment.model_dump(mode="json")
        | {
            "separation": STUDY.segment.separation or None,
            "nlm": wants_nlm(w.image),
            "mask_radius": mask_radius(1),
        },
        code=code("segment"),
    conda:
        ENVIRONMENT
    message:
        "{wildcards.sample}: segment {wildcards.image}"
    script:
        "../scripts/segment.py"
