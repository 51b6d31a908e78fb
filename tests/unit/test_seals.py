"""Seals: what is whole is read with its exact values, also where it looks odd.

What is damaged is in `tests/faults/cases_damage.py`.
"""

import contextlib
import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest

from acuity.errors import AcuityError
from acuity.predict.models import read_card
from acuity.register.transforms import read_transforms, write_transforms
from acuity.seals import add_seal, sealing, write_sealed
from acuity.tables import read_table, write_table
from acuity.volume import Grid, Volume, VolumeWriter, open_volume, write_volume

TABLE = pd.DataFrame({"name": ["a", "b"], "value": [0.1, -2.5e-300]})


@pytest.fixture
def notes(caplog):
    """What the package's logger warns of; a job of an earlier test may have taken it for itself."""
    logger = logging.getLogger("acuity")
    before, logger.propagate = logger.propagate, True
    yield caplog
    logger.propagate = before


def test_a_sealed_table_is_read_with_its_exact_values(tmp_path, notes):
    write_table(TABLE, tmp_path / "t.tsv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv"), TABLE)
    seal = json.loads((tmp_path / "t.tsv.seal").read_text())
    assert seal["rows"] == 2
    assert (tmp_path / "t.tsv").read_text() == "name\tvalue\na\t0.1\nb\t-2.5e-300\n"
    assert not notes.records


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"name": []}),
        pd.DataFrame({"name": ["two\nlines", 'a "quote"', "a\ttab"]}),
        pd.DataFrame({"größe µm": ["α", "三"]}),
    ],
    ids=["no rows", "lines and tabs in a field", "other scripts"],
)
def test_odd_tables_are_read_as_they_were_written(tmp_path, table):
    write_table(table, tmp_path / "t.tsv")
    found = read_table(tmp_path / "t.tsv")
    assert list(found) == list(table)
    assert found.iloc[:, 0].tolist() == table.iloc[:, 0].tolist()


def test_a_copy_is_read_where_its_seal_came_along_under_any_name(tmp_path):
    write_table(TABLE, tmp_path / "t.tsv")
    (tmp_path / "sent").mkdir()
    for end in ("", ".seal"):
        shutil.copy(tmp_path / f"t.tsv{end}", tmp_path / "sent" / f"mine.tsv{end}")
    pd.testing.assert_frame_equal(read_table(tmp_path / "sent" / "mine.tsv"), TABLE)
    (tmp_path / "linked.tsv").symlink_to("t.tsv")
    (tmp_path / "linked.tsv.seal").symlink_to("t.tsv.seal")
    pd.testing.assert_frame_equal(read_table(tmp_path / "linked.tsv"), TABLE)


def unsealed_study(folder):
    """A study's folder as Acuity left it before there were seals."""
    measure = folder / "old" / "measure" / "a"
    measure.mkdir(parents=True)
    for path in (measure / "quality.tsv", folder / "old" / "metrics.tsv"):
        path.write_text("name\tvalue\na\t0.1\nb\t-2.5e-300\n")
    (folder / "old" / "model.json").write_text('{"level": 2}')
    return folder / "old"


def test_a_study_of_before_seals_is_read_with_a_note(tmp_path, notes):
    study = unsealed_study(tmp_path)
    for path in (study / "metrics.tsv", study / "measure" / "a" / "quality.tsv"):
        notes.clear()
        pd.testing.assert_frame_equal(read_table(path), TABLE)
        assert f"{path}: was written before files had seals" in notes.text
    # One table that is made anew there, and the others are to be as well.
    write_table(TABLE, study / "measure" / "a" / "new.tsv")
    with pytest.raises(AcuityError, match=r"metrics\.tsv: its seal metrics\.tsv\.seal is not"):
        read_table(study / "metrics.tsv")
    read_table(study / "measure" / "a" / "new.tsv")


def test_seals_inside_of_volumes_tell_nothing_of_a_studys_tables(tmp_path, notes):
    study = unsealed_study(tmp_path)
    (study / "v.ome.zarr").mkdir()
    (study / "v.ome.zarr" / "x.tsv.seal").write_text("{}")
    assert len(read_table(study / "metrics.tsv")) == 2


def test_a_sample_may_be_named_as_volumes_are(tmp_path):
    study = unsealed_study(tmp_path)
    write_table(TABLE, study / "measure" / "a.zarr" / "new.tsv")
    with pytest.raises(AcuityError, match=r"metrics\.tsv: its seal metrics\.tsv\.seal is not"):
        read_table(study / "metrics.tsv")


def test_a_table_alone_without_its_seal_is_refused(tmp_path):
    (tmp_path / "metrics.tsv").write_text("name\tvalue\na\t0.1\n")
    with pytest.raises(AcuityError, match="copy the seal too"):
        read_table(tmp_path / "metrics.tsv")


def test_what_removes_a_table_and_makes_it_again_helps(tmp_path):
    path = tmp_path / "t.tsv"
    write_table(TABLE, path)
    path.write_bytes(b"")
    with pytest.raises(AcuityError, match=f"remove {path} and run the same command again"):
        read_table(path)
    path.unlink()
    write_table(TABLE, path)
    assert len(read_table(path)) == 2


