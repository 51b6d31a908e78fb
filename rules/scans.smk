"""Scans that a sample sheet names: their files, in a bucket or here, and what is read of them.

Needs  PROJECT, REMOTE
Makes  inputs and cfg of the rule ingest
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


def given_files(method, level):
    """Weights and card of each model that a method takes."""
    return [
        local(str(file))
        for model in PROJECT.given_models(method, level)
        for file in model_files(model)
    ]


def given_figures(method, level):
    """The table of the study that a given model was trained in, with its seal; none where there is none."""
    models = PROJECT.given_models(method, level)
    # What was found of the models of a chain tells nothing of the chain.
    found = figures_beside(models[0]) if len(models) == 1 else []
    return [local(str(file)) for file in found]


@cache
def objects(path):
    return addresses(REMOTE[path].flags["storage_object"])
