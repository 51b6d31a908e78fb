"""Tiled prediction: equal to the whole, bounded, and careful with what it is given."""

import hashlib
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save
from scipy import ndimage
from torch import nn

from acuity.engine.execution import DEFAULT, Runner, choose_device
from acuity.engine.receptive import receptive_field
from acuity.engine.schedule import TileSchedule
from acuity.engine.tiles import blended_tiles, core_length, exact_tiles, triangle
from acuity.errors import AcuityError
from acuity.field_of_view import cylinder
from acuity.methods.base import LearnedMethod, Task, load
from acuity.volume import Grid, Volume, choose_layout, open_volume, write_volume
from tests.conftest import needs_peaks
from tests.runs import predict, restore

NORMALISATION = {"low": {"mean": 0.4, "std": 0.8}, "target": {"mean": 0.6, "std": 0.5}}
SMALL = {"features": 8, "pools": 2, "convolutions": 1}


def random_network(method, seed=0):
    torch.manual_seed(seed)
    network = method.build()[method.restorer]
    for module in network.modules():  # statistics as after training
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def ready(name, settings=None, task=None):
    """A method with random weights, ready to restore."""
    method = load(name)(settings, task)
    network = random_network(method)
    stacked = bool(method.slices_per_stack)
    halo, stride = receptive_field(network, 2 if stacked else 3, method.slices_per_stack or 1)
    method.halo, method.stride = ((0, *halo), (1, *stride)) if stacked else (halo, stride)
    return method, Runner(network, NORMALISATION, DEFAULT, stacked=stacked)


def stored(folder, array, name="low"):
    grid = Grid(array.shape, (2.0, 1.0, 1.0), (5.0, 0.0, -3.0), "um")
    path = folder / f"{name}.ome.zarr"
    write_volume(path, Volume(np.asarray(array, np.float32), grid, "attenuation"))
    return path


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0.5, 1.0, shape).astype(np.float32)


def whole_stacks(image, run, depth=5):
    """DeepNet on whole planes, straight from its definition."""
    sums, counts = np.zeros_like(image), np.zeros(len(image), np.float32)
    for first in range(len(image) - depth + 1):
        sums[first : first + depth] += run(image[first : first + depth])
        counts[first : first + depth] += 1
    return sums / counts[:, None, None]


def restored(folder, image, method, run, name="out"):
    volume = open_volume(stored(folder, image))
    restore(volume, folder / f"{name}.ome.zarr", method, run, name="low")
    return open_volume(folder / f"{name}.ome.zarr").read()


# ------------------------------------------------------------------------------------ tiles = whole


@pytest.mark.parametrize("shape", [(9, 90, 77), (5, 64, 131), (7, 40, 21)])
def test_tiled_deepnet_equals_the_whole_plane_bit_for_bit(tmp_path, shape):
    settings = {**SMALL, "predict": {"tile": (5, 48, 56)}}
    method, run = ready("deepnet", settings)
    assert method.halo == (0, 16, 16)
    image = noise(shape)
    tiled = restored(tmp_path, image, method, run)
    assert torch.equal(torch.from_numpy(tiled), torch.from_numpy(whole_stacks(image, run)))


def test_a_halo_one_stride_short_is_not_the_whole(tmp_path):
    """Negative control of the test above, along each axis."""
    image = noise((5, 90, 77))
    for axis in (1, 2):
        method, run = ready("deepnet", {**SMALL, "predict": {"tile": (5, 48, 56)}})
        whole = whole_stacks(image, run)
        short = list(method.halo)
        short[axis] -= method.stride[axis]
        method.halo = tuple(short)
        assert not np.array_equal(restored(tmp_path, image, method, run), whole)


def test_a_raster_off_the_stride_is_not_the_whole(tmp_path, monkeypatch):
    image = noise((5, 90, 77))
    method, run = ready("deepnet", {**SMALL, "predict": {"tile": (5, 56, 56)}})
    whole = whole_stacks(image, run)
    method.stride = (1, 1, 1)
    method.halo = (0, 17, 17)  # more than enough, but the tiles start anywhere
    assert not np.array_equal(restored(tmp_path, image, method, run), whole)


