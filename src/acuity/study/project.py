"""What a study means: its samples, volumes, images and tables, for the rules and for the planner.

A study has one kind (`acuity.study.kinds`, one file each), which says what is restored and how low and high
resolution come about, and may align stacks first (`acuity.study.alignment`). All paths are those of
`acuity.study.paths`, below results/STUDY.
"""

import hashlib
import zlib
from functools import cached_property

from acuity.measures.base import measures
from acuity.methods.base import load, module_name
from acuity.study import paths
from acuity.study.alignment import Alignment
from acuity.study.kinds.base import kind_of
from acuity.study.reading import own_factor


class Project:
    """A study with its samples.

    Parameters
    ----------
    study : acuity.study.study.Study
    samples : sequence of acuity.study.sample.Sample
    where : str
        The study file, for errors.

    Attributes
    ----------
    samples : dict of str to Sample
    train, test : list of str
        Samples that models learn from, and that are judged.
    restore : dict of str to str
        Samples without truth, and the level that each is restored from.
    levels, methods, further : list of str
        Levels as they are written in paths; methods; further trainings (NAME+SEED).
    measures : dict of str to acuity.measures.base.Measure
        All that there are, in the order of ``metrics.tsv``.
    kind : acuity.study.kinds.base.Kind
    alignment : acuity.study.alignment.Alignment
    """

    def __init__(self, study, samples, where="the sample sheet"):
        self.study = study
        self.samples = {row.sample: row for row in samples}
        roles = {"train": [], "test": [], "restore": []}
        for row in samples:
            roles[row.role].append(row.sample)
        self.train, self.test = roles["train"], roles["test"]
        self.restore = {
            name: f"{own_factor(self.samples[name], study, where)}" for name in roles["restore"]
        }
        self.levels = [f"{level:g}" for level in study.levels]
        self.methods, self.further = list(study.methods), study.further_trainings
        self._built, self._measured, self.measures = {}, {}, measures()
        self.alignment = Alignment(self)
        self.kind = kind_of(self)

    # methods -------------------------------------------------------------------------------

    def method_class(self, method):
        """Return the class of a method; of the unrestored input, that by which it is shown."""
        return load(self.shown_by(method))

    def shown_by(self, method):
        """Return the method that makes an image: the unrestored input is shown by an interpolation."""
        return self.kind.unrestored if method == "input" else method

    def settings(self, method):
        """Return a method's settings, checked."""
        if method not in self._built:
            name = self.shown_by(method)
            self._built[method] = load(name).Settings(**self.study.settings_of(name))
        return self._built[method]

    def learned(self, method):
        """Return whether a method learns from the train samples."""
        return method != "input" and self.method_class(method).learned

    def adversarial(self, method):
        """Return whether a method learns against a discriminator."""
        recorded = getattr(self.method_class(method), "recorded", ())
        return "discriminator" in recorded and getattr(self.settings(method), "adversarial", True)

    def processes(self, method):
        """Return how many processes train a method."""
        return getattr(self.settings(method).train, "processes", 1)

    def gpus(self, method, stage):
        """Return the GPUs of a job of a method: none where it has no network or is to use the CPU."""
        if not self.learned(method) or self.method_class(method).learns == "fit":
            return 0
        if getattr(self.settings(method), stage).device == "cpu":
            return 0
        return self.processes(method) if stage == "train" else 1

    @cached_property
    def learners(self):
        """The methods that learn."""
        return [method for method in self.methods if self.learned(method)]

    @cached_property
    def by_planes(self):
        """The methods that restore XZ and YZ planes, further trainings among them."""
        every = self.methods + self.further
        return [m for m in every if getattr(self.method_class(m), "learns", "") == "planes"]

    @property
    def trained(self):
        """Method and level of each training but the further ones."""
        return [(method, level) for method in self.learners for level in self.levels]

    def training_cfg(self, method):
        """What a training job is told of a method beside its task."""
        return {
            "method_name": module_name(method),
            "settings": self.settings(method).for_training(),
            **self.kind.degradation_while_learning(),
            "fov_radius": self.kind.fov_radius,
        }

    def prediction_cfg(self, method, level):
        """What a job that restores a volume is told."""
        return {
            "method_name": module_name(self.shown_by(method)),
            "settings": self.settings(method).for_prediction(),
            **self.kind.task(level),
            **self.kind.prediction_cfg(),
        }

    # volumes --------------------------------------------------------------------------------

    def imported(self, sample):
        """Return the volume of a sample before anything is made worse: simulated, aligned or as it came."""
        if self.samples[sample].seed is not None:
            return paths.volume(f"simulate/{sample}/high")
        if self.alignment.stacks:
            return paths.volume(f"align/{sample}/aligned")
        return paths.volume(f"ingest/{sample}")

    def truth(self, sample):
        """Return the volume that a sample is judged by."""
        return self.kind.truth(sample)

    def target(self, sample):
        """Return the volume that is learned as high resolution."""
        return self.kind.target(sample)

    def low(self, sample, level):
        """Return the volume of low resolution."""
        return self.imported(sample) if sample in self.restore else self.kind.low(sample, level)

    def learned_low(self, sample, level):
        """Return the low volume to learn from; images that get worse anew each time have none."""
        worse = self.kind.degradation_while_learning()
        return self.target(sample) if worse else self.low(sample, level)

    def learns_from(self, method, level):
        """Return the samples that a method learns from; one of planes alone, from coarse ones too."""
        return self.kind.teaching(level) or (
            list(self.restore) if method in self.by_planes and not self.train else []
        )

    def prediction_inputs(self, method, sample, level):
        """Return the volume to restore and, of a method that learns, its model."""
        files = {"low": self.low(sample, level)}
        if self.learned(method):
            files["model"] = paths.model(method, level, "model.safetensors")
            files["card"] = paths.model(method, level)
        return files

    def seed_of(self, sample, *parts, study_seed=None):
        """Return a seed that differs by sample and by what it is for, and by nothing else."""
        first = self.study.seed if study_seed is None else study_seed
        return zlib.crc32("/".join([str(first), sample, *map(str, parts)]).encode())

    # images ---------------------------------------------------------------------------------

    split_image = staticmethod(paths.split_image)

    @cached_property
    def shown(self):
        """The samples with images: judged ones, those that were learned from if asked, those to restore."""
        taught = self.train if self.study.judge_training else []
        return [*self.test, *taught, *self.restore] if self.methods else []

    def images(self, sample, methods=None):
        """Return all images of a sample, the truth aside; or those of some methods."""
        row = self.samples[sample]
        if methods is None:
            judged = self.study.judge_training if row.role == "train" else self.methods
            methods = ["input", *judged]
        own = self.restore.get(sample) or row.level
        levels = self.levels if own is None else [f"{own}"]
        return [paths.image(level, method) for level in levels for method in methods]

    def all_images(self, sample):
        """Return a sample's images, its truth before them where it has one."""
        return [*([] if sample in self.restore else ["truth"]), *self.images(sample)]

    @property
    def page_images(self):
        """Each sample that is shown with each of its images, the truth among them."""
        return [(sample, image) for sample in self.shown for image in self.all_images(sample)]

    def image(self, sample, image):
        """Return the volume of an image: truth, level3/input, level3/deepnet, ..."""
        if image == "truth":
            return self.truth(sample)
        level, method = paths.split_image(image)
        if method == "input" and self.kind.one_grid:
            return self.low(sample, level)
        return paths.volume(f"predict/{sample}/level{level}/{method}")

    def planes_of(self, sample):
        """Return a sample's images that are restored plane by plane, in two directions."""
        return [i for i in self.images(sample) if paths.split_image(i)[1] in self.by_planes]

    def disagreement(self, sample, image):
        """Return how far the two kinds of planes of an image differ."""
        level, method = paths.split_image(image)
        return paths.volume(f"predict/{sample}/level{level}/disagreement/{method}")

    def smoothed(self, image):
        """Return whether an image's method asks for non-local means before the threshold."""
        method = paths.split_image(image)[1]
        return bool(self.study.settings_of(method).get("nlm_before_threshold", False))

    def image_to_segment(self, sample, image):
        """Return an image or, where its method wants that, what non-local means have made of it."""
        if self.smoothed(image):
            return paths.volume(f"segment/{sample}/smoothed/{image}")
        return self.image(sample, image)

    def image_volumes(self, sample, image):
        """Return an image and all volumes that are made of it."""
        files = [self.image(sample, image)]
        if image in self.planes_of(sample):
            files += [self.disagreement(sample, image)]
        if sample in self.restore:
            return files
        if self.study.segment:
            segmented = paths.volume(f"segment/{sample}/{image}")
            files += [self.image_to_segment(sample, image), segmented]
        if image != "truth" and self.kind.pixelwise:
            files += [paths.volume(f"measure/{sample}/{image}/ms_ssim")]
        return files

    # measures -------------------------------------------------------------------------------

    @property
    def objects(self):
        """``dark`` or ``bright``: what is looked for; pores, where nothing is."""
        return self.study.segment.objects if self.study.segment else "dark"

    @cached_property
    def measured(self):
        """Sample and image of all that is measured, alignments and registrations among them."""
        found = [key for key in self.page_images if key[0] not in self.restore]
        return found + self.kind.registered() + self.alignment.measured()

    @cached_property
    def compared(self):
        """Sample and image of what tells how far trainings swing; nothing without further ones."""
        methods = ["input", *self.learners, *self.further] if self.further else []
        return [(sample, i) for sample in self.test for i in self.images(sample, methods)]

    def measures_of(self, sample, image):
        """Return the measures of an image, in the order of ``metrics.tsv``."""
        key = sample, image
        if key not in self._measured:
            every = self.measures.values()
            self._measured[key] = [m for m in every if m.applies(self, sample, image)]
        return self._measured[key]

    def measure_inputs(self, name, sample, image):
        """Return the volumes that a measure reads, by what they are; those that there are."""
        places = {
            "image": lambda: [self.image(sample, image)],
            "truth": lambda: [] if sample in self.restore else [self.truth(sample)],
            "low": lambda: [self.low(sample, paths.split_image(image)[0])],
            "repeat": lambda: [self.image(self.samples[sample].repeat_of, image)],
            "labels": lambda: [paths.volume(f"segment/{sample}/{image}")],
            "valid": lambda: self.kind.masks(sample)[:1],
        }
        found = {need: places[need]() for need in self.measures[name].needs}
        return {need: files[0] for need, files in found.items() if files}

    @cached_property
    def columns(self):
        """A digest of what pages show of the study's measures: a changed title writes them anew."""
        found = {m.name: m for key in self.page_images for m in self.measures_of(*key)}
        said = repr([m.metrics for m in sorted(found.values(), key=lambda m: m.column_order)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def tables(self, sample, image):
        """Return the tables of one image that are gathered for the study, by name."""
        if image == "stack":
            return {"tables": self.alignment.tables(sample)}
        if image == "pair":
            return {"tables": [f"measure/{sample}/pair.tsv"]}
        found = {"tables": []}
        for measure in self.measures_of(sample, image):
            for key, name in measure.gathered(self, sample, image):
                found.setdefault(key, []).append(paths.table(sample, image, name))
        return found

    def gathered(self, name, images=None):
        """Return the files of a name of all that is measured, or of some images."""
        images = self.measured if images is None else images
        return [table for key in images for table in self.tables(*key).get(name, [])]

    def table_counts(self, images, names):
        """Return what images are, and how many files of each of these names they have."""
        found = []
        for sample, image in images:
            level, method = paths.split_image(image)
            tables = self.tables(sample, image).items()
            counts = {name: len(files) for name, files in tables if name in names}
            found.append({"sample": sample, "level": level, "method": method, "counts": counts})
        return found

    def true_labels(self, sample):
        """Return the objects that are there: exact ones, or the truth's own segmentation."""
        return self.kind.true_labels(sample)

    def size_reference(self):
        """Return the volume whose voxels size classes are multiples of; none where they are stated."""
        measure = self.study.measure
        stated = (measure.size_classes and measure.size_bin) or self.kind.states_sizes
        return [] if stated or not self.shown else [self.truth(self.shown[0])]

    # what was learned from ------------------------------------------------------------------

    def brought(self, role):
        """Return the samples of a role that were not simulated."""
        rows = self.samples.values()
        return [row.sample for row in rows if row.role == role and row.path is not None]

    @cached_property
    def compares_voxels(self):
        """Whether what models learn from may be what they are judged on: both came in files."""
        return bool(self.brought("train") and self.brought("test") and self.learners)

    def learned_from(self, sample):
        """Return a sample without truth as it was imported, and behind it those that models learn from."""
        own = list(self.restore) if self.by_planes and not self.train else []
        taught = (self.brought("train") if self.learners else []) + own
        several = sample in self.restore and taught
        return [paths.volume(f"ingest/{s}") for s in [sample, *taught]] if several else []

    # pages ----------------------------------------------------------------------------------

    def page_keys(self, sample):
        """Return level and method of a sample's images."""
        return [list(paths.split_image(image)) for image in self.all_images(sample)]

    def page_files(self, sample):
        """Return volumes, maps, labels and fates of a sample's images, each in the order of `page_keys`."""
        judged = sample not in self.restore
        counted = self.all_images(sample) if self.study.segment and judged else []
        segmented = {image: paths.volume(f"segment/{sample}/{image}") for image in counted}
        if counted:
            segmented["truth"] = self.true_labels(sample)
        return {
            "volumes": [self.image(sample, image) for image in self.all_images(sample)],
            "labels": list(segmented.values()),
            "maps": [
                paths.volume(f"measure/{sample}/{image}/ms_ssim")
                for image in self.images(sample)
                if judged and self.kind.pixelwise
            ],
            "statuses": [paths.table(sample, image, "status") for image in counted],
        }

    def curves(self, sample, name):
        """Return the curves of a kind of a sample's images, in the order of `page_keys`; none if not measured."""
        return [
            paths.table(sample, image, name)
            for image in self.all_images(sample)
            for measure in self.measures_of(sample, image)
            if name in measure.written()
        ]

    def curves_of(self, sample, image):
        """Return the last table of each measure of an image."""
        names = [measure.written()[-1] for measure in self.measures_of(sample, image)]
        return [paths.table(sample, image, name) for name in names]

    def further_pages(self):
        """Return the samples that have a further page, by its kind."""
        found = {"stack": self.alignment.stacks, "axial": [], "sem": []}
        if self.kind.page:
            found[self.kind.page] = self.shown
        return found

    # all ------------------------------------------------------------------------------------

    def intermediate_files(self):
        """Return every volume, and a file of every other job, between the inputs and the pages.

        Snakemake asks for no file in between while later ones are there. A job that fails loses its
        own, and a store that is made anew or found damaged is gone before others are: asked for by
        name, they are made again, and so is what was made of the earlier ones.
        """
        shown = [(s, paths.split_image(i)[0]) for s in self.shown for i in self.images(s)]
        taught = [(s, level) for m, level in self.trained for s in self.learns_from(m, level)]
        samples = [s for s, _ in [*shown, *taught, *self.measured]] + self.alignment.stacks
        return list(
            dict.fromkeys(
                [file for sample in samples for file in self.acquired_files(sample)]
                + [file for pair in [*shown, *taught] for file in self.kind.scans(*pair)]
                + [self.low(*pair) for pair in shown]
                + [self.learned_low(*pair) for pair in taught]
                + [self.target(sample) for sample, _ in taught]
                + [file for key in self.page_images for file in self.image_volumes(*key)]
                + [paths.model(*training) for training in self.trained]
                + ["unseen.tsv"] * self.compares_voxels
                + self.gathered("tables")
                + [f for s in self.restore for i in self.images(s) for f in self.curves_of(s, i)]
            )
        )

    def acquired_files(self, sample):
        """Return what is there of a sample before anything is degraded, restored or measured."""
        return self.kind.acquired_files(sample) + self.alignment.files(sample)
