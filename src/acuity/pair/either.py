"""Pairs of images or of volumes: their shape decides."""

from acuity.errors import AcuityError
from acuity.pair.pair import pair
from acuity.pair.settings import PairSettings, VolumePairSettings
from acuity.pair.volumes import pair_volumes


def register_pair(
    high, low, outputs, middle=None, *, volumes, factor, name="", place=None, given=None, **settings
):
    """Register a pair and write it on grids that fit; see `pair` and `pair_volumes`.

    Parameters
    ----------
    high, low : acuity.volume.Volume
        One slice each, or volumes.
    outputs : acuity.pair.pair.Outputs
        What to write.
    middle : acuity.volume.Volume, optional
        Of volumes: a scan of a magnification between, through which they are registered.
    volumes : bool
        What the study takes them for.
    factor : int
        Voxels of the fine grid along a low one.
    name : str
        Of the pair, for errors.
    place : str, optional
        Of volumes: about where the middle of the high one lies, see `acuity.pair.place.parse_place`.
    given : numpy.ndarray, optional
        The map (3, 4) between two volumes, where it is known; see `pair_volumes`.
    **settings
        Those of `PairSettings` or `VolumePairSettings`.

    Raises
    ------
    AcuityError
        If they are not what the study takes them for, or cannot be registered.
    """
    deep = [volume.grid.shape[0] > 1 for volume in (high, low)]
    if deep != [volumes, volumes]:
        found = ["one image", "a volume"]
        raise AcuityError(
            f"pair {name}: {high.source or 'the high one'} is {found[deep[0]]} and "
            f"{low.source or 'the low one'} is {found[deep[1]]}, where the study expects "
            f"{'volumes' if volumes else 'images'}; state pair.volumes: {str(all(deep)).lower()} where files "
            "lie in a bucket and are all of one kind"
        )
    if volumes:
        about = {"factor": factor, "name": name, "place": place, "middle": middle, "given": given}
        return pair_volumes(high, low, outputs, VolumePairSettings(**settings), **about)
    return pair(high, low, outputs, PairSettings(**settings), factor=factor, name=name)
