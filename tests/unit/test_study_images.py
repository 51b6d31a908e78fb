"""Studies of images: pairs of files, simulated specimens, and the mistakes that can be made."""

import pytest
import yaml

from acuity.errors import AcuityError
from acuity.study.reading import read_study

HEAD = "sample\trole\tseed\tpath\tlow_path\tlow_voxel_size\tlevel\n"
SIMULATED = HEAD + "a\ttrain\t1\t\t\t\t\nb\ttest\t2\t\t\t\t\n"
FILES = HEAD + "a\ttrain\t\thigh.tif\tlow.tif\t14.2 nm\t\nb\ttest\t\tother.tif\tlow.tif\t\t\n"
GOOD = {
    "study": "images",
    "samples": "images.tsv",
    "specimen": {"size": [128, 160]},
    "pair": {},
    "levels": [2],
    "methods": {"lanczos": None, "sem_gan": None},
    "segment": False,
}


@pytest.fixture
def read(tmp_path):
    for name in ("high.tif", "other.tif", "low.tif"):
        (tmp_path / name).write_bytes(b"")

    def read(sheet, **changes):
        content = {key: value for key, value in (GOOD | changes).items() if value is not ...}
        (tmp_path / "images.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "images.tsv").write_text(sheet)
        return read_study(tmp_path / "images.yaml")

    return read


def test_specimens_and_files_in_one_study(read):
    study, samples = read(SIMULATED + "c\ttest\t\thigh.tif\tlow.tif\t\t\n")
    assert study.flat
    assert study.scale(2) == (1, 2, 2)
    assert [sample.level for sample in samples] == [2, 2, 2]
    assert samples[2].low_path.endswith("low.tif")


def test_each_pair_has_its_level(read):
    sheet = FILES.replace("14.2 nm\t", "14.2 nm\t3").replace("low.tif\t\t\n", "low.tif\t\t2\n")
    _, samples = read(sheet, specimen=..., levels=[2, 3])
    assert [sample.level for sample in samples] == [3, 2]


def test_a_new_image_has_no_partner(read):
    _, samples = read(FILES + "new\trestore\t\tlow.tif\t\t\t\n", specimen=...)
    assert samples[2].role == "restore"
    assert samples[2].level == 2


def test_images_are_degraded_at_random(read):
    sheet = "sample\trole\tpath\na\ttrain\thigh.tif\nb\ttest\tother.tif\n"
    degrade = {"mode": "random", "random": {"blur": [0.5, 1.0], "probability": {"blur": 1}}}
    study, samples = read(
        sheet, specimen=..., pair=..., degrade=degrade, methods={"semnet": {"blocks": 1}}
    )
    assert study.flat
    assert samples[0].level is None
    assert study.degrade.random.probability.poisson == 0.5


@pytest.mark.parametrize(
    ("sheet", "changes", "words"),
    [
        (FILES.replace("low.tif\t14.2", "\t14.2"), {}, ["line 2", "'a'", "no low_path"]),
        (FILES, {"pair": ..., "degrade": {"mode": "random"}}, ["line 2", "low_path", "pair"]),
        (FILES + "n\trestore\t\tlow.tif\tlow.tif\t\t\n", {}, ["line 4", "'n'", "role restore"]),
        (FILES.replace("low.tif\t14", "none.tif\t14"), {}, ["line 2", "'a'", "none.tif"]),
        (FILES.replace("14.2 nm", "14.2"), {}, ["line 2", "low_voxel_size", "'14.2'", "unit"]),
        (FILES.replace("14.2 nm\t", "14.2 nm\t5"), {}, ["line 2", "level 5", "2"]),
        (FILES, {"levels": [2, 4]}, ["line 2", "no level", "2, 4"]),
        (FILES, {"levels": [2.5]}, ["whole numbers", "2.5"]),
        (FILES, {"levels": [1]}, ["whole numbers from 2", "1"]),
        (FILES, {"pair": ...}, ["specimen", "pair section"]),
        (FILES, {"degrade": {"noise": 0.1}}, ["pair section", "degrade"]),
        (FILES, {"degrade": {"random": {"blur": [1, 2]}}}, ["random", "mode blur"]),
        (SIMULATED.replace("1\t\t", "1\thigh.tif\t"), {}, ["line 2", "'a'", "no path"]),
        (SIMULATED.replace("\t2\t", "\t1\t"), {}, ["same seed"]),
        (SIMULATED, {"specimen": {"size": [20, 128]}}, ["specimen", "20", "64"]),
        (SIMULATED, {"specimen": {"pixel_size": "7.1"}}, ["pixel_size", "'7.1'", "unit"]),
        (SIMULATED, {"specimen": {"kind": "silver"}}, ["specimen.kind", "'silver'", "'gold'"]),
        (SIMULATED, {"specimen": ...}, ["line 2", "'a'", "needs a path"]),
        (SIMULATED, {"measure": {"gaps": {"exists": 1.2}}}, ["measure.gaps.exists", "1.2"]),
        (SIMULATED, {"foam": {"size": 48}}, ["images"]),
        (SIMULATED, {"pair": {"patch": 8}}, ["pair.patch", "8", "32"]),
    ],
)
def test_mistakes_are_one_sentence(read, sheet, changes, words):
    with pytest.raises(AcuityError) as caught:
        read(sheet, **changes)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text
