"""Methods that refine all three axes: the EDSR and the linear regression of patches, and how fits are judged."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from acuity.engine.execution import DEFAULT, Runner
from acuity.engine.receptive import method_reach
from acuity.engine.schedule import TileSchedule
from acuity.errors import AcuityError
from acuity.interpolation import interpolate
from acuity.methods.base import FitSettings, FittedMethod, Task, TrainingPair, load
from acuity.methods.linear_patch import solved
from acuity.methods.networks.edsr3d import InterpolatedConv, phase_weights
from acuity.train import fit as fitting
from acuity.volume import Grid, Volume, choose_layout, open_volume, write_volume
from tests.conftest import ROOT
from tests.runs import predict, restore, train

X3 = Task(3.0, (3, 3, 3))
TINY = {"features": 8, "blocks": 1}


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def stored(path, array, factor=1, kind=np.float32):
    spacing = (6.0 / factor,) * 3
    origin = ((1 - factor) / factor * 3.0,) * 3
    grid = Grid(array.shape, spacing, origin, "um")
    write_volume(path, Volume(np.asarray(array, kind), grid, "grey level"))
    return path


def averaged(image, factor):
    """Means of blocks."""
    sides = [part for n in image.shape for part in (n // factor, factor)]
    return image.reshape(sides).mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)


def files(folder):
    folder.mkdir(exist_ok=True)
    return {
        "output": folder / "model.safetensors",
        "card": folder / "model.json",
        "history": folder / "history.tsv",
        "checkpoints": folder / "checkpoints",
    }


def restored(folder, image, method, run):
    path = stored(folder / "low.ome.zarr", image)
    restore(open_volume(path), folder / "out.ome.zarr", method, run, name="low")
    return open_volume(folder / "out.ome.zarr").read()


# ------------------------------------------------------------------------------------ EDSR


def edsr(settings, task=X3, seed=0):
    torch.manual_seed(seed)
    method = load("edsr3d")(settings, task)
    return method, method.build()["network"].eval()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_edsr_has_the_published_weights_at_any_factor(factor):
    with torch.device("meta"):
        _, network = edsr({}, Task(factor, (factor,) * 3))
    assert sum(parameter.numel() for parameter in network.parameters()) == 375_145
    kernels = [m.weight.shape for m in network.modules() if isinstance(m, torch.nn.Conv3d)]
    assert len(kernels) == 26
    assert {tuple(shape[2:]) for shape in kernels} == {(3, 3, 3)}


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_the_folded_convolution_is_one_of_interpolated_features(factor):
    """The plain form: features brought onto the fine grid by torch, and convolved there."""
    torch.manual_seed(factor)
    folded = InterpolatedConv(4, 2, (factor,) * 3, ((factor - 1) / 2,) * 3).eval()
    image = torch.randn(1, 4, 4, 5, 6)
    with torch.no_grad():
        found = folded(image)
        up = {"scale_factor": factor, "mode": "trilinear", "align_corners": False}
        fine = functional.interpolate(functional.pad(image, (1,) * 6, mode="replicate"), **up)
        inner = (..., *(slice(factor - 1, 1 - factor or None),) * 3)
        wanted = functional.conv3d(fine[inner], folded.weight, folded.bias)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
        # With zeros beyond the border, as printed, only the outermost fine voxels differ.
        zeros = functional.conv3d(
            functional.interpolate(image, **up), folded.weight, folded.bias, padding=1
        )
        inside = (..., *(slice(1, -1),) * 3)
        torch.testing.assert_close(found[inside], zeros[inside], atol=1e-5, rtol=1e-5)
        assert (found - zeros).abs().max() > 0.01


@pytest.mark.parametrize(("factor", "offset"), [(3, 0.0), (3, 1.0), (4, 3.0), (2, 0.5)])
def test_phases_follow_the_place_of_the_first_voxel(factor, offset):
    """Weights of one axis equal an interpolation by the package, tap by tap."""
    low = noise((9, 1, 1))
    box = (slice(0, 9 * factor), slice(0, 1), slice(0, 1))
    places = (offset, 0.0, 0.0)
    fine = interpolate(low, (0, 0, 0), low.shape, (factor, 1, 1), box, "linear", places).ravel()
    weights = phase_weights(factor, offset)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-6)
    for block in range(2, 7):
        for phase in range(factor):
            at = block * factor + phase
            about = weights[phase] @ low.ravel()[block - 1 : block + 2]
            np.testing.assert_allclose(about, fine[at - 1 : at + 2], atol=1e-6)


def test_gradients_reach_the_weights_as_in_the_plain_form():
    torch.manual_seed(0)
    folded = InterpolatedConv(2, 1, (2, 2, 2), (0.5,) * 3).double()
    image = torch.randn(1, 2, 3, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda w: torch.func.functional_call(folded, {"weight": w}, image), (folded.weight,)
    )


def test_symmetries_are_those_that_the_grids_have():
    found = {
        (scale, offset): load("edsr3d")({}, Task(3.0, scale, offset)).symmetries
        for scale, offset in [
            ((3, 3, 3), None),
            ((1, 2, 2), None),
            ((3, 3, 3), (0, 0, 0)),
            ((2, 3, 4), None),
        ]
    }
    assert list(found.values()) == ["volume", "in_plane", "none", "none"]


def test_the_reach_of_the_edsr_is_a_voxel_for_each_convolution():
    method, network = edsr({})
    assert method_reach(method, network) == ((26, 26, 26), (1, 1, 1))


@pytest.mark.parametrize("scale", [(3, 3, 3), (2, 3, 1)])
def test_tiles_of_the_edsr_equal_the_whole(tmp_path, scale):
    settings = {**TINY, "predict": {"tile": (14, 13, 15)}}
    method, network = edsr(settings, Task(2.0, scale))
    statistics = {"mean": 0.2, "std": 1.5}
    run = Runner(network, {"low": statistics, "target": statistics}, DEFAULT, stacked=False)
    method.halo, method.stride = method_reach(method, network)
    assert method.halo == (4, 4, 4)
    image = noise((18, 17, 21))
    found, whole = restored(tmp_path, image, method, run), run(image)
    assert found.shape == tuple(n * f for n, f in zip(image.shape, scale, strict=True))
    np.testing.assert_array_equal(found, whole)
    method.halo = (4, 3, 4)  # the control: one voxel short
    assert np.abs(restored(tmp_path, image, method, run) - whole).max() > 0


def test_the_edsr_learns_and_restores_and_needs_no_more_than_its_volume(tmp_path):
    """Blocks that were averaged come back better than a linear interpolation brings them."""
    from scipy.ndimage import gaussian_filter

    fine = gaussian_filter(noise((36, 36, 36), 3), 1.1)
    fine *= 50 / fine.std()
    low = stored(tmp_path / "low.ome.zarr", averaged(fine, 2))
    target = stored(tmp_path / "high.ome.zarr", fine, 2)
    settings = {
        **TINY,
        "train": {"steps": 120, "batch": 4, "patch": [8] * 3, "precision": "float32"},
    }
    settings["train"] |= {"validation_fraction": 0, "learning_rate": 4e-3, "warm_up": 5}
    made = files(tmp_path / "made")
    task = {"level": 2, "scale": (2, 2, 2)}
    train("edsr3d", settings, [(low, target)], seed=1, **task, **made)
    card = json.loads(made["card"].read_text())
    assert card["execution"]["halo"] == [4, 4, 4]
    errors = {}
    learned = {"model": made["output"], "card": made["card"]}
    for name, own, given in (("edsr3d", settings, learned), ("linear", {}, {}), ("cubic", {}, {})):
        out = tmp_path / f"{name}.ome.zarr"
        predict(name, own, low, out, **task, **given)
        volume = open_volume(out)
        assert volume.grid.shape == fine.shape
        errors[name] = float(np.std(volume.read() - fine))
    assert errors["edsr3d"] < 0.95 * min(errors["linear"], errors["cubic"])


# ------------------------------------------------------------------------------------ linear patch


def known_weights(task=X3, patch=(3, 5, 3), seed=5):
    arrays = {
        "weights": 0.2 * noise((*task.scale, *patch), seed),
        "constants": noise(task.scale, seed + 1),
        "mean": np.array([7.0], np.float32),
        "std": np.array([3.0], np.float32),
    }
    method = load("linear_patch")({"patch": patch, "ridge": 1e-12}, task)
    method.use(arrays)
    return method, arrays


def test_equations_are_solved_in_one_order():
    rng = np.random.default_rng(1)
    half = rng.normal(size=(40, 20))
    matrix, right = half.T @ half, rng.normal(size=(20, 3))
    found = solved(np.concatenate([matrix, right], axis=1))
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-9)


@pytest.mark.parametrize("scale", [(3, 3, 3), (1, 2, 2), (4, 1, 1)])
def test_weights_that_made_a_volume_are_found(scale):
    task = Task(2.0, scale)
    method, made = known_weights(task)
    low = 7 + 3 * noise((9, 16, 14))
    again = load("linear_patch")(method.settings, task)
    found = again.fit([TrainingPair(low, method.restore(low))], 0)
    np.testing.assert_allclose(found["weights"], made["weights"], atol=1e-4)
    # Constants are of intensities less the mean of these very voxels, and by their deviation.
    sums = made["weights"].sum(axis=(3, 4, 5), dtype=np.float64)
    mean, std = float(found["mean"][0]), float(found["std"][0])
    level = found["constants"] * std + mean * (1 - sums)
    np.testing.assert_allclose(level, 3 * made["constants"] + 7 * (1 - sums), atol=1e-3)


def test_it_is_the_least_squares_of_numpy_where_noise_is_added():
    low, target = noise((5, 8, 9)), noise((10, 16, 18), 1)
    method = load("linear_patch")({"patch": (3, 3, 3), "ridge": 1e-12}, Task(2.0, (2, 2, 2)))
    found = method.fit([TrainingPair(low, target)], 0)
    windows = np.lib.stride_tricks.sliding_window_view(low, (3, 3, 3)).reshape(-1, 27)
    rows = np.c_[windows, np.ones(len(windows))].astype(np.float64)
    fine = target[2:-2:2, 3:-2:2, 2:-2:2].ravel()  # the phase (0, 1, 0)
    wanted = np.linalg.lstsq(rows, fine, rcond=None)[0]
    np.testing.assert_allclose(found["weights"][0, 1, 0].ravel(), wanted[:27], atol=1e-4)


def test_no_voxel_that_the_mask_leaves_out_is_learned_from():
    method, made = known_weights()
    low = 7 + 3 * noise((9, 16, 14))
    target = method.restore(low)
    mask = np.ones(target.shape, np.uint8)
    mask[6:9, 13, 20:] = 0
    spoilt = np.where(mask, target, np.float32(1e4))
    learner = load("linear_patch")(method.settings, X3)
    found = learner.fit([TrainingPair(low, spoilt, mask=mask)], 0)
    np.testing.assert_allclose(found["weights"], made["weights"], atol=1e-4)
    # The control: the same without the mask.
    wrong = learner.fit([TrainingPair(low, spoilt)], 0)
    assert np.abs(wrong["weights"] - made["weights"]).max() > 0.1
    nothing = TrainingPair(low, target, "core", np.zeros(target.shape, np.uint8))
    with pytest.raises(
        AcuityError, match=r"core: found \(9, 16, 14\) voxels.*no place .* a smaller"
    ):
        learner.fit([nothing], 0)


THREADS = """
import sys, hashlib, numpy as np
from acuity.methods.base import Task, TrainingPair, load
low, fine = (np.random.default_rng(n).random((8 * n, 21 * n, 23 * n), np.float32) for n in (1, 2))
method = load("linear_patch")(None, Task(2.0, (2, 2, 2)))
found = method.fit([TrainingPair(low, fine)], 0)
method.use(found)
parts = [*(found[key] for key in sorted(found)), method.restore(low)]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_the_bytes_are_the_same_with_any_number_of_threads(monkeypatch):
    digests = set()
    for threads in ("1", "4"):
        for library in ("OMP", "OPENBLAS", "MKL"):
            monkeypatch.setenv(f"{library}_NUM_THREADS", threads)
        done = subprocess.run(
            [sys.executable, "-c", THREADS],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_tiles_of_the_regression_equal_the_whole(tmp_path):
    method, _ = known_weights()
    method.settings = method.settings.model_copy(
        update={"predict": method.settings.predict.model_copy(update={"tile": (9, 11, 12)})}
    )
    image = noise((20, 19, 23))
    whole = method.restore(image)
    np.testing.assert_array_equal(restored(tmp_path, image, method, method.restore), whole)
    method.halo = (1, 1, 1)  # the control: half a patch is two along y
    assert np.abs(restored(tmp_path, image, method, method.restore) - whole).max() > 0.01


def test_columns_hold_whole_shards_and_whole_low_voxels(tmp_path):
    """At a factor of three a shard of 512 voxels ends within a low voxel; three of them do not."""
    method, _ = known_weights()
    image = noise((3, 520, 8))
    fine = tuple(3 * n for n in image.shape)
    layout = choose_layout(fine, np.float32)
    assert layout.shard[1] % 3  # else nothing is shown
    rows = [y for y, _ in TileSchedule(method, image.shape).regions(layout)]
    assert [(y.start, y.stop) for y in rows] == [(0, 512), (512, 520)]
    whole = method.restore(image)
    np.testing.assert_array_equal(restored(tmp_path, image, method, method.restore), whole)


def test_the_regression_goes_the_whole_way_and_beats_interpolation(tmp_path):
    from scipy.ndimage import gaussian_filter

    fine = gaussian_filter(noise((36, 48, 42), 3), 1.1)
    fine *= 50 / fine.std()
    low = stored(tmp_path / "low.ome.zarr", averaged(fine, 3))
    target = stored(tmp_path / "high.ome.zarr", fine, 3)
    mask = stored(tmp_path / "mask.ome.zarr", np.ones(fine.shape), 3, np.uint8)
    task = {"level": 3, "scale": (3, 3, 3)}
    settings = {"patch": [3, 3, 3], "train": {"validation_fraction": 0.2}}
    made = files(tmp_path / "made")
    train("linear_patch", settings, [(low, target)], masks=[mask], seed=1, **task, **made)
    card = json.loads(made["card"].read_text())
    assert card["parameters"] == 27 * 27 + 27 + 2
    assert card["execution"] == {"halo": [1, 1, 1], "stride": [1, 1, 1]}
    learned = {"model": made["output"], "card": made["card"]}
    errors = {}
    for name, own, given in (("linear_patch", settings, learned), ("cubic", {}, {})):
        out = tmp_path / f"{name}.ome.zarr"
        predict(name, own, low, out, **task, **given)
        errors[name] = float(np.std(open_volume(out).read()[27:] - fine[27:]))
    # What was held out, the last two of twelve slices, is judged where it lies.
    assert card["scores"]["loss"] == pytest.approx(errors["linear_patch"] ** 2, rel=0.3)
    assert errors["linear_patch"] < 0.95 * errors["cubic"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch": (5, 4, 5)}, "key patch: .*odd sides"),
        ({"ridge": 0.0}, "key ridge: .*greater than 0"),
    ],
)
def test_settings_of_the_regression_are_refused(settings, message):
    with pytest.raises(AcuityError, match=message):
        load("linear_patch")(settings, X3)


