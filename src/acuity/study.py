"""The study file: what a study is made of, checked before anything runs.

A study is a YAML file. Every key has a description and, where it is a quantity, a unit; unknown
keys are refused; a mistake is said in one sentence. Scripts never import this module: they get
just the keys that they use.
"""

import datetime
import difflib
import json
import math
import os
import re
import reprlib
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from acuity.errors import AcuityError
from acuity.formats.files import check_remote, files_of, is_remote, split_name
from acuity.methods.base import Section, Task, known, load, setting, split_training
from acuity.seen import check_sheet
from acuity.sheet import read_sheet
from acuity.text import decode, parse_yaml, read_bytes
from acuity.units import convert, parse_length, parse_sizes, parse_voxel_size

_LONGEST_PATH = 1000
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 80
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
RESERVED = {"index", "unseen", "judged"}
LONGEST_NAME = 100  # letters; a file system takes 255 with all that is put around it
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
METHOD = r"^[a-z][a-z0-9_]*(@[a-z0-9_]+)?$"


class Foam(Section):
    """Simulated foam phantoms, scanned in cone-beam geometry (Pelt et al. 2022; Bukka et al. 2025).

    The acquisition is the same in all studies: source to axis 4 N, source to detector 8 N,
    detector pixel 2, N views over 360 degrees for a volume of N^3.
    """

    size: int = setting(..., "Side N of the cubic volume", "voxel", ge=32, le=2048)
    voxel_size: str = setting(
        "1 um", "Edge of a voxel, with its unit (nm, um or mm)", "in the value"
    )
    cylinder_radius: float = setting(
        0.45, "Radius of the foam's cylinder", "fraction of size", gt=0.1, le=0.47
    )
    diameter: tuple[float, float] = setting(
        (6.0, 70.0), "Smallest and largest pore diameter", "voxel"
    )
    small_below: float = setting(
        15.0, "Pores below this diameter are the small ones", "voxel", gt=0
    )
    small_fraction: float = setting(0.1, "Share of small pores", "1", ge=0, le=0.9)
    min_gap: float = setting(
        2.0, "Least gap between the surfaces of two pores, and to the wall", "voxel", ge=0
    )
    max_pores: int | None = setting(None, "Most pores; none: as many as fit", "1", ge=1)
    photons: float = setting(5000.0, "Photons a detector pixel in the open beam", "1", gt=0)
    peak_attenuation: float = setting(
        2.0, "Line integral through the solid cylinder's diameter", "1", gt=0
    )
    blur_domain: Literal["intensity", "attenuation"] = setting(
        "intensity", "What the detector's Gaussian blur acts on"
    )
    target_level: float = setting(
        1.0,
        "Level of the training target: standard deviation of its blur",
        "detector pixel",
        ge=0.01,
    )
    truth_views: int = setting(
        12,
        "Noiseless views of the reference reconstruction, as a multiple of size",
        "size",
        ge=1,
        le=64,
    )
    backend: Literal["numba", "rtk"] = setting("numba", "Implementation of the FDK reconstruction")

    @field_validator("voxel_size")
    @classmethod
    def _length(cls, value):
        return check_length(value, parse_length)

    @model_validator(mode="after")
    def _diameters(self):
        low, high = self.diameter
        if not 2 <= low < high <= self.size:
            raise ValueError(
                f"diameter {list(self.diameter)}: smallest and largest must satisfy 2 <= smallest < largest <= size ({self.size})"
            )
        if not low <= self.small_below <= high:
            raise ValueError(
                f"small_below {self.small_below:g}: it must lie between the smallest and the largest diameter ({low:g} to {high:g})"
            )
        return self


class Specimen(Section):
    """Specimens scanned twice by a simulated electron microscope: pairs of images, known warp."""

    kind: Literal["gold", "hydrogel"] = setting(
        "gold", "Gold nanoparticles on carbon, or a porous network that the beam damages"
    )
    size: tuple[int, int] | None = setting(
        None,
        "Size (y, x) of the high-resolution image; none: 780 x 924 (gold), 418 x 492 (hydrogel)",
        "pixel",
    )
    pixel_size: str | None = setting(
        None,
        "Pixel of the high-resolution image; none: 7.1 nm (gold), 28.4 nm (hydrogel)",
        "in the value",
    )
    margin: float = setting(
        0.1,
        "How far the low-resolution field reaches beyond the high one, as a share of it; 0.5 is the "
        "same number of pixels at half the magnification",
        "1",
        ge=0.02,
        le=1,
    )
    spot: float | None = setting(
        None, "Full width at half maximum of the beam's spot; none: by kind", "nm", gt=0
    )
    dwell: float | None = setting(
        None, "Time for a pixel; none: 30 us (gold), 10 us (hydrogel)", "us", gt=0
    )
    rotation: float = setting(
        0.6, "Greatest rotation of the low scan against the high one", "degree", ge=0, le=5
    )
    elastic: float = setting(
        3.0, "Greatest relative distortion of the two scans", "high-resolution pixel", ge=0, le=10
    )

    @field_validator("pixel_size")
    @classmethod
    def _length(cls, value):
        return value if value is None else check_length(value, parse_length)

    @field_validator("size")
    @classmethod
    def _large_enough(cls, value):
        if value is not None and not 64 <= min(value) <= max(value) <= 8192:
            raise ValueError(f"found {list(value)}; allowed are two sides from 64 to 8192 pixels")
        return value


