"""Import of a user's file.

Needs  a row of the sample sheet: path, voxel size (where the file has none), region
Makes  ingest/{sample}.ome.zarr
"""


rule ingest:
    """Read a user's file into a volume that carries its voxel size."""
    input:
        lambda w: raw_files(w.sample),
    output:
        volume("ingest/{sample}"),
    log:
        logs("ingest/{sample}"),
    benchmark:
        records("ingest/{sample}")
    conda:
        ENVIRONMENT
    params:
        cfg=lambda w: {
            "path": SAMPLE[w.sample].path,
            "voxel_size": SAMPLE[w.sample].voxel_size,
            "region": SAMPLE[w.sample].region,
            "pitch": SAMPLE[w.sample].pitch,
        },
        code=code("ingest"),
    message:
        "{wildcards.sample}: import"
    script:
        "../scripts/ingest.py"