def test_a_table_that_fails_leaves_the_one_before_and_its_seal(tmp_path):
    path = tmp_path / "t.tsv"
    write_table(TABLE, path)
    with contextlib.suppress(RuntimeError), sealing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert len(read_table(path)) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.tsv", "t.tsv.seal"]


def test_json_keeps_its_seal_through_other_orders_and_spaces(tmp_path):
    path = tmp_path / "model.json"
    content = {
        "method": "µ",
        "settings": {2: (1, 2)},
        "level": 1e-300,
        "scale": [1],
        "weights": "0",
    }
    write_sealed(
        path, content | {"normalisation": None, "execution": {"halo": [0] * 3, "stride": [1] * 3}}
    )
    found = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(found.items()))))
    assert read_card(path)["settings"] == {"2": [1, 2]}
    assert "seal" not in read_card(path)


def test_transforms_come_back_exactly(tmp_path):
    path = tmp_path / "t.json"
    shifts = {"unit": "nm", "voxel_size": [10, 5, 5], "mode": "jitter", "source": "0"}
    write_transforms(path, shifts | {"dy": np.array([0.1, 1 / 3]), "dx": [0, -7], "more": [1]})
    found = read_transforms(path)
    assert found["dy"].tolist() == [0.1, 1 / 3]
    assert found["more"] == [1]
    assert set(found) == {*shifts, "dy", "dx", "more", "count"}


# -------------------------------------------------------------------------------------- volumes


GRID = Grid((40, 6, 5), (2.0, 0.5, 0.25))


def noise(seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(0, 50, GRID.shape).astype(dtype)


def foreign(folder):
    """A volume with a shard that was made for another one of the same values' sizes."""
    for name, seed in (("v", 0), ("w", 1)):
        write_volume(folder / f"{name}.ome.zarr", Volume(noise(seed), GRID))
    part = "0/c/1/0/0"
    shutil.copy(folder / "w.ome.zarr" / part, folder / "v.ome.zarr" / part)
    return folder / "v.ome.zarr"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("depth", [40, 16, 32, 7])
def test_a_whole_volume_is_read_in_pieces_of_any_depth(tmp_path, dtype, depth):
    data = noise(dtype=dtype)
    write_volume(tmp_path / "v.ome.zarr", Volume(data, GRID))
    volume = open_volume(tmp_path / "v.ome.zarr")
    for _ in range(2):
        pieces = [volume.read(slice(z, z + depth)) for z in range(0, 40, depth)]
        assert np.array_equal(np.concatenate(pieces), data)


def test_a_part_that_a_foreign_shard_does_not_reach_is_read(tmp_path):
    volume = open_volume(foreign(tmp_path))
    assert np.array_equal(volume.read(slice(0, 16)), noise()[:16])
    assert np.array_equal(volume.read(slice(32, 40)), noise()[32:])
    for _ in range(2):  # and it is not forgotten that it did not fit
        with pytest.raises(AcuityError, match="its voxels have the content digest"):
            volume.read(slice(16, 32))


def test_planes_with_several_shards_fit_their_digest(tmp_path, monkeypatch):
    monkeypatch.setattr("acuity.volume.SHARD_BYTES", 16 * 128**2)
    grid = Grid((17, 130, 260), (1, 1, 1))
    data = np.random.default_rng(2).integers(0, 255, grid.shape, np.uint8)
    write_volume(tmp_path / "v.ome.zarr", Volume(data, grid))
    volume = open_volume(tmp_path / "v.ome.zarr")
    assert volume.data.layout.count == 2 * 2 * 3
    assert np.array_equal(volume.read(), data)
    columns = open_volume(tmp_path / "v.ome.zarr")
    for x in range(0, 260, 128):
        assert np.array_equal(columns.read(x=slice(x, x + 128)), data[:, :, x : x + 128])
    assert columns.data._read is None  # it was compared


def test_a_volume_of_before_seals_is_read_exactly_and_compared(tmp_path):
    path = foreign(tmp_path)
    for name in ("v", "w"):
        file = tmp_path / f"{name}.ome.zarr" / "zarr.json"
        root = json.loads(file.read_text())
        own = root["attributes"]["acuity"]
        del own["seal"]
        own["version"] = 1
        file.write_text(json.dumps(root))
    assert open_volume(path).grid == GRID
    with pytest.raises(AcuityError, match="its voxels have the content digest"):
        open_volume(path).read()
    good = tmp_path / "w.ome.zarr"
    shutil.copy(path / "0/c/0/0/0", tmp_path / "spare")
    assert np.array_equal(open_volume(good).read(), noise(1))


def test_a_root_file_that_another_program_laid_out_anew_is_read(tmp_path):
    with VolumeWriter(tmp_path / "v.ome.zarr", GRID, "uint8", intensity="µ") as writer:
        writer.write(0, np.zeros(GRID.shape, np.uint8))
    file = tmp_path / "v.ome.zarr" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()), ensure_ascii=False))
    assert open_volume(tmp_path / "v.ome.zarr").intensity == "µ"


def test_a_seal_covers_all_but_itself():
    content = add_seal({"a": 1, "b": {"c": [1.0, None]}})
    assert add_seal(dict(content)) == content
    assert add_seal({"a": 1, "b": {"c": [1.5, None]}})["seal"] != content["seal"]