class Chances(Section):
    """How often each step of the random degradation is taken."""

    blur: float = setting(0.8, "Gaussian blur", "1", ge=0, le=1)
    rescale: float = setting(0.5, "Scaling down, or up, and back", "1", ge=0, le=1)
    gaussian: float = setting(0.8, "Gaussian noise", "1", ge=0, le=1)
    poisson: float = setting(0.5, "Poisson noise", "1", ge=0, le=1)


class Random(Section):
    """Strengths that images are degraded with, drawn for each image, or patch, anew (SEMNet)."""

    noise_sd: tuple[float, float] = setting(
        (2.0, 25.0), "Standard deviation of the Gaussian noise, from and to", "of 255"
    )
    photons: tuple[float, float] = setting(
        (1e2, 1e4), "Mean count of the Poisson noise at the greatest intensity, from and to", "1"
    )
    blur: tuple[float, float] = setting(
        (0.2, 2.0), "Standard deviation of the Gaussian blur, from and to", "pixel"
    )
    rescale: tuple[float, float] = setting(
        (0.5, 2.0), "Factor of the size to which an image is brought, and back, from and to", "1"
    )
    probability: Chances = setting(Chances(), "How often each step is taken")
    reduction: Literal["average", "bicubic", "random"] = setting(
        "average", "How blocks of pixels become one"
    )
    reduce_last: bool = setting(True, "Whether that comes last, or anywhere in the order")

    @field_validator("noise_sd", "photons", "blur", "rescale")
    @classmethod
    def _rising(cls, value):
        if not 0 <= value[0] <= value[1]:
            raise ValueError(f"found {list(value)}; allowed are two numbers, the smaller first")
        return value


class Degrade(Section):
    """How an imported volume is made worse: in all directions, or along z alone.

    ``blur``: blur, down-sampling, noise, in this order; a study's level is the standard deviation of
    the 3D Gaussian, in voxels of the imported volume. ``decimate`` keeps one slice of every n,
    ``average`` averages n; the level is n. ``random``, for images: blur, noise, down- and up-scaling
    in random order and strength, then pixels n times as large; the level is n.
    """

    mode: Literal["blur", "decimate", "average", "random"] = setting(
        "blur",
        "Blur the volume, keep one slice of every n, average every n slices, or make images worse "
        "at random",
    )
    downsample: tuple[
        Annotated[int, Field(ge=1, le=16)],
        Annotated[int, Field(ge=1, le=16)],
        Annotated[int, Field(ge=1, le=16)],
    ] = setting((1, 1, 1), "Whole factors of block averaging along z, y, x", "voxel")
    photons: float | None = setting(
        None,
        "Poisson noise: photons a voxel at the volume's 99.9th percentile; none: no Poisson noise",
        "1",
        gt=0,
    )
    noise: float = setting(
        0.0,
        "Gaussian noise: standard deviation as a fraction of the volume's range",
        "1",
        ge=0,
        le=1,
    )

    random: Random = setting(Random(), "Mode random: how strong each step may be, and how often")

    @field_validator("downsample", mode="before")
    @classmethod
    def _one_for_all(cls, value):
        return (value,) * 3 if isinstance(value, int) else value

    @model_validator(mode="after")
    def _one_mode(self):
        if self.mode != "random" and self.random != Random():
            raise ValueError(f"random belongs to mode random; found mode {self.mode}")
        if self.mode != "blur" and (self.downsample != (1, 1, 1) or self.photons or self.noise):
            raise ValueError(
                f"mode {self.mode} has no downsample, photons and noise; they belong to mode blur"
            )
        return self


class Disturb(Section):
    """Shifts, noise and bad slices put into a stack, to check its alignment against them."""

    drift: tuple[float, float] = setting(
        (0.0, 0.0), "Displacement (y, x) of the last slice against the first", "voxel"
    )
    jitter: float = setting(
        0.0, "Standard deviation of each slice's own displacement", "voxel", ge=0
    )
    jumps: dict[int, tuple[float, float]] = setting(
        {}, "Slice: displacement (y, x) of it and all behind it", "voxel"
    )
    faults: dict[
        Literal["blank", "duplicate", "swapped", "inverted", "saturated", "noisy"],
        tuple[int, ...],
    ] = setting({}, "Kind of fault: the slices that get it", "slice")
    noise: float = setting(
        0.0, "White noise on all slices, in standard deviations of a slice", "1", ge=0
    )
    curtains: float = setting(
        0.0, "Static vertical streaks, in standard deviations of a slice", "1", ge=0
    )


