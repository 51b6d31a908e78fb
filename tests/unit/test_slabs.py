"""Several jobs that fill one volume: the same bytes, and nothing that does not fit is joined."""

import json
import shutil
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest

from acuity.errors import AcuityError
from acuity.seals import write_sealed
from acuity.slabs import extent, join, open_writer, read_marker
from acuity.volume import Grid, VolumeWriter, open_volume

GRID = Grid((120, 40, 40), (2.0, 1.0, 1.0), (5.0, 0.0, 0.0), "nm")
DATA = np.random.default_rng(1).normal(size=GRID.shape).astype(np.float32)
BLOCK = 24  # neither a row of 16 slices nor a multiple of one


def stage(path, part=None, gain=2.0):
    """A stage as they all are: a figure of the whole input, blocks, notes."""
    with open_writer(
        path, GRID, np.float32, part, block=BLOCK, settled={"gain": gain}, provenance=({"a": 1},)
    ) as writer:
        mean = writer.agree("mean", lambda: float(DATA.mean()))
        for z0, z1 in writer.spans(10):
            writer.write(z0, (DATA[z0:z1] - np.float32(mean)) * np.float32(gain))
        writer.note(slices=writer.z1 - writer.z0)


def in_slabs(path, count, order=None):
    for number in [0, *(order or range(1, count + 1))]:
        stage(path, (number, count))
    return join(path)


