"""The grammar of result paths, written once: where each thing of a study lies below results/STUDY."""


def volume(stem):
    """Return the path of a volume: its root zarr.json, which is written last.

    Parameters
    ----------
    stem : str
        Its path without ending, such as ``ingest/a``.

    Returns
    -------
    str
    """
    return f"{stem}.ome.zarr/zarr.json"


def model(method, level, name="model.json"):
    """Return the path of a file of a trained model: card, weights or history."""
    return f"train/{method}/level{level}/{name}"


def table(sample, image, name):
    """Return the path of a table that was measured of an image."""
    return f"measure/{sample}/{image}/{name}.tsv"
