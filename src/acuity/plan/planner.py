"""What each job of a study needs, from the study alone: shapes, methods, settings.

A job is a rule and its wildcards. Shapes of simulated samples stand in the study; those of
imported ones are read from the header of their file. What a job then holds, computes and writes
is counted here from what its code does; `acuity.plan.constants` turns that into MiB and seconds.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError
from acuity.formats.files import split_name
from acuity.formats.headers import read_header
from acuity.keys import split_image
from acuity.measure.slices import slices_at_a_time
from acuity.methods.base import Method, Task, load
from acuity.plan.constants import MIB, Cost, Quantity, cost
from acuity.plan.networks import Network, judge, network, prepare
from acuity.predict.chain import link_task, models_of
from acuity.predict.models import read_travelled
from acuity.reconstruct.memory_limits import SUMS, VIEWS
from acuity.region import parse_region
from acuity.segment.blocks import Blocks
from acuity.study.paths import PAGES
from acuity.study.project import Project
from acuity.study.sample import LOW, MIDDLE, split_scan
from acuity.study.study import Study
from acuity.units import parse_voxel_size
from acuity.volume import Grid, choose_layout

# Shape (z, y, x) and bytes a voxel.
Sized = tuple[tuple[int, ...], int]
# Where the header of a file cannot be read: a volume of the size that people have.
UNREADABLE = ((512, 1024, 1024), 1)
FLOAT = 4
PASSED = 2**17  # pixels of planes that pass a network together: acuity.engine.planes.PIXELS
TRIALS = 16  # forward passes of a tile by which the execution of a trained network is chosen
PLACED = 270  # atoms whose use costs what it costs to code a patch and to place it
PIXELS_A_TABLE = 200  # pixels whose gaps take as long to resample as a table takes to collect
BLOCK = 32  # slices of a method's input that are restored together, about
LEAST_MEMORY, LEAST_RUNTIME = 500, 10  # MB, minutes; a job script needs some by itself


class Planner:
    """Costs of the jobs of a study.

    Parameters
    ----------
    project : acuity.study.project.Project
        The study with its samples.
    """

    def __init__(self, project: Project) -> None:
        self.project, self.study, self.samples = project, project.study, project.samples
        self._sources, self._costs, self._methods, self._prepared = {}, {}, {}, False
        # What could not be read, and what was taken for it: sentences.
        self.unread = []

    def cost(self, rule: str, wildcards: Mapping[str, str] | None = None) -> Cost:
        """Give the cost of a job.

        Parameters
        ----------
        rule : str
            Name of its rule.
        wildcards : mapping of str to str, optional
            Its wildcards.

        Returns
        -------
        acuity.plan.constants.Cost
        """
        key = (rule, *sorted((wildcards or {}).items()))
        if key not in self._costs:
            self._costs[key] = cost(self.quantity(rule, dict(wildcards or {})))
        return self._costs[key]

    def request(
        self, rule: str, wildcards: Mapping[str, str] | None = None, threads: int = 1, gpus: int = 0
    ) -> tuple[int, int]:
        """Give what to ask a cluster for: more than the estimate, and never very little.

        Parameters
        ----------
        rule, wildcards
            As for `cost`.
        threads : int
            Threads that the work is shared by.
        gpus : int
            GPUs of the job.

        Returns
        -------
        memory : int
            MB, a quarter above the estimate.
        runtime : int
            Minutes, three times the estimate: nodes differ.
        """
        found = self.cost(rule, wildcards)
        work = found.gpu if gpus and found.gpu else (found.cpu - found.start) / max(1, threads)
        if rule.endswith("_slab"):
            work *= self._largest_slab(rule, dict(wildcards or {}))
        memory = max(LEAST_MEMORY, 1.25 * found.memory * MIB / 1e6)
        runtime = max(LEAST_RUNTIME, 3 * (found.start + work) / 60)
        return math.ceil(memory / 100) * 100, math.ceil(runtime)

    def quantity(self, rule: str, wildcards: Mapping[str, str]) -> Quantity:
        """Give what a job holds, computes and writes; see `Planner.cost`.

        Returns
        -------
        acuity.plan.constants.Quantity
        """
        whole, *part = re.split("_(init|slab)$", rule)
        if whole in _COUNTS:
            found = _COUNTS[whole](self, whole, wildcards)
        elif measure := self.project.measures.get(whole):
            shape = self._image_shape(wildcards)
            found = Quantity(rule, measure.held(shape), prod(shape))
        else:
            return Quantity(rule, work=1.0)
        if self.study.slabs == 1 or whole not in SLABBED:
            return found
        if not part:  # joins: reads what the slabs have written
            if whole == "segment":  # and writes the labels
                return Quantity("join:segment", work=2 * found.written, written=found.written)
            return Quantity("join", work=found.written)
        share = self.study.slabs if part[0] == "slab" else math.inf
        return replace(found, work=found.work / share, written=found.written / share)

    # shapes ------------------------------------------------------------------------------------

    def source(self, sample: str, key: str = "path") -> Sized:
        """Shape (z, y, x) and bytes a voxel of a sample's file, from its header.

        A plan must not fail on a file that cannot be read: the job that reads it says what is
        wrong.
        """
        row = self.samples[sample]
        path, region = getattr(row, key), row.region if key == "path" else None
        if (path, region) not in self._sources:
            try:
                self._sources[path, region] = read_header(path, region)
            except Exception as error:
                shape, item = self._sources[path, region] = UNREADABLE
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
                self.unread.append(
                    f"sample {sample}, {key}: the header could not be read; planned as "
                    f"{' x '.join(map(str, shape))} voxels of {item} byte ({why})"
                )
        return self._sources[path, region]

    def high(self, sample: str, level: str | float | None = None, *, whole: bool = False) -> Sized:
        """Shape (z, y, x) of a sample's volumes on the target's grid, and bytes a voxel.

        Of a sample without truth, at a level, it is that of what is restored; `whole`: of all of it.
        """
        study, row = self.study, self.samples[sample]
        if row.seed is None:
            shape, item = self.source(sample)
        elif study.foam is not None:
            shape, item = (study.foam.size,) * 3, FLOAT
        elif study.xrm is not None:
            factor = study.xrm.magnifications.ratio
            return tuple(n * factor for n in self._coarse(sample, level, whole)), FLOAT
        else:
            return (1, *study.specimen.shape), 1
        if level is None:
            return shape, item
        scale = study.scale(float(level))
        if row.role == "restore":
            shape = shape if whole else self._restored_part(sample, shape)
            return tuple(n * f for n, f in zip(shape, scale, strict=True)), item
        if study.pair is not None:  # of images and of volumes
            low = self.source(sample, "low_path")[0]
            fine = (n * f for n, f in zip(low, scale, strict=True))
            return tuple(min(pair) for pair in zip(shape, fine, strict=True)), item
        return tuple(max(1, n // f) * f for n, f in zip(shape, scale, strict=True)), item

    def _coarse(self, sample, level, whole):
        """Coarse voxels (z, y, x) of a simulated scan that are restored."""
        xrm, row = self.study.xrm, self.samples[sample]
        if row.role != "restore":
            own = xrm.field(pair=row.role == "train")
            return tuple(
                min(xrm.coarse_side, n + 2 * r) for n, r in zip(own, self.reach, strict=True)
            )
        shape = (xrm.coarse_side,) * 3
        return shape if level is None or whole else self._restored_part(sample, shape)

    def _restored_part(self, sample, shape):
        """Shape of what is restored of a coarse volume; all of it where the job will refuse that."""
        if self.study.restore.part is None:
            return shape
        try:
            box = parse_region(self.study.restore.part, shape, "key 'restore.region'")
        except AcuityError as error:
            told = f"sample {sample}, planned as a whole: {error}".rstrip(".")
            self.unread += [told] if told not in self.unread else []
            return shape
        return tuple(part.stop - part.start for part in box)

    def shown(self, sample: str) -> tuple[int, ...]:
        """Shape (z, y, x) of a sample's images."""
        return self.high(sample, self.project.restore.get(sample))[0]

    def low(self, sample: str, level: str | float) -> Sized:
        """Shape (z, y, x) of a sample's low-resolution volume at a level, and bytes a voxel."""
        shape, item = self.high(sample, level, whole=True)
        scale = self.study.scale(float(level))
        return tuple(max(1, n // f) for n, f in zip(shape, scale, strict=True)), item

    def voxel_size(self, sample: str) -> tuple | None:
        """Sides (z, y, x) of a sample's voxels, an origin and their unit, where the study states them."""
        foam, xrm, row = self.study.foam, self.study.xrm, self.samples[sample]
        if xrm is not None and row.seed is not None:
            return (xrm.magnifications.voxel(xrm.fine),) * 3, (0, 0, 0), "um"
        simulated = foam is not None and row.seed is not None
        stated = foam.voxel_size if simulated else row.voxel_size
        if stated is None:
            return None
        sizes, unit = parse_voxel_size(stated)
        return sizes, (0, 0, 0), unit

    def _level(self, sample):
        row = self.samples[sample]
        if row.level is not None:
            return row.level
        if sample in self.project.restore:
            return float(self.project.restore[sample])
        return self.study.levels[0] if self.study.levels else None

    def _image_shape(self, wildcards):
        """Shape (z, y, x) of a measured image."""
        sample, (level, _) = wildcards["sample"], split_image(wildcards.get("image", "truth"))
        if self.study.xrm is not None and sample not in self.project.restore:
            factor = self.study.xrm.magnifications.ratio
            return tuple((last - first) * factor for first, last in self.study.xrm.box)
        if level is None and self.study.pair is not None:  # the truth
            level = self._level(sample)
        return self.high(sample, level)[0]

    def _largest_slab(self, rule, wildcards):
        """How much more than its share the largest slab is: slabs are of whole blocks, or rows."""
        sample, level = wildcards["sample"], wildcards.get("level")
        shape = self.high(sample, level)[0] if level else self.high(sample)[0]
        block = choose_layout(shape, "float32").shard[0]
        if rule == "segment_slab":
            block = _blocks_of_objects(self, sample).size[0]
        if "method" in wildcards:
            method = self.method(wildcards["method"], level)
            if method.local and not method.slices_per_stack:
                block = max(block, BLOCK * method.scale[0])
        blocks = math.ceil(shape[0] / block)
        return self.study.slabs / min(self.study.slabs, blocks)

    # methods -----------------------------------------------------------------------------------

    def method(self, name: str, level: str | float) -> Method:
        """Build a method for a level; the unrestored input is shown by an interpolation."""
        if (name, level) not in self._methods:
            shown = self.project.shown_by(name)
            task = Task(float(level), self.study.scale(float(level)))
            if isinstance(stated := self.study.settings_of(shown).get("model"), list):
                # The last model of a chain makes the most voxels by far.
                task = link_task(read_travelled(models_of(stated, f"{level}")[-1], whole=False))
            self._methods[name, level] = load(shown)(self.study.settings_of(shown), task)
        return self._methods[name, level]

    def network(self, method: Method) -> Network | None:
        """Give the cost of a method's network; all of the study are counted at once."""
        if not self._prepared:
            prepare(self.method(*training) for training in self.project.trained)
            self._prepared = True
        found = network(method)
        if found is None and method.has_network:
            sentence = (
                f"{method.name()}: its network could not be counted; planned as one that is fitted"
            )
            self.unread += [sentence] if sentence not in self.unread else []
        return found

    @cached_property
    def reach(self) -> tuple[int, ...]:
        """How far (z, y, x) into a low volume the networks of the study see from a voxel, low voxels."""
        found = [0, 0, 0]
        for name, level in self.project.trained:
            method = self.method(name, level)
            if network := self.network(method):
                steps = zip(self.study.scale(float(level)), method.scale, strict=True)
                own = (math.ceil(h * m / s) for h, (s, m) in zip(network.halo, steps, strict=True))
                found = list(map(max, found, own))
        return tuple(found)

    @cached_property
    def images(self) -> int:
        """Number of measured images of the study: what the tables and figures grow with."""
        judged = len(self.study.evaluate_on_train) + 1
        roles = [row.role for row in self.samples.values()]
        restored = len(self.study.methods) + len(self.study.further_trainings)
        counted = len(self.study.methods) + 1 if self.study.segment else 0
        each = {"train": judged, "test": restored + 2, "restore": counted}
        return sum(each[role] for role in roles) * max(1, len(self.study.levels))


def _held_whole(path):
    """Bytes that a reader holds which reads files whole, however small the region; 0 of others.

    Twice the volume: what is packed is there twice while it is unpacked.
    """
    from acuity.formats.read import reader_of

    try:
        reader = reader_of(Path(split_name(path)[0]))
        if reader is None or not reader.whole:
            return 0
        shape, item = read_header(path)
    except Exception:  # as in `Planner.source`
        return 0
    return 2 * prod(shape) * item


def row_bytes(shape: tuple[int, int, int], item: int = FLOAT) -> int:
    """Bytes of a row of shards: what a writer holds."""
    deep = choose_layout(shape, "float32" if item == FLOAT else "uint8").shard[0]
    return min(deep, shape[0]) * shape[1] * shape[2] * item


# What jobs hold, compute and write --------------------------------------------------------------


def _spheres(plan, rule, w):
    return Quantity(rule, work=plan.study.foam.size**3, written=2e5)


def _exact_truth(plan, rule, w):
    shape, _ = plan.high(w["sample"])
    return Quantity(rule, 4 * row_bytes(shape), prod(shape), 2 * FLOAT * prod(shape))


def _scan(plan):
    """Views of a foam's scan, pixels of a view."""
    from acuity.geometry import ConeBeam

    foam = plan.study.foam
    geometry = ConeBeam.standard(foam.size, foam.cylinder_radius)
    return foam.size, geometry.rows * geometry.columns


def _projections(plan, rule, w):
    views, pixels = _scan(plan)
    side, margin = math.sqrt(pixels), 8 * float(w["level"])
    held = 32 * 24 * (side + margin) ** 2
    item = 2 if plan.study.foam.photons + 10 * math.sqrt(plan.study.foam.photons) < 65536 else 4
    return Quantity(rule, held, views * (side + margin) ** 2, views * pixels * item)


def _reconstruct(plan, rule, w):
    views, pixels = _scan(plan)
    if rule == "reconstruct_truth":
        views *= plan.study.foam.truth_views
    voxels = plan.study.foam.size**3
    held = 2 * min(SUMS, FLOAT * voxels) + min(VIEWS, 6 * FLOAT * views * pixels)
    return Quantity(rule, held, views * voxels, FLOAT * voxels)


def _specimen_bodies(plan, rule, w):
    return Quantity(rule, 3e8, plan.study.xrm.coarse_side**3, 2e7)


def _rays(plan, which):
    """Views of a scan of a specimen, pixels of a view, rays, and the voxels that are made of it."""
    xrm = plan.study.xrm
    scans = xrm.magnifications
    side = xrm.fine_side if which == "fine" else xrm.coarse_side
    views = scans.views(xrm.fine if which == "fine" else xrm.coarse)
    if which == "truth":
        side *= scans.ratio
        views = round(math.pi / 2 * side)
    # More rows than columns, so that each voxel is seen in every view.
    pixels = round(1.25 * side * side)
    return views, pixels, pixels * xrm.rays**2, side**3


def _scan_specimen(plan, rule, w):
    views, pixels, rays, _ = _rays(plan, w["exposure"])
    return Quantity(rule, 2**26 + 64 * rays, views * rays, 4 * views * pixels)


def _dose(plan, rule, w):
    views, pixels, rays, _ = _rays(plan, "coarse")
    return Quantity(rule, 24 * views * pixels, views * rays, 1e4, like="scan_specimen")


def _reconstruct_scan(plan, rule, w):
    views, pixels, _, voxels = _rays(plan, w["exposure"])
    held = 2 * min(SUMS, FLOAT * voxels) + min(VIEWS, 6 * FLOAT * views * pixels)
    return Quantity(rule, held, views * voxels, FLOAT * voxels, like="reconstruct")


def _reconstruct_noise_free(plan, rule, w):
    views, pixels, rays, voxels = _rays(plan, "truth")
    first, last = plan.study.xrm.truth_slices(pair=w["sample"] in plan.project.kind.pairs)
    voxels = voxels * (last - first) // plan.study.xrm.coarse_side
    held = 2 * min(SUMS, FLOAT * voxels) + min(VIEWS, 6 * FLOAT * views * pixels) + 64 * rays
    return Quantity(rule, held, views * voxels, FLOAT * voxels, like="reconstruct_truth")


def _judged_region(plan, rule, w):
    shape = plan.high(w["sample"])[0]
    return Quantity(rule, 2 * row_bytes(shape), prod(shape), FLOAT * prod(shape), like="ingest")


def _specimen(plan, rule, w):
    pixels = prod(plan.high(w["sample"])[0])
    return Quantity(rule, 200 * pixels, pixels, 2 * pixels)


def _ingest(plan, rule, w):
    prefix, name = split_scan(w["scan"])
    key = {"": "path", LOW: "low_path", MIDDLE: "middle_path"}[prefix]
    shape, item = plan.source(name, key)
    held = 2 * row_bytes(shape, item) + _held_whole(getattr(plan.samples[name], key))
    return Quantity(rule, held, prod(shape) * item, prod(shape) * item)


def _describe(plan, rule, w):
    # Reads the volume once, as an import does, and writes next to nothing.
    shape, item = plan.low(w["sample"], w["level"])
    return Quantity(rule, 2 * row_bytes(shape, item), prod(shape) * item, 1e3, like="ingest")


def _slices(plan, rule, w):
    """What streams the slices of a stack, and writes two like it; or compares them and writes none."""
    shape, item = plan.source(w["sample"])
    neighbours, copies = (plan.study.align.neighbours, 0) if rule == "align" else (0, 2)
    held = 2 * row_bytes(shape, item) + 8 * (neighbours + 2) * shape[1] * shape[2]
    return Quantity(rule, held, prod(shape) * (neighbours or 1), copies * prod(shape) * item)


def _pair(plan, rule, w):
    if plan.study.xrm is not None or plan.study.paired_volumes:
        side = plan.study.xrm.fine_side if plan.study.xrm is not None else None
        voxels = side**3 if side else prod(plan.source(w["sample"])[0])
        return Quantity(f"{rule}:volumes", 20 * voxels, voxels, 5 * voxels)
    sample, level = w["sample"], plan._level(w["sample"])
    pixels = prod(plan.high(sample, level)[0])
    common = low = pixels / prod(plan.study.scale(float(level)))
    if plan.samples[sample].seed is None:
        low = prod(plan.source(sample, "low_path")[0])
    # The place is sought in all of the low image; what both show is registered, at five times the cost.
    return Quantity(rule, 100 * pixels, low / 5 + common, 10 * pixels)


def _judged(plan, rule, w):
    """What of a pair of volumes is cut out, slab by slab."""
    shape = plan.high(w["sample"], plan._level(w["sample"]))[0]
    return Quantity(rule, 8 * row_bytes(shape), prod(shape), FLOAT * prod(shape))


def _degrade(plan, rule, w):
    shape, item = plan.high(w["sample"])
    low, _ = plan.low(w["sample"], w["level"])
    reach = 1.0
    held = 4 * row_bytes(shape)
    if rule == "degrade":
        reach = 8 * float(w["level"]) + 1
        held += 2 * FLOAT * math.ceil(reach) * _column(shape)
        item = FLOAT
    return Quantity(rule, held, prod(shape) * 3 * reach, prod(low) * item)


def _column(shape, scale=(1, 1, 1)):
    """Voxels of a plane that are streamed along z together: those of a column of shards."""
    return prod(map(min, _sides(shape, scale), shape[1:]))


def _sides(shape, scale):
    """Sides (y, x) of a column: whole shards, and whole voxels of an input coarser by `scale`."""
    shard = choose_layout(shape, "float32").shard
    return [math.lcm(s, f) for s, f in zip(shard[1:], scale[1:], strict=True)]


def _predict(plan, rule, w):
    method = plan.method(w["method"], w["level"])
    shape, item = plan.high(w["sample"], w["level"])
    asked = plan.study.restore.dtype if w["sample"] in plan.project.restore else None
    item = np.dtype(asked).itemsize if asked else item if plan.study.flat else FLOAT
    # Of planes also how far they differ.
    written = prod(shape) * (item + FLOAT * method.by_planes)
    return replace(_restored(plan, rule, w, method, shape, written), uncompressed=written)


def _restored(plan, rule, w, method, shape, written):
    """What a restoration holds and computes, of a shape (z, y, x)."""
    name, voxels = method.name(), prod(shape)
    settings = getattr(method.settings, "predict", None)
    if name == "richardson_lucy":
        from acuity.engine.schedule import TileSchedule

        cut, layout = TileSchedule(method, shape), choose_layout(shape, "float32")
        core = [cut.depth, *map(min, layout.shard[1:] if cut.columns else shape[1:], shape[1:])]
        block = [min(n, c + 2 * h) for n, c, h in zip(shape, core, method.halo, strict=True)]
        again = prod(block) / prod(core)
        steps = method.settings.iterations * 6 * (8 * method.sigma + 1)
        return Quantity(f"{rule}:{name}", 5 * FLOAT * prod(block), again * voxels * steps, written)
    if name == "sparse_coding":
        atoms, side = method.settings.atoms, method.settings.patch
        coarse = prod(shape) / prod(method.scale) / prod(method.settings.step)
        held = FLOAT * 4096 * (atoms + side**3) + 4 * FLOAT * 32 * _column(shape)
        return Quantity(f"{rule}:{name}", held, coarse * (atoms + PLACED) * side**3, written)
    if name == "linear_patch":
        fine = (t * f for t, f in zip(settings.tile[1:], method.scale[1:], strict=True))
        tile = prod(map(min, shape[1:], fine)) * method.scale[0]  # what a slice of a tile becomes
        held = FLOAT * (4 * 32 * method.scale[0] * _column(shape, method.scale) + 2 * tile)
        return Quantity(f"{rule}:{name}", held, voxels * prod(method.settings.patch), written)
    own = tuple(n // f for n, f in zip(shape, method.scale, strict=True))
    found = plan.network(method)
    if found is None:
        held = 4 * FLOAT * 32 * _column(shape)
        return Quantity(f"{rule}:{name}", held, voxels, written, like=f"{rule}:interpolation")
    tile = [*map(min, settings.tile, own)]
    axes = (1, 2) if method.slices_per_stack else (0, 1, 2)
    there, _ = plan.high(w["sample"], w["level"], whole=True)
    again = math.prod(
        _repeated(found, tile, own, shape, method.scale, axis, there[axis]) for axis in axes
    )
    ways, passed = 1, prod(tile[axis] for axis in axes)
    if method.by_planes:  # some planes at a time, in both directions
        ways, block = 2, prod(tile)
        passed = min(block, max(PASSED, tile[0] * max(tile[1:])))
        held = FLOAT * (found.widest * passed + 6 * max(method.scale) * block)
    else:
        held = FLOAT * (found.widest * passed + 3 * 16 * _column(shape, method.scale))
    work = ways * again * prod(own) * found.multiply_adds
    kind, like = f"{rule}:{name}", "predict:network"
    return Quantity(kind, held, work, written, gpu=settings.device != "cpu", like=like)


def _repeated(network, tile, own, shape, scale, axis, there):
    """What tiles compute again of their neighbours along an axis, as a factor.

    `there` are the voxels of the whole along it, on the target's grid: a region has a halo, too.
    """
    from acuity.engine.tiles import core_length

    halo, most = math.ceil(network.halo[axis]), tile[axis]
    side = 32 if axis == 0 else _sides(shape, scale)[axis - 1] // scale[axis]
    try:
        core = core_length(own[axis], side, most, halo, 1)
    except AcuityError:  # a tile that is too small: the job says so
        core = max(1, most - 2 * halo)
    if core >= own[axis]:
        return min(there // scale[axis], own[axis] + 2 * halo) / own[axis]
    return (core + 2 * halo) / core


def _train(plan, rule, w):
    from acuity.engine.tiles import fitting_patch

    method = plan.method(w["method"], w["level"])
    kind = f"{rule}:{method.name()}"
    volumes, shapes = 0, []
    for sample in plan.project.learns_from(w["method"], f"{float(w['level']):g}"):
        fine = prod(plan.high(sample, w["level"], whole=True)[0])
        shapes.append(plan.low(sample, w["level"])[0])
        volumes += fine + prod(shapes[-1])
    found = plan.network(method)
    if found is None:
        return Quantity(kind, 2 * FLOAT * volumes, _fit_work(method, volumes), 1e6)
    settings = method.settings.train
    patch = settings.patch
    if shapes and not method.by_planes:
        plane = [min(shape[axis] for shape in shapes) for axis in (1, 2)]
        patch = fitting_patch(patch, plane, method.symmetries)
    patch = patch[1:] if method.slices_per_stack else patch
    voxels = settings.batch * prod(patch)
    if method.by_planes:
        voxels /= max(method.scale)
    once = voxels * found.multiply_adds
    held, work = voxels * found.activations, 3 * settings.steps * once
    judging = judge(method)
    if judging:
        fine = settings.batch * prod(patch)
        held += fine * judging.activations
        work += _adversarial(method.settings, once, fine * judging.multiply_adds)
    # A validation runs the network for its errors and again for its loss; one more judges the end.
    validations = settings.steps // settings.validate_every + 1
    if settings.validation_fraction:
        work += 2 * validations * settings.validation_patches / settings.batch * once
    work += _tried(plan, method, w) * found.multiply_adds
    held = FLOAT * (volumes + held)
    return Quantity(kind, held, work, 1e6, gpu=settings.device != "cpu", like=f"{rule}:network")


def _adversarial(settings, once, judged):
    """Multiply-adds of a discriminator: its own updates, and those of the generator that ask it.

    `once` and `judged` are those of a batch that passes the generator and the discriminator.
    """
    steps = max(0, settings.train.steps - settings.pretrain)
    updates = math.ceil(steps / settings.every) + getattr(settings, "prepare", 0)
    # An update passes a restored batch, made for it, and a true one.
    return updates * (once + 6 * judged) + 3 * steps * judged


def _tried(plan, method, w):
    """Voxels of its input that a trained network restores while its execution is chosen."""
    sample = plan.project.learns_from(w["method"], f"{float(w['level']):g}")[:1]
    if not sample:
        return 0
    if method.by_planes:
        return TRIALS * 4 * 256**2 / max(method.scale)
    shape = plan.high(sample[0], w["level"], whole=True)[0]
    most = [256 // max(method.scale)] * 3
    own = (n // f for n, f in zip(shape, method.scale, strict=True))
    tile = [*map(min, own, method.settings.predict.tile, most)]
    return TRIALS * prod(tile[1:] if method.slices_per_stack else tile)


def _fit_work(method, volumes):
    """Steps of a method that is fitted at once."""
    s = method.settings
    if method.name() == "sparse_coding":
        side = s.patch**3 if s.skip == "none" else s.patch**3 / max(method.scale)
        return s.train.patches * s.train.passes * s.atoms * (side + s.atoms)
    if method.name() == "linear_patch":  # products of what is known of a low voxel, itself and fine
        taps, fine = prod(s.patch), prod(method.scale)
        return volumes / (1 + fine) * taps * (taps + fine)
    return volumes


def _blocks_of_objects(plan, sample):
    """How a segmentation cuts the volumes of a sample into blocks."""
    settings, size = plan.study.segment, plan.voxel_size(sample)
    return Blocks(
        Grid(plan.shown(sample), *(size or [(1, 1, 1)])),
        separation=settings.separation,
        closing=settings.closing,
        # A length means nothing where only the file's header knows the voxel size.
        largest_radius=settings.largest_radius if size else None,
        block=settings.block,
    )


def _smooth(plan, rule, w):
    voxels = prod(plan._image_shape(w))
    shape = plan.shown(w["sample"])
    deep = choose_layout(shape, "float32").shard[0] + 2 * 4  # whole slices, with their halo
    held = min(voxels, deep * shape[1] * shape[2])
    return Quantity("segment:nlm", 24 * held, voxels, FLOAT * voxels)


def _segment(plan, rule, w):
    voxels = prod(plan._image_shape(w))
    if not plan.study.segment:
        return Quantity(rule, work=voxels)
    blocks = _blocks_of_objects(plan, w["sample"])
    seen = (
        min(n, size + 2 * (overlap + 2 * int(blocks.closing)))
        for n, size, overlap in zip(blocks.grid.shape, blocks.size, blocks.overlap, strict=True)
    )
    return Quantity(rule, 24 * prod(seen), voxels, FLOAT * voxels)


def _quality(plan, rule, w):
    voxels = prod(plan._image_shape(w))
    slices = 64 + 2 * 80  # with the halo of the coarsest scale
    held = min(voxels, slices * _column(plan.shown(w["sample"])))
    return Quantity(rule, 40 * held, voxels, FLOAT * voxels)


def _count_objects(plan, rule, w):
    voxels = prod(plan._image_shape(w))
    shape = plan.shown(w["sample"])
    held = min(voxels, (slices_at_a_time(shape) + 9) * shape[1] * shape[2])
    return Quantity(rule, 24 * held, voxels)


def _tables(plan, rule, w):
    return Quantity(rule, 1e5 * plan.images, plan.images, 2e4 * plan.images)


def _collected(plan, rule, w):
    """Tables, and where gaps were measured their resamples, which grow with what has gaps."""
    tables = _tables(plan, rule, w)
    if plan.study.measure.gaps is None:
        return tables
    images = len(plan.study.methods) + len(plan.study.further_trainings) + 1
    images *= max(1, len(plan.study.levels))
    judged = [name for name, row in plan.samples.items() if row.role == "test"]
    pixels = images * sum(prod(plan.shown(name)) for name in judged)
    return replace(tables, work=tables.work + pixels / PIXELS_A_TABLE)


def _figures(plan, rule, w):
    """Tables, of which figures are drawn: four, and eight more of objects."""
    return replace(_tables(plan, rule, w), work=12 if plan.study.segment else 4)


def _pictures(plan, rule, w):
    shape = plan.shown(w["sample"])
    images = len(plan.study.methods) * max(1, len(plan.study.levels)) + 2
    held = row_bytes(shape) + 16 * images * shape[1] * shape[2]
    # Without truth there is less to draw.
    kind = f"{rule}:restored" if w["sample"] in plan.project.restore else rule
    return Quantity(kind, held, images * shape[1] * shape[2], 1e6)


def _objects(plan, rule, w):
    return replace(_count_objects(plan, rule, w), like="count_objects")


def _restored_pictures(plan, rule, w):
    shape = plan.high(w["sample"], plan._level(w["sample"]))[0]
    images, voxels = len(plan.study.methods) + 1, min(prod(shape), 192**3)  # that are transformed
    work = images * (voxels + shape[1] * shape[2])
    held = row_bytes(shape) + 16 * shape[1] * shape[2] + 24 * voxels
    return Quantity(rule, held, work, 1e6, like="sample_figures")


def _restored_report(plan, rule, w):
    return replace(_restored_pictures(plan, rule, w), held=0, like="report_sample")


# Of stages that the study key `slabs` divides: X_init makes a store (count_objects has none), X_slab fills it,
# X joins.
_DIVIDED = {
    "apply_alignment": _slices,
    "count_objects": _count_objects,
    "degrade": _degrade,
    "degrade_axial": _degrade,
    "predict": _predict,
    "predict_planes": _predict,
    "quality": _quality,
    "reconstruct": _reconstruct,
    "reconstruct_truth": _reconstruct,
    "reconstruct_scan": _reconstruct_scan,
    "reconstruct_noise_free": _reconstruct_noise_free,
    "segment": _segment,
    "smooth_for_segmentation": _smooth,
}
SLABBED = frozenset(_DIVIDED)
_COUNTS = _DIVIDED | {
    "spheres": _spheres,
    "exact_truth": _exact_truth,
    "projections": _projections,
    "specimen": _specimen,
    "specimen_bodies": _specimen_bodies,
    "scan_specimen": _scan_specimen,
    "dose": _dose,
    "judged_region": _judged_region,
    "restored_field": _judged_region,
    "ingest": _ingest,
    "describe": _describe,
    "disturb": _slices,
    "align": _slices,
    "pair": _pair,
    "divide_pair": _judged,
    "judge_part": _judged,
    "degrade_images": _degrade,
    "train": _train,
    **dict.fromkeys(("collect_metrics", "trainings"), _collected),
    "figures": _figures,
    **dict.fromkeys(("judge", "report"), _tables),
    **{f"{page}_figures": _pictures for page in PAGES},
    **{f"report_{page}": _pictures for page in PAGES},
    "objects": _objects,
    "restored_figures": _restored_pictures,
    "report_restored": _restored_report,
}
# Volumes that were aligned are looked up by their file all the same: cropping makes them smaller.


def check_device(study: Study, gpus: int) -> None:
    """Refuse a study that demands a GPU where there is none.

    Parameters
    ----------
    study : acuity.study.study.Study
        The study.
    gpus : int
        GPUs of the machine.

    Raises
    ------
    AcuityError
        Naming the key.
    """
    if gpus:
        return
    for name, settings in study.methods.items():
        for part in ("train", "predict"):
            device = (settings.get(part) or {}).get("device", "auto")
            if device == "cuda":
                raise AcuityError(
                    f"methods.{name}.{part}.device is cuda, and the machine has no GPU; allowed "
                    "there are auto and cpu"
                )
