"""A row of the sample sheet."""

from typing import Any, Literal

from pydantic import field_validator

from acuity.errors import AcuityError
from acuity.methods.base import Section, setting
from acuity.pair.place import parse_place
from acuity.region import FORM, is_region
from acuity.study.lengths import Length, VoxelSize
from acuity.study.messages import short

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LOW, MIDDLE = "low/", "middle/"
LONGEST_NAME = 100  # letters; a file system takes 255 with all that is put around it


def split_scan(scan: str) -> tuple[str, str]:
    """Split the name of a scan, SAMPLE, low/SAMPLE or middle/SAMPLE, into what stands before it and the sample."""
    head, slash, sample = scan.rpartition("/")
    return head + slash, sample


class Sample(Section):
    """One row of the sample sheet."""

    sample: str = setting(
        ..., "Name; also the name of files and pages", pattern=NAME, max_length=LONGEST_NAME
    )
    role: Literal["train", "test", "restore"] = setting(
        ...,
        "Models learn from train samples and are judged on test samples; restore: a volume or image of "
        "low resolution without truth",
    )
    seed: int | None = setting(None, "Simulated samples: seed of this realisation", "1", ge=0)
    path: str | None = setting(
        None,
        "Imported volumes: file or folder, relative to the study file, or s3://BUCKET/KEY; of a pair "
        "the image of high resolution",
    )
    low_path: str | None = setting(None, "Pairs: the image of low resolution of the same field")
    low_voxel_size: VoxelSize | None = setting(
        None,
        "Pairs: pixel of the low-resolution image, where its file does not say",
        "in the value",
    )
    middle_path: str | None = setting(
        None,
        "Pairs of volumes: a scan of a magnification between, through which coarse and fine are registered where the "
        "fine one covers too few voxels of the coarse one",
    )
    middle_voxel_size: VoxelSize | None = setting(
        None,
        "Pairs of volumes: voxel of that scan, where its file does not say",
        "in the value",
    )
    place: str | None = setting(
        None,
        "Pairs of volumes: about where the middle of the fine scan lies in the coarse one, from its corner, "
        "as '0.4 1.2 0.9 mm' or '40 120 90 voxel' (z y x); it only orders the search",
        "in the value",
        max_length=200,
    )
    level: float | None = setting(
        None,
        "Pairs, and samples to restore: which of the study's levels this one is of; may be left out where "
        "there is one",
        "as the study's levels",
        ge=0.01,
        le=64,
    )
    voxel_size: VoxelSize | None = setting(
        None,
        "Imported volumes: edge of a voxel as '10 nm' or '20 10 10 nm' (z y x); may be left out where the file carries it",
        "in the value",
    )
    pitch: Length | None = setting(
        None, "Imported stacks: distance between slices (milling pitch), as '20 nm'", "in the value"
    )
    transforms_of: str | None = setting(
        None, "Aligned stacks: take the transforms of this sample (a second detector's stack)"
    )
    repeat_of: str | None = setting(
        None,
        "A second, independent acquisition of this sample: their Fourier shell correlation is "
        "measured",
    )
    region: str | None = setting(
        None,
        "Imported volumes: part to use, as z0:z1,y0:y1,x0:x1 in voxels; open ends allowed",
        "voxel",
        max_length=200,
    )
    volume: bool | None = setting(
        None,
        "Imported volumes: true where images of a detector, which say nothing of themselves, are a "
        "volume",
    )

    @field_validator("role", mode="before")
    @classmethod
    def _role(cls, value: Any) -> Any:
        return value.lower()

    @field_validator("place")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_place(value, "place")
            except AcuityError as error:
                raise ValueError(str(error).removeprefix("place: ")) from None
        return value

    @field_validator("region")
    @classmethod
    def _region(cls, value: str | None) -> str | None:
        if value is not None and not is_region(value):
            raise ValueError(f"{short(value)} is not of the form {FORM}")
        return value

    @property
    def scans(self) -> dict[str, str]:
        """The files of a sample, each by what stands before its name: nothing, ``low/`` or ``middle/``."""
        found = {"": self.path, LOW: self.low_path, MIDDLE: self.middle_path}
        return {prefix: path for prefix, path in found.items() if path is not None}

    def reading(self, prefix: str = "") -> dict[str, Any]:
        """What to read of an imported sample: keywords of `acuity.formats.read.read_volume`.

        Parameters
        ----------
        prefix : str
            ``low/`` or ``middle/``: that image of a pair in place of the high one.
        """
        if prefix:
            scan = prefix.removesuffix("/")
            keys = {
                "path": getattr(self, f"{scan}_path"),
                "voxel_size": getattr(self, f"{scan}_voxel_size"),
            }
        else:
            keys = {key: getattr(self, key) for key in ("path", "voxel_size", "region", "pitch")}
        return {**keys, "volume": bool(self.volume)}
