"""Import of a user's file.

Needs  a row of the sample sheet: path, voxel size (where the file has none), region
Makes  ingest/{sample}.ome.zarr; of pairs also ingest/low/{sample}.ome.zarr; unseen.tsv, the samples
       that share no voxels
"""


def scan_cfg(scan):
    """What to read of a scan; one in a bucket from where Snakemake fetches it to."""
    reading = PROJECT.reading(scan)
    if (path := reading["path"]) in REMOTE:
        dataset = split_name(path)[1]
        reading["path"] = str(REMOTE[path]) + (f":{dataset}" if dataset else "")
    return reading


def raw_files(scan):
    """The files of a scan, so that a changed slice reruns its sample alone."""
    path = PROJECT.reading(scan)["path"]
    if path in REMOTE:
        return [storage.s3(address) for address in objects(path)]
    return [
        local(str(file)) for file in files_of(path) if not contains_wildcard(str(file))
    ]


def untracked(scan):
    """Size and time of those of its files whose names Snakemake would take for patterns, {a}.tif."""
    path = PROJECT.reading(scan)["path"]
    files = [] if path in REMOTE else files_of(path)
    files = [file for file in files if contains_wildcard(str(file))]
    return [
        [str(file), (said := file.stat()).st_size, said.st_mtime_ns] for file in files
    ]


@cache
def objects(path):
    return addresses(REMOTE[path].flags["storage_object"])


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
            name_of(role, s, "imported"): volume(f"ingest/{s}")
            for role in ("train", "test")
            for s in PROJECT.brought(role)
        },
    output:
        seals("unseen"),
        table=results("unseen.tsv"),
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
