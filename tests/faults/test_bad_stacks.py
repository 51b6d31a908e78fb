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


def write(workflow, stack, name="slices"):
    folder = workflow.folder / name
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
    pattern = (
        r"own\.tsv: line 2: sample 'own': slices: number 7 is missing between slice_006\.tif and slice_008\.tif; copy the missing "
        r"slices, or, where there are none, name the slices that you mean in a list \(\.txt, one "
        r"file a line\)\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_pitch_missing(workflow, stack):
    write(workflow, stack)
    sheet = "sample\trole\tpath\nown\ttest\tslices\n"
    pattern = (
        r"slices: the file carries no voxel size.*; state it as voxel_size, such as \"10 nm\" or "
        r"\"20 10 10 nm\" \(z y x\)\."
    )
    refused(workflow, ALIGN, sheet, pattern, target=ALIGNED)


def test_slice_of_another_type(workflow, stack):
    file = write(workflow, stack) / "slice_004.tif"
    tifffile.imwrite(file, stack[4].astype(np.uint16), photometric="minisblack")
    pattern = (
        r"slices/slice_004\.tif: this slice is 96 x 96 of uint16 where the first one is 96 x 96 of "
        r"uint8; all slices must be alike\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_unreadable_slice(workflow, stack):
    file = write(workflow, stack) / "slice_004.tif"
    file.write_bytes(file.read_bytes()[:200])
    pattern = r"slices/slice_004\.tif: the TIFF is cut short.*; copy it again from its source\."
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_slice_of_another_size(workflow, stack):
    file = write(workflow, stack) / "slice_009.tif"
    tifffile.imwrite(file, stack[9, :90], photometric="minisblack")
    pattern = (
        r"slices/slice_009\.tif: this slice is 90 x 96 of uint8 where the first one is 96 x 96 of "
        r"uint8; all slices must be alike\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_one_slice_is_no_stack(workflow, stack):
    write(workflow, stack[:1])
    pattern = (
        r"slices: found 1 slice where a pitch of 10 nm is stated; a stack is at least two slices\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_nan(workflow, stack):
    bad = stack.astype(np.float32)
    bad[3, 4, 5] = np.nan
    write(workflow, bad)
    pattern = r"slices/slice_003\.tif: found NaN in slice 3, allowed are finite numbers only\."
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_a_jump_beyond_half_the_field(workflow, stack):
    wide = texture((22, 96, 200))
    write(workflow, np.concatenate([wide[:11, :, :96], wide[11:, :, 80:176]]))
    pattern = (
        r"align own, slices: the stack falls apart at slice 11 \(the first is 0\): no shift of up to half of the field brings "
        r"it onto the slices before it, whose largest correlation with it is 0\.\d\d; leave out "
        r"what is broken or align the two parts as two samples\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_more_than_a_fifth_of_the_slices_is_faulty(workflow, stack):
    bad = stack.copy()
    bad[[2, 6, 10, 14, 18]] = 120
    write(workflow, bad)
    pattern = (
        r"align own, slices: 5 of 22 slices are faulty \(5 blank; the first of them is slice 2, "
        r"counted from 0\), allowed is a "
        r"share of 0\.2 \(most_flagged\)\."
    )
    refused(workflow, ALIGN, SHEET, pattern, target=ALIGNED)


def test_one_slice_of_one(workflow, stack):
    write(workflow, stack)
    pattern = (
        r"own\.yaml: levels are numbers of slices with degrade\.mode average: whole numbers from 2 "
        "up; found 1"
    )
    refused(workflow, AXIAL | {"levels": [1]}, SHEET, pattern)


def test_a_volume_thinner_than_the_receptive_field(workflow, stack):
    write(workflow, stack)
    write(workflow, stack[:, ::-1], "others")
    network = {
        "width": 4,
        "height": 2,
        "depth": 1,
        "kernels": [3],
        "train": {**TINY_TRAINING, "patch": [4, 16, 16], "validation_fraction": 0, "keep": "last"},
    }
    sheet = SHEET + "other\ttrain\tothers\t5 nm\t10 nm\n"
    study = AXIAL | {"methods": {"srunet3d": network}}
    pattern = (
        r"results/own/degrade/own/level4\.ome\.zarr\S*: found 5 slices, fewer than the receptive "
        r"field of srunet3d; it needs \d+ and more"
    )
    refused(workflow, study, sheet, pattern)