@pytest.mark.parametrize("shape", [(40, 37, 29), (33, 16, 50)])
def test_tiled_srcnn_equals_the_whole_volume_bit_for_bit(tmp_path, shape):
    settings = {"features": (4, 3), "kernels": (5, 1, 3), "predict": {"tile": (14, 20, 22)}}
    method, run = ready("srcnn3d", settings)
    assert method.halo == (3, 3, 3)
    image = noise(shape)
    assert np.array_equal(restored(tmp_path, image, method, run), run(image))
    method.halo = (3, 3, 2)
    assert not np.array_equal(restored(tmp_path, image, method, run, "short"), run(image))


def test_shards_of_the_plane_are_restored_one_by_one(tmp_path):
    """Planes wider than a shard, so that columns of shards are streamed on their own."""
    image = noise((5, 520, 1030))
    method, run = ready("deepnet", {**SMALL, "predict": {"tile": (5, 640, 640)}})
    plan = TileSchedule(method, image.shape)
    assert len(plan.regions(choose_layout(image.shape, np.float32))) == 6
    assert np.array_equal(restored(tmp_path, image, method, run), whole_stacks(image, run))


def test_default_networks_have_the_halo_that_the_documentation_says():
    assert ready("deepnet")[0].halo == (0, 96, 96)
    assert ready("deepnet")[0].stride == (1, 16, 16)
    assert ready("deepnet", {"pools": 3})[0].halo == (0, 48, 48)
    assert ready("srcnn3d")[0].halo == (6, 6, 6)


# ------------------------------------------------------------------------------------ halo


def test_receptive_field_of_networks_known_by_hand():
    conv = lambda k, d=1: nn.Conv2d(1, 1, k, padding=d * (k // 2), dilation=d)  # noqa: E731
    assert receptive_field(nn.Sequential(conv(3), nn.ReLU(), conv(5)), 2, 1) == ((3, 3), (1, 1))
    assert receptive_field(nn.Sequential(conv(3, 4)), 2, 1) == ((4, 4), (1, 1))
    flat = nn.Sequential(nn.Conv2d(1, 1, (1, 7), padding=(0, 3)))
    assert receptive_field(flat, 2, 1) == ((0, 3), (1, 1))
    wide = nn.Sequential(*[conv(9) for _ in range(10)])
    assert receptive_field(wide, 2, 1) == ((40, 40), (1, 1))


def test_receptive_field_does_not_change_the_network():
    network = load("deepnet")(SMALL).build()["network"]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    receptive_field(network, 2, 5)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert any(isinstance(m, nn.ReLU) for m in network.modules())


def test_normalisation_over_the_image_is_refused():
    with pytest.raises(ValueError, match="InstanceNorm2d normalises over the image"):
        receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2)), 2, 1)


# ------------------------------------------------------------------------------------ tile rasters


def test_exact_tiles_cover_each_voxel_once_and_start_on_the_raster():
    for count in (64, 100, 513, 700):
        core = core_length(count, 512, 96, 16, 8)
        assert core % 8 == 0
        assert core + 32 <= 96 or count <= 96
        seen = np.zeros((count, 40), int)
        for tile in exact_tiles((slice(0, count), slice(0, 40)), (count, 40), (core, 40), (16, 0)):
            seen[tile.core] += 1
            assert tile.core[0].start % core == 0
        assert (seen == 1).all()


def test_a_tile_that_is_all_halo_is_refused():
    with pytest.raises(AcuityError, match=r"96 voxels are too few for a halo of 48.*104 and more"):
        core_length(512, 512, 96, 48, 8)


@pytest.mark.parametrize("count", [100, 130, 257, 513, 1000])
def test_weights_of_blended_tiles_sum_to_one(count):
    total = np.zeros((count, 70))
    for tile in blended_tiles((count, 70), (64, 70), 16):
        total[tile.read] += tile.weights
        assert tile.read[0].stop - tile.read[0].start <= 96 + 16
    np.testing.assert_allclose(total, 1.0, atol=1e-6)


def test_triangle_is_half_way_on_the_border_between_two_cores():
    weights = triangle(slice(32, 128), slice(48, 112), 16, 200)
    assert weights[15] + weights[16] == pytest.approx(1.0)
    assert weights[0] == pytest.approx(1 / 64)
    assert weights[48] == 1.0


