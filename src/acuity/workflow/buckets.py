"""Folders of objects in buckets, as Snakemake's storage plugin knows them."""

from pathlib import Path
from typing import Any

from acuity.formats.files import is_litter


def addresses(found: Any) -> list[str]:
    """List the addresses of a folder's objects in a bucket, or of the one object.

    Parameters
    ----------
    found : object
        A storage object of Snakemake's plugin for S3.

    Returns
    -------
    list of str
    """
    try:
        keys = sorted(item.key for item in found.get_subkeys())
    except Exception:
        keys = []  # Snakemake says itself, in fewer words, what it cannot reach.
    keys = [key for key in keys if not is_litter(Path(key))]
    return [f"s3://{found.bucket}/{key}" for key in keys] or [found.query]
