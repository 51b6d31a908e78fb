"""Damage: results that were cut, edited, exchanged or lost between two jobs."""

import json
import os
import shutil
import struct

import google_crc32c
import numpy as np
import pandas as pd

from acuity.formats.read import read_volume
from acuity.keys import Key
from acuity.measure.census import read_counts, write_counts
from acuity.measure.collect import read_images
from acuity.model_card import read_model_card
from acuity.predict.models import read_card
from acuity.register.transforms import read_transforms, write_transforms
from acuity.report.sources import study_tables
from acuity.report.summary import summary
from acuity.seals import sealing, write_sealed
from acuity.slabs import join, open_writer
from acuity.tables import read_table, write_table
from acuity.volume import Grid, Volume, open_volume, write_volume
from tests.faults.case import Case

AGAIN = r"; remove \S+{} and run the same command again, which makes it anew\.$"
STEP = r"; remove \S+{}/zarr\.json and run the step that makes it again\.$"


# --------------------------------------------------------------------------------------- tables


def status():
    names = ["found", "found", "missed", "split", "found"]
    return pd.DataFrame({"label": range(5), "diameter": np.linspace(3, 7, 5), "status": names})


def table(harm, read=read_table):
    """A table that something happened to after it was written."""

    def make(folder):
        path = folder / "status.tsv"
        write_table(status(), path)
        other = status()
        other.loc[2, "status"] = "found"
        write_table(other, folder / "other.tsv")
        harm(path)
        return lambda: read(path)

    return make


def bytes_of(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def seal_of(change):
    return lambda path: bytes_of(change)(path.with_name(f"{path.name}.seal"))


def lines_of(change):
    return bytes_of(lambda data: b"".join(change(data.splitlines(keepends=True))))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def moved(source, target):
    return lambda path: shutil.copy(path.with_name(source), path.with_name(target))


def lost_seal(path):
    path.with_name(f"{path.name}.seal").unlink()


def linked(path):
    real = path.with_name("cached.tsv")
    path.rename(real)
    path.symlink_to(real.name)
    real.write_bytes(b"")


TABLE = "status.tsv"
EDITED = (
    r"status\.tsv: found {}, so it was damaged, exchanged or edited" + r".*" + AGAIN.format(TABLE)
)
OTHER = EDITED.format("other values in its 5 rows than its seal was made for")
TABLES = {
    "cut in mid-row": (
        bytes_of(lambda data: data[:-4]),
        EDITED.format("4 rows and a cut one where its seal counts 5 rows"),
    ),
    "cut behind a row": (
        lines_of(lambda lines: lines[:-2]),
        EDITED.format("3 rows where its seal counts 5 rows"),
    ),
    "lacks its last line end alone": (
        bytes_of(lambda data: data[:-1]),
        EDITED.format("4 rows and a cut one where its seal counts 5 rows"),
    ),
    "lost a row in the middle": (
        lines_of(lambda lines: lines[:2] + lines[3:]),
        EDITED.format("4 rows where its seal counts 5 rows"),
    ),
    "has a row twice": (
        lines_of(lambda lines: [*lines, lines[-1]]),
        EDITED.format("6 rows where its seal counts 5 rows"),
    ),
    "sorted in a spreadsheet": (lines_of(lambda lines: [lines[0], *lines[:0:-1]]), OTHER),
    "a value edited by hand": (bytes_of(lambda data: data.replace(b"missed", b"found")), OTHER),
    "one bit of a number": (bytes_of(lambda data: flipped(data, data.index(b"\n3\t") + 3)), OTHER),
    "one bit of a heading": (bytes_of(lambda data: flipped(data, 1)), OTHER),
    "two columns exchanged in the head": (
        bytes_of(lambda data: data.replace(b"label\tdiameter", b"diameter\tlabel")),
        OTHER,
    ),
    "line ends of Windows": (bytes_of(lambda data: data.replace(b"\n", b"\r\n")), OTHER),
    "a mark of an editor in front": (bytes_of(lambda data: b"\xef\xbb\xbf" + data), OTHER),
    "emptied": (bytes_of(lambda data: b""), EDITED.format("0 rows where its seal counts 5 rows")),
    "zeros in place of its content": (
        bytes_of(lambda data: bytes(len(data))),
        r"status\.tsv: found",
    ),
    "the table of another image": (moved("other.tsv", TABLE), OTHER),
    "the seal of another table": (moved("other.tsv.seal", f"{TABLE}.seal"), OTHER),
    "no seal": (
        lost_seal,
        r"status\.tsv: its seal status\.tsv\.seal is not beside it.* copy the seal too, else "
        + AGAIN.format(TABLE)[2:],
    ),
    "a seal that was emptied": (
        seal_of(lambda data: b""),
        r"status\.tsv\.seal: is no seal or a dam",
    ),
    "a seal that was cut": (
        seal_of(lambda data: data[:20]),
        r"status\.tsv\.seal: is no seal or a dam",
    ),
    "a seal that counts other rows": (
        seal_of(lambda data: data.replace(b"5", b"4", 1)),
        r"status\.tsv\.seal: is no seal or a dam.*" + AGAIN.format(TABLE),
    ),
    "one bit of the seal's checksum": (seal_of(lambda data: flipped(data, -10)), OTHER),
    "a seal that holds a list": (seal_of(lambda data: b"[1, 2]"), r"status\.tsv\.seal: is no seal"),
    "a link into a cache that was emptied": (
        linked,
        r"remove \S+status\.tsv and \S+cached\.tsv, to which it links, and run the same command",
    ),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-4])


