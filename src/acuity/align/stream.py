"""The slices of a stack one after the other."""

from acuity.volume import CHUNK, check_finite, slabs

_BYTES = 128 * 2**20


def stream(volume, where, wanted=None):
    """Read the slices of a volume in order.

    Memory stays at one layer of chunks (16 slices), or at 128 MB where that is less.

    Parameters
    ----------
    volume : Volume
        The stack.
    where : str
        What is being done and to what, for an error.
    wanted : set of int, optional
        Slices to read; all by default.

    Yields
    ------
    z : int
        Number of the slice.
    image : numpy.ndarray
        (y, x), in the volume's type.

    Raises
    ------
    AcuityError
        If a slice holds a value that is not finite.
    """
    count, ny, nx = volume.grid.shape
    depth = max(1, min(CHUNK[0], _BYTES // (ny * nx * volume.dtype.itemsize)))
    for z0, z1 in slabs(count, depth):
        if wanted is not None and wanted.isdisjoint(range(z0, z1)):
            continue
        block = volume.read(slice(z0, z1))
        check_finite(block, z0, where)
        for z, image in enumerate(block, z0):
            if wanted is None or z in wanted:
                yield z, image
