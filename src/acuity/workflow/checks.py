"""What is looked at before a run begins: its folder, its command, the settings of Snakemake."""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path

from acuity.errors import AcuityError

# Rules whose results workflows may share.
SHARED = ("spheres", "projections", "scan_specimen")


def check_folder(root: Path, is_pattern: Callable[[str], bool]) -> None:
    """Refuse a folder of Acuity, or a working folder, that Snakemake would stumble over.

    Parameters
    ----------
    root : pathlib.Path
        Where the Snakefile lies.
    is_pattern : callable
        Tells whether Snakemake takes a path for a pattern.

    Raises
    ------
    AcuityError
    """
    if is_pattern(str(root)):  # of the paths of environments and images
        raise AcuityError(
            f"{root}: found braces in a folder's name, which Snakemake takes for a pattern; allowed "
            "is a folder of Acuity without them"
        )
    # Where Snakemake keeps its records; it would not say so in a sentence.
    own = Path(".snakemake")
    if os.path.lexists(own) and not own.is_dir():
        raise AcuityError(f"{own}: is a file where Snakemake's folder is to be; move it")
    if not os.access(own if own.is_dir() else ".", os.W_OK):
        raise AcuityError(
            f"{os.getcwd()}: cannot be written (rights, or a file system that is mounted read-only); "
            f"run in a folder of your own: snakemake --snakefile {root / 'Snakefile'} --directory FOLDER"
        )


def check_command(words: Sequence[str], files: Sequence[str | PathLike]) -> None:
    """Refuse a command that names several studies, or one where targets stand.

    Parameters
    ----------
    words : list of str
        The command.
    files : list of path
        Study files that it names behind --configfile.

    Raises
    ------
    AcuityError
    """
    if len(files) > 1:
        raise AcuityError(
            "--configfile: one study at a time; found several files, put a target first: "
            "snakemake TARGET --configfile STUDY.yaml"
        )
    for option, word in pairwise(words):
        study = word.endswith((".yaml", ".yml")) and os.path.isfile(word)
        if not files and study and not option.startswith("--"):
            raise AcuityError(
                f"{word}: found a file where targets stand; a study stands behind --configfile: "
                f"snakemake --configfile {word}"
            )


def check_partition(named: str | None, *, slurm: bool) -> None:
    """Refuse to hand jobs to Slurm without the name of a partition.

    Parameters
    ----------
    named : str or None
        The partition that the profile names.
    slurm : bool
        Whether jobs go to Slurm.

    Raises
    ------
    AcuityError
    """
    if named == "FILL_IN" or (named is None and slurm):
        raise AcuityError(
            f"the Slurm profile, key default-resources, slurm_partition: found {named or 'none'}; it "
            "needs the name of a partition of this cluster (sinfo lists them)"
        )


def check_cache(rules: Iterable[str]) -> None:
    """Refuse to share the results of rules that are not made for it."""
    for name in rules:
        if name not in SHARED:
            raise AcuityError(
                f"--cache: found {name}, allowed are {', '.join(SHARED[:-1])} and {SHARED[-1]}; "
                "see docs/storage.md"
            )


def check_image(image: Path) -> None:
    """Refuse to run jobs in an image that is not there."""
    if not image.exists():
        raise AcuityError(
            f"{os.path.relpath(image)}: no such image; build it in {image.parent.parent} with "
            f"apptainer build envs/{image.name} envs/acuity.def"
        )


def check_writable(*folders: str | PathLike) -> None:
    """Refuse to begin, or to remove anything, where results or logs cannot be written.

    Parameters
    ----------
    *folders : path
        Folders of results and logs; they need not be there.

    Raises
    ------
    AcuityError
    """
    for folder in map(Path, folders):
        # of a folder that is there; beside one that is not may lie read-only data of the user
        stages = [path for path in folder.glob("*") if path.is_dir()]
        while not os.path.lexists(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise AcuityError(
                f"{folder}: is a file where a folder is to be; move it, or run in another folder"
            )
        for path in (folder, *stages):
            if not os.access(path, os.W_OK):
                raise AcuityError(
                    f"{path}: cannot be written; allow it (a file system that is mounted read-only, "
                    "rights of the folder), or run in another folder"
                )