def test_blended_prediction_is_close_to_the_whole_and_seamless(tmp_path):
    image = ndimage.gaussian_filter(noise((6, 150, 140)), 2)
    settings = {**SMALL, "predict": {"tiling": "blended", "tile": (5, 64, 64), "overlap": 8}}
    method, run = ready("deepnet", settings)
    whole = whole_stacks(image, run)
    out = restored(tmp_path, image, method, run)
    difference = np.abs(out - whole)
    assert difference.max() > 0  # the halo is too small to be exact
    assert np.sqrt((difference**2).mean()) < 0.1 * whole.std()
    # one tile for the whole plane is exact
    settings["predict"]["tile"] = (5, 200, 200)
    method, run = ready("deepnet", settings)
    assert np.array_equal(restored(tmp_path, image, method, run, "one"), whole)


def test_preset_of_the_paper_is_tiles_of_576_on_a_raster_of_512():
    settings = {**SMALL, "predict": {"tiling": "blended", "tile": (5, 576, 576), "overlap": 32}}
    method, _ = ready("deepnet", settings)
    tiles = TileSchedule(method, (5, 1200, 600)).tiles((slice(0, 1200), slice(0, 600)))
    assert sorted({t.read[0].start for t in tiles}) == [0, 480, 992]
    assert max(t.read[0].stop - t.read[0].start for t in tiles) == 576


# ------------------------------------------------------------------------------------ stacks


def test_each_slice_is_the_mean_of_the_stacks_that_hold_it(tmp_path):
    """A network that answers with the first slice of its stack: its place is the lag."""

    class Lag:
        def __call__(self, tile):
            return np.broadcast_to(tile[:1], tile.shape)

    method, _ = ready("deepnet", SMALL)
    image = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((12, 16, 16), np.float32)
    out = restored(tmp_path, image, method, Lag())[:, 0, 0]
    expected = [np.mean([f for f in range(8) if f <= z < f + 5]) for z in range(12)]
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_stacks_of_slices_apart_from_each_other(tmp_path):
    """With a spacing of 2: every slice is restored, by the stacks that hold it alone."""
    method, run = ready("deepnet", {**SMALL, "spacing": 2})
    for slices in (10, 13):
        image = noise((slices, 24, 16))
        sums, counts = np.zeros_like(image), np.zeros(slices, np.float32)
        for first in range(slices - 8):
            sums[first : first + 9 : 2] += run(image[first : first + 9 : 2])
            counts[first : first + 9 : 2] += 1
        assert counts.min() > 0
        out = restored(tmp_path, image, method, run)
        assert np.array_equal(out, sums / counts[:, None, None])
    with pytest.raises(AcuityError, match="2 apart, and needs 10 slices"):
        restored(tmp_path, noise((9, 24, 16)), method, run)


def test_spacing_follows_the_level_unless_it_is_set():
    spacings = [load("deepnet")({}, Task(level)).spacing for level in (1, 3, 5, 7, 9)]
    assert spacings == [1, 1, 2, 2, 3]
    assert load("deepnet")({"spacing": 1}, Task(9)).spacing == 1
    # Where 8 slices became one the level is no blur; where a blurred volume was down-sampled it is.
    assert load("deepnet")({}, Task(8, (8, 1, 1))).spacing == 1
    assert load("deepnet")({}, Task(9, (2, 2, 2))).spacing == 3


# ------------------------------------------------------------------------------------ classical


@pytest.mark.parametrize("name", ["nearest", "linear", "cubic"])
def test_interpolation_streams_onto_the_targets_grid(tmp_path, name):
    image = ndimage.gaussian_filter(noise((20, 24, 18)), 1)
    low = stored(tmp_path, image)
    out = tmp_path / "out.ome.zarr"
    predict(name, {}, low, out, level=1, scale=(2, 3, 1))
    volume = open_volume(out)
    assert volume.grid.shape == (40, 72, 18)
    assert volume.grid.spacing == pytest.approx((1.0, 1 / 3, 1.0))
    # its blocks are the low-resolution voxels again
    assert volume.grid.downsample((2, 3, 1)).origin == pytest.approx((5.0, 0.0, -3.0))
    averaged = volume.read().reshape(20, 2, 24, 3, 18).mean((1, 3))
    assert np.sqrt(((averaged - image) ** 2).mean()) < 0.2 * image.std()
    assert volume.provenance[-1]["method"] == name


def test_interpolation_needs_a_scale(tmp_path):
    low = stored(tmp_path, noise((4, 5, 6)))
    with pytest.raises(AcuityError, match="needs a factor above 1"):
        predict("cubic", {}, low, tmp_path / "out.ome.zarr", level=1)
    assert not (tmp_path / "out.ome.zarr").exists()


