"""Registration of pairs of images of one field.

Needs  the raw images (simulate/{sample}/high and low, or ingest/{sample} and ingest/low/{sample}),
       the study's pair section and level
Makes  pair/{sample}/low.ome.zarr, high.ome.zarr, valid.ome.zarr, transform.json, patches.tsv;
       measure/{sample}/pair.tsv
"""


rule pair:
    """Register the high image with the low one, on a grid that divides its pixels."""
    input:
        high=lambda w: files(PROJECT.imported(w.sample)),
        low=lambda w: files(KIND.imported_low(w.sample)),
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
        cfg=lambda w: STUDY.pair.model_dump(mode="json")
        | {"factor": SAMPLE[w.sample].level, "name": w.sample},
        code=lambda w: code_digest("pair"),
    message:
        "{wildcards.sample}: register the pair"
    script:
        "../scripts/pair.py"
