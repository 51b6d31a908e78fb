"""A part of a volume that is restored has the voxels of the whole restored volume, and reads no more."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from acuity.assumptions import survey
from acuity.engine.execution import DEFAULT
from acuity.engine.planes import make_runner
from acuity.engine.receptive import method_reach
from acuity.errors import AcuityError
from acuity.methods.base import Task, load
from acuity.predict import predict as predicting
from acuity.slabs import join
from acuity.volume import Grid, LazyArray, Volume, open_volume, restored_type, write_volume
from acuity.writing import bytes_text, check_space
from tests.runs import predict, restore
from tests.unit.test_predict import NORMALISATION, model_files, noise, random_network

LOW = (22, 26, 30)
# Off every raster, up to an end, and a single voxel.
BOXES = [
    (slice(5, 12), slice(3, 22), slice(7, 18)),
    (slice(9, 22), slice(0, 9), slice(21, 30)),
    (slice(13, 14), slice(11, 12), slice(17, 18)),
]
AXIAL = Task(2.0, (2, 1, 1))
NETWORKS = {
    "stacks": ("deepnet", {"features": 4, "pools": 2, "convolutions": 1, "predict": {"tile": (5, 40, 40)}}, Task(1.0)),
    "stacks apart": ("deepnet", {"features": 4, "pools": 1, "convolutions": 1, "spacing": 2}, Task(5.0)),
    "blended": (
        "deepnet",
        {"features": 4, "pools": 1, "convolutions": 1, "predict": {"tiling": "blended", "tile": (5, 16, 16), "overlap": 4}},
        Task(1.0),
    ),
    "upsampled": ("srcnn3d", {"features": (3, 2), "kernels": (5, 1, 3), "predict": {"tile": (17, 16, 22)}}, Task(1.0, (3, 3, 3))),
    "blended blocks": (
        "srcnn3d",
        {"features": (3, 2), "kernels": (5, 1, 3), "predict": {"tiling": "blended", "tile": (11, 20, 22), "overlap": 4}},
        Task(1.0, (1, 2, 1)),
    ),
    "finer along z": ("fsrcnn3d", {"filters": 4, "shrink": 2, "mappings": 1, "predict": {"tile": (21, 40, 40)}}, AXIAL),
    "raster": ("srunet3d", {"width": 2, "height": 2, "depth": 1, "kernels": (3, 3), "predict": {"tile": (16, 20, 24)}}, AXIAL),
    "planes": ("srgan", {"features": 4, "blocks": 1, "predict": {"tile": (25, 25, 27)}}, AXIAL),
    "images": ("sem_gan", {"features": 2, "pools": 1, "predict": {"tile": (1, 40, 40)}}, Task(2.0, (1, 2, 2))),
}  # fmt: skip


def ready(name, settings, task, **normalisation):
    method = load(name)(settings, task)
    network = random_network(method)
    method.halo, method.stride = method_reach(method, network)
    return method, make_runner(method, network, {**NORMALISATION, **normalisation}, DEFAULT)


def low_volume(folder, shape=LOW, values=None):
    path = folder / "low.ome.zarr"
    grid = Grid(shape, (2.0, 1.0, 1.0), (5.0, 0.0, -3.0), "um")
    values = noise(shape) if values is None else values
    write_volume(path, Volume(values, grid, "attenuation"))
    return open_volume(path)


def fine(box, scale):
    return tuple(slice(s.start * f, s.stop * f) for s, f in zip(box, scale, strict=True))


def part_of(folder, volume, method, run, box, **more):
    restore(volume, folder / "part.ome.zarr", method, run, name="low", box=box, **more)
    return open_volume(folder / "part.ome.zarr")


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_region_has_the_voxels_of_the_whole(tmp_path, kind):
    method, run = ready(*NETWORKS[kind])
    volume = low_volume(tmp_path, (1, *LOW[1:]) if kind == "images" else LOW)
    restore(volume, tmp_path / "whole.ome.zarr", method, run, name="low")
    whole = open_volume(tmp_path / "whole.ome.zarr")
    for box in BOXES:
        box = (slice(0, 1), *box[1:]) if kind == "images" else box
        part = part_of(tmp_path, volume, method, run, box)
        wanted = whole.crop(fine(box, method.task.scale))
        assert part.grid == wanted.grid
        assert part.read().tobytes() == wanted.read().tobytes()
        # The control: a voxel further on it is another.
        aside = [slice(s.start - 1, s.stop - 1) if s.start else s for s in box]
        assert not np.array_equal(part.read(), whole.crop(fine(aside, method.task.scale)).read())


@pytest.mark.parametrize("kind", ["stacks", "upsampled", "raster", "planes"])
def test_slabs_of_a_region_have_the_voxels_of_the_whole(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("acuity.volume.ROW_DEPTH", 2)
    monkeypatch.setattr("acuity.engine.schedule.DEPTH", 4)
    method, run = ready(*NETWORKS[kind])
    volume, box = low_volume(tmp_path), BOXES[0]
    names = ["whole", "apart"] if method.by_planes else ["whole"]
    paths = [tmp_path / f"{name}.ome.zarr" for name in names]
    restore(volume, paths[0], method, run, name="low", disagreement=[*paths, None][1])
    wanted = [open_volume(path).crop(fine(box, method.task.scale)).read() for path in paths]
    for path in paths:
        shutil.rmtree(path)
    for number in range(4):
        more = {"part": (number, 3), "disagreement": [*paths, None][1]}
        restore(volume, paths[0], method, run, name="low", box=box, **more)
    for path, values in zip(paths, wanted, strict=True):
        join(path)
        assert open_volume(path).read().tobytes() == values.tobytes()


@pytest.mark.parametrize("name", ["nearest", "linear", "cubic", "lanczos"])
@pytest.mark.parametrize("phase", [None, (0.0, 2.0, 1.0)])
def test_an_interpolated_region_has_the_voxels_of_the_whole(tmp_path, name, phase):
    low = low_volume(tmp_path).data.store
    options = {"level": 1, "scale": (3, 3, 2), "phase": phase, "fov_radius": 31}
    predict(name, {}, low, tmp_path / "whole.ome.zarr", **options)
    whole = open_volume(tmp_path / "whole.ome.zarr")
    for text, box in (("5:12, 3:22,7:-12", BOXES[0]), ("9:,:9,21:", BOXES[1])):
        predict(name, {}, low, tmp_path / "part.ome.zarr", region=text, **options)
        part, wanted = open_volume(tmp_path / "part.ome.zarr"), whole.crop(fine(box, (3, 3, 2)))
        assert part.grid == wanted.grid
        assert part.read().tobytes() == wanted.read().tobytes()
    assert (part.read() == 0).any()  # beyond the circle about the middle of the whole
    assert part.provenance[-1]["region"] == "9:22,0:9,21:30"
    assert "region" not in whole.provenance[-1]


@pytest.mark.parametrize("name", ["bicubic_gaussian", "bicubic_planes", "bilinear_planes"])
def test_other_classical_methods_too(tmp_path, name):
    scale = (1, 2, 2) if name == "bicubic_gaussian" else (2, 1, 1)
    method = load(name)({}, Task(2.0, scale))
    if method.learned:
        method.use({"sigma": [1.2]})
    volume = low_volume(tmp_path)
    restore(volume, tmp_path / "whole.ome.zarr", method, method.restore, name="low")
    part = part_of(tmp_path, volume, method, method.restore, BOXES[0])
    whole = open_volume(tmp_path / "whole.ome.zarr")
    assert part.read().tobytes() == whole.crop(fine(BOXES[0], scale)).read().tobytes()


@pytest.mark.parametrize("skip", ["none", "cubic"])
def test_patches_of_a_region_are_those_of_the_whole(tmp_path, skip):
    settings = {"patch": 4, "atoms": 12, "nonzero": 2, "step": (1, 3, 2), "skip": skip}
    method = load("sparse_coding")(settings | {"predict": {"tile": (16, 24, 24)}}, AXIAL)
    dictionary = np.random.default_rng(1).normal(size=(12, 4, 4, 4)).astype(np.float32)
    more = {"coarse": dictionary[:, :2]} if skip == "cubic" else {}
    method.use({"dictionary": dictionary, "mean": [0.5], "std": [1.0], **more})
    volume = low_volume(tmp_path)
    restore(volume, tmp_path / "whole.ome.zarr", method, method, name="low")
    whole = open_volume(tmp_path / "whole.ome.zarr")
    for box in BOXES[:2]:
        part = part_of(tmp_path, volume, method, method, box)
        assert part.read().tobytes() == whole.crop(fine(box, AXIAL.scale)).read().tobytes()


def test_statistics_are_those_of_the_whole(tmp_path):
    """Brighter towards the end, so that a region has others of its own."""
    values = noise(LOW) + np.arange(LOW[0], dtype=np.float32)[:, None, None]
    volume = low_volume(tmp_path, values=values)
    name, settings, task = NETWORKS["upsampled"]
    parts = []
    for whole in (True, False):
        method, run = ready(name, settings, task, own=True)
        if whole:
            restore(volume, tmp_path / "whole.ome.zarr", method, run, name="low")
            parts.append(open_volume(tmp_path / "whole.ome.zarr").crop(fine(BOXES[0], task.scale)))
        box = BOXES[0] if whole else tuple(slice(0, s.stop - s.start) for s in BOXES[0])
        seen = volume if whole else volume.crop(BOXES[0])
        parts.append(part_of(tmp_path / str(whole), seen, method, run, box))
    wanted, part, alone = (part.read() for part in parts)
    assert part.tobytes() == wanted.tobytes()
    middle = (slice(9, 12),) * 3
    assert abs(alone[middle] - wanted[middle]).max() > 0.1  # the control: the region by itself


def bright(shape):
    return np.where(noise(shape) > 1, 1, 0).astype(np.float32) + 0.01 * noise(shape, 1)


@pytest.mark.parametrize("block", [{}, {"voxels": 24 * 34 * 36}])
def test_a_region_by_a_method_that_is_not_local_is_close(tmp_path, block):
    """As close as blocks with such a halo are, see docs/methods.md; with a short halo it is not."""
    low = low_volume(tmp_path, (40, 40, 44), bright((40, 40, 44))).data.store
    errors = {}
    for halo in (6, 1):
        settings = {"iterations": 10, "predict": block | {"halo": halo}}
        for label, region in (("whole", None), ("part", "11:25,8:20,13:31")):
            path = tmp_path / f"{label}.ome.zarr"
            predict("richardson_lucy", settings, low, path, level=1, region=region)
        whole, part = (open_volume(tmp_path / f"{n}.ome.zarr").read() for n in ("whole", "part"))
        wanted = whole[11:25, 8:20, 13:31]
        errors[halo] = np.sqrt(((part - wanted) ** 2).mean()) / wanted.std()
    assert errors[6] < 1e-3 < 10 * errors[6] + 1e-3
    assert errors[1] > 10 * errors[6]


def test_a_shifted_zero_is_that_of_the_whole(tmp_path):
    """Values about -3 in one half alone, which the region does not see."""
    values = bright((40, 24, 24))
    values[:20] -= 3
    low = low_volume(tmp_path, values.shape, values).data.store
    settings = {"iterations": 4, "predict": {"halo": 4}}
    parts = []
    for region in (None, "30:40", None):
        path = tmp_path / "out.ome.zarr"
        predict("richardson_lucy", settings, low, path, level=1, region=region)
        made = open_volume(path)
        parts.append(replace(made, data=made.read()))
        if region is not None:  # the control: the region by itself
            write_volume(
                tmp_path / "half.ome.zarr",
                open_volume(low).crop((slice(20, 40), slice(24), slice(24))),
            )
            low = tmp_path / "half.ome.zarr"
    whole, part, alone = parts
    assert part.provenance[-1]["shifted"] == whole.provenance[-1]["shifted"] < -2
    assert "shifted" not in alone.provenance[-1]
    np.testing.assert_allclose(part.read(), whole.read()[30:], atol=0.01)
    assert np.abs(alone.read()[10:] - whole.read()[30:]).max() > 0.1


class Watched(LazyArray):
    """An array that remembers the least box that holds all that was read."""

    def __init__(self, data):
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.ends = None

    def read_box(self, box):
        ends = np.array([(part.start, part.stop) for part in box])
        if self.ends is not None:
            ends[:, 0] = np.minimum(ends[:, 0], self.ends[:, 0])
            ends[:, 1] = np.maximum(ends[:, 1], self.ends[:, 1])
        self.ends = ends
        return self.data[box]


@pytest.mark.parametrize(
    ("kind", "reach", "raster"),
    [("stacks", (4, 16, 16), (1, 4, 4)), ("upsampled", (3, 3, 3), (1, 1, 1))],
)
def test_no_more_is_read_than_a_region_and_its_halo(tmp_path, monkeypatch, kind, reach, raster):
    method, run = ready(*NETWORKS[kind])
    assert (*method.halo[1:], *method.stride) == (*reach[1:], *raster)
    shape = (40, 90, 90)
    data = Watched(noise(shape))
    # What is asked of the values of the whole is not asked here.
    monkeypatch.setattr(predicting, "survey", lambda data, name: survey(data.data, name=name))
    volume = Volume(data, Grid(shape, (1, 1, 1)))
    part_of(tmp_path, volume, method, run, (slice(18, 21), slice(41, 50), slice(44, 52)))
    if kind == "stacks":
        wanted = [(14, 25), (40 - 16, 52 + 16), (44 - 16, 52 + 16)]
    else:  # three fine voxels of halo are one, and the cubic kernel takes two
        wanted = [(15, 24), (38, 53), (41, 55)]
    assert data.ends.tolist() == [list(span) for span in wanted]


# ------------------------------------------------------------------------------------ refused


def unchanged(folder):
    return not (folder / "part.ome.zarr").exists()


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("0:23", "the region asks for 0:23 along z, allowed are spans within 0:22."),
        (":,4:4", "the region asks for 4:4 along y, allowed are spans within 0:26."),
        ("5", "found the region '5', allowed is z0:z1,y0:y1,x0:x1 with open ends."),
    ],
)
def test_a_region_that_is_none_is_refused(tmp_path, region, said):
    low = low_volume(tmp_path).data.store
    with pytest.raises(AcuityError) as error:
        predict(
            "cubic", {}, low, tmp_path / "part.ome.zarr", level=1, scale=(1, 2, 2), region=region
        )
    assert str(error.value) == f"{low}: {said}"
    assert unchanged(tmp_path)


def test_the_type_of_a_restored_volume(tmp_path):
    values = np.random.default_rng(2).integers(0, 256, LOW).astype(np.uint8)
    low, out = low_volume(tmp_path, values=values).data.store, tmp_path / "part.ome.zarr"
    made = {}
    for dtype in (None, "float32", "uint8", "uint16"):
        for keep in (False, True):
            options = {"level": 1, "scale": (1, 2, 2), "dtype": dtype, "keep_type": keep}
            predict("cubic", {}, low, out, **options)
            volume, name = open_volume(out), dtype or ("uint8" if keep else "float32")
            assert volume.dtype == name
            assert volume.provenance[-1].get("type") == (None if name == "float32" else name)
            made[dtype, keep] = volume.read()
    plain = made[None, False]
    assert plain.min() < -1  # cubic overshoots
    assert plain.max() > 256
    for dtype, top in (("uint8", 255), ("uint16", 65535)):
        wanted = np.clip(np.rint(plain), 0, top)
        assert np.array_equal(made[dtype, False], wanted)
    shutil.rmtree(out)
    write_volume(low, Volume(noise(LOW), Grid(LOW, (1, 1, 1))))
    with pytest.raises(AcuityError) as error:
        predict("cubic", {}, low, out, level=1, scale=(1, 2, 2), dtype="uint16")
    assert str(error.value) == (
        f"{low}: found the dtype uint16 for a restored volume whose input is float32; allowed of such "
        "input is float32, choose one of them."
    )
    assert unchanged(tmp_path)


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        ("uint8", "uint8 uint16"),
        ("uint16", "uint16"),
        ("int16", ""),
        ("float32", ""),
        ("uint32", ""),
    ],
)
def test_whole_numbers_are_kept_of_whole_numbers_that_fit(found, allowed):
    for wanted in ("float32", "uint8", "uint16", "int8", "int32", "float64", "any"):
        if wanted in ("float32", *allowed.split()):
            assert restored_type(found, wanted) == wanted
        else:
            with pytest.raises(AcuityError, match=f"the dtype {wanted} .* input is {found}"):
                restored_type(found, wanted)


def test_a_result_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    low, out = low_volume(tmp_path).data.store, tmp_path / "new" / "part.ome.zarr"
    size = 4 * np.prod(LOW) * 4
    usage = shutil.disk_usage(tmp_path)
    asked = []

    def disk(free):
        def told(folder):
            asked.append(folder)
            return usage._replace(free=free)

        monkeypatch.setattr(shutil, "disk_usage", told)

    options = {"level": 1, "scale": (1, 2, 2)}
    for part in (None, (0, 2)):  # the job that makes the store, where there are slabs
        disk(size - 1)
        with pytest.raises(AcuityError) as error:
            predict("cubic", {}, low, out, part=part, **options)
        assert str(error.value) == (
            f"{out}: needs 275 kB of disk, uncompressed, and 275 kB are free; restore a part of it "
            "(region), in fewer bytes a voxel (dtype), or write to another disk."
        )
        assert not out.parent.exists()
        assert asked[-1] == tmp_path
        disk(size)  # the control
        predict("cubic", {}, low, out, part=part, **options)
        assert out.exists()
        shutil.rmtree(out.parent)
    # What it replaces counts as free, and a region is smaller.
    disk(size)
    predict("cubic", {}, low, out, **options)
    disk(size - 1)
    predict("cubic", {}, low, out / "zarr.json", **options)
    shutil.rmtree(out)
    predict("cubic", {}, low, out, region="1:", **options)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1 kB"),
        (2 * 6132**3, "461 GB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1 GB"),
        (3.8e12, "3.8 TB"),
        (5e18, "5e+03 PB"),
    ],
)
def test_bytes_as_text(count, said):
    assert bytes_text(count) == said


def test_both_volumes_of_planes_count(tmp_path, monkeypatch):
    method, run = ready(*NETWORKS["planes"])
    usage = shutil.disk_usage(tmp_path)._replace(free=4 * 2)  # a low voxel is two fine ones
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    volume = low_volume(tmp_path)
    part_of(tmp_path, volume, method, run, BOXES[2])
    shutil.rmtree(tmp_path / "part.ome.zarr")
    with pytest.raises(AcuityError, match="needs 16 B of disk, uncompressed, and 8 B are free"):
        part_of(tmp_path, volume, method, run, BOXES[2], disagreement=tmp_path / "apart.ome.zarr")
    assert unchanged(tmp_path)


def test_a_learned_region_from_files(tmp_path):
    torch.manual_seed(0)
    settings = {"features": (2, 2), "kernels": (3, 1, 3)}
    method = load("srcnn3d")(settings, Task(3.0, (1, 2, 2)))
    files = model_files(tmp_path, method, scale=(1, 2, 2))
    low = low_volume(tmp_path).data.store
    options = {"level": 3, "scale": (1, 2, 2), **files}
    predict("srcnn3d", {}, low, tmp_path / "whole.ome.zarr", **options)
    predict("srcnn3d", {}, low, tmp_path / "part.ome.zarr", region="3:9,2:,:20", **options)
    whole, part = (open_volume(tmp_path / f"{n}.ome.zarr") for n in ("whole", "part"))
    wanted = whole.crop((slice(3, 9), slice(4, 52), slice(0, 40)))
    assert part.read().tobytes() == wanted.read().tobytes()
    assert replace(part, provenance=()).grid == wanted.grid
    check_space(tmp_path, 0, "")