def test_finer_grid_is_the_inverse_of_downsampling():
    grid = Grid((12, 10, 8), (1.0, 2.0, 3.0), (0.5, 0.0, -1.0), "nm")
    again = grid.downsample((3, 2, 4)).refine((3, 2, 4))
    assert again.shape == grid.shape
    assert again.spacing == pytest.approx(grid.spacing)
    assert again.origin == pytest.approx(grid.origin)


@pytest.mark.parametrize("name", ["linear", "richardson_lucy"])
def test_beyond_the_field_of_view_nothing_is_made_up(tmp_path, name):
    scale = (1, 2, 2) if name == "linear" else (1, 1, 1)
    low = stored(tmp_path, 1 + np.abs(noise((20, 24, 24))))
    options = {"level": 2, "scale": scale}
    whole, cut = (tmp_path / f"{n}.ome.zarr" for n in ("whole", "cut"))
    predict(name, {}, low, whole, **options)
    predict(name, {}, low, cut, fov_radius=12 * scale[1], **options)
    whole, cut = (open_volume(path).read() for path in (whole, cut))
    seen = cylinder(whole.shape, 12 * scale[1])
    assert (cut[:, ~seen] == 0).all()
    assert (whole[:, ~seen] != 0).all()  # the control
    np.testing.assert_array_equal(cut[:, seen], whole[:, seen])


def test_richardson_lucy_in_blocks_equals_the_whole(tmp_path):
    clean = (noise((64, 12, 12)) > 0.5).astype(np.float32)
    blurred = ndimage.gaussian_filter(clean, 2.0) + 0.02 * noise((64, 12, 12), 1)
    low = stored(tmp_path, blurred)
    outs = {}
    for label, block in (
        ("whole", {}),
        ("blocks", {"voxels": 40 * 144, "halo": 6}),
        ("short", {"voxels": 14 * 144, "halo": 1}),
    ):
        settings = {"iterations": 10, "predict": block}
        predict("richardson_lucy", settings, low, tmp_path / f"{label}.ome.zarr", level=2)
        outs[label] = open_volume(tmp_path / f"{label}.ome.zarr").read()
    scale = outs["whole"].std()
    error = {k: np.sqrt(((outs[k] - outs["whole"]) ** 2).mean()) / scale for k in outs}
    assert 0 < error["blocks"] < 1e-3
    assert error["short"] > 10 * error["blocks"]


def test_richardson_lucy_of_planes_too_large_for_a_block_equals_the_whole(tmp_path):
    shape = (40, 20, 640)  # two columns of shards, 512 voxels wide
    clean = (noise(shape) > 0.5).astype(np.float32)
    low = stored(tmp_path, ndimage.gaussian_filter(clean, 1.0) + 0.02 * noise(shape, 1))
    outs = {}
    for label, halo in (("whole", None), ("columns", 6), ("short", 1)):
        block = {"voxels": 20 * 20 * 520, "halo": halo} if halo else {}
        settings = {"iterations": 10, "predict": block}
        method = load("richardson_lucy")(settings, Task(1.0))
        plan, layout = TileSchedule(method, shape), choose_layout(shape, np.float32)
        if label == "columns":
            assert plan.columns
            assert len(plan.regions(layout)) == 2
            boxes = [box for region in plan.regions(layout) for box in plan.inputs(region)]
            sizes = [math.prod(part.stop - part.start for part in box) for box in boxes]
            assert max(sizes) <= block["voxels"] < math.prod(shape) // 2
        predict("richardson_lucy", settings, low, tmp_path / f"{label}.ome.zarr", level=1)
        outs[label] = open_volume(tmp_path / f"{label}.ome.zarr").read()
    scale = outs["whole"].std()
    error = {k: np.sqrt(((outs[k] - outs["whole"]) ** 2).mean()) / scale for k in outs}
    assert 0 < error["columns"] < 1e-3
    assert error["short"] > 10 * error["columns"]


# ------------------------------------------------------------------------------------ models


