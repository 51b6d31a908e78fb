"""Whole studies of stacks: slices brought into line, and slices restored along z."""

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from acuity.tables import read_table
from acuity.volume import open_volume
from tests.conftest import TINY_TRAINING
from tests.rules.test_rerun import edited
from tests.unit.test_slabs import shards


def texture(shape, seed=5):
    """Grey values that change slowly from slice to slice, 8 bits."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 2)
    field += 0.5 * gaussian_filter(rng.standard_normal(shape), (3, 5, 5)) / 0.3
    return np.clip(120 + 45 * field / field.std(), 0, 255).astype(np.uint8)


def write_slices(folder, data):
    folder.mkdir()
    for z, image in enumerate(data):
        tifffile.imwrite(folder / f"slice_{z:03}.tif", image, photometric="minisblack")


def after_edit(workflow, path, module):
    """The rules that an edit of a module of the package reruns."""
    file = workflow.folder / "src" / "acuity" / module
    with edited(file, append="\nEDITED = True\n"):
        return workflow.planned("--configfile", path)


def metrics_of(workflow, study):
    folder = workflow.folder / "results" / study
    return folder, read_table(folder / "metrics.tsv", dtype={"variant": str, "subset": str})


def same_in_slabs(workflow, study, sheet, stores):
    """Make volumes again in two slabs, through the workflow: the bytes of one job. Gives its rules."""
    folder = workflow.folder / "results" / study["study"]
    whole = {store: shards(folder / f"{store}.ome.zarr") for store in stores}
    path = workflow.write_study(study | {"slabs": 2}, sheet, name=study["study"])
    targets = [f"results/{study['study']}/{store}.ome.zarr/zarr.json" for store in stores]
    planned = workflow.planned(*targets, "--configfile", path)
    workflow.run(*targets, "--configfile", path)
    for store, files in whole.items():
        markers = {file.name for file in (folder / f"{store}.ome.zarr/.slabs").iterdir()}
        assert markers == {"store.json", "1.json", "2.json"}
        assert shards(folder / f"{store}.ome.zarr") == files, store
    return planned.keys()


def test_stack_with_shifts_and_faults_put_in(workflow):
    data = texture((24, 128, 144))
    write_slices(workflow.folder / "slices", data)
    write_slices(workflow.folder / "other", 255 - data)
    study = {
        "study": "stack",
        "samples": "stack.tsv",
        "align": {
            "mode": "full",
            "crop": False,
            "disturb": {
                "drift": [4, -3],
                "jitter": 1.0,
                "jumps": {12: [9, -6]},
                "faults": {"blank": [5], "inverted": [17]},
                "noise": 0.1,
            },
        },
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\tpitch\ttransforms_of\n"
        "first\ttest\tslices\t5 nm\t10 nm\t\nsecond\ttest\tother\t5 nm\t10 nm\tfirst\n"
    )
    path = workflow.write_study(study, sheet, name="stack")
    workflow.run("--configfile", path)
    folder, metrics = metrics_of(workflow, "stack")
    assert set(metrics["sample"]) == {"first"}
    found = metrics[metrics["subset"] == "all"].set_index("metric")["value"]
    assert found["stack_rms"] < 0.1
    assert found["stack_largest_step"] > 8  # what was put in is there
    assert found["faults_found"] == 2
    assert found["faults_missed"] == found["faults_false"] == 0
    aligned = open_volume(folder / "align/first/aligned.ome.zarr")
    before = open_volume(folder / "disturb/first/disturbed.ome.zarr")
    assert aligned.grid == before.grid
    assert aligned.grid.spacing == (10, 5, 5)
    assert aligned.dtype == np.uint8
    mask = open_volume(folder / "align/first/valid.ome.zarr").read()
    assert 0 < mask.mean() < 1
    # A second detector's stack, its own grey values, moves by the same transforms.
    second = open_volume(folder / "align/second/aligned.ome.zarr")
    pair = [np.delete(v.read(), (5, 17), axis=0)[:, 20:-20, 20:-20] for v in (aligned, second)]
    assert np.corrcoef(*(block.ravel() for block in pair))[0, 1] < -0.9
    assert not (folder / "align/second/disturbed/transforms.json").exists()
    for page in ("index", "stack/first", "stack/second"):
        assert "<title>" in (folder / f"report/{page}.html").read_text()
    assert workflow.planned("--configfile", path) == {}
    pages = {"stack_figures", "report_stack", "report"}
    moved = after_edit(workflow, path, "align/transform.py")
    assert set(moved) == {"apply_alignment", *pages}
    # Cropped, which is the default: the same voxels without the rims, of both stacks alike.
    del study["align"]["crop"]
    workflow.write_study(study, sheet, name="stack")
    assert set(workflow.planned("--configfile", path)) == {"apply_alignment", *pages}
    field = aligned.read()
    workflow.run("--configfile", path)
    aligned, second = (
        open_volume(folder / f"align/{s}/aligned.ome.zarr") for s in ("first", "second")
    )
    box = tuple(slice(edges.min(), edges.max() + 1) for edges in np.nonzero(mask.all(axis=0)))
    assert aligned.grid == second.grid == before.grid.crop((slice(None), *box))
    assert np.array_equal(aligned.read(), field[(slice(None), *box)])
    assert open_volume(folder / "align/first/valid.ome.zarr").read().all()
    solved = after_edit(workflow, path, "align/solve.py")
    assert set(solved) == {"align", "apply_alignment", "check_alignment", "collect_metrics", *pages}
    assert solved["align"] == 2  # with and without what was put in; the second stack has none


def test_a_stack_is_aligned_and_made_isotropic_from_its_own_planes(workflow):
    """The README's study of a stack, at its smallest.

    Its arithmetic is settled: a new volume of the same bytes trains again, and what is quickest on
    a busy machine may be another one, whose weights differ.
    """
    coarse = texture((20, 96, 112))
    shifts = np.random.default_rng(1).integers(0, 4, (len(coarse), 2))
    moved = [image[y : y + 92, x : x + 108] for image, (y, x) in zip(coarse, shifts, strict=True)]
    write_slices(workflow.folder / "slices", moved)
    train = TINY_TRAINING | {
        "patch": [1, 32, 32],
        "validation_fraction": 0,
        "keep": "last",
        "precision": "float32",
    }
    study = {
        "study": "own",
        "samples": "own.tsv",
        "align": {"mode": "jitter"},
        "degrade": {"mode": "average"},
        "levels": [4],
        "methods": {
            "cubic": {},
            "srgan": {
                "planes": "low",
                "skip": "linear",
                "features": 8,
                "blocks": 1,
                "kernels": [3, 3],
                "discriminator": 4,
                "dense": 8,
                "train": train,
                "predict": {"precision": "float32"},
            },
        },
        "segment": False,
    }
    sheet = "sample\trole\tpath\tvoxel_size\tpitch\nmine\trestore\tslices\t5 nm\t20 nm\n"
    path = workflow.write_study(study, sheet, name="own")
    workflow.run("--configfile", path)
    folder = workflow.folder / "results/own"
    aligned = open_volume(folder / "align/mine/aligned.ome.zarr")
    assert aligned.grid.spacing == (20, 5, 5)
    depth, height, width = aligned.grid.shape
    assert depth == 20
    assert height >= 84
    for method in ("cubic", "srgan"):
        restored = open_volume(folder / f"predict/mine/level4/{method}.ome.zarr")
        assert restored.grid.spacing == (5, 5, 5)
        assert restored.grid.shape == (80, height, width)
        values = restored.read()
        kept = values.reshape(20, 4, height, width).mean(axis=1)
        assert np.corrcoef(kept.ravel(), aligned.read().ravel())[0, 1] > 0.9
    assert (folder / "predict/mine/level4/disagreement/srgan.ome.zarr/zarr.json").exists()
    assert "mine" in (folder / "report/index.html").read_text()
    assert workflow.planned("--configfile", path) == {}
    restored = [f"predict/mine/level4/{name}" for name in ("cubic", "srgan")]
    rules = same_in_slabs(workflow, study, sheet, ["align/mine/aligned", *restored])
    assert {"apply_alignment_slab", "predict_slab", "predict_planes_slab"} <= rules


def test_slices_restored_along_z(workflow):
    data = texture((41, 48, 104))
    tifffile.imwrite(workflow.folder / "fine.tif", data, photometric="minisblack")
    tifffile.imwrite(workflow.folder / "coarse.tif", data[:40:2], photometric="minisblack")
    train = {**TINY_TRAINING, "validation_fraction": 0, "keep": "last", "precision": "float32"}
    study = {
        "study": "along",
        "samples": "along.tsv",
        "degrade": {"mode": "decimate"},
        "levels": [2],
        "methods": {
            "nearest": None,
            "cubic": None,
            "sparse_coding": {"patch": 4, "atoms": 32, "nonzero": 2, "train": {"patches": 200}},
            "srunet3d": {
                "width": 4,
                "height": 2,
                "depth": 1,
                "kernels": [3],
                "skip": "cubic",
                "train": train | {"patch": [8, 16, 16]},
            },
            "srgan": {
                "features": 8,
                "blocks": 1,
                "kernels": [3, 3],
                "discriminator": 4,
                "dense": 8,
                "skip": "linear",
                "train": train | {"patch": [1, 16, 16]},
            },
        },
        "measure": {"binary_threshold": 120},
        "segment": False,
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\tregion\n"
        "left\ttrain\tfine.tif\t10 nm\t:,:,:52\nright\ttest\tfine.tif\t10 nm\t:,:,52:\n"
        "coarse\trestore\tcoarse.tif\t20 10 10 nm\t:,:,52:\n"
    )
    path = workflow.write_study(study, sheet, name="along")
    workflow.run("--configfile", path)
    folder, metrics = metrics_of(workflow, "along")
    assert set(metrics["sample"]) == {"right", "unseen"}
    assert set(metrics["method"]) == {"truth", "input", *study["methods"]}
    wanted = {"rms", "psnr_8bit", "rms_binary", "psnr_binary", "wpsnr", "wpsnr_code", "psnr"}
    assert wanted | {"scattering_log_rms"} <= set(metrics["metric"])
    assert not any(metric.startswith("pore") for metric in metrics["metric"])
    rms = metrics[(metrics["metric"] == "rms") & (metrics["subset"] == "all")]
    rms = rms[rms["sample"] == "right"].set_index("method")["value"]
    assert rms["cubic"] < rms["nearest"] == rms["input"]
    # 41 slices: the last one is left over; the slice that is kept lies floor(n / 2) into its block.
    low = open_volume(folder / "degrade/right/level2.ome.zarr")
    assert low.grid.shape == (20, 48, 52)
    assert low.grid.origin[0] == 10
    np.testing.assert_array_equal(low.read(), data[1:41:2, :, 52:])
    for method in ("cubic", "srunet3d", "srgan"):
        restored = open_volume(folder / f"predict/right/level2/{method}.ome.zarr")
        assert restored.grid.shape == (40, 48, 52)
        assert restored.grid.spacing == (10, 10, 10)
        assert restored.grid.origin[0] == 0
        assert abs(restored.read().mean() - data.mean()) < 25  # grey values, not normalised ones
        # A volume whose own slices are coarse has no truth and is restored all the same.
        own = open_volume(folder / f"predict/coarse/level2/{method}.ome.zarr")
        assert own.grid.shape == (40, 48, 52)
        assert own.grid.spacing == (10, 10, 10)
    history = read_table(folder / "train/srgan/level2/history.tsv")
    assert {"adversarial", "discriminator"} <= set(history.columns)
    spread = open_volume(folder / "predict/right/level2/disagreement/srgan.ome.zarr").read()
    assert spread.min() >= 0 < spread.max()
    for page in ("index", "right", "coarse", "axial/right", "axial/coarse"):
        assert "<title>" in (folder / f"report/{page}.html").read_text()
    page = (folder / "report/axial/coarse.html").read_text()
    assert "Sections x-z" in page
    assert "Differences from the truth" not in page
    # Nor is anything of it compared; its scattering is drawn, to be held against a measured one.
    assert "Scattering functions" in page
    curve = read_table(folder / "measure/coarse/level2/cubic/scattering_curve.tsv")
    assert set(curve["subset"]) == {"all", "z", "xy"}
    assert not len(read_table(folder / "measure/coarse/level2/cubic/scattering.tsv"))
    assert workflow.planned("--configfile", path) == {}
    pages = {"figures", "axial_figures", "judge", "report_sample", "report_axial", "report"}
    pages |= {"report_restored"}
    measured = after_edit(workflow, path, "measure/fibsem_errors.py")
    assert set(measured) == {"fibsem_errors", "collect_metrics", *pages}
    learned = after_edit(workflow, path, "methods/srgan.py")
    assert learned["train"] == learned["fibsem_errors"] == 1
    assert learned["predict_planes"] == 2
    assert "predict" not in learned
    stores = ["degrade", "predict", "measure"]
    stores = [
        f"{stage}/right/level2{end}"
        for stage, end in zip(stores, ("", "/cubic", "/cubic/ms_ssim"), strict=True)
    ]
    rules = same_in_slabs(workflow, study, sheet, stores)
    assert {"degrade_axial_slab", "predict_slab", "quality_slab"} <= rules
    assert "train" not in rules


def test_a_changed_slice_reruns_its_sample_alone(workflow):
    for seed, sample in enumerate("ab"):
        (workflow.folder / sample).mkdir()
        for z, image in enumerate(texture((16, 48, 48), seed)):
            tifffile.imwrite(workflow.folder / sample / f"slice_{z:02}.tif", image)
    study = {
        "study": "two",
        "samples": "two.tsv",
        "degrade": {"mode": "average"},
        "levels": [2],
        "methods": {"cubic": None},
        "measure": {"scattering": False},
        "segment": False,
    }
    sheet = "sample\trole\tpath\tvoxel_size\na\ttest\ta\t10 nm\nb\ttest\tb\t10 nm\n"
    path = workflow.write_study(study, sheet, name="two")
    workflow.run("--configfile", path)
    assert workflow.planned("--configfile", path) == {}
    changed = workflow.folder / "a" / "slice_07.tif"
    content = changed.read_bytes()
    tifffile.imwrite(changed, 255 - tifffile.imread(changed))
    jobs = workflow.planned("--configfile", path)
    # The input and cubic are two images of a sample.
    chain = {"ingest": 1, "degrade_axial": 1, "predict": 2, "quality": 2, "fibsem_errors": 2}
    pictures = {"sample_figures": 1, "axial_figures": 2}
    pages = {"collect_metrics": 1, "figures": 1, "report_sample": 2, "report_axial": 2, "report": 1}
    assert jobs == chain | pictures | pages | {"judge": 1}
    # The old content with a new time, as a touch leaves it; but a file above the limit is not read.
    changed.write_bytes(content)
    assert workflow.planned("--configfile", path) == {}
    small = ("--max-checksum-file-size", "1KB")
    assert workflow.planned(*small, "--configfile", path)["ingest"] == 1


def test_shell_correlation_of_two_acquisitions(workflow):
    data = texture((32, 40, 40)).astype(np.float32)
    rng = np.random.default_rng(2)
    for name in ("one", "two"):
        noisy = data + rng.normal(0, 15, data.shape).astype(np.float32)
        tifffile.imwrite(workflow.folder / f"{name}.tif", noisy, photometric="minisblack")
    study = {
        "study": "twice",
        "samples": "twice.tsv",
        "degrade": {"mode": "average"},
        "levels": [2],
        "methods": {"cubic": None},
        "segment": False,
    }
    sheet = (
        "sample\trole\tpath\tvoxel_size\trepeat_of\n"
        "one\ttest\tone.tif\t10 nm\t\ntwo\ttest\ttwo.tif\t10 nm\tone\n"
    )
    path = workflow.write_study(study, sheet, name="twice")
    table = "results/twice/measure/two/level2/cubic/fsc.tsv"
    workflow.run(table, "--configfile", path)
    rows = read_table(workflow.folder / table)
    found = rows[rows["metric"] == "fsc_resolution"].set_index("subset")["value"]
    assert found["z"] > found["xy"] > 20  # along z detail was averaged away
    drawn = [f"results/twice/figures/{sample}/axial_shells.png" for sample in ("one", "two")]
    workflow.run(*drawn, "--configfile", path)
    first, second = (len((workflow.folder / name).read_bytes()) for name in drawn)
    assert second > 2 * first  # the first has no other acquisition to be compared with
    # A copy is no second acquisition.
    workflow.write_study(study, sheet.replace("two.tif", "one.tif"), name="twice")
    done = workflow.run(table, "--configfile", path, check=False)
    assert done.returncode != 0
    assert "independent" in done.stdout