class Align(Section):
    """How the slices of a stack are brought into line."""

    mode: Literal["jitter", "full", "detrend_linear", "template_roi"] = setting(
        "jitter",
        "What of the path is removed: its fast part, all, all but a straight drift, or what a region "
        "that stands still in truth shows; see docs/alignment.md for what each claims",
    )
    neighbours: int = setting(
        3, "Slices behind each one that it is compared with", "slice", ge=1, le=10
    )
    bridge: int = setting(5, "The same across faulty slices", "slice", ge=1, le=50)
    smooth: float = setting(15.0, "Mode jitter: length of the trend that stays", "slice", gt=0)
    roi: str | None = setting(
        None, "Mode template_roi: the region that stands still, as y0:y1,x0:x1", "voxel"
    )
    most_flagged: float = setting(
        0.2, "Largest share of faulty slices, from 20 slices up", "1", ge=0, le=1
    )
    crop: bool = setting(
        True,
        "Crop the aligned volume to the rectangle that every slice reaches; false: keep the whole "
        "field, with 0 where a slice does not reach",
    )
    disturb: Disturb | None = setting(
        None, "Put known shifts and faults in and check the alignment against them"
    )

    @model_validator(mode="after")
    def _region_belongs_to_mode(self):
        if (self.mode == "template_roi") != (self.roi is not None):
            raise ValueError(
                f"mode {self.mode} with roi {_short(self.roi)}: template_roi needs a roi and no other mode has one"
            )
        if self.bridge < self.neighbours:
            raise ValueError(
                f"bridge {self.bridge} is less than neighbours ({self.neighbours}); it must reach as far or farther"
            )
        return self


class Pair(Section):
    """How two images of one field, at two magnifications, are registered (de Haan et al. 2019).

    The high-resolution image is resampled, once, onto the pixels of the low one divided by the
    level; the low one is never resampled.
    """

    patch: int = setting(
        128, "Side of the patches that are accepted or rejected", "pixel of the fine grid", ge=32
    )
    max_residual: float = setting(
        0.5, "Patches that are displaced by more are rejected", "pixel of the fine grid", gt=0
    )
    min_ncc: float = setting(
        0.3, "Patches with a smaller band-passed correlation are rejected", "1", ge=0, lt=1
    )
    least_accepted: float = setting(
        0.5, "Share of the patches that must be accepted", "1", gt=0, le=1
    )
    max_scale_error: float = setting(
        0.02, "Largest share by which found and stated scale may differ", "1", gt=0, le=0.2
    )
    max_rotation: float = setting(
        5.0, "Rotation up to which is looked for, either way", "degree", ge=0, le=20
    )
    max_saturated: float = setting(
        0.2, "Largest share of pixels at the image's greatest value", "1", gt=0, le=1
    )
    blocks: int = setting(
        5, "Blocks along the shorter side at the first level of the elastic registration", "1", ge=2
    )
    smallest_block: int = setting(
        64, "Side of the blocks at its last level", "pixel of the fine grid", ge=16
    )
    update: float = setting(
        0.05,
        "A level ends when its blocks move by less (root mean square)",
        "pixel of the fine grid",
        gt=0,
    )
    smoothness: float = setting(
        0.1, "Weight of the bending energy of the displacement; larger is smoother", "1", ge=0
    )


class Segment(Section):
    """The automatic route of segmentation: threshold, closing, separation, labels."""

    objects: Literal["dark", "bright"] = setting(
        "dark", "Whether the objects (pores, grains) are darker or brighter than the rest"
    )
    threshold: Literal["otsu"] | float = setting(
        "otsu", "Otsu's threshold of each image, or one value for all", "intensity"
    )
    closing: int = setting(
        1,
        "Radius of the closing that fills small holes in the objects; 0: none",
        "voxel",
        ge=0,
        le=10,
    )
    separation: float = setting(
        0.75,
        "Depth of a neck, in the distance map, that separates two objects; 0: no separation",
        "voxel",
        ge=0,
        le=20,
    )
    smallest: int = setting(27, "Objects of fewer voxels are dropped", "voxel", ge=1)
    largest_radius: str | None = setting(
        None,
        "Half the length of the longest object, as '20 um': blocks overlap by four times as much, "
        "so that up to it their separation is that of the whole volume; longer ones are counted "
        "and named. By default 24 voxels",
        "in the value",
    )
    block: int = setting(
        256,
        "Side of the blocks in which objects are sought, without their overlap; a volume that is "
        "hardly longer is one block",
        "voxel",
        ge=16,
        le=4096,
    )

    @field_validator("largest_radius")
    @classmethod
    def _length(cls, value):
        return value if value is None else check_length(value, parse_length)


class Gaps(Section):
    """Gaps between neighbouring particles, to the letter of de Haan et al. 2019."""

    baseline: Literal["background", "zero"] = setting(
        "background",
        "What intensities are counted from: the image's background, since a microscope sets "
        "brightness and contrast by itself, or grey value 0",
    )
    exists: float = setting(
        0.6,
        "A gap is there where the intensity falls below this share of the peak",
        "1",
        gt=0,
        lt=1,
    )
    level: float = setting(
        0.8,
        "Its width is taken where the intensity drops below this share of the peak",
        "1",
        gt=0,
        lt=1,
    )
    longest: float = setting(40.0, "Longest distance of two particles", "nm", gt=0)
    depth: float = setting(20.0, "How far inside a particle its peak is looked for", "nm", gt=0)
    line_width: float = setting(1.0, "Width of the line that is read", "pixel", ge=0)
    chosen: int = setting(300, "Gaps drawn at random from each image, as in the paper", "1", ge=0)