def model_files(folder, made, *, level=3.0, scale=(1, 1, 1), **card):
    method = made
    network = random_network(method)
    weights = save(network.state_dict())
    (folder / "model.safetensors").write_bytes(weights)
    stacked = bool(method.slices_per_stack)
    halo, stride = receptive_field(network, 2 if stacked else 3, method.slices_per_stack or 1)
    if stacked:
        halo, stride = (0, *halo), (1, *stride)
    content = {
        "method": method.name(),
        "settings": method.settings.for_training(),
        "level": level,
        "scale": list(scale),
        "normalisation": NORMALISATION,
        "weights": hashlib.sha256(weights).hexdigest(),
        "execution": {**DEFAULT, "halo": halo, "stride": stride},
        **card,
    }
    (folder / "model.json").write_text(json.dumps(content))
    return {"model": folder / "model.safetensors", "card": folder / "model.json"}


def test_predict_reads_network_and_execution_from_the_card(tmp_path):
    method = load("deepnet")(SMALL, Task(3.0))
    files = model_files(tmp_path, method)
    image = noise((6, 30, 26))
    low = stored(tmp_path, image)
    out = tmp_path / "out.ome.zarr"
    predict("deepnet", {}, low, out, level=3, **files)
    run = Runner(random_network(method), NORMALISATION, DEFAULT, stacked=True)
    assert np.array_equal(open_volume(out).read(), whole_stacks(image, run))
    volume = open_volume(out)
    assert volume.grid == open_volume(low).grid
    assert volume.intensity == "attenuation"
    first = volume.digest
    predict("deepnet", {}, low, out, level=3, **files)
    assert open_volume(out).digest == first


def test_a_learned_method_takes_interpolated_input_where_grids_differ(tmp_path):
    method = load("srcnn3d")({"features": (2, 2), "kernels": (3, 1, 3)}, Task(3.0, (1, 2, 2)))
    files = model_files(tmp_path, method, scale=(1, 2, 2))
    low = stored(tmp_path, noise((6, 20, 16)))
    predict("srcnn3d", {}, low, tmp_path / "out.ome.zarr", level=3, scale=(1, 2, 2), **files)
    predict("cubic", {}, low, tmp_path / "cubic.ome.zarr", level=3, scale=(1, 2, 2))
    run = Runner(random_network(method), NORMALISATION, DEFAULT, stacked=False)
    expected = run(open_volume(tmp_path / "cubic.ome.zarr").read())
    assert np.array_equal(open_volume(tmp_path / "out.ome.zarr").read(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "srcnn3d"}, "is a model of srcnn3d, not of deepnet"),
        ({"level": 5.0}, "trained at level 5.0; found 3.0"),
        ({"scale": [1, 2, 2]}, r"trained at factors \(z, y, x\) \[1, 2, 2\]"),
        ({"weights": "0" * 64}, "not the one that its card"),
        ({"settings": {"features": 4}}, "does not fit method deepnet"),
        ({"settings": {"featurs": 4}}, "key featurs"),
    ],
)
def test_a_model_that_does_not_belong_is_refused(tmp_path, change, message):
    files = model_files(tmp_path, load("deepnet")(SMALL), **change)
    low = stored(tmp_path, noise((6, 30, 26)))
    with pytest.raises(AcuityError, match=message):
        predict("deepnet", {}, low, tmp_path / "out.ome.zarr", level=3, **files)
    assert not (tmp_path / "out.ome.zarr").exists()


def test_missing_and_broken_models_are_refused(tmp_path):
    files = model_files(tmp_path, load("deepnet")(SMALL))
    low, out = stored(tmp_path, noise((6, 30, 26))), tmp_path / "out.ome.zarr"
    with pytest.raises(AcuityError, match="needs a model and its card"):
        predict("deepnet", {}, low, out, level=3)
    with pytest.raises(AcuityError, match="no such model card"):
        predict("deepnet", {}, low, out, level=3, model=files["model"], card=tmp_path / "no.json")
    files["card"].write_text('{"method": "deepnet"}')
    with pytest.raises(AcuityError, match="is no model card"):
        predict("deepnet", {}, low, out, level=3, **files)
    files["card"].write_text("{")
    with pytest.raises(AcuityError, match="cannot be read as a model card"):
        predict("deepnet", {}, low, out, level=3, **files)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 30, 26), "stacks of 5 slices, 1 apart, and needs 5 slices or more"),
        ((6, 3, 26), "smaller than the network's raster"),
    ],
)
def test_a_volume_too_small_for_the_network_is_refused(tmp_path, shape, message):
    files = model_files(tmp_path, load("deepnet")(SMALL))
    low = stored(tmp_path, noise(shape))
    with pytest.raises(AcuityError, match=message):
        predict("deepnet", {}, low, tmp_path / "out.ome.zarr", level=3, **files)
    assert not (tmp_path / "out.ome.zarr").exists()