def gathered(path):
    key = Key("a", "srcnn3d", 2.0)
    return read_images({"tables": {key: []}, "status": {key: path}})


def course(folder):
    write_table(pd.DataFrame({"metric": ["psnr"]}), folder / "metrics.tsv")
    history = folder / "history.tsv"
    with sealing(history) as part:
        part.write_text("step\tsplit\tloss\n1\ttrain\t0.5\n2\ttrain\t0.25\n")
    bytes_of(lambda data: data[:-2])(history)
    files = dict.fromkeys(("metrics", "pores", "curves", "spaces"), folder / "metrics.tsv")
    return lambda: study_tables(files, {Key("", "srcnn3d", 2.0): history})


def published(folder):
    row = {"sample": "unseen", "method": "input", "variant": "", "level": 2.0, "subset": "all"}
    row |= {"metric": "pore_f1", "value": 0.5, "unit": "", "low": None, "high": None, "n": 1}
    path = folder / "metrics.tsv"
    write_table(pd.DataFrame([row]), path)
    bytes_of(lambda data: data.replace(b"0.5", b"0.9"))(path)
    return lambda: summary(path)


# -------------------------------------------------------------------------------------- volumes


GRID = Grid((40, 6, 5), (2.0, 0.5, 0.25), (1.0, 2.0, 3.0), "um")


def values(seed=0):
    return np.random.default_rng(seed).integers(0, 255, GRID.shape, np.uint8)


def stored(harm, read=lambda path: open_volume(path).read()):
    """A volume of three shards, beside another one, that something happened to."""

    def make(folder):
        for name, seed in (("v", 0), ("w", 1)):
            past = ({"step": "ingest", "source": "raw.tif"},)
            write_volume(
                folder / f"{name}.ome.zarr",
                Volume(values(seed), GRID, intensity="grey", provenance=past),
            )
        path = folder / "v.ome.zarr"
        harm(path)
        return lambda: read(path)

    return make


def root_of(change):
    return lambda path: bytes_of(change)(path / "zarr.json")


def own_of(**changes):
    def harm(path):
        root = json.loads((path / "zarr.json").read_text())
        own = root["attributes"]["acuity"]
        for key, value in changes.items():
            own.pop(key) if value is None else own.update({key: value})
        (path / "zarr.json").write_text(json.dumps(root))

    return harm