def test_a_model_of_another_factor_is_refused():
    _, arrays = known_weights()
    other = load("linear_patch")({"patch": (3, 5, 3)}, Task(2.0, (2, 2, 2)))
    with pytest.raises(
        AcuityError, match=r"weights of \(3, 3, 3, 3, 5, 3\).*say \(2, 2, 2, 3, 5, 3\)"
    ):
        other.use(arrays)


# ------------------------------------------------------------------------------------ how fits are judged


class Repeats(FittedMethod):
    """Each low voxel repeated; it learns nothing."""

    def set_up(self):
        self.scale = self.task.scale

    def restore(self, tile):
        for axis, factor in enumerate(self.scale):
            tile = tile.repeat(factor, axis)
        return tile


def judged(task, fraction=0.25, shape=(8, 70, 100), **pair):
    method = Repeats({"train": FitSettings(validation_fraction=fraction)}, task)
    low = noise(shape)
    return method, fitting._held_out(method, [TrainingPair(low, method.restore(low), **pair)])


@pytest.mark.parametrize("scale", [(1, 1, 1), (4, 1, 1), (3, 2, 3)])
def test_what_is_held_out_is_cut_on_the_targets_grid(scale):
    method, (learned, (part,)) = judged(Task(2.0, scale))
    assert part.low.shape == (2, 64, 64)
    assert part.target.shape == tuple(n * f for n, f in zip(part.low.shape, scale, strict=True))
    assert learned[0].low.shape == (6, 70, 100)
    assert fitting._error(method, part) == 0  # target and low lie at one place


def test_voxels_that_are_not_learned_from_do_not_judge():
    scale = (2, 2, 2)
    mask = np.zeros((16, 140, 200), np.uint8)
    mask[:, 20:60, 60:90] = 1
    method, (_, (part,)) = judged(Task(2.0, scale), mask=mask)
    part.target[part.mask == 0] += 100
    assert fitting._error(method, part) == 0
    part.target[part.mask > 0] += 2
    assert fitting._error(method, part) == pytest.approx(4)
    part.mask = None  # the control
    assert fitting._error(method, part) > 1000


def test_nothing_is_judged_where_nothing_is_held_out():
    assert judged(Task(2.0, (2, 2, 2)), fraction=0)[1][1] == []
