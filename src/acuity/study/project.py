"""What a study means: its samples, volumes, images and tables, for the rules and for the planner.

A study has one kind (`acuity.study.kinds`, one file each), which says what is restored and how low and high
resolution come about, and may align stacks first (`acuity.study.alignment`). All paths are those of
`acuity.study.paths`, below results/STUDY.
"""

import hashlib
import zlib
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any, cast

from acuity.keys import image as image_name
from acuity.keys import name_of, split_image
from acuity.measures.base import Measure, measures
from acuity.methods.base import Method, load, module_name, split_training
from acuity.predict.chain import models_of
from acuity.study import paths
from acuity.study.alignment import Alignment
from acuity.study.kinds.base import kind_of
from acuity.study.reading import level_of
from acuity.study.sample import Sample, split_scan
from acuity.study.specimen import Specimen
from acuity.study.study import Study
from acuity.units import parse_voxel_size

# Samples, or methods, each with an image or a level.
Images = Sequence[tuple[str, str]]


class Project:
    """A study with its samples.

    Parameters
    ----------
    study : acuity.study.study.Study
    samples : sequence of acuity.study.sample.Sample

    Attributes
    ----------
    samples : dict of str to Sample
    train, test : list of str
        Samples that models learn from, and that are judged, be it in a part that is held out.
    taught : list of str
        Those that models learn from and that are not judged.
    restore : dict of str to str
        Samples without truth, and the level that each is restored from.
    levels, methods, further : list of str
        Levels as they are written in paths; methods; further trainings (NAME+SEED).
    measures : dict of str to acuity.measures.base.Measure
        All that there are, in the order of ``metrics.tsv``.
    kind : acuity.study.kinds.base.Kind
    alignment : acuity.study.alignment.Alignment
    """

    def __init__(self, study: Study, samples: Sequence[Sample]) -> None:
        self.study = study
        self.samples = {row.sample: row for row in samples}
        self.train = [row.sample for row in samples if row.role == "train"]
        self.test = [row.sample for row in samples if row.role == "test"]
        self.restore = {
            row.sample: f"{level_of(row, study):g}" for row in samples if row.role == "restore"
        }
        self.levels = [f"{level:g}" for level in study.levels]
        self.methods, self.further = list(study.methods), study.further_trainings
        self._built: dict[str, Any] = {}
        self._measured: dict[tuple[str, str], list[Measure]] = {}
        self.measures = measures()
        self.alignment = Alignment(self)
        self.kind = kind_of(self)
        # Of some samples a part is learned from, and another one judged.
        self.test += self.kind.held_out
        self.taught = [sample for sample in self.train if sample not in self.test]

    # seeds ---------------------------------------------------------------------------------

    def seed_of(self, *parts: object, seed: int | None = None) -> int:
        """Return a seed that differs by sample and by what it is for, and by nothing else."""
        seed = self.study.seed if seed is None else seed
        return zlib.crc32("/".join(map(str, (seed, *parts))).encode())

    def training_seed(self, method: str, level: str) -> int:
        """Return the seed of a training; a further one's is that of a study with its seed."""
        name, seed = split_training(method)
        return self.seed_of("train", name, level, seed=seed)

    # methods -------------------------------------------------------------------------------

    def method_class(self, method: str) -> type[Method]:
        """Return the class of a method; of the unrestored input, that by which it is shown."""
        return load(self.shown_by(method))

    def shown_by(self, method: str) -> str:
        """Return the method that makes an image: the unrestored input is shown by an interpolation."""
        return self.kind.unrestored if method == "input" else method

    def settings(self, method: str) -> Any:
        """Return a method's settings, checked."""
        if method not in self._built:
            name = self.shown_by(method)
            self._built[method] = load(name).Settings(**self.study.settings_of(name))
        return self._built[method]

    def learned(self, method: str) -> bool:
        """Return whether a method needs a model: one that it learns here, or is given."""
        return method != "input" and self.method_class(method).learned

    def adversarial(self, method: str) -> bool:
        """Return whether a method learns against a discriminator."""
        logged = getattr(self.method_class(method), "logged_losses", ())
        return "discriminator" in logged and getattr(self.settings(method), "adversarial", True)

    def processes(self, method: str) -> int:
        """Return how many processes train a method."""
        return getattr(self.settings(method).train, "processes", 1)

    def gpus(self, method: str, stage: str) -> int:
        """Return the GPUs of a job of a method: none where it has no network or is to use the CPU."""
        if method == "input" or not self.method_class(method).has_network:
            return 0
        if getattr(self.settings(method), stage).device == "cpu":
            return 0
        return self.processes(method) if stage == "train" else 1

    @cached_property
    def learners(self) -> list[str]:
        """The methods that learn here."""
        return list(filter(self.study.trains, self.methods))

    @cached_property
    def given(self) -> list[str]:
        """The methods that take a model which was trained elsewhere."""
        return [m for m in self.methods if self.learned(m) and m not in self.learners]

    def given_models(self, method: str, level: str) -> list[str]:
        """Return where the model lies that a method takes at a level, or those of a chain: folders, or files of them."""
        return models_of(self.settings(method).model, level)

    @cached_property
    def by_planes(self) -> list[str]:
        """The methods that restore XZ and YZ planes, further trainings among them."""
        every = self.methods + self.further
        return [method for method in every if self.method_class(method).by_planes]

    @cached_property
    def by_voxels(self) -> list[str]:
        """The methods that restore a volume as it lies, the unrestored input among them."""
        every = ["input", *self.methods, *self.further]
        return [method for method in every if method not in self.by_planes]

    @property
    def trained(self) -> list[tuple[str, str]]:
        """Method and level of each training but the further ones."""
        return [(method, level) for method in self.learners for level in self.levels]

    @property
    def modelled(self) -> list[tuple[str, str]]:
        """Method and level of each model, those that were given among them, in the methods' order."""
        learned = [method for method in self.methods if self.learned(method)]
        return [(method, level) for method in learned for level in self.levels]

    def training_cfg(self, method: str) -> dict[str, Any]:
        """What a training job is told of a method beside its task."""
        return {
            "method_name": module_name(method),
            "settings": self.settings(method).for_training(),
            **self.kind.degradation_while_learning(),
            "fov_radius": self.kind.fov_radius,
        }

    def prediction_cfg(self, method: str, sample: str, level: str) -> dict[str, Any]:
        """What a job that restores a sample's volume is told."""
        return {
            "method_name": module_name(self.shown_by(method)),
            "settings": self.settings(method).for_prediction(),
            **self.kind.task(level),
            **self.kind.prediction_cfg(sample),
            **(self.study.restore.of_jobs() if sample in self.restore else {}),
            **({"accept": list(accept)} if (accept := self._accepted(method)) else {}),
        }

    def _accepted(self, method: str) -> Sequence[str]:
        return self.settings(method).accept if self.learned(method) else ()

    # what jobs are told ---------------------------------------------------------------------

    def specimen_cfg(self, sample: str) -> dict[str, Any]:
        """Return the specimen section; the pixel as a number and its unit."""
        specimen, row = cast(Specimen, self.study.specimen), self.samples[sample]
        values = specimen.model_dump(mode="json")
        values["shape"] = values.pop("size")
        if values["pixel_size"] is not None:
            (values["pixel_size"], *_), values["unit"] = parse_voxel_size(values["pixel_size"])
        return {**values, "factor": row.level or int(self.study.levels[0]), "seed": row.seed}

    def segment_cfg(self, sample: str | None = None, *, joined: bool = True) -> dict[str, Any]:
        """Return the segment section; what is done when all objects are known, where they are joined."""
        if not self.study.segment:
            return {"smallest": 1} if joined else {}
        cfg = self.study.segment.model_dump(mode="json", exclude=None if joined else {"smallest"})
        cfg["separation"] = cfg["separation"] or None
        return cfg | {"mask_radius": self.kind.mask_radius(1, sample)}

    def quality_cfg(self) -> dict[str, Any]:
        """Return what grey values are compared by."""
        return {
            "mask_radius": self.kind.mask_radius(),
            "data_range": self.study.measure.data_range,
        }

    def pair_limits(self) -> dict[str, float] | None:
        """Return the limits that patches of a pair of images were judged by, for the report."""
        pair = self.study.pair if self.study.flat else None
        return {"residual": pair.max_residual, "ncc": pair.min_ncc} if pair else None

    def first_picture(self) -> tuple[str, str]:
        """Return what the first page shows, and its words.

        It is a sample that is judged, else one that is restored or aligned.
        """
        figure, samples = "slices", self.test or self.shown
        words = "the same slice of every volume, in one grey window."
        if samples and samples[0] in self.restore:
            figure, words = (
                "restored_planes",
                "the same planes of input and results, in one grey window.",
            )
        if not self.shown:
            figure, samples = "stack_views", self.alignment.stacks
            words = "sections XZ and YZ through the middle of the stack before and after alignment."
        return f"{samples[0]}/{figure}", f"Sample {samples[0]}: {words}"

    # volumes --------------------------------------------------------------------------------

    def reading(self, scan: str) -> dict[str, Any]:
        """Return what to read of a scan: a sample's file, or another one of its pair (low/, middle/SAMPLE)."""
        prefix, sample = split_scan(scan)
        return self.samples[sample].reading(prefix)

    def imported(self, sample: str) -> str:
        """Return the volume of a sample before anything is made worse: simulated, aligned or as it came."""
        if self.samples[sample].seed is not None:
            return self.kind.simulated(sample)
        if self.alignment.stacks:
            return paths.volume(f"align/{sample}/aligned")
        return paths.volume(f"ingest/{sample}")

    def low(self, sample: str, level: str | None) -> str:
        """Return the volume of low resolution."""
        if sample in self.restore:
            return self.kind.coarse(sample)
        return self.kind.low(sample, level)

    def learned_low(self, sample: str, level: str) -> str:
        """Return the low volume to learn from; images that get worse anew each time have none."""
        worse = self.kind.degradation_while_learning()
        return self.kind.target(sample) if worse else self.kind.learned_low(sample, level)

    def learns_from(self, method: str, level: str) -> list[str]:
        """Return the samples that a method learns from; one of planes alone, from coarse ones too."""
        return self.kind.teaching(level) or (
            list(self.restore) if method in self.by_planes and not self.train else []
        )

    def training_inputs(self, method: str, level: str) -> dict[str, list[str]]:
        """Return the volumes that a method learns from at a level."""
        samples = self.learns_from(method, level)
        return {
            "low": [self.learned_low(sample, level) for sample in samples],
            "target": [self.kind.target(sample) for sample in samples],
            "masks": [mask for sample in samples for mask in self.kind.masks(sample)],
        }

    def prediction_inputs(self, method: str, sample: str, level: str) -> dict[str, str]:
        """Return the volume to restore and, of a method that learns, its model."""
        files = {"low": self.low(sample, level)}
        if self.learned(method):
            files["model"] = paths.model(method, level, "model.safetensors")
            files["card"] = paths.model(method, level)
            if sample in self.restore or method in self.given:
                files["described"] = paths.described(sample, level)
        return files

    # images ---------------------------------------------------------------------------------

    @cached_property
    def shown(self) -> list[str]:
        """The samples with images: judged ones, those that were learned from if asked, those to restore."""
        taught = self.taught if self.study.evaluate_on_train else []
        return [*self.test, *taught, *self.restore] if self.methods else []

    def images(self, sample: str, methods: Sequence[str] | None = None) -> list[str]:
        """Return all images of a sample, the truth aside; or those of some methods."""
        row = self.samples[sample]
        if methods is None:
            taught = sample in self.taught
            methods = ["input", *(self.study.evaluate_on_train if taught else self.methods)]
        own = self.restore.get(sample) or row.level
        levels = self.levels if own is None else [f"{own}"]
        return [image_name(level, method) for level in levels for method in methods]

    def all_images(self, sample: str) -> list[str]:
        """Return a sample's images, its truth before them where it has one."""
        return [*([] if sample in self.restore else ["truth"]), *self.images(sample)]

    @property
    def page_images(self) -> list[tuple[str, str]]:
        """Each sample that is shown with each of its images, the truth among them."""
        return [(sample, image) for sample in self.shown for image in self.all_images(sample)]

    def image(self, sample: str, image: str) -> str:
        """Return the volume of an image: truth, level3/input, level3/deepnet, ..."""
        if image == "truth":
            return self.kind.truth(sample)
        level, method = split_image(image)
        if method == "input" and self.kind.one_grid:
            return self.low(sample, level)
        restored = paths.volume(f"predict/{sample}/level{level}/{method}")
        return self.kind.shown_image(sample, image, restored)

    def planes_of(self, sample: str) -> list[str]:
        """Return a sample's images that are restored plane by plane, in two directions."""
        return [i for i in self.images(sample) if split_image(i)[1] in self.by_planes]

    def disagreement(self, sample: str, image: str) -> str:
        """Return how far the two kinds of planes of an image differ."""
        level, method = split_image(image)
        return paths.volume(f"predict/{sample}/level{level}/disagreement/{method}")

    def smoothed(self, image: str) -> bool:
        """Return whether an image's method asks for non-local means before the threshold."""
        method = split_image(image)[1]
        return bool(self.study.settings_of(method).get("nlm_before_threshold", False))

    def image_to_segment(self, sample: str, image: str) -> str:
        """Return an image or, where its method wants that, what non-local means have made of it."""
        if self.smoothed(image):
            return paths.volume(f"segment/{sample}/smoothed/{image}")
        return self.image(sample, image)

    def image_volumes(self, sample: str, image: str) -> list[str]:
        """Return an image and all volumes that are made of it."""
        files = self.kind.restored_files(sample, image)
        if image in self.planes_of(sample):
            files += [self.disagreement(sample, image)]
        if self.study.segment:
            segmented = paths.volume(f"segment/{sample}/{image}")
            files += [self.image_to_segment(sample, image), segmented]
        if image != "truth" and self.kind.pixelwise and sample not in self.restore:
            files += [self.quality_map(sample, image)]
        return files

    def quality_map(self, sample: str, image: str) -> str:
        """Return the map of an image's likeness to the truth."""
        return paths.volume(f"measure/{sample}/{image}/ms_ssim")

    # measures -------------------------------------------------------------------------------

    @property
    def objects(self) -> str:
        """``dark`` or ``bright``: what is looked for; pores, where nothing is."""
        return self.study.segment.objects if self.study.segment else "dark"

    @cached_property
    def measured(self) -> list[tuple[str, str]]:
        """Sample and image of all that is measured, alignments and registrations among them."""
        return self.page_images + self.kind.registered() + self.alignment.measured()

    @cached_property
    def compared(self) -> list[tuple[str, str]]:
        """Sample and image of what tells how far trainings swing; nothing without further ones."""
        methods = ["input", *self.learners, *self.further] if self.further else []
        return [(sample, i) for sample in self.test for i in self.images(sample, methods)]

    def measures_of(self, sample: str, image: str) -> list[Measure]:
        """Return the measures of an image, in the order of ``metrics.tsv``."""
        key = sample, image
        if key not in self._measured:
            every = self.measures.values()
            self._measured[key] = [m for m in every if m.applies(self, sample, image)]
        return self._measured[key]

    def measure_inputs(self, name: str, sample: str, image: str) -> dict[str, str]:
        """Return the volumes that a measure reads, by what they are; those that there are."""
        places = {
            "image": lambda: [self.image(sample, image)],
            "truth": lambda: [] if sample in self.restore else [self.kind.truth(sample)],
            "low": lambda: [self.low(sample, split_image(image)[0])],
            "repeat": lambda: [self.image(f"{self.samples[sample].repeat_of}", image)],
            "labels": lambda: [paths.volume(f"segment/{sample}/{image}")],
            "valid": lambda: self.kind.masks(sample)[:1],
        }
        found = {need: places[need]() for need in self.measures[name].needs}
        return {need: files[0] for need, files in found.items() if files}

    @cached_property
    def columns(self) -> str:
        """A digest of what pages show of the study's measures: a changed title writes them anew."""
        found = {m.name: m for key in self.page_images for m in self.measures_of(*key)}
        said = repr([m.metrics for m in sorted(found.values(), key=lambda m: m.column_order)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def tables(self, sample: str, image: str) -> dict[str, list[str]]:
        """Return the tables of one image that are gathered for the study, by name."""
        if image == "stack":
            return {"tables": self.alignment.tables(sample)}
        if image == "pair":
            return {"tables": self.kind.pair_tables(sample)}
        found: dict[str, list[str]] = {"tables": []}
        for measure in self.measures_of(sample, image):
            for key, name in measure.gathered(self, sample, image):
                found.setdefault(key, []).append(paths.table(sample, image, name))
        return found

    def named_tables(self, images: Images, names: Collection[str]) -> dict[str, str | list[str]]:
        """Return the files of these names of some images, each named by what it is and whose."""
        return {
            name_of(name, sample, image): found[0]
            if len(found) == 1 and name != "tables"
            else found
            for sample, image in images
            for name, found in self.tables(sample, image).items()
            if name in names
        }

    def size_reference(self) -> list[str]:
        """Return the volume whose voxels size classes are multiples of; none where they are stated."""
        measure = self.study.measure
        stated = (measure.size_classes and measure.size_bin) or self.kind.states_sizes
        return [] if stated or not self.shown else [self.kind.truth(self.shown[0])]

    # what was learned from ------------------------------------------------------------------

    def brought(self, role: str) -> list[str]:
        """Return the samples of a role that were not simulated."""
        rows = self.samples.values()
        return [row.sample for row in rows if row.role == role and row.path is not None]

    @cached_property
    def compares_voxels(self) -> bool:
        """Whether what models learn from may be what they are judged on: both came in files."""
        learned = self.brought("train") and self.brought("test") and self.learners
        return bool(learned or (self.given and self.test))

    def compared_voxels(self, role: str) -> dict[str, str]:
        """Return what tells by its provenance whether a sample was seen in training, by its name.

        An imported one is compared as it came, a simulated one as it is restored, with models from
        elsewhere alone.
        """
        names = self.brought(role)
        found = {sample: paths.volume(f"ingest/{sample}") for sample in names}
        if role == "test" and self.given:
            # Which part of a pair a model from elsewhere learned from, its card does not say.
            apart = {*names, *self.kind.held_out}
            made = [sample for sample in self.test if sample not in apart]
            found |= {sample: self.low(sample, self.levels[0]) for sample in made}
        return found

    def learned_from(self, sample: str) -> dict[str, Any]:
        """Return a sample without truth as it was imported, and what models learn from; or nothing."""
        own = self.brought("restore")
        if sample not in own:
            return {}
        taught = [*self.brought("train")] if self.learners else []
        learned = [field for name in taught for field in self.kind.learned_fields(name)]
        if self.by_planes and not self.train:
            learned += [paths.volume(f"ingest/{name}") for name in own]
        return {"imported": paths.volume(f"ingest/{sample}"), "learned": learned} if learned else {}

    # pages ----------------------------------------------------------------------------------

    def shown_files(self, sample: str) -> dict[str, str]:
        """Return volumes, maps, labels and fates of a sample's images, each named by its key."""
        files, judged = self.shown_volumes(sample), sample not in self.restore
        for image in self.all_images(sample) if self.study.segment else []:
            labels = paths.volume(f"segment/{sample}/{image}")
            labels = self.kind.true_labels(sample) if image == "truth" else labels
            files[name_of("labels", sample, image)] = labels
            if judged:
                files[name_of("statuses", sample, image)] = paths.table(sample, image, "status")
        for image in self.images(sample) if judged and self.kind.pixelwise else []:
            files[name_of("maps", sample, image)] = self.quality_map(sample, image)
        return files

    def shown_volumes(self, *samples: str) -> dict[str, str]:
        """Return the volumes of the samples' images, each named by its key."""
        return {
            name_of("volumes", sample, image): self.image(sample, image)
            for sample in samples
            for image in self.all_images(sample)
        }

    def curves(self, sample: str, *names: str) -> dict[str, str]:
        """Return the curves of some kinds of a sample's images, each named by its key; those that there are."""
        return {
            name_of(name, sample, image): paths.table(sample, image, name)
            for image in self.all_images(sample)
            for measure in self.measures_of(sample, image)
            for name in names
            if name in measure.written()
        }

    def curves_of(self, sample: str, image: str) -> list[str]:
        """Return the last table of each measure of an image."""
        names = [measure.written()[-1] for measure in self.measures_of(sample, image)]
        return [paths.table(sample, image, name) for name in names]

    def disagreements(self, sample: str) -> dict[str, str]:
        """Return how far the two kinds of planes differ, of each image that is made of planes."""
        return {
            name_of("disagreements", sample, image): self.disagreement(sample, image)
            for image in self.planes_of(sample)
        }

    def trained_files(self, name: str, trained: Images | None = None) -> dict[str, str]:
        """Return a file of each model, named by method and level.

        It is ``model.json``, ``history.tsv``, which models that were given have none of, or ``judged.tsv``,
        which those alone have.
        """
        if trained is None:
            trained = self.modelled if name == "model.json" else self.trained
        kind = {"model.json": "cards", "history.tsv": "histories", "judged.tsv": "figures"}[name]
        return {
            name_of(kind, "", image_name(level, method)): paths.model(method, level, name)
            for method, level in trained
        }

    def drawn_files(self, page: str, sample: str) -> dict[str, Any]:
        """Return what the figures of a sample's page are drawn from, each named by its key."""
        if page == "stack":
            return self.alignment.page_files(sample)
        if page in ("sample", "restored"):
            files = self.shown_files(sample)
            if page == "restored":
                files["low"] = self.low(sample, self.restore[sample])
        else:
            files = self.kind.page_files(sample)
        return files | self.learned_from(sample)

    def page_tables(self, page: str, sample: str) -> dict[str, str]:
        """Return the tables, and the cards of models, that a sample's page shows."""
        if page == "stack":
            return {"slices": self.alignment.page_files(sample)["slices"]}
        if page == "sample":
            return paths.STUDY_TABLES
        if page == "restored":
            return {"metrics": "metrics.tsv"} | self._told_of_models(sample)
        cards = self.trained_files("model.json") if page == "axial" else {}
        return {"metrics": "metrics.tsv"} | cards

    def _told_of_models(self, sample: str) -> dict[str, str]:
        """Return what a restored sample's page says of its models, and of the volumes that they made."""
        level = self.restore[sample]
        own = [model for model in self.modelled if model[1] == level]
        given = [model for model in own if model[0] in self.given]
        files = {"low": self.low(sample, level), **self.shown_volumes(sample)}
        files |= {"described": paths.described(sample, level)} if own else {}
        return (
            files | self.trained_files("model.json", own) | self.trained_files("judged.tsv", given)
        )

    def further_pages(self) -> dict[str, list[str]]:
        """Return the samples that have a further page, by its kind."""
        found = {"stack": self.alignment.stacks, "axial": [], "sem": [], "pair": []}
        if self.kind.page:
            found[self.kind.page] = [
                sample for sample in self.shown if self.kind.page_files(sample)
            ]
        return found

    # all ------------------------------------------------------------------------------------

    def intermediate_files(self) -> list[str]:
        """Return every volume, and a file of every other job, between the inputs and the pages.

        Snakemake asks for no file in between while later ones are there. A job that fails loses its
        own, and a store that is made anew or found damaged is gone before others are: asked for by
        name, they are made again, and so is what was made of the earlier ones.
        """
        shown = [(s, split_image(i)[0]) for s in self.shown for i in self.images(s)]
        taught = [(s, level) for m, level in self.trained for s in self.learns_from(m, level)]
        restored = [(s, *split_image(i)) for s in self.shown for i in self.images(s)]
        read = [self.prediction_inputs(method, s, f"{level}") for s, level, method in restored]
        samples = [s for s, _ in [*shown, *taught, *self.measured]] + self.alignment.stacks
        return list(
            dict.fromkeys(
                [file for s in samples for file in self.kind.acquired_files(s)]
                + [file for s in samples for file in self.alignment.files(s)]
                + [file for pair in [*shown, *taught] for file in self.kind.scans(*pair)]
                + [self.low(*pair) for pair in shown]
                + [self.learned_low(*pair) for pair in taught]
                + [self.kind.target(sample) for sample, _ in taught]
                + [file for key in self.page_images for file in self.image_volumes(*key)]
                + [paths.model(*model) for model in self.modelled]
                + [files["described"] for files in read if "described" in files]
                + ["unseen.tsv"] * self.compares_voxels
                + ["judged.json"] * bool(self.kind.page)
                + [file for key in self.measured for file in self.tables(*key)["tables"]]
                + [f for s in self.restore for i in self.images(s) for f in self.curves_of(s, i)]
            )
        )