def shards(path):
    """Digests of a store's files, its markers left out."""
    files = [file for file in path.rglob("*") if file.is_file() and ".slabs" not in file.parts]
    return {str(file.relative_to(path)): sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "v.ome.zarr"
    stage(path)
    return path


@pytest.fixture
def three(tmp_path):
    path = tmp_path / "v.ome.zarr"
    in_slabs(path, 3)
    (path / "zarr.json").unlink()
    return path


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_any_number_of_slabs_gives_the_same_bytes(tmp_path, whole, count):
    path = tmp_path / "v.ome.zarr"
    notes = in_slabs(path, count, order=range(count, 0, -1))
    assert shards(path) == shards(whole)  # zarr.json with its digest among them
    assert len(notes) == count
    assert sum(note["slices"] for note in notes) == GRID.shape[0]
    assert open_volume(path).read().shape == GRID.shape
    assert join(path) == notes  # again


@pytest.mark.parametrize("depth", [1, 16, 100, 120, 1000])
@pytest.mark.parametrize("block", [1, 8, 24, 32, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
def test_slabs_are_whole_rows_and_meet(depth, block, count):
    spans = [extent(depth, 16, block, (number, count)) for number in range(1, count + 1)]
    assert spans[0][0] == 0
    assert spans[-1][1] == depth
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(z % 16 == 0 or z == depth for span in spans for z in span)
    if block % 16 == 0 or 16 % block == 0:
        assert all(z % block == 0 or z == depth for span in spans for z in span)
    if block == 1 and depth >= 16 * count:
        sizes = [z1 - z0 for z0, z1 in spans]
        assert max(sizes) - min(sizes) <= 32
    assert extent(depth, 16, block, (0, count)) == (0, 0)


def test_a_slab_too_many_is_empty_and_says_so(tmp_path):
    path = tmp_path / "v.ome.zarr"
    in_slabs(path, 20)
    empty = [read_marker(path, number)[1]["empty"] for number in range(1, 21)]
    assert 20 - sum(empty) == 5  # blocks of 24 slices


def test_a_slab_may_be_made_again(three, whole):
    marker = three / ".slabs/2.json"
    for file in (three / "0/c/3").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    marker.unlink()
    stage(three, (2, 3))
    join(three)
    assert shards(three) == shards(whole)
    stage(three, (1, 3))
    assert not (three / "zarr.json").exists()  # not whole while a slab is made anew
    join(three)


def shard(path, z):
    return next(file for file in (path / f"0/c/{z}").rglob("*") if file.is_file())


def flip(path):
    file = shard(path, 4)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    return [file, path / ".slabs/2.json"]


def cut(path):
    file = shard(path, 7)
    file.write_bytes(file.read_bytes()[:-9])
    return [file, path / ".slabs/3.json"]


def lose(path):
    file = shard(path, 0)
    file.unlink()
    return [file, "missing", path / ".slabs/1.json"]


def swap(path):
    shutil.copy(shard(path, 0), shard(path, 1))
    return [shard(path, 1)]


def lose_marker(path):
    (path / ".slabs/2.json").unlink()
    return [path / ".slabs/2.json", "slab 2 is not done", "run again"]


def damage_marker(path):
    (path / ".slabs/2.json").write_text("{")
    return [path / ".slabs/2.json", "remove it"]


def wrong_marker(path):
    shutil.copy(path / ".slabs/1.json", path / ".slabs/2.json")
    return [path / ".slabs/2.json", "another slab"]


def other_settings(path):
    marker = (path / ".slabs/2.json").read_text()
    for number in range(3):
        stage(path, (number, 3), gain=3.0)
    stage(path, (3, 3), gain=3.0)
    (path / ".slabs/2.json").write_text(marker)
    return [path / ".slabs/2.json", "other settings"]


def other_rows(path):
    file = path / ".slabs/2.json"
    content = json.loads(file.read_text())
    content["z"][1] -= 16
    write_sealed(file, content)
    return [path / ".slabs/3.json", "do not follow"]


def other_version(path):
    file = path / ".slabs/store.json"
    content = json.loads(file.read_text())
    content["plan"]["version"] = 0
    write_sealed(file, content)
    return [file, "another version"]


def no_store(path):
    (path / ".slabs/store.json").unlink()
    return [path / ".slabs/store.json", "was not made"]


@pytest.mark.parametrize(
    "harm",
    [flip, cut, lose, swap, lose_marker, damage_marker, wrong_marker, other_settings, other_rows]
    + [other_version, no_store],
)
def test_what_does_not_fit_is_not_joined(three, harm):
    words = harm(three)
    with pytest.raises(AcuityError) as caught:
        join(three)
    text = str(caught.value)
    assert "\n" not in text
    assert all(str(word) in text for word in words), text
    assert not (three / "zarr.json").exists()


def test_the_control_of_what_does_not_fit(three):
    join(three)
    assert (three / "zarr.json").exists()


def test_a_slab_refuses_a_store_made_in_another_way(three):
    with pytest.raises(AcuityError, match=r"settled\.gain 2\.0 and slab 2 found 3\.0.*remove"):
        stage(three, (2, 3), gain=3.0)
    with pytest.raises(AcuityError, match="slabs 3 and slab 2 found 4"):
        stage(three, (2, 4))
    assert (three / ".slabs/2.json").exists()  # it was not that slab's


def test_a_writer_refuses_shards_of_another_slab(three):
    settled = {"gain": 2.0}
    writer = open_writer(
        three, GRID, np.float32, (2, 3), block=BLOCK, settled=settled, provenance=({"a": 1},)
    )
    with pytest.raises(ValueError, match="lies beyond"), writer:
        writer.write_shard((0, 0, 0), DATA[:16])
    assert not (three / ".slabs/2.json").exists()
    assert (three / ".slabs/1.json").exists()


def test_a_new_store_loses_the_markers(three):
    stage(three, (0, 3))
    assert sorted(file.name for file in (three / ".slabs").iterdir()) == ["store.json"]
    with VolumeWriter(three, GRID, np.float32) as writer:
        writer.write(0, DATA)
    assert not (three / ".slabs").exists()


@pytest.mark.parametrize("part", [(4, 3), (-1, 3), (1, 0)])
def test_part_refused(tmp_path, part):
    with pytest.raises(AcuityError, match="part"):
        stage(tmp_path / "v.ome.zarr", part)