def ome_scale(path):
    root = json.loads((path / "zarr.json").read_text())
    place = root["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    place[0]["scale"][0] *= 2
    (path / "zarr.json").write_text(json.dumps(root))


def array_of(change):
    return lambda path: bytes_of(change)(path / "0" / "zarr.json")


def shard(path, number):
    return path / "0" / "c" / str(number) / "0" / "0"


def foreign_shard(path):
    shutil.copy(shard(path.with_name("w.ome.zarr"), 1), shard(path, 1))


def exchanged_shards(path):
    first, second = shard(path, 0).read_bytes(), shard(path, 1).read_bytes()
    shard(path, 0).write_bytes(second)
    shard(path, 1).write_bytes(first)


def absent_chunk(path):
    """An index that says, with a good checksum, that a chunk is not there."""
    data = shard(path, 1).read_bytes()
    table = struct.pack("<QQ", 2**64 - 1, 2**64 - 1)
    end = table + google_crc32c.value(table).to_bytes(4, "little")
    shard(path, 1).write_bytes(data[: -len(end)] + end)


def by_slabs(path):
    volume = open_volume(path)
    for z in range(0, GRID.shape[0], 16):
        volume.read(slice(z, z + 16))


ROOT = r"v\.ome\.zarr/zarr\.json: "
SEALED = (
    ROOT + r"its content is not the one that its seal was made for.*" + STEP.format("v.ome.zarr")
)
CUT = ROOT + r"cannot be read \(.*\), so the volume is incomplete" + STEP.format("v.ome.zarr")
MIXED = r"v\.ome\.zarr: its voxels have the content digest \w{12} and zarr\.json says \w{12}.*"
MIXED += STEP.format("v.ome.zarr")
ARRAY = r"v\.ome\.zarr/0/zarr\.json: is damaged .*" + STEP.format("v.ome.zarr")
VOLUMES = {
    "zarr.json cut": (root_of(lambda data: data[:400]), CUT),
    "zarr.json emptied": (root_of(lambda data: b""), CUT),
    "zarr.json of zeros": (root_of(lambda data: bytes(len(data))), CUT),
    "zarr.json is no text": (root_of(lambda data: b"\xff" + data), CUT),
    "zarr.json nested without end": (root_of(lambda data: b"[" * 100_000), CUT),
    "one bit of the spacing": (
        root_of(lambda data: data.replace(b"0.25", b"0.35")),
        SEALED,
    ),
    "the spacing edited by hand": (own_of(spacing=[1.0, 0.5, 0.25]), SEALED),
    "the scale of OME alone": (ome_scale, SEALED),
    "the origin": (own_of(origin=[1.0, 2.0, 3.5]), SEALED),
    "the unit": (own_of(unit="nm"), SEALED),
    "the type of a voxel": (own_of(dtype="int8"), SEALED),
    "the meaning of the values": (own_of(intensity="label"), SEALED),
    "a step of the provenance": (
        own_of(provenance=[{"step": "ingest", "source": "b.tif"}]),
        SEALED,
    ),
    "the digest": (own_of(digest="0" * 64), SEALED),
    "the seal itself": (own_of(seal="sha256:" + "0" * 64), SEALED),
    "no seal": (own_of(seal=None), ROOT + "has no seal, .*" + STEP.format("v.ome.zarr")),
    "an older version, and its seal does not fit": (own_of(version=1, unit="nm"), SEALED),
    "one bit of the word version": (
        root_of(lambda data: data.replace(b'"version": 2', b'"wersion": 2')),
        SEALED,
    ),
    "a version to come": (own_of(version=3), ROOT + "was written by another version of Acuity"),
    "zarr.json of another volume": (
        lambda path: shutil.copy(path.with_name("w.ome.zarr") / "zarr.json", path),
        MIXED,
    ),
    "a shard of another volume": (foreign_shard, MIXED),
    "two shards exchanged": (exchanged_shards, MIXED),
    "a chunk that is missing in a shard": (absent_chunk, "the chunk is missing.*"),
    "a shard that is missing": (
        lambda path: shard(path, 2).unlink(),
        "0/c/2/0/0 is missing, so the volume is incomplete" + STEP.format("v.ome.zarr"),
    ),
    "a shard that was emptied": (
        lambda path: shard(path, 2).write_bytes(b""),
        r"the file is cut short at 0 bytes",
    ),
    "one bit of a shard": (
        lambda path: bytes_of(lambda data: flipped(data, 30))(shard(path, 0)),
        "its checksum does not match",
    ),
    "the fill value of its array": (
        array_of(lambda data: data.replace(b'"fill_value": 0', b'"fill_value": 1')),
        ARRAY,
    ),
    "the names of its axes": (array_of(lambda data: data.replace(b'"z"', b'"x"')), ARRAY),
    "chunks of no voxels": (array_of(lambda data: data.replace(b"16", b"0")), ARRAY),
    "the shape of its array": (
        array_of(lambda data: data.replace(b"40", b"41")),
        r"v\.ome\.zarr: found an array \(41, 6, 5\) of uint8 where zarr\.json says",
    ),
    "no array file": (
        lambda path: os.unlink(path / "0" / "zarr.json"),
        r"0/zarr\.json: is not there, so the volume is incomplete" + STEP.format("v.ome.zarr"),
    ),
}


# ------------------------------------------------------------------- cards, transforms and slabs


def card(folder):
    path = folder / "model.json"
    content = {"method": "srcnn3d", "settings": {"features": 4}, "level": 2.0, "scale": [1, 1, 1]}
    content |= {"normalisation": {"mean": 0.5}, "execution": {}, "weights": "0" * 64}
    write_sealed(path, content)
    return path


def edited(old, new, read=read_card):
    def make(folder):
        path = card(folder)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return lambda: read(path)

    return make


def cut_card(folder):
    path = card(folder)
    cut(path)
    return lambda: read_card(path)


def bare_card(folder):
    """One without a seal in a study whose tables have theirs."""
    (folder / "measure").mkdir()
    write_table(status(), folder / "metrics.tsv")
    path = card(folder)
    content = json.loads(path.read_text())
    del content["seal"]
    path.write_text(json.dumps(content))
    return lambda: read_card(path)


def shifts(change):
    def make(folder):
        path = folder / "transforms.json"
        write_transforms(
            path,
            {
                "unit": "nm",
                "voxel_size": [10, 5, 5],
                "mode": "jitter",
                "source": "0",
                "dy": [0.0, 0.5, 1.25],
                "dx": [0.0, 0.0, -1.0],
            },
        )
        bytes_of(change)(path)
        return lambda: read_transforms(path)

    return make


def slabs(harm):
    def make(folder):
        path = folder / "v.ome.zarr"
        for number in range(3):
            with open_writer(path, GRID, "uint8", (number, 2), settled={"sigma": 1.5}) as writer:
                for z0, z1 in writer.spans(16):
                    writer.write(z0, values()[z0:z1])
                if number:
                    writer.note(sum=12.5)
        harm(path / ".slabs")
        return lambda: join(path)

    return make


def counts(folder):
    path = folder / "1.npz"
    write_counts({"about": np.array("{}"), "solid": np.arange(40)}, path)
    bytes_of(lambda data: flipped(data, 60))(path)
    return lambda: read_counts([path], {})


UNFIT = r"{}: its content is not the one that its seal was made for"
CARD = UNFIT.format(r"model\.json") + ".*" + AGAIN.format("model.json")
CASES = [
    *(Case(f"table: {name}", table(harm), said) for name, (harm, said) in TABLES.items()),
    Case(
        "table: gathered with a row cut", table(cut, gathered), r"status\.tsv: found 4 rows and a"
    ),
    Case(
        "table: the course of a training, cut", course, r"history\.tsv: found 1 rows and a cut one"
    ),
    Case("table: published figures, edited", published, r"metrics\.tsv: found other values"),
    *(Case(f"volume: {name}", stored(harm), said) for name, (harm, said) in VOLUMES.items()),
    Case(
        "volume: a shard that is missing, imported again",
        stored(lambda path: shard(path, 1).unlink(), read_volume),
        "0/c/1/0/0 is missing, so the volume is incomplete" + STEP.format("v.ome.zarr"),
    ),
    Case(
        "volume: one bit of the word acuity, imported again",
        stored(root_of(lambda data: data.replace(b'"acuity"', b'"acuitx"')), read_volume),
        ROOT
        + r"not a volume written by Acuity .*acuity.* is missing or wrong.*"
        + STEP.format("v.ome.zarr")[2:],
    ),
    Case("volume: a foreign shard, read slab by slab", stored(foreign_shard, by_slabs), MIXED),
    Case("card: a figure edited", edited('"mean": 0.5', '"mean": 0.7'), CARD),
    Case("card: a setting edited", edited('"features": 4', '"features": 8'), CARD),
    Case("card: one bit of the word seal", edited('"seal"', '"sdal"'), CARD),
    Case("card: its seal emptied", edited('"sha256:', '"', read_card), CARD),
    Case(
        "card: edited, read for a page",
        edited('"mean": 0.5', '"mean": 0.7', read_model_card),
        CARD,
    ),
    Case(
        "card: cut",
        cut_card,
        r"model\.json: cannot be read as a model card.*" + AGAIN.format("model.json"),
    ),
    Case("card: without a seal among others", bare_card, r"model\.json: has no seal"),
    Case(
        "transforms: a shift edited",
        shifts(lambda data: data.replace(b"1.25", b"1.75")),
        UNFIT.format(r"transforms\.json"),
    ),
    Case(
        "transforms: the last slice removed and the count with it",
        shifts(
            lambda data: data.replace(b'"count": 3', b'"count": 2').replace(
                b',\n  {"z": 2, "dy": 1.25, "dx": -1.0}', b""
            )
        ),
        UNFIT.format(r"transforms\.json"),
    ),
    Case(
        "slabs: a figure in a marker",
        slabs(
            lambda folder: bytes_of(lambda data: data.replace(b"12.5", b"13.5"))(folder / "2.json")
        ),
        UNFIT.format(r"2\.json"),
    ),
    Case(
        "slabs: the voxel size that all agree upon",
        slabs(
            lambda folder: bytes_of(lambda data: data.replace(b"0.25", b"0.35"))(
                folder / "store.json"
            )
        ),
        UNFIT.format(r"store\.json") + r".*remove \S+v\.ome\.zarr and run again",
    ),
    Case(
        "slabs: a marker of an Acuity of before seals",
        slabs(lambda folder: own_marker(folder / "1.json")),
        r"1\.json: has no seal",
    ),
    Case(
        "slabs: one bit of what was counted", counts, r"1\.npz: is damaged; remove it and run again"
    ),
]


def own_marker(path):
    content = json.loads(path.read_text())
    del content["seal"]
    path.write_text(json.dumps(content))