class Measure(Section):
    """What is measured, and over which classes."""

    size_bin: float | None = setting(
        None,
        "Bin width of the size histogram (equivalent diameter); none: five voxels of the target",
        "of voxel_size",
        gt=0,
    )
    size_classes: tuple[float, ...] | None = setting(
        None,
        "Edges of the size classes of found and missed pores (equivalent diameter of the truth); "
        "none: 0, 5, 7, 10, 15, 20, 30, 50, 70, 100 and so on up to 10,000 voxels of the target",
        "of voxel_size",
    )
    data_range: float | None = setting(
        None,
        "Data range of PSNR and SSIM; none: the truth's solid minus its pores (foam), 255 or 65535 (8- and 16-bit images)",
        "intensity",
        gt=0,
    )
    pore_space: bool = setting(
        True, "Local thickness, chord lengths and two-point correlation as well"
    )
    binary_threshold: float | None = setting(
        90.0,
        "Volumes degraded along z: grey value of the 8-bit image above which a voxel is 1; none: no "
        "binary errors",
        "of 255",
        ge=0,
        lt=255,
    )
    volume_fraction: float | None = setting(
        None,
        "Volumes degraded along z: take the threshold that leaves this share of the truth above it",
        "1",
        gt=0,
        lt=1,
    )
    scattering: bool = setting(
        True, "Volumes degraded along z: scattering functions, to compare with small-angle X-rays"
    )
    pixelwise: bool = setting(
        True,
        "Images: compare grey values pixel by pixel (PSNR, SSIM); false where low and high resolution "
        "differ in contrast",
    )
    spectrum: bool = setting(True, "Images: spatial frequencies beside those of the truth")
    edges: bool = setting(True, "Images: spread of the edges that the truth has")
    gaps: Gaps | None = setting(None, "Images of particles: the gaps between neighbours")

    @field_validator("size_classes")
    @classmethod
    def _rising(cls, value):
        if value is not None and (len(value) < 2 or any(a >= b for a, b in pairwise(value))):
            raise ValueError("edges must rise and be at least two")
        return value


