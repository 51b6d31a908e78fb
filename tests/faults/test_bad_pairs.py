"""Bad pairs of images end in one sentence and a non-zero exit, with nothing half written."""

import numpy as np
import pytest
import tifffile

from tests.faults.test_bad_input import refused
from tests.pairs import make_pair, texture

STUDY = {
    "study": "own",
    "samples": "own.tsv",
    "pair": {"patch": 64},
    "levels": [2],
    "methods": {"lanczos": None},
    "segment": False,
}
HEADER = "sample\trole\tpath\tvoxel_size\tlow_path\tlow_voxel_size\n"
SHEET = HEADER + "own\ttest\thigh.tif\t7 nm\tlow.tif\t14 nm\n"
PAIRS = ["pair_all"]


@pytest.fixture(scope="module")
def images():
    made = make_pair(texture, 21, side=224, amplitude=0)
    return {scan: getattr(made, scan).astype(np.uint8) for scan in ("high", "low")}


def write(workflow, images, **changed):
    for scan, image in {**images, **changed}.items():
        colour = "rgb" if image.ndim == 3 else "minisblack"
        tifffile.imwrite(workflow.folder / f"{scan}.tif", image, photometric=colour)


def test_control_a_good_pair_is_registered(workflow, images):
    write(workflow, images)
    workflow.run(*PAIRS, "--configfile", workflow.write_study(STUDY, SHEET, name="own"))


def with_nan(image):
    image = image.astype(np.float32)
    image[7, 5] = np.nan
    return image


def other_field(image):
    return make_pair(texture, 22, side=224, amplitude=0).high.astype(np.uint8)


@pytest.mark.parametrize(
    ("scan", "change", "pattern"),
    [
        (
            "high",
            lambda image: np.repeat(image[..., None], 3, axis=2),
            r"high\.tif: found a colour image .*, allowed is one grey value a pixel.*",
        ),
        ("low", with_nan, r"low\.tif: .*NaN.*slice 0.*"),
        ("low", lambda image: np.full_like(image, 40), r".*low\.tif.*(constant|blank).*40.*"),
        (
            "high",
            lambda image: np.where(np.arange(len(image)) < 90, 255, image),
            r".*high\.tif.*saturated.*",
        ),
        ("low", lambda image: image[:60], r".*high\.tif.* is larger than .*low\.tif.*"),
        ("high", other_field, r"pair own, high\.tif, low\.tif: cannot be registered: .*"),
    ],
    ids=["rgb", "nan", "blank", "saturated", "no-room", "another-field"],
)
def test_images_that_are_no_pair(workflow, images, scan, change, pattern):
    write(workflow, images, **{scan: change(images[scan]).astype(change(images[scan]).dtype)})
    refused(workflow, STUDY, SHEET, pattern, target=PAIRS)


@pytest.mark.parametrize(
    ("row", "pattern"),
    [
        ("high.tif\t\tlow.tif\t14 nm", r"high\.tif: the file carries no voxel size.*"),
        ("high.tif\t7 nm\tlow.tif\t", r"low\.tif: the file carries no voxel size.*"),
        ("low.tif\t14 nm\thigh.tif\t7 nm", r".*high\.tif.*low\.tif.*swapped.*"),
        ("high.tif\t7 nm\tlow.tif\t14.7 nm", r"pair own, high\.tif, low\.tif: .*scale.*0\.02.*"),
        ("high.tif\t7 nm\t\t", r"own\.tsv: .*low_path.*"),
    ],
    ids=["no-high-pixel", "no-low-pixel", "swapped", "scale", "unpaired"],
)
def test_rows_that_are_no_pair(workflow, images, row, pattern):
    write(workflow, images)
    refused(workflow, STUDY, HEADER + f"own\ttest\t{row}\n", pattern, target=PAIRS)
