"""Open HDF5 files, all of them in one way."""

import os
from typing import BinaryIO

import h5py


def open_hdf5(file: str | os.PathLike | BinaryIO, mode: str = "r") -> h5py.File:
    """Open an HDF5 file, without a lock.

    A file that is only read may lie where locks do not work, and two that have it open with
    different locks refuse each other: so every place opens it here.

    Parameters
    ----------
    file : path or binary file
        The file.
    mode : str
        As h5py has it: ``"r"``, ``"w"``, ``"a"``.

    Raises
    ------
    OSError
        If it is not there or no HDF5.
    """
    return h5py.File(file, mode, locking=False)