class Sample(Section):
    """One row of the sample sheet."""

    sample: str = setting(
        ..., "Name; also the name of files and pages", pattern=NAME, max_length=LONGEST_NAME
    )
    role: Literal["train", "test", "restore"] = setting(
        ...,
        "Models learn from train samples and are judged on test samples; restore: a volume with "
        "coarse slices of its own and no truth",
    )
    seed: int | None = setting(None, "Simulated samples: seed of this realisation", "1", ge=0)
    path: str | None = setting(
        None,
        "Imported volumes: file or folder, relative to the study file, or s3://BUCKET/KEY; of a pair "
        "the image of high resolution",
    )
    low_path: str | None = setting(None, "Pairs: the image of low resolution of the same field")
    low_voxel_size: str | None = setting(
        None,
        "Pairs: pixel of the low-resolution image, where its file does not say",
        "in the value",
    )
    level: int | None = setting(
        None,
        "Pairs: which of the study's levels this pair is of; may be left out where there is one",
        "1",
        ge=2,
    )
    voxel_size: str | None = setting(
        None,
        "Imported volumes: edge of a voxel as '10 nm' or '20 10 10 nm' (z y x); may be left out where the file carries it",
        "in the value",
    )
    pitch: str | None = setting(
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
    def _role(cls, value):
        return value.lower()

    @field_validator("voxel_size", "low_voxel_size")
    @classmethod
    def _size(cls, value):
        return value if value is None else check_length(value)

    @field_validator("pitch")
    @classmethod
    def _length(cls, value):
        return value if value is None else check_length(value, parse_length)

    @field_validator("region")
    @classmethod
    def _region(cls, value):
        if value is not None and not re.fullmatch(
            r"\s*-?\d*:-?\d*\s*(,\s*-?\d*:-?\d*\s*){0,2}", value
        ):
            raise ValueError(f"{_short(value)} is not of the form z0:z1,y0:y1,x0:x1")
        return value

    def reading(self, *, low=False):
        """What to read of an imported sample: keywords of `acuity.formats.read.read_volume`.

        Parameters
        ----------
        low : bool
            The low-resolution image of a pair in place of the other.
        """
        if low:
            keys = {"path": self.low_path, "voxel_size": self.low_voxel_size}
        else:
            keys = {key: getattr(self, key) for key in ("path", "voxel_size", "region", "pitch")}
        return {**keys, "volume": bool(self.volume)}


class Study(Section):
    """A study: where the data come from, levels, methods and measures."""

    study: str = setting(
        ..., "Name; results go to results/NAME", pattern=NAME, max_length=LONGEST_NAME
    )
    title: str = setting("", "Title of the report")
    seed: int = setting(1, "Seed of noise and of training", "1", ge=0)
    samples: str = setting(..., "Sample sheet (tab-separated), relative to the study file")
    foam: Foam | None = setting(
        None, "Simulate foam phantoms; without it the sample sheet names files to import"
    )
    specimen: Specimen | None = setting(
        None, "Simulate specimens in a scanning electron microscope, for the samples with a seed"
    )
    pair: Pair | None = setting(
        None, "Low- and high-resolution images of one field: how they are registered"
    )
    align: Align | None = setting(None, "Imported stacks: align their slices first")
    degrade: Degrade = setting(Degrade(), "Imported volumes: how they are degraded")
    levels: tuple[Annotated[float, Field(ge=0.01, le=64)], ...] = setting(
        (),
        "Strengths of the degradation: standard deviation of the blur, or slices that become one",
        "voxel or detector pixel, or slices",
    )
    methods: dict[str, dict] = setting(
        {}, "Restoration methods with their settings; NAME or NAME@VARIANT"
    )
    training_seeds: tuple[Annotated[int, Field(ge=0)], ...] = setting(
        (),
        "Further seeds that each method which learns is trained with, to tell how far its figures on "
        "the test samples swing: trainings.tsv and the first page give mean and range over all",
        "1",
    )
    allow_seen: bool = setting(
        False,
        "Judge test samples that hold voxels of train samples; every page and figure of them says "
        "that they were seen in training",
    )
    judge_training: tuple[str, ...] = setting(
        (), "Methods that are shown on the training samples too"
    )
    segment: Segment | Literal[False] = setting(
        Segment(), "Segmentation; false: no objects are sought and counted"
    )
    measure: Measure = setting(Measure(), "Measures")
    slabs: int = setting(
        1,
        "Jobs that each stage whose work is local is cut into along z; 1: one job makes a volume",
        "1",
        ge=1,
        le=100_000,
    )

    @field_validator("levels")
    @classmethod
    def _levels(cls, value):
        if len(set(value)) < len(value):
            raise ValueError("a level is given twice")
        value = tuple(sorted(value))
        for low, high in pairwise(value):
            if f"{low:g}" == f"{high:g}":
                raise ValueError(
                    f"levels {low!r} and {high!r} would share the name {low:g}; allowed are levels that differ in their first six digits"
                )
        return value

    @field_validator("methods", mode="before")
    @classmethod
    def _defaults(cls, value):
        # `deepnet:` with nothing behind it takes the method's own settings.
        return (
            {k: {} if v is None else v for k, v in value.items()}
            if isinstance(value, dict)
            else value
        )

    @field_validator("methods")
    @classmethod
    def _methods(cls, value):
        checked = {}
        for key, settings in value.items():
            if not re.fullmatch(METHOD, key):
                raise ValueError(
                    f"{key!r} is no method name; allowed is NAME or NAME@VARIANT in lower case"
                )
            try:
                method = load(key)
            except AcuityError as error:
                raise ValueError(str(error)) from None
            try:
                checked[key] = method.Settings.model_validate(settings).model_dump(mode="json")
            except ValidationError as error:
                raise ValueError(_sentence(error, method.Settings, f"methods.{key}")) from None
        return checked

    @model_validator(mode="after")
    def _consistent(self):
        # Only a study that aligns stacks, and does no more, can do without these two.
        for key in ("levels", "methods"):
            if not getattr(self, key) and (self.align is None or self.levels or self.methods):
                raise ValueError(
                    f"key {key!r} is missing or empty: {type(self).model_fields[key].description}"
                )
        seeds = [self.seed, *self.training_seeds]
        if len(set(seeds)) < len(seeds):
            raise ValueError(
                f"key 'training_seeds': found {list(self.training_seeds)} with seed {self.seed}; allowed "
                "are seeds that differ from each other and from it"
            )
        if self.training_seeds and not self.further_trainings:
            raise ValueError(
                f"key 'training_seeds': found {list(self.training_seeds)}, but none of the methods learns "
                "from data; leave it out"
            )
        for name in self.judge_training:
            if name not in self.methods:
                raise ValueError(
                    f"judge_training names {name!r}, which is not among the methods: {', '.join(self.methods)}"
                )
        if self.foam is not None and min(self.levels) <= self.foam.target_level:
            raise ValueError(
                f"levels must lie above foam.target_level ({self.foam.target_level:g}); found {min(self.levels):g}"
            )
        if self.foam is not None and (self.align is not None or self.axial):
            raise ValueError("align and degrade.mode are for imported volumes, not for foams")
        if self.foam is not None and self.flat:
            raise ValueError("pair, specimen and degrade.mode random are for images, not for foams")
        if self.specimen is not None and not self.flat:
            raise ValueError(
                "specimen simulates images: it needs a pair section or degrade.mode random"
            )
        if self.pair is not None and (self.align is not None or self.degrade != Degrade()):
            raise ValueError("a study with a pair section has neither align nor degrade")
        whole = {
            "slices with degrade.mode " + self.degrade.mode: self.axial,
            "pixels of the fine grid in one of the coarse": self.flat,
        }
        for what, asked in whole.items():
            if asked and any(level != int(level) or level < 2 for level in self.levels):
                raise ValueError(
                    f"levels are numbers of {what}: whole numbers from 2 up; found "
                    f"{', '.join(f'{level:g}' for level in self.levels)}"
                )
        for key in self.methods:
            method = load(key)
            if method.interpolates and not (self.axial or self.flat) and self.scale(1) == (1, 1, 1):
                raise ValueError(
                    f"methods.{key} interpolates between grids, but low and high resolution share one grid here; it needs degrade.downsample above 1"
                )
            if self.axial and self.methods[key].get("sigma", 0) is None:
                raise ValueError(
                    f"methods.{key}: sigma is missing; with degrade.mode {self.degrade.mode} a level is a number of slices and no blur, so state the standard deviation of the kernel in voxels"
                )
            if method.axial and not self.axial:
                raise ValueError(
                    f"methods.{key} refines slices along z; it needs degrade.mode decimate or average"
                )
            for level in self.levels:
                try:
                    method(self.methods[key], Task(level, self.scale(level)))
                except AcuityError as error:
                    raise ValueError(f"methods.{key}, level {level:g}: {error}") from None
        return self

    @property
    def axial(self):
        """Whether volumes are degraded, and restored, along z alone."""
        return self.degrade.mode in ("decimate", "average")

    @property
    def flat(self):
        """Whether images are restored, finer along y and x."""
        return self.pair is not None or self.degrade.mode == "random"

    def settings_of(self, name):
        """Settings of a method by its name, a further training's (NAME+SEED) among them."""
        return self.methods.get(split_training(name)[0], {})

    @property
    def keeps_apart(self):
        """Whether test samples may hold no voxels of train samples."""
        return not self.allow_seen and any(load(name).learned for name in self.methods)

    @property
    def further_trainings(self):
        """Names of all further trainings: NAME+SEED of each method that learns."""
        learned = [name for name in self.methods if load(name).learned]
        return [f"{name}+{seed}" for seed in self.training_seeds for name in learned]

    def scale(self, level):
        """Whole factors (z, y, x) between the low-resolution and the target's grid at a level."""
        if self.foam is not None:
            return (1, 1, 1)
        if self.flat:
            return (1, int(level), int(level))
        return (int(level), 1, 1) if self.axial else self.degrade.downsample


def check_length(value, parse=parse_sizes):
    """Check a voxel size such as ``"10 nm"`` or ``"20 10 10 nm"`` (z y x).

    Parameters
    ----------
    value : str
        The text.
    parse : callable
        `acuity.units.parse_sizes`, or `acuity.units.parse_length` where only one number is allowed.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    ValueError
        If it is no positive length with a unit.
    """
    try:
        parse(value, "length")
    except AcuityError as error:
        raise ValueError(
            f"{_short(value)}: {str(error).removeprefix('length: ').rstrip('.')}"
        ) from None
    return value


def load_study(config, path):
    """Check a study and read its sample sheet.

    Parameters
    ----------
    config : dict
        The study file's content.
    path : path-like
        The study file: named in errors; relative paths start at its folder.

    Returns
    -------
    study : Study
    samples : list of Sample
        Paths in them are made relative to the working folder or absolute.

    Raises
    ------
    AcuityError
        One sentence that names file, key, what was found and what is allowed.
    """
    if not isinstance(config, dict):
        found = {type(None): "nothing", list: "a list", str: "a text"}.get(type(config), "a value")
        raise AcuityError(f"{path}: a study is a mapping of keys to values; found {found}")
    try:
        study = Study.model_validate(config)
    except ValidationError as error:
        raise AcuityError(f"{path}: {_sentence(error, Study)}") from None
    return study, _read_samples(study, Path(path))


def read_study(path):
    """Read and check a study file with its sample sheet; see `load_study`."""
    return load_study(read_keys(path), path)


def read_keys(path):
    """Read a study file without checking its keys.

    Parameters
    ----------
    path : path-like
        The study file.

    Returns
    -------
    object
        Its content, a dict where it is a study.

    Raises
    ------
    AcuityError
        If the file is absent, is no YAML or holds a key twice.
    """
    text = decode(read_bytes(path, "study file"), path, "study file")
    return parse_yaml(text, path, "study file")


def _read_samples(study, path):
    if "://" in study.samples:
        raise AcuityError(
            f"{path}: key 'samples': found the address {_short(study.samples)}; allowed is a file "
            "beside the study, download the sample sheet first"
        )
    sheet = path.parent / study.samples
    if not study.samples.strip() or not os.path.exists(sheet):
        raise AcuityError(f"{path}: key 'samples': no sample sheet at {_place(sheet)}")
    line, columns, rows = read_sheet(sheet)
    for column in columns:
        if column not in Sample.model_fields:
            raise AcuityError(f"{sheet}: line {line}: {_unknown(column, column, Sample)}")
    samples, lines = [], {}
    for number, row in rows:
        where = f"{sheet}: line {number}"
        try:
            sample = Sample(**row)
        except ValidationError as error:
            raise AcuityError(f"{where}: {_sentence(error, Sample)}") from None
        # On the file systems of Windows and macOS, a and A are one.
        line, other = lines.setdefault(sample.sample.lower(), (number, sample.sample))
        if line != number:
            raise AcuityError(
                f"{where}: sample {sample.sample!r} has the name of {other!r} in line {line}; names "
                "must differ, and not in small and capital letters alone"
            )
        if study.foam is not None or (study.specimen is not None and sample.seed is not None):
            if sample.seed is None or sample.path is not None or sample.low_path is not None:
                raise AcuityError(
                    f"{where}: a simulated sample such as {sample.sample!r} needs a seed and no path"
                )
        else:
            if sample.path is None or sample.seed is not None:
                raise AcuityError(
                    f"{where}: sample {sample.sample!r} needs a path and no seed, since the study imports volumes"
                )
            sample = _with_files(sample, study, path.parent, where)
        samples.append(_with_level(sample, study, where))
    if not samples:
        raise AcuityError(f"{sheet}: has no sample; allowed is a line for each, below the heading")
    names = [sample.sample for sample in samples]
    for name in RESERVED & lines.keys():
        number, found = lines[name]
        raise AcuityError(
            f"{sheet}: line {number}: sample name {found!r} is reserved; choose another"
        )
    roles = {sample.role for sample in samples}
    if not roles & {"test", "restore"}:
        raise AcuityError(f"{sheet}: no sample has the role test; nothing could be judged")
    if study.training_seeds and "test" not in roles:
        raise AcuityError(
            f"{path}: key 'training_seeds': trainings are compared on test samples, and {sheet} has "
            "none; leave it out"
        )
    for key in study.methods:
        method = load(key)
        # What learns from XY planes can learn from the coarse volume itself.
        enough = {"train", "restore"} if getattr(method, "learns", "") == "planes" else {"train"}
        if method.learned and not roles & enough:
            raise AcuityError(f"{sheet}: no sample has the role train, but {key} learns from data")
    for sample in samples:
        where = f"{sheet}: line {lines[sample.sample.lower()][0]}"
        for key in ("transforms_of", "repeat_of"):
            other = getattr(sample, key)
            if other is not None and (other == sample.sample or other not in names):
                raise AcuityError(
                    f"{where}: {key} of sample {sample.sample!r} names {other!r}; allowed is another sample of the sheet"
                )
        if sample.transforms_of and study.align is None:
            raise AcuityError(
                f"{where}: sample {sample.sample!r} takes the transforms of {sample.transforms_of!r}, but the study has no align section"
            )
        if sample.role == "restore":
            own_factor(sample, study, where)
    check_sheet(
        study, samples, {s.sample: f"{sheet}: line {lines[s.sample.lower()][0]}" for s in samples}
    )
    seeds = {}
    for sample in samples:
        other = seeds.setdefault(sample.seed, sample.sample)
        if sample.seed is not None and other != sample.sample:
            raise AcuityError(
                f"{sheet}: samples {other!r} and {sample.sample!r} have the same seed, {sample.seed}, "
                "and would be the same; allowed is one sample a seed"
            )
    return samples


def _with_files(sample, study, folder, where):
    """Make the paths of a sample relative to the working folder; the files must be there.

    Addresses in a bucket stay as they are.
    """
    paired = study.pair is not None and sample.role != "restore"
    if paired != (sample.low_path is not None):
        raise AcuityError(
            f"{where}: sample {sample.sample!r} "
            + (
                "has no low_path, the image of low resolution; a study with a pair section needs "
                "both, but for the role restore"
                if paired
                else "has a low_path, which only samples of a study with a pair section have, and "
                "none of the role restore, whose path is its one image"
            )
        )
    files = {}
    for key in ("path", "low_path"):
        path = getattr(sample, key)
        if path is not None:
            try:
                files[key] = check_remote(path) if is_remote(path) else _local(path, folder)
            except AcuityError as error:
                raise AcuityError(f"{where}: sample {sample.sample!r}: {error}") from None
    return sample.model_copy(update=files)


def _local(path, folder):
    """Give where an input lies, seen from the working folder; it must be there."""
    name, dataset = split_name(path)
    if _ADDRESS.match(name):
        raise AcuityError(
            f"{name}: is an address; allowed are files and folders of this machine and "
            "s3://BUCKET/KEY, download it first"
        )
    # The same letters in another form: accents of their own, as macOS writes them, or not.
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    name = next((form for form in (name, *forms) if os.path.lexists(folder / form)), name)
    found = str(folder / name) + (f":{dataset}" if dataset else "")
    try:
        files_of(found)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AcuityError(f"{_place(name)}: cannot be read ({reason})") from None
    except AcuityError as error:
        if os.path.lexists(folder / name):
            raise
        raise AcuityError(f"{error}{_hint(name)}") from None
    return found


def _hint(name):
    """Why there may be no file of this name."""
    if not name.isprintable():
        return f"; the name holds a character that cannot be seen, it is {name!a}"
    if "\\" in name:
        return "; folders are separated by /, and a drive of Windows has no letter here"
    if name.startswith("~") or "$" in name:
        return "; ~ and variables of the shell stay as they are, state the whole path"
    if " #" in name:
        return "; # is part of the name, a comment is a line of its own that begins with #"
    if name[:1] in "'\"" and name[:1] == name[-1:]:
        return "; the quotation marks are part of the name, leave them out"
    return ""


def _with_level(sample, study, where):
    """Say of which level a sample of a study of pairs is; other samples are made at all levels."""
    if study.pair is None:
        if sample.level is not None:
            raise AcuityError(
                f"{where}: sample {sample.sample!r} has a level, which only studies with a pair section use"
            )
        return sample
    levels = [int(level) for level in study.levels]
    level = sample.level or (levels[0] if len(levels) == 1 else None)
    if level not in levels:
        raise AcuityError(
            f"{where}: sample {sample.sample!r} has the level {level}; allowed are the study's, "
            f"{', '.join(map(str, levels))}"
        )
    return sample.model_copy(update={"level": level})


def own_factor(sample, study, where):
    """Give how much coarser the slices of a volume without truth are than its planes.

    Parameters
    ----------
    sample : Sample
        With the role restore.
    study : Study
        Its levels must hold the factor; where it registers pairs, the sheet says which it is.
    where : str
        The sample sheet, for the error.

    Returns
    -------
    int

    Raises
    ------
    AcuityError
        If the sheet does not say the voxel size, the factor is no whole number, or no level.
    """
    if study.pair is not None:
        return sample.level
    if not study.axial:
        raise AcuityError(
            f"{where}: sample {sample.sample!r} has the role restore, which needs degrade.mode decimate or average, or a pair section"
        )
    if sample.voxel_size is None:
        raise AcuityError(
            f"{where}: sample {sample.sample!r} has the role restore and no voxel_size; state it, such as '40 10 10 nm' (z y x)"
        )
    (z, y, x), unit = parse_voxel_size(sample.voxel_size)
    if sample.pitch is not None:
        (z, *_), own = parse_voxel_size(sample.pitch)
        z = convert(z, own, unit)
    factor = z / y
    if not math.isclose(x, y, rel_tol=1e-3) or abs(factor - round(factor)) > 0.01 * factor:
        raise AcuityError(
            f"{where}: sample {sample.sample!r} has voxels of {z:g} x {y:g} x {x:g} {unit} (z y x); the distance between slices must be a whole multiple of the pixel"
        )
    if round(factor) not in study.levels:
        raise AcuityError(
            f"{where}: sample {sample.sample!r} has slices {round(factor)} times as coarse as its planes, which is none of the study's levels ({', '.join(f'{level:g}' for level in study.levels)})"
        )
    return round(factor)


def _sentence(error, model, prefix=""):
    """Say the first of pydantic's errors in one sentence."""
    first = error.errors()[0]
    # Keys are in lower case; what begins with a capital is the class that pydantic tried.
    location = [
        str(part)
        for part in first["loc"]
        if not str(part).startswith(("function-", "constrained-", "literal"))
        and not str(part)[:1].isupper()
    ]
    key = ".".join([prefix, *location] if prefix else location)
    found = first.get("input")
    if first["type"] == "invalid_key":
        return f"key {'.'.join([prefix, *location] if prefix else location)}: found a key that is no word; allowed are words"
    if first["type"] == "extra_forbidden":
        return _unknown(location[-1], key, model, location[:-1])
    shown = _short(found)
    if first["type"] == "tuple_type":
        return f"key {key!r}: found {shown}; allowed is a list of values in square brackets"
    if first["type"] in ("dict_type", "model_type"):
        fields = _fields_at(model, location)
        or_else = "".join(
            f"{other['ctx']['expected'].lower()} or "
            for other in error.errors()
            if other["type"] == "literal_error" and other["loc"][:1] == first["loc"][:1]
        )
        keys = f" of the keys {', '.join(fields)}" if fields else ""
        return f"key {key!r}: found {shown}; allowed is {or_else}a mapping{keys or ' of keys to values'}"
    if first["type"] == "missing":
        return f"key {key!r} is missing: {_description_at(model, location)}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        known_place = not key or message.startswith(("methods.", "key "))
        return message if known_place else f"key {key!r}: {message}"
    if first["type"] == "string_type" and location[-1:] == ["[key]"]:
        place = ".".join(location[:-2] if len(location) > 2 else location[:-1])
        return f"key {place!r}: found {shown} for the name of a key; allowed are words, in quotes where YAML reads something else"
    if first["type"] == "string_type" and isinstance(found, (int, float, datetime.date)):
        return f"key {key!r}: found {shown}; input should be a valid string, put it in quotes"
    if first["type"] == "string_pattern_mismatch":
        return f"key {key!r}: found {shown}; allowed are letters, digits, '.', '_' and '-', the first a letter or digit"
    return f"key {key!r}: found {shown}; {message[:1].lower()}{message[1:]}"


def _unknown(name, key, model, location=()):
    """Say that a key is not known, and which ones are."""
    allowed = _fields_at(model, location)
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"key {_short(key)} is not known{hint}; allowed here: {', '.join(allowed)}"


def _short(value):
    """A value as an error shows it: in one line, however large it is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, datetime.date):
        return str(value)
    shown = _REPR.repr(value)
    return shown if len(shown) < 80 else shown[:77] + "..."


def _place(path):
    """A path as an error shows it: whole, but for what no file system has."""
    return repr(str(path)) if len(str(path)) <= _LONGEST_PATH else _short(str(path))


def _fields_at(model, location):
    for part in location:
        field = model.model_fields.get(part)
        annotation = None if field is None else field.annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(
            (
                option
                for option in options
                if isinstance(option, type) and issubclass(option, BaseModel)
            ),
            None,
        )
        if model is None:
            return []
    return list(model.model_fields)


def _description_at(model, location):
    fields = _fields_at(model, location[:-1])
    if location and location[-1] in fields:
        for part in location[:-1]:
            model = model.model_fields[part].annotation
        description = getattr(model, "model_fields", {}).get(location[-1])
        if description is not None and description.description:
            return description.description[:1].lower() + description.description[1:]
    return "it must be given"


def schema():
    """Build the JSON schema of a study file, every method's settings included.

    Returns
    -------
    dict
        For editors, and kept current in config/study.schema.json.
    """
    document = Study.model_json_schema()
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "Acuity study"
    patterns = {}
    for name in known():
        settings = load(name).Settings.model_json_schema(
            ref_template="#/$defs/" + name + ".{model}"
        )
        for key, definition in settings.pop("$defs", {}).items():
            document["$defs"][f"{name}.{key}"] = definition
        document["$defs"][name] = settings
        patterns[f"^{name}(@[a-z0-9_]+)?$"] = {
            "anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]
        }
    methods = document["properties"]["methods"]
    methods.pop("additionalProperties", None)
    methods["patternProperties"] = patterns
    methods["additionalProperties"] = False
    return document
