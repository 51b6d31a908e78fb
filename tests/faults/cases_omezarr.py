"""OME-Zarr stores that cannot be read as a volume: one sentence each."""

import json
import shutil

import numpy as np
import zarr
from zarr.storage import LocalStore

from acuity.formats.export import export
from acuity.formats.read import read_volume
from acuity.volume import Grid, Volume, write_volume
from tests.faults.case import Case

NM = "20 10 10 nm"
AXES = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
SCALE = [{"type": "scale", "scale": [3.0, 2.0, 1.0]}]


def values(shape=(6, 9, 11)):
    return np.random.default_rng(1).integers(1, 200, shape).astype("uint16")


def store(path, data=None, axes=AXES, steps=SCALE, version="0.4", attributes=None, **image):
    """An OME-Zarr with one level, written chunk by chunk."""
    data = values() if data is None else data
    array = zarr.create_array(
        LocalStore(path / "0"),
        shape=data.shape,
        dtype=data.dtype,
        chunks=tuple(min(4, count) for count in data.shape),
        zarr_format=3 if version == "0.5" else 2,
        config={"write_empty_chunks": True},
    )
    array[...] = data
    level = {"path": "0", "coordinateTransformations": steps}
    image = {"axes": axes, "datasets": [level]} | image
    if version == "0.5":
        said = {"ome": {"version": version, "multiscales": [image]}}
        root = {"zarr_format": 3, "node_type": "group", "attributes": attributes or said}
        (path / "zarr.json").write_text(json.dumps(root))
        return path
    if version is not None:
        image = {"version": version} | image
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps(attributes or {"multiscales": [image]}))
    return path


def ome(stated=NM, name="a.zarr", inside="", harm=lambda path: None, **options):
    def make(folder):
        harm(store(folder / name, **options))
        return lambda: read_volume(folder / name / inside, stated).read()

    return make


def remove(pattern):
    def harm(path):
        for file in path.glob(pattern):
            file.unlink()

    return harm


def collection(path):
    store(path / "0")
    shutil.copytree(path / "0", path / "1")
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text('{"bioformats2raw.layout": 3}')


def images_of_bioformats(folder):
    collection(folder / "a.zarr")
    return lambda: read_volume(folder / "a.zarr", NM)


def damaged_export(folder):
    volume = Volume(values(), Grid((6, 9, 11), (3, 2, 1), (0, 0, 0), "nm"))
    write_volume(folder / "v.ome.zarr", volume)
    export(folder / "v.ome.zarr", folder / "a.zarr")
    (folder / "a.zarr/0/0/0/0").unlink()
    return lambda: read_volume(folder / "a.zarr").read()


def broken(path):
    (path / "0" / "0.0.0").write_bytes(b"broken")


def cut_text(path):
    (path / ".zattrs").write_text('{"multiscales": [')


def axes(names):
    return [{"name": name, "type": "space", "unit": "nanometer"} for name in names]


def channels(names, count):
    return {"axes": axes(names), "data": values((count, 6, 9, 11)), "steps": []}


def units(**unit):
    return [
        {"name": axis, "type": "space", **({"unit": u} if u else {})} for axis, u in unit.items()
    ]


CASES = [
    Case(f"OME-Zarr: {name}", make, said)
    for name, make, said in [
        ("a collection of bioformats2raw", images_of_bioformats, r"name one of them, a\.zarr/0 to"),
        ("a plate", ome(attributes={"plate": {}}), r"is a plate of many images; .*a\.zarr/A/1/0"),
        ("a well", ome(attributes={"well": {}}), "is a well of many images"),
        ("no metadata", ome(attributes={"x": 1}), r"without OME metadata .*multiscales"),
        ("one level of it", ome(inside="0"), "is one array of a Zarr .*name the folder"),
        ("text that is cut", ome(harm=cut_text), r"a\.zarr: cannot be opened"),
        ("no text of the array", ome(harm=remove("0/.zarray")), r"a\.zarr: .*cannot be read"),
        ("an older version", ome(version="0.3"), "found OME-Zarr 0.3, allowed are 0.4 and 0.5"),
        ("a newer version", ome(version="0.9"), "found OME-Zarr 0.9"),
        (
            "two images",
            ome(attributes={"multiscales": [{}, {}]}),
            r"found 2 images in its OME metadata \(multiscales\)",
        ),
        ("channels", ome(**channels("czyx", 3)), r"3 channels \(axis 'c'\), allowed is one"),
        ("time points", ome(**channels("tzyx", 2)), r"2 time points \(axis 't'\)"),
        (
            "axes of other names",
            ome(axes=axes("abc")),
            "found the axes a, b, c, allowed are z, y, x",
        ),
        ("an axis too few", ome(axes=axes("yx")), "3 axes in the array and"),
        ("a turn", ome(steps=[{"type": "affine"}]), "transformation 'affine'"),
        ("a scale of two", ome(None, steps=[{"type": "scale", "scale": [1, 2]}]), "a scale of"),
        ("a scale of words", ome(None, steps=[{"type": "scale", "scale": "x"}]), "a scale of x"),
        ("no scale", ome(None, steps=[]), "carries no voxel size; state it"),
        (
            "a scale of nothing",
            ome(None, steps=[{"type": "scale", "scale": [0, 1, 1]}]),
            "sizes of 0 x 1 x 1",
        ),
        (
            "an axis without unit",
            ome(None, axes=units(z=None, y="nm", x="nm")),
            "without a unit along z",
        ),
        ("no units", ome(None, axes=units(z=None, y=None, x=None)), "3 x 2 x 1 without a unit"),
        ("a chunk that does not unpack", ome(harm=broken), "cannot be read"),
        ("no chunk at all", ome(harm=remove("0/[0-9]*")), "none of its 18 chunks is there"),
        ("an export with a chunk lost", damaged_export, "carries the digest of a whole volume"),
    ]
]