def test_a_value_that_is_not_finite_is_refused_with_its_slice(tmp_path):
    class Broken:
        shape, dtype = (40, 16, 16), np.dtype(np.float32)

        def __getitem__(self, box):
            image = np.zeros(self.shape, np.float32)
            image[37, 3, 3] = np.nan
            return image[box]

    method = load("richardson_lucy")({}, Task(2.0))
    volume = Volume(Broken(), Grid((40, 16, 16), (1, 1, 1)))
    with pytest.raises(AcuityError, match=r"low\.zarr: found NaN in slice 37"):
        restore(volume, tmp_path / "o.ome.zarr", method, method.restore, name="low.zarr")
    assert not (tmp_path / "o.ome.zarr").exists()


def test_a_gpu_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert choose_device("auto") in ("cpu", "mps")
    with pytest.raises(AcuityError, match="'cuda' is demanded and this machine has no such GPU"):
        choose_device("cuda")


def test_folded_batch_normalisation_gives_the_same(tmp_path):
    method = load("srcnn3d")({"features": (4, 3), "kernels": (3, 1, 3)})
    network = random_network(method)
    run = Runner(network, NORMALISATION, DEFAULT, stacked=False)
    image = noise((8, 9, 10))
    with torch.no_grad():
        plain = network(torch.from_numpy((image - 0.4) / 0.8)[None, None])[0, 0] * 0.5 + 0.6
    np.testing.assert_allclose(run(image), plain.numpy(), atol=1e-5)
    assert not any(isinstance(m, nn.BatchNorm3d) for m in run.network.modules())
    assert any(isinstance(m, nn.BatchNorm3d) for m in network.modules())


MEMORY = """
import re, sys
from acuity import threshold, volume
from acuity.methods.base import Task
sys.path.insert(0, {tests!r})
from test_predict import ready
from acuity.predict.job import Output
from acuity.predict.predict import restore
from acuity.volume import open_volume
volume.SHARD_BYTES = {shard}
threshold._SAMPLE = 10_000  # of a field's values a million are looked at, of these fewer
name, settings, scale = {method!r}
method, run = ready(name, settings, Task(1.0, scale))
low = open_volume({low!r})
box = tuple(slice(1, n - 1) for n in low.grid.shape) if {region} else None
restore(low, Output({out!r}, box=box), method, run, name="low")
# Of this process alone: getrusage would count what its parent held when it was started.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
PEAKS = {
    # method, settings, scale, and a volume of which a tile has a halo on all sides already; columns of
    # two blocks alone would not fill what is read and written while the network works
    "stacks": ("deepnet", {"features": 4, "convolutions": 1}, (1, 1, 1), (48, 300, 300)),
    "upsampled": (
        "srcnn3d",
        {"features": (2, 1), "kernels": (3, 1, 1), "predict": {"tile": (44, 140, 140)}},
        (3, 3, 3),
        (72, 264, 264),
    ),
}


@pytest.mark.slow
@needs_peaks
@pytest.mark.parametrize(
    ("kind", "region"), [("stacks", False), ("upsampled", False), ("upsampled", True)]
)
def test_peak_memory_does_not_grow_with_the_volume(tmp_path, monkeypatch, kind, region):
    shard = 2**20
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", shard)
    *method, few = PEAKS[kind]
    peaks, scale = [], method[2]
    for shape in (few, tuple(2 * n for n in few)):
        assert choose_layout(shape, np.float32).shard == (16, 128, 128)
        coarse = tuple(n // f for n, f in zip(shape, scale, strict=True))
        low = stored(tmp_path, noise(coarse), f"low{shape[0]}")
        code = MEMORY.format(
            tests=os.path.dirname(__file__),
            method=method,
            low=str(low),
            out=str(tmp_path / "out.ome.zarr"),
            shard=shard,
            region=region,
        )
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.10 * peaks[0], peaks
    # The control: what it would be if either volume were held, in KiB.
    assert 1.10 * peaks[0] < peaks[0] + 4 * (np.prod(shape) - np.prod(few)) / 1024


def test_every_learned_method_declares_what_the_engine_needs():
    for name in ("deepnet", "srcnn3d"):
        method = load(name)()
        assert isinstance(method, LearnedMethod)
        assert method.restorer in method.build()
