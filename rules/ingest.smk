"""Import of a user's file.

Needs  a row of the sample sheet: path, voxel size (where the file has none), region
Makes  ingest/{sample}.ome.zarr
"""


def raw_files(sample):
    """The files of a sample, so that a changed slice reruns this sample alone."""
    path = Path(SAMPLE[sample].path)
    if path.is_dir() and not path.name.endswith(".zarr"):
        return sorted(str(file) for file in path.iterdir() if file.is_file())
    if path.is_dir():
        return sorted(str(file) for file in path.rglob("*") if file.is_file())
    file = str(path).split(".h5:")[0] + (".h5" if ".h5:" in str(path) else "")
    beside = [f"{file}.yaml", f"{file}.json"]
    return [file, *(extra for extra in beside if Path(extra).exists())]


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
    params:
        cfg=lambda w: {
            "path": SAMPLE[w.sample].path,
            "voxel_size": SAMPLE[w.sample].voxel_size,
            "region": SAMPLE[w.sample].region,
        },
        code=code("ingest"),
    conda:
        ENVIRONMENT
    message:
        "{wildcards.sample}: import"
    script:
        "../scripts/ingest.py"
