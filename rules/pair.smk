"""Registration of pairs of images or volumes of one field, and what of volumes is learned and judged.

Needs  the raw images (simulate/{sample}/high and low, or ingest/{sample} and ingest/low/{sample}),
       the study's pair section and level; to judge restored volumes
Makes  pair/{sample}/low.ome.zarr, high.ome.zarr, valid.ome.zarr, transform.json, patches.tsv;
       measure/{sample}/pair.tsv; of volumes pair/{sample}/learned.ome.zarr, judged.ome.zarr, and
       judged/{sample}/{image}.ome.zarr, the part of an image that is judged
"""


rule pair:
    """Register the high image with the low one, on a grid that divides its pixels."""
    input:
        high=lambda w: files(PROJECT.imported(w.sample)),
        low=lambda w: files(KIND.imported_low(w.sample)),
        middle=lambda w: files(KIND.imported_middle(w.sample)),
        given=lambda w: files(KIND.given_map(w.sample)),
    output:
        **tables(patches="pair/{sample}/patches", table="measure/{sample}/pair"),
        low=volume("pair/{sample}/low"),
        high=volume("pair/{sample}/high"),
        valid=volume("pair/{sample}/valid"),
        transform=results("pair/{sample}/transform.json"),
    log:
        logs("pair/{sample}"),
    benchmark:
        benchmarks("pair/{sample}")
    conda:
        ENVIRONMENT
    resources:
        **resources_for("pair"),
    params:
        cfg=lambda w: KIND.pair_cfg(w.sample),
        code=lambda w: code_digest("pair"),
    message:
        "{wildcards.sample}: register the pair"
    script:
        "../scripts/pair.py"


rule divide_pair:
    """Say what of a pair of volumes models learn from, and what they are judged by."""
    input:
        low=volume("pair/{sample}/low"),
        valid=volume("pair/{sample}/valid"),
    output:
        learned=volume("pair/{sample}/learned"),
        judged=volume("pair/{sample}/judged"),
    log:
        logs("pair/{sample}/divide_pair"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("divide_pair"),
    params:
        cfg=lambda w: KIND.division_cfg(w.sample, PLANNER.reach),
        code=lambda w: code_digest("divide_pair"),
    message:
        "{wildcards.sample}: what models learn from and what they are judged by"
    script:
        "../scripts/divide_pair.py"


rule judge_part:
    """Cut an image of a pair of volumes to the part that is judged, in the fine scan's grey values."""
    input:
        unpack(lambda w: files(KIND.judging_inputs(w.sample, w.image))),
    output:
        volume("judged/{sample}/{image}"),
    log:
        logs("judged/{sample}/{image}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("judge_part"),
    params:
        cfg={},
        code=lambda w: code_digest("judge_part"),
    message:
        "{wildcards.sample}: the part of {wildcards.image} that is judged"
    script:
        "../scripts/judge_part.py"
