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


def image(level, method):
    """Return the name of an image of a sample: level and method, as in ``level3/deepnet``."""
    return f"level{level}/{method}"


def split_image(name):
    """Return level and method of an image; the truth, a stack and a pair have no level.

    Parameters
    ----------
    name : str
        ``truth``, ``stack``, ``pair``, or as `image` returns it.

    Returns
    -------
    level : str or None
    method : str
    """
    if "/" not in name:
        return None, "align" if name == "stack" else name
    level, method = name.split("/")
    return level.removeprefix("level"), method
