"""Automatic segmentation: non-local means where a method wants them, threshold, closing,
separation, labels.

Needs  a restored volume, the unrestored input or the truth
Makes  segment/{sample}/{image}.ome.zarr, measure/{sample}/{image}/segment.tsv; for methods that want
       it segment/{sample}/smoothed/{image}.ome.zarr, measure/{sample}/{image}/nlm.tsv; in slabs
       segment/{sample}/numbers/{image}.ome.zarr, what each block has found
"""

for part in PARTS:

    rule:
        """Smooth one image by non-local means; in slabs, or join them."""
        name:
            part.name("smooth_for_segmentation")
        input:
            **part.needed("segment/{sample}/smoothed/{image}"),
            image=lambda w: files(PROJECT.image(w.sample, w.image)),
        output:
            **part.made(
                "segment/{sample}/smoothed/{image}",
                smoothed=volume("segment/{sample}/smoothed/{image}"),
                **tables(table="measure/{sample}/{image}/nlm"),
            ),
        log:
            part.log("segment/{sample}/smoothed/{image}"),
        benchmark:
            part.benchmark("segment/{sample}/smoothed/{image}")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("smooth_for_segmentation")),
        params:
            cfg=part.cfg({}),
            code=lambda w: code_digest("smooth_for_segmentation"),
        message:
            part.says("{wildcards.sample}: smooth {wildcards.image}")
        script:
            "../scripts/smooth_for_segmentation.py"

    rule:
        """Label the objects of one image; in slabs, or join what these have found."""
        name:
            part.name("segment")
        input:
            **part.needed("segment/{sample}/numbers/{image}"),
            image=lambda w: files(PROJECT.image_to_segment(w.sample, w.image)),
        output:
            **part.made(
                "segment/{sample}/numbers/{image}",
                labels=volume("segment/{sample}/{image}"),
                **tables(table="measure/{sample}/{image}/segment"),
            ),
        log:
            part.log("segment/{sample}/{image}"),
        benchmark:
            part.benchmark("segment/{sample}/{image}")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("segment")),
        params:
            cfg=part.cfg(
                lambda w, part=part: PROJECT.segment_cfg(
                    w.sample, joined=part.marker is None
                )
            ),
            code=lambda w: code_digest("segment"),
        message:
            part.says("{wildcards.sample}: segment {wildcards.image}")
        script:
            "../scripts/segment.py"
