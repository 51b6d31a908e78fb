"""Bad stacks of slices end in one sentence and a non-zero exit, with nothing half written."""

import numpy as np
import pytest
import tifffile

from tests.conftest import TINY_TRAINING
from tests.faults.test_bad_input import refused
from tests.studies.test_stacks import texture

ALIGN = {"study": "own", "samples": "own.tsv", "align": {"mode": "full"}}
AXIAL = {
    "study": "own",
    "samples": "own.tsv",
    "degrade": {"mode": "average"},
    "levels": [4],
    "methods": {"cubic": None},
    "segment": False,
}
SHEET = "sample\trole\tpath\tvoxel_size\tpitch\nown\ttest\tslices\t5 nm\t10 nm\n"
ALIGNED = ["align_all"]


def write(workflow, stack):
    folder = workflow.folder / "slices"
    folder.mkdir()
    for z, image in enumerate(stack):
        tifffile.imwrite(folder / f"slice_{z:03}.tif", image, photometric="minisblack")
    return folder


@pytest.fixture(scope="module")
def stack():
    return texture((22, 96, 96))


def test_control_a_good_stack_is_aligned(workflow, stack):
    write(workflow, stack)
    workflow.run(*ALIGNED, "--configfile", workflow.write_study(ALIGN, SHEET, name="own"))


def test_gap_in_the_numbering(workflow, stack):
    (write(workflow, stack) / "slice_007.tif").unlink()
    refused(workflow, ALIGN, SHEET, "slices", "7 is missing", target=ALIGNED)


def test_pitch_missing(workflow, stack):
    write(workflow, stack)
    sheet = "sample\trole\tpath\nown\ttest\tslices\n"
    refused(workflow, ALIGN, sheet, "slices", "voxel_size", target=ALIGNED)


def test_unreadable_slice(workflow, stack):
    file = write(workflow, stack) / "slice_004.tif"
    file.write_bytes(file.read_bytes()[:200])
    refused(workflow, ALIGN, SHEET, "slice_004.tif", target=ALIGNED)


def test_slice_of_another_size(workflow, stack):
    file = write(workflow, stack) / "slice_009.tif"
    tifffile.imwrite(file, stack[9, :90], photometric="minisblack")
    refused(workflow, ALIGN, SHEET, "slice_009.tif", "90 x 96", target=ALIGNED)


def test_one_slice_is_no_stack(workflow, stack):
    write(workflow, stack[:1])
    refused(workflow, ALIGN, SHEET, "slice", "two", target=ALIGNED)


def test_nan(workflow, stack):
    bad = stack.astype(np.float32)
    bad[3, 4, 5] = np.nan
    write(workflow, bad)
    refused(workflow, ALIGN, SHEET, "NaN", "slice 3", target=ALIGNED)


def test_a_jump_beyond_half_the_field(workflow, stack):
    wide = texture((22, 96, 200))
    write(workflow, np.concatenate([wide[:11, :, :96], wide[11:, :, 80:176]]))
    refused(workflow, ALIGN, SHEET, "slice", target=ALIGNED)


def test_more_than_a_fifth_of_the_slices_is_faulty(workflow, stack):
    bad = stack.copy()
    bad[[2, 6, 10, 14, 18]] = 120
    write(workflow, bad)
    refused(workflow, ALIGN, SHEET, "5", "22", target=ALIGNED)


def test_one_slice_of_one(workflow, stack):
    write(workflow, stack)
    refused(workflow, AXIAL | {"levels": [1]}, SHEET, "own.yaml", "levels", "1")


def test_a_volume_thinner_than_the_receptive_field(workflow, stack):
    write(workflow, stack)
    network = {
        "width": 4,
        "height": 2,
        "depth": 1,
        "kernels": [3],
        "train": {**TINY_TRAINING, "patch": [4, 16, 16], "validation_fraction": 0, "keep": "last"},
    }
    sheet = SHEET + "other\ttrain\tslices\t5 nm\t10 nm\n"
    study = AXIAL | {"methods": {"srunet3d": network}}
    refused(workflow, study, sheet, "srunet3d", "slices")
