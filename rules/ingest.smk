"""Import of a user's file.

Needs  a row of the sample sheet: path, voxel size (where the file has none), region
Makes  ingest/{sample}.ome.zarr; of pairs also ingest/low/{sample}.ome.zarr; unseen.tsv, the samples
       that share no voxels
"""


rule ingest:
    """Read a user's file into a volume that carries its voxel size."""
    input:
        lambda w: raw_files(w.scan),
    output:
        volume("ingest/{scan}"),
    log:
        logs("ingest/{scan}"),
    benchmark:
        benchmarks("ingest/{scan}")
    conda:
        ENVIRONMENT
    resources:
        **resources_for("ingest"),
    params:
        cfg=lambda w: scan_cfg(w.scan),
        untracked=lambda w: untracked(w.scan),
        code=lambda w: code_digest("ingest"),
    message:
        "{wildcards.scan}: import"
    script:
        "../scripts/ingest.py"


rule unseen:
    """Refuse to judge what models learn from, by what was imported; or name it, where that is allowed."""
    input:
        **{
            name_of(role, sample, "imported"): files(path)
            for role in ("train", "test")
            for sample, path in PROJECT.compared_voxels(role).items()
        },
        **{
            name_of("cards", "", image(level, method)): given_files(method, level)[
                1::2
            ]
            for method in PROJECT.given
            for level in LEVELS
        },
    output:
        **tables(table="unseen"),
    log:
        logs("unseen"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("unseen"),
    params:
        cfg={"allow": True} if STUDY.allow_seen else {},
        code=lambda w: code_digest("unseen"),
    message:
        "Compare the samples to learn from with those to be judged"
    script:
        "../scripts/unseen.py"
