"""Bad pairs of volumes end in one sentence and a non-zero exit, with nothing half written."""

import json
import re

import numpy as np
import pytest
import scipy.ndimage
import tifffile

from acuity.tables import read_table
from tests.conftest import Workflow
from tests.faults.test_bad_input import sentences

HEADER = "sample\trole\tpath\tvoxel_size\tlow_path\tlow_voxel_size\tplace\n"
STUDY = {
    "study": "own",
    "samples": "own.tsv",
    "levels": [2],
    "pair": {"held_out": "none"},
    "methods": {"linear": None},
    "segment": False,
}
SIDE = 64  # of the fine scans, fine voxels: 32 low ones, which tell a scale
FIRST = np.array([9, 5, 7])


def material(seed, shape=(80, 80, 80)):
    """Pores of 3 to 8 fine voxels in a solid, 0 to 1."""
    random = np.random.Generator(np.random.Philox(seed))
    drawn = scipy.ndimage.gaussian_filter(random.standard_normal(shape), 3.0)
    return scipy.ndimage.gaussian_filter((drawn > -0.5 * drawn.std()).astype(float), 1.0)


def coarse(fine):
    a, b, c = (n // 2 for n in fine.shape)
    return fine.reshape(a, 2, b, 2, c, 2).mean(axis=(1, 3, 5))


def recorded(volume, gain, offset, seed):
    """Grey values of 8 bits, with noise."""
    random = np.random.Generator(np.random.Philox(seed))
    values = gain * (volume + 0.02 * random.standard_normal(volume.shape)) + offset
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def scans():
    """Coarse and fine scans, by name."""
    one, long = material(31), material(31, (80, 80, 124))
    box = tuple(slice(a, a + SIDE) for a in FIRST)
    small = tuple(slice(a, a + 40) for a in FIRST)
    empty = np.zeros((40, 40, 40), np.uint8)
    empty[20, 7, 9] = 200
    edges = scipy.ndimage.gaussian_gradient_magnitude(one, 1.0)
    high = recorded(one[box], 150, 40, 2)
    return {
        "low": recorded(coarse(one), 90, 60, 1),
        "high": high,
        "elsewhere": recorded(material(77)[small], 150, 40, 3),
        "small": high[:20, :20, :20],
        "reversed": high[::-1, :40, :40][:40],
        "constant": np.full_like(high, 7),
        "empty": empty,
        "edges": recorded(3 * edges[small], 150, 40, 4),
        "cut": recorded(coarse(long[:, :, :72]), 90, 60, 1),
        "beyond": recorded(long[8:72, 8:72, 60:], 150, 40, 2),
    }


# Of each pair: fine and coarse scan, fine voxel size, and the sentence.
NONE = r"pair NAME, .*: cannot be registered: at the best place .*; do both volumes show one region, .*"
BAD = {
    "no-overlap": ("elsewhere", "low", 2, NONE),
    "other-modality": ("edges", "low", 2, NONE),
    "small": ("small", "low", 2, r"pair NAME, .*: the region is too small: .* at least 12 .*"),
    "mirrored": (
        "reversed",
        "low",
        2,
        r"pair NAME, .*: cannot be registered: the z axis of the high volume is reversed; flip it\.",
    ),
    "scale": (
        "high",
        "low",
        2.28,
        r"pair NAME, .*: the voxel sizes are wrong: .* the high one is (1\.99\d?|2|2\.00\d?) um; allowed is .*",
    ),
    "constant": (
        "constant",
        "low",
        2,
        r"constant\.tif: is constant, every voxel is 7; .*",
    ),
    "empty": ("high", "empty", 2, r"pair NAME, .*: the low volume is constant or empty: .* 0\."),
    "beyond": ("beyond", "cut", 2, r"pair NAME, .*: only 2\d % of the high volume .* 25 % .*"),
    "one-size": ("high", "low", 4, r"pair NAME: .*, which is one magnification; .*"),
    "swapped": ("high", "low", 9, r"pair NAME: .* \(are the two swapped\?\)\."),
    "outside": ("high", "low", 2, r"pair NAME: place is '1 1 1 mm', which lies outside .*"),
}
GOOD = {
    "control": ("high", "low", 2, ""),
    "misplaced": ("high", "low", 2, "4 36 4 voxel"),
    "stretched": ("high", "low", 2.1, ""),
}


def row(name, high, low, size, place):
    place = "1 1 1 mm" if name == "outside" else "" if name in BAD else place
    return f"{name}\ttrain\t{high}.tif\t{size} um\t{low}.tif\t4 um\t{place}\n"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One study of all pairs, run as far as each goes: the copy of the workflow, and all that was said."""
    workflow = Workflow(tmp_path_factory.mktemp("volume_pairs"))
    for name, scan in scans().items():
        tifffile.imwrite(workflow.folder / f"{name}.tif", scan, photometric="minisblack")
    sheet = HEADER + "".join(row(name, *pair) for name, pair in (BAD | GOOD).items())
    path = workflow.write_study(STUDY, sheet + "field\trestore\tlow.tif\t4 um\t\t\t\n", name="own")
    done = workflow.run("pair_all", "--keep-going", "--configfile", path, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    return workflow, sentences(done.stdout)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_pair_is_refused(ran, name):
    workflow, said = ran
    [own] = {sentence for sentence in said if re.match(rf"pair {name}\b|{name}\.tif", sentence)}
    assert re.fullmatch(BAD[name][3].replace("NAME", name), own), own
    folder = workflow.folder / "results/own/pair" / name
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_nothing_but_the_bad_pairs_is_refused(ran):
    _, said = ran
    assert len({sentence.split(",")[0].split(":")[0] for sentence in said}) == len(BAD)


def transform(workflow, name):
    return json.loads((workflow.folder / f"results/own/pair/{name}/transform.json").read_text())


def test_a_wrong_place_only_orders_the_search(ran):
    found = {name: np.array(transform(ran[0], name)["matrix"]) for name in ("control", "misplaced")}
    truth = np.column_stack([2 * np.eye(3), 0.5 - FIRST])
    ends = np.array([[3, 3, 3, 1], [30, 30, 30, 1]]).T
    assert np.abs((found["control"] - truth) @ ends).max() < 0.1
    np.testing.assert_allclose(found["misplaced"] @ ends, found["control"] @ ends, atol=0.02)
    assert transform(ran[0], "misplaced")["guess"] == [3.5, 35.5, 3.5]
    assert transform(ran[0], "control")["guess"] is None


def test_a_scale_of_a_few_percent_is_told_with_the_right_size(ran):
    workflow, _ = ran
    [said] = transform(workflow, "stretched")["warnings"]
    assert re.search(
        r"check the voxel sizes: .* with a low voxel of 4 um the high one is (1\.99\d?|2|2\.00\d?) um",
        said,
    )
    table = read_table(workflow.folder / "results/own/measure/stretched/pair.tsv")
    assert said in set(table["finding"].dropna())
    # Control: of the right sizes nothing is said.
    assert transform(workflow, "control")["warnings"] == []
