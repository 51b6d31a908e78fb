"""The study file: what a study is made of, checked before anything runs.

A study is a YAML file. Every key has a description and, where it is a quantity, a unit; unknown
keys are refused; a mistake is said in one sentence. Scripts never import this module: they get
just the keys that they use.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from acuity.errors import AcuityError
from acuity.methods.base import Section, Task, known, load, setting, split_training
from acuity.study.align import Align
from acuity.study.degrade import Degrade
from acuity.study.foam import Foam
from acuity.study.measure import Measure
from acuity.study.messages import sentence
from acuity.study.pair import Pair
from acuity.study.restore import Restore
from acuity.study.sample import LONGEST_NAME, NAME
from acuity.study.segment import Segment
from acuity.study.specimen import Specimen
from acuity.study.xrm import Xrm

_BESIDE_MODEL = {"model", "accept", "predict", "nlm_before_threshold"}
METHOD = r"^[a-z][a-z0-9_]*(@[a-z0-9_]+)?$"


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
    xrm: Xrm | None = setting(
        None,
        "Simulate specimens in an X-ray microscope at two magnifications, for the samples with a seed",
    )
    pair: Pair | None = setting(
        None, "Low- and high-resolution images or volumes of one field: how they are registered"
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
    evaluate_on_train: tuple[str, ...] = setting(
        (), "Methods that are shown on the training samples too"
    )
    restore: Restore = setting(
        Restore(), "Samples with the role restore: what of them is restored, and how it is kept"
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
    def _levels(cls, value: tuple[float, ...]) -> tuple[float, ...]:
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
    def _defaults(cls, value: Any) -> Any:
        # `deepnet:` with nothing behind it takes the method's own settings.
        if not isinstance(value, dict):
            return value
        return {key: {} if settings is None else settings for key, settings in value.items()}

    @field_validator("methods")
    @classmethod
    def _methods(cls, value: dict[str, dict]) -> dict[str, dict]:
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
            if settings.get("model") and (more := settings.keys() - _BESIDE_MODEL):
                raise ValueError(
                    f"methods.{key}: found {', '.join(sorted(more))} beside model, whose card has these "
                    f"settings; allowed are {', '.join(sorted(_BESIDE_MODEL))}"
                )
            try:
                checked[key] = method.Settings.model_validate(settings).model_dump(mode="json")
            except ValidationError as error:
                raise ValueError(sentence(error, method.Settings, f"methods.{key}")) from None
        return checked

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # The first alone: what comes after one may not even make sense with it.
        if contradiction := next(self._contradictions(), None):
            raise ValueError(contradiction)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield what in the study does not go together, a sentence each."""
        # Only a study that aligns stacks, and does no more, can do without these two.
        for key in ("levels", "methods"):
            if not getattr(self, key) and (self.align is None or self.levels or self.methods):
                words = type(self).model_fields[key].description
                yield f"key {key!r} is missing or empty: {words}"
        seeds, given = [self.seed, *self.training_seeds], f"found {list(self.training_seeds)}"
        if len(set(seeds)) < len(seeds):
            yield f"key 'training_seeds': {given} with seed {self.seed}; allowed are seeds that differ from each other and from it"
        if self.training_seeds and not self.further_trainings:
            yield f"key 'training_seeds': {given}, but none of the methods learns from data; leave it out"
        for name in self.evaluate_on_train:
            if name not in self.methods:
                yield f"evaluate_on_train names {name!r}, which is not among the methods: {', '.join(self.methods)}"
        if self.foam is not None:
            target = self.foam.target_level
            if min(self.levels) <= target:
                yield f"levels must lie above foam.target_level ({target:g}); found {min(self.levels):g}"
            if self.align is not None or self.axial:
                yield "align and degrade.mode are for imported volumes, not for foams"
            if self.flat or self.pair is not None:
                yield "pair, specimen and degrade.mode random are for images or files, not for foams"
        if self.specimen is not None and not self.flat:
            yield "specimen simulates images: it needs a pair section or degrade.mode random"
        if self.xrm is not None:
            yield from self._contradictions_of_xrm(self.xrm)
        if self.pair is not None and (self.align is not None or self.degrade != Degrade()):
            yield "a study with a pair section has neither align nor degrade"
        whole = {
            "slices with degrade.mode " + self.degrade.mode: self.axial,
            "pixels of the fine grid in one of the coarse": self.flat,
            "voxels of the fine grid along one of the coarse": self.paired_volumes,
        }
        for what, asked in whole.items():
            if asked and any(level != int(level) or level < 2 for level in self.levels):
                found = ", ".join(f"{level:g}" for level in self.levels)
                yield f"levels are numbers of {what}: whole numbers from 2 up; found {found}"
        if self.pair is not None and self.pair.volumes is None:
            return  # what methods restore is known when the files are (acuity.study.shapes.with_shapes)
        for key, settings in self.methods.items():
            yield from self._contradictions_of(key, settings)

    def _contradictions_of_xrm(self, xrm: Xrm) -> Iterator[str]:
        """Yield what does not go together with simulated pairs of volumes, a sentence each."""
        if self.foam is not None or self.specimen is not None:
            other = "foam" if self.foam is not None else "specimen"
            yield f"a study simulates one kind of thing: found {other} and xrm, leave one out"
        if self.pair is None:
            yield "xrm simulates pairs of volumes: it needs a pair section, which may be empty: pair: {}"
            return
        if self.pair.held_out is not None or self.pair.learned is not None:
            yield "pair.held_out and pair.learned are for files; with xrm, state the box that is judged as xrm.judged"
        if self.pair.volumes is False:
            yield "pair.volumes: found false; xrm simulates volumes, leave it out"
        ratio = xrm.magnifications.ratio
        if self.levels != (ratio,):
            found = ", ".join(f"{level:g}" for level in self.levels)
            yield f"levels: found {found}; the voxels of the {xrm.coarse} and the {xrm.fine} scan are {ratio}:1, allowed is {ratio} alone"

    def _contradictions_of(self, key: str, settings: dict) -> Iterator[str]:
        """Yield what in a method does not go together with the study, a sentence each."""
        method = load(key)
        one_grid = not (self.axial or self.flat or self.paired_volumes)
        if method.interpolates and one_grid and self.scale(1) == (1, 1, 1):
            yield f"methods.{key} interpolates between grids, but low and high resolution share one grid here; it needs degrade.downsample above 1"
        if self.axial and settings.get("sigma", 0) is None:
            yield f"methods.{key}: sigma is missing; with degrade.mode {self.degrade.mode} a level is a number of slices and no blur, so state the standard deviation of the kernel in voxels"
        if method.axial and not self.axial:
            yield f"methods.{key} refines slices along z; it needs degrade.mode decimate or average"
        if isinstance(
            settings.get("model"), list
        ):  # a chain: each of its models is of another level
            return
        for level in self.levels:
            try:
                method(settings, Task(level, self.scale(level)))
            except AcuityError as error:
                yield f"methods.{key}, level {level:g}: {error}"

    @property
    def axial(self) -> bool:
        """Whether volumes are degraded, and restored, along z alone."""
        return self.degrade.mode in ("decimate", "average")

    @property
    def flat(self) -> bool:
        """Whether images are restored, finer along y and x."""
        images = self.pair is not None and not self.pair.volumes
        return images or self.degrade.mode == "random"

    @property
    def paired_volumes(self) -> bool:
        """Whether volumes of one object at two magnifications are paired, finer along each axis."""
        return self.pair is not None and bool(self.pair.volumes)

    def settings_of(self, name: str) -> dict[str, Any]:
        """Settings of a method by its name, a further training's (NAME+SEED) among them."""
        return self.methods.get(split_training(name)[0], {})

    @property
    def keeps_apart(self) -> bool:
        """Whether test samples may hold no voxels of train samples."""
        return not self.allow_seen and any(map(self.trains, self.methods))

    def trains(self, name: str) -> bool:
        """Whether a method learns in this study: it learns, and takes no model."""
        return load(name).learned and not self.settings_of(name).get("model")

    @property
    def further_trainings(self) -> list[str]:
        """Names of all further trainings: NAME+SEED of each method that learns."""
        learned = list(filter(self.trains, self.methods))
        return [f"{name}+{seed}" for seed in self.training_seeds for name in learned]

    def scale(self, level: float) -> tuple[int, int, int]:
        """Whole factors (z, y, x) between the low-resolution and the target's grid at a level."""
        if self.foam is not None:
            return (1, 1, 1)
        if self.flat:
            return (1, int(level), int(level))
        if self.paired_volumes:
            return (int(level),) * 3
        return (int(level), 1, 1) if self.axial else self.degrade.downsample


def schema() -> dict[str, Any]:
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
        settings = load(name).Settings.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for key, definition in settings.pop("$defs", {}).items():
            document["$defs"][f"{name}.{key}"] = definition
        document["$defs"][name] = settings
        allowed = [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]
        patterns[f"^{name}(@[a-z0-9_]+)?$"] = {"anyOf": allowed}
    methods = document["properties"]["methods"]
    methods.pop("additionalProperties", None)
    methods["patternProperties"] = patterns
    methods["additionalProperties"] = False
    return document
