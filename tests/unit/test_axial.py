"""Coarser along z: which slice is kept, where it lies, and what comes back on the fine grid."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acuity.degrade.axial import axial, axial_phase
from acuity.engine.readers import input_offset
from acuity.errors import AcuityError
from acuity.interpolation import interpolate, support
from acuity.methods.base import Task
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.runs import predict, train

GRID = {"spacing": (8.0, 4.0, 4.0), "origin": (100.0, 20.0, 30.0), "unit": "nm"}


def made(data):
    return Volume(data, Grid(data.shape, **GRID), "density", ({"a": 1},))


def random(shape=(45, 12, 14), dtype="uint8"):
    return np.random.default_rng(5).integers(0, 255, shape).astype(dtype)


@pytest.fixture
def run(tmp_path):
    def run(data, **options):
        axial(made(data), tmp_path / "v.ome.zarr", **options)
        return open_volume(tmp_path / "v.ome.zarr")

    return run


def hagita(data, n):
    """His formula, voxel by voxel: the whole volume with n equal slices in a row."""
    out = np.empty_like(data)
    for z in range(len(data)):
        out[z] = data[z // n * n + n // 2]
    return out


# ------------------------------------------------------------------------------------- the formula


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_decimation_is_hagitas_formula(run, n):
    data = random((40 * n, 5, 6))
    low = run(data, factor=n)
    assert low.dtype == np.uint8
    assert low.grid.shape == (40, 5, 6)
    assert np.array_equal(np.repeat(low.read(), n, axis=0), hagita(data, n))
    assert low.provenance[0] == {"a": 1}
    assert low.provenance[1] == {
        "step": "axial",
        "source_digest": "",
        "factor": n,
        "mode": "decimate",
    }


@pytest.mark.parametrize("n", [2, 3, 8])
def test_average_is_the_mean_of_n_slices(run, n):
    data = random((40 * n, 5, 6))
    low = run(data, factor=n, mode="average")
    assert low.dtype == np.float32
    assert np.allclose(low.read(), data.reshape(40, n, 5, 6).mean(1), rtol=1e-6)
    assert low.intensity == "density"


@pytest.mark.parametrize(
    ("n", "mode", "phase"),
    [(2, "decimate", 1), (2, "average", 0.5), (3, "decimate", 1), (3, "average", 1)]
    + [(8, "decimate", 4), (8, "average", 3.5)],
)
def test_the_origin_is_where_the_slices_came_from(run, n, mode, phase):
    """On a ramp the value says where a slice lies: truth, grid and phase must agree."""
    z = np.arange(5 * n, dtype=np.float32)
    data = np.broadcast_to((100 + 8 * z)[:, None, None], (5 * n, 3, 4)).copy()
    low = run(data, factor=n, mode=mode)
    assert axial_phase(n, mode) == (phase, 0, 0)
    assert low.grid.spacing == (8.0 * n, 4.0, 4.0)
    assert low.grid.origin == (100.0 + 8 * phase, 20.0, 30.0)
    places = low.grid.origin[0] + np.arange(5) * low.grid.spacing[0]
    assert np.array_equal(low.read()[:, 0, 0], places)


@pytest.mark.parametrize("mode", ["decimate", "average"])
def test_slices_left_over_are_dropped_and_the_grid_says_so(run, mode):
    data = random((250, 4, 4))
    low = run(data, factor=4, mode=mode)
    assert low.grid.shape == (62, 4, 4)
    back = low.grid.refine((4, 1, 1), axial_phase(4, mode))
    truth = made(data).within(back)
    assert back.shape == (248, 4, 4)
    assert np.array_equal(truth.read(), data[:248])
    # a row of shards is 32 slices: the depth of the stream leaves no trace
    expected = data[2:248:4] if mode == "decimate" else data[:248].reshape(62, 4, 4, 4).mean(1)
    assert np.allclose(low.read(), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 1}, r"factor is 1, .*2 to .*\(45\)"),
        ({"factor": 46}, "factor is 46"),
        ({"factor": 2.5}, "factor is 2.5"),
        ({"factor": 0}, "factor is 0"),
        ({"factor": 2, "mode": "mean"}, "'mean', allowed are decimate, average"),
    ],
)
def test_a_wrong_request_writes_nothing(run, tmp_path, options, words):
    with pytest.raises(AcuityError, match=words):
        run(random(), **options)
    assert not list(tmp_path.iterdir())


def test_all_slices_may_become_one(run):
    data = random((9, 3, 3))
    assert np.array_equal(run(data, factor=9).read(), data[4:5])


# --------------------------------------------------------------------------------------- the phase


def test_a_task_knows_its_phase():
    assert Task(1.0, (4, 1, 1)).offset == (1.5, 0, 0)
    assert Task(1.0, (4, 1, 1), (2, 0, 0)).offset == (2, 0, 0)
    assert Task().offset == (0, 0, 0)
    for phase in [(4, 0, 0), (-0.5, 0, 0), (0, 1, 0), (1, 0), (float("nan"), 0, 0)]:
        with pytest.raises(AcuityError, match="phase"):
            Task(1.0, (4, 1, 1), phase)


def test_the_phase_of_a_method_that_brings_a_part_of_the_factor():
    """Low voxel 0 at target voxel p: on blocks of two target voxels it is at (p - 1/2) / 2."""
    assert input_offset(Task(1.0, (4, 1, 1)), (2, 1, 1)) == (0.5, 0, 0)  # middle of two
    assert input_offset(Task(1.0, (4, 1, 1), (2, 0, 0)), (2, 1, 1)) == (0.75, 0, 0)
    assert input_offset(Task(1.0, (4, 1, 1), (2, 0, 0)), (1, 1, 1)) == (2, 0, 0)


@given(
    factor=st.integers(2, 9),
    count=st.integers(1, 12),
    kernel=st.sampled_from(["nearest", "linear", "cubic"]),
    mode=st.sampled_from(["decimate", "average"]),
    data=st.data(),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_region_does_not_depend_on_what_is_asked_for(factor, count, kernel, mode, data):
    low = np.random.default_rng(count).normal(size=(count, 2, 2)).astype(np.float32)
    phase = axial_phase(factor, mode)
    whole = [slice(0, count * factor), slice(0, 2), slice(0, 2)]
    all_of_it = interpolate(low, (0, 0, 0), low.shape, (factor, 1, 1), whole, kernel, phase)
    start = data.draw(st.integers(0, count * factor - 1))
    stop = data.draw(st.integers(start + 1, count * factor))
    first, last = support(kernel, factor, start, stop, count, phase[0])
    box = [slice(start, stop), *whole[1:]]
    part = low[first:last]
    found = interpolate(part, (first, 0, 0), low.shape, (factor, 1, 1), box, kernel, phase)
    assert np.array_equal(found, all_of_it[start:stop])


def test_the_middle_of_a_block_is_the_default_byte_by_byte():
    low = np.random.default_rng(0).normal(size=(9, 3, 3)).astype(np.float32)
    for factor in range(2, 12):
        box = [slice(0, 9 * factor), slice(0, 3), slice(0, 3)]
        for kernel in ("nearest", "linear", "cubic"):
            plain = interpolate(low, (0, 0, 0), low.shape, (factor, 1, 1), box, kernel)
            middle = ((factor - 1) / 2, 0.0, 0.0)
            named = interpolate(low, (0, 0, 0), low.shape, (factor, 1, 1), box, kernel, middle)
            assert plain.tobytes() == named.tobytes()


# ------------------------------------------------------------------------------- there and back


def restored(tmp_path, data, n, mode, method, phase="own"):
    truth, low, out = (tmp_path / f"{name}.ome.zarr" for name in ("truth", "low", "out"))
    write_volume(truth, made(data))
    axial(open_volume(truth), low, factor=n, mode=mode)
    phase = axial_phase(n, mode) if phase == "own" else phase
    predict(method, {}, low, out, level=1.0, scale=(n, 1, 1), phase=phase)
    return open_volume(out)


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_nearest_gives_back_hagitas_repeated_slices(tmp_path, n):
    data = random((7 * n, 6, 5)).astype(np.float32)
    out = restored(tmp_path, data, n, "decimate", "nearest")
    assert np.array_equal(out.read(), hagita(data, n))


@pytest.mark.parametrize("mode", ["decimate", "average"])
@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_ramp_comes_back_on_its_own_grid(tmp_path, n, method, mode):
    count = 8 * n + n - 1
    data = np.broadcast_to(np.arange(count, dtype="f4")[:, None, None], (count, 4, 4)).copy()
    out = restored(tmp_path, data, n, mode, method)
    assert out.grid == Grid((8 * n, 4, 4), **GRID)
    truth = made(data).within(out.grid)
    inner = slice(2 * n, 6 * n)
    assert np.abs(out.read(inner) - truth.read(inner)).max() < 1e-4
    if mode == "decimate" and n % 2 == 0:
        # half a voxel off: the phase is not for show
        wrong = restored(tmp_path, data, n, mode, method, phase=None)
        assert np.allclose(wrong.read(inner) - truth.read(inner), 0.5, atol=1e-4)
        with pytest.raises(AcuityError, match=r"0\.5"):
            made(data).within(wrong.grid)


# --------------------------------------------------------------------------------- Volume.within


def test_within_gives_the_part_on_the_other_grid():
    volume = made(random((20, 12, 14)))
    box = (slice(3, 17), slice(0, 12), slice(2, 9))
    grid = volume.grid.crop(box)
    part = volume.within(grid)
    assert part.grid == grid
    assert part.digest == ""
    assert part.intensity == "density"
    assert np.array_equal(part.read(), volume.read(*box))
    assert volume.within(volume.grid) is volume


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spacing": (16.0, 4.0, 4.0)}, r"truth: found voxels of \(8.0.*16\.0"),
        ({"unit": "um"}, "um"),
        ({"origin": (104.0, 20.0, 30.0)}, r"starts \(0\.5, 0\.0, 0\.0\) voxels"),
        ({"origin": (92.0, 20.0, 30.0)}, r"from \(-1, 0, 0\)"),
        ({"shape": (21, 12, 14)}, r"up to \(21, 12, 14\)"),
        ({"origin": (108.0, 20.0, 30.0)}, r"up to \(21, 12, 14\)"),
    ],
)
def test_within_refuses_a_grid_that_does_not_fit(change, words):
    volume = made(random((20, 12, 14)))
    grid = Grid(**({"shape": (20, 12, 14), **GRID} | change))
    with pytest.raises(AcuityError, match=words):
        volume.within(grid, "truth")


# ------------------------------------------------------------------------------ learned methods


def test_training_and_prediction_agree_on_the_phase(tmp_path):
    settings = {
        "features": (4, 4),
        "kernels": (3, 1, 3),
        "train": {"patch": (8, 8, 8), "batch": 2, "steps": 2, "precision": "float32"},
    }
    data = np.random.default_rng(0).normal(size=(34, 20, 20)).astype(np.float32)
    truth, low = tmp_path / "truth.ome.zarr", tmp_path / "low.ome.zarr"
    write_volume(truth, made(data))
    axial(open_volume(truth), low, factor=4)  # 34 slices: two are left over
    files = {
        "output": tmp_path / "model.safetensors",
        "card": tmp_path / "model.json",
        "history": tmp_path / "history.tsv",
        "checkpoints": tmp_path / "checkpoints",
    }
    common = {"level": 1.0, "scale": (4, 1, 1)}
    phase = axial_phase(4, "decimate")
    train("srcnn3d", settings, [(low, truth)], seed=1, phase=phase, **common, **files)
    assert json.loads(files["card"].read_text())["phase"] == [2, 0, 0]
    model = {"model": files["output"], "card": files["card"]}
    out = tmp_path / "out.ome.zarr"
    predict("srcnn3d", {}, low, out, phase=phase, **common, **model)
    assert open_volume(out).grid == Grid((32, 20, 20), **GRID)
    with pytest.raises(AcuityError, match=r"phase \[2\.0, 0\.0, 0\.0\]; found \[1\.5"):
        predict("srcnn3d", {}, low, out, **common, **model)
    # the target lies half a voxel off where the phase is not told
    with pytest.raises(AcuityError, match=r"truth.*0\.5"):
        train("srcnn3d", settings, [(low, truth)], seed=1, **common, **files)


def test_a_card_without_a_phase_is_of_the_middle(tmp_path):
    card = {"method": "srcnn3d", "settings": {}, "level": 1.0, "scale": [4, 1, 1]}
    card |= {
        "normalisation": {},
        "execution": {"halo": [0, 2, 2], "stride": [1, 1, 1]},
        "weights": "0",
    }
    (tmp_path / "model.json").write_text(json.dumps(card))
    write_volume(tmp_path / "low.ome.zarr", made(random((8, 8, 8))))

    def go(phase):
        predict(
            "srcnn3d",
            {},
            tmp_path / "low.ome.zarr",
            tmp_path / "out.ome.zarr",
            level=1.0,
            scale=(4, 1, 1),
            phase=phase,
            model=tmp_path / "none.safetensors",
            card=tmp_path / "model.json",
        )

    with pytest.raises(AcuityError, match="no such model"):
        go(None)
    with pytest.raises(AcuityError, match="trained at phase"):
        go((2, 0, 0))
