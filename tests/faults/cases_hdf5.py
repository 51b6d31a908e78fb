"""HDF5 and Imaris files that cannot be read as a volume: one sentence each."""

import json

import h5py
import numpy as np

from acuity.formats.read import read_volume
from acuity.hdf5 import open_hdf5
from tests.faults.case import Case

NM = "20 10 10 nm"


def values(shape=(6, 9, 11), dtype="uint16"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def hdf5(fill, name="", size=NM, file_name="a.h5"):
    """A file that a function fills; what is read of it; and the size that is stated."""

    def make(folder):
        path = folder / file_name
        with open_hdf5(path, "w") as file:
            fill(file)
        return lambda: read_volume(f"{path}{name}", size).read()

    return make


def held(**datasets):
    """A function that fills a file with datasets, whose names have _ for /."""

    def fill(file):
        for name, data in datasets.items():
            file[name.replace("__", "/")] = data

    return fill


def attributes(**said):
    def fill(file):
        file["data"] = values()
        file["data"].attrs.update(said)

    return fill


def linked(filename, path="/data"):
    def fill(file):
        file["data"] = h5py.ExternalLink(filename, path)

    return fill


def virtual(filename, dataset="/data", shape=(6, 9, 11), dtype="u2", part=None):
    """A virtual dataset, and beside it a part where there is one."""

    def fill(file):
        if part is not None:
            folder = file.filename.rpartition("/")[0]
            with open_hdf5(f"{folder}/{filename}", "w") as other:
                other["data"] = part
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(filename, dataset, shape)
        file.create_virtual_dataset("data", layout)

    return fill


def packed(code):
    def fill(file):
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((6, 9, 11))
        plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL, ())
        space, kind = h5py.h5s.create_simple((6, 9, 11)), h5py.h5t.py_create(np.dtype("u2"))
        dataset = h5py.h5d.create(file.id, b"data", kind, space, plist)
        dataset.write_direct_chunk((0, 0, 0), b"\0" * 100)

    return fill


def outside(file):
    file.create_dataset("data", (2, 9, 11), "u1", external=[("/etc/passwd", 0, 198)])


def circle(file):
    file["data"] = h5py.SoftLink("/data")


def itself(file):
    layout = h5py.VirtualLayout((6, 9, 11), "u2")
    layout[...] = h5py.VirtualSource(".", "/data", (6, 9, 11))
    file.create_virtual_dataset("data", layout)


def pattern(file):
    """A virtual dataset whose parts are p0.h5, p1.h5 and so on, as many as there are."""
    most = h5py.h5s.UNLIMITED
    space = h5py.h5s.create_simple((1, 9, 11), (most, 9, 11))
    space.select_hyperslab((0, 0, 0), (most, 1, 1), (1, 9, 11), (1, 9, 11))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(space, b"p%b.h5", b"/data", h5py.h5s.create_simple((1, 9, 11)))
    h5py.h5d.create(file.id, b"data", h5py.h5t.py_create(np.dtype("u2")), space, plist)


def cut(size):
    def make(folder):
        with open_hdf5(folder / "b.h5", "w") as file:
            file.create_dataset("data", data=values(), chunks=(2, 9, 11), compression="gzip")
        content = (folder / "b.h5").read_bytes()
        (folder / "b.h5").unlink()
        (folder / "a.h5").write_bytes(content[:size])
        return lambda: read_volume(folder / "a.h5", NM).read()

    return make


def broken_chunk(folder):
    path = folder / "a.h5"
    with open_hdf5(path, "w") as file:
        data = file.create_dataset("data", data=values(), chunks=(2, 9, 11), compression="gzip")
        place = data.id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(content)
    return lambda: read_volume(path, NM).read()


def content(data):
    def make(folder):
        (folder / "a.h5").write_bytes(data)
        return lambda: read_volume(folder / "a.h5", NM)

    return make


def tags(axes):
    return attributes(axistags=json.dumps({"axes": [{"key": key} for key in axes]}))


def master(folder):
    with open_hdf5(folder / "images.h5", "w") as file:
        file["frames"] = values()
    with open_hdf5(folder / "scan.nxs", "w") as file:
        file["tomo/data"] = h5py.ExternalLink("images.h5", "/frames")
        file["tomo/image_key"] = np.zeros(6, int)
    return lambda: read_volume(folder / "images.h5", NM)


def channels(file):
    file["data"] = values((3, 6, 9, 11))
    file["data"].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "czyx"]})


SCAN = r"projections of a scan .*known by "
CASES = [
    Case(f"HDF5: {name}", make, said)
    for name, make, said in [
        ("empty", content(b""), r"a\.h5: cannot be opened as HDF5 .*copy it again"),
        ("text", content(b"z y x\n" * 99), r"a\.h5: cannot be opened as HDF5"),
        ("cut in the middle", cut(-400), r"a\.h5: cannot be opened as HDF5 .*cut short"),
        ("a chunk that does not unpack", broken_chunk, r"a\.h5: slices 0 to 5 cannot be read"),
        ("no dataset", hdf5(lambda file: None), "found 0 datasets .*allowed is one"),
        ("two datasets", hdf5(held(a=values(), b=values())), "2 datasets .*/a, /b; name one"),
        (
            "a name that is not there",
            hdf5(held(a=values()), ":/b"),
            "no dataset '/b', there are /a",
        ),
        ("a group is named", hdf5(held(g__a=values()), ":/g"), "no dataset '/g', there are /g/a"),
        ("text as dataset", hdf5(held(a="words"), ":/a"), "0 axes of object"),
        ("complex", hdf5(held(a=values().astype("c8")), ":/a"), "3 axes of complex64"),
        ("one axis", hdf5(held(a=values((9,))), ":/a"), "1 axes of uint16"),
        ("four axes", hdf5(held(a=values((3, 6, 9, 11))), ":/a"), r"4 axes with .*\(3, 6, 9, 11\)"),
        ("channels", hdf5(channels), r"3 channels \(axis 'c'\)"),
        ("no voxels", hdf5(held(a=values((0, 9, 11)))), "is empty"),
        ("64 bits", hdf5(held(a=values(dtype="int64"))), "int64, allowed are"),
        ("tags of another array", hdf5(tags("zy")), "3 axes and axistags for 2"),
        ("tags that are no JSON", hdf5(attributes(axistags="zyx")), "axistags cannot be read"),
        ("no voxel size", hdf5(held(a=values()), size=None), "carries no voxel size; state it"),
        (
            "zeros as voxel size",
            hdf5(attributes(element_size_um=[0.0, 0, 0]), size=None),
            r"element_size_um = \[0\. 0\. 0\.\], which is no voxel size",
        ),
        (
            "words as voxel size",
            hdf5(attributes(element_size_um="small"), size=None),
            "element_size_um = small",
        ),
        ("two sizes", hdf5(attributes(element_size_um=[1.0, 2]), size=None), "element_size_um = "),
        ("a size without unit", hdf5(attributes(voxel_size=3.0), size=None), "without a unit"),
        (
            "a unit that is none",
            hdf5(attributes(voxel_size="3 parsec"), size=None),
            "found the unit 'parsec'",
        ),
        ("a link to nothing", hdf5(linked("part.h5")), r"a\.h5: its part part\.h5 is missing"),
        (
            "a link outside",
            hdf5(linked("/etc/passwd")),
            "/etc/passwd as a part .*outside its folder",
        ),
        (
            "a link upwards",
            hdf5(linked("../" * 30 + "etc/passwd")),
            "as a part .*outside its folder",
        ),
        ("a link to itself", hdf5(circle, ":/data"), "lead in a circle"),
        ("a virtual part outside", hdf5(virtual("/etc/passwd")), "outside its folder"),
        ("a virtual part that is missing", hdf5(virtual("p.h5")), r"its part p\.h5 is missing"),
        (
            "a virtual part without the dataset",
            hdf5(virtual("p.h5", "/other", part=values())),
            r"p\.h5 has no dataset /other",
        ),
        (
            "a virtual part that is smaller",
            hdf5(virtual("p.h5", part=values((5, 9, 11)))),
            r"p\.h5:/data holds \(5, 9, 11\)",
        ),
        (
            "a virtual part of another type",
            hdf5(virtual("p.h5", part=values(dtype="f4"))),
            "holds float32 where uint16 is asked",
        ),
        ("virtual parts by a pattern", hdf5(pattern), "by a pattern"),
        ("a virtual dataset of itself", hdf5(itself), "part of itself"),
        ("raw bytes outside", hdf5(outside), r"another file \(/etc/passwd\) as raw bytes"),
        ("a filter without its package", hdf5(packed(32013)), r"ZFP .*acuity\[hdf5plugin\]"),
        ("a filter that nobody knows", hdf5(packed(40000)), "HDF5 filter 40000"),
        (
            "Data Exchange",
            hdf5(held(exchange__data=values(), exchange__data_white=values())),
            SCAN + "data_white",
        ),
        ("angles", hdf5(held(e__data=values(), e__theta=np.arange(6.0))), SCAN + "theta"),
        ("NXtomo", hdf5(held(e__data=values(), e__image_key=np.zeros(6))), SCAN + "image_key"),
        ("a file beside links to it", master, SCAN + r"scan\.nxs"),
        (
            "a bare detector",
            hdf5(held(entry__detector__detector=values())),
            "images of a detector .*column volume",
        ),
    ]
]


# -------------------------------------------------------------------------------------- Imaris


def imaris(channels=1, times=1, shape=(6, 9, 11), padded=None, about=(), level="ResolutionLevel 0"):
    """A file as Imaris writes it, with texts as arrays of letters."""

    def letters(text):
        return np.frombuffer(str(text).encode(), "S1")

    def fill(file):
        for time in range(times):
            for channel in range(channels):
                group = file.create_group(f"DataSet/{level}/TimePoint {time}/Channel {channel}")
                data = np.zeros(padded or shape, "uint16")
                box = tuple(slice(0, min(n, m)) for n, m in zip(shape, data.shape, strict=True))
                data[box] = values(shape)[box]
                group["Data"] = data
                for axis, count in zip("ZYX", shape, strict=True):
                    group.attrs[f"ImageSize{axis}"] = letters(count)
        said = {"Unit": "um", "X": shape[2], "Y": shape[1], "Z": shape[0]}
        for n, (count, size) in enumerate(zip(shape[::-1], (0.1, 0.2, 0.3), strict=True)):
            said |= {f"ExtMin{n}": 0, f"ExtMax{n}": count * size}
        said |= dict(about)
        image = file.create_group("DataSetInfo/Image")
        for key, value in said.items():
            if value is not None:
                image.attrs[key] = letters(value)

    return fill


def ims(name="", size=None, **options):
    return hdf5(imaris(**options), name, size, "a.ims")


def not_imaris(folder):
    (folder / "a.ims").write_bytes(b"II*\0" + b"\0" * 600)
    return lambda: read_volume(folder / "a.ims")


UNSET = {f"ExtMax{n}": count for n, count in enumerate((11, 9, 6))}
CASES += [
    Case(f"Imaris: {name}", make, said)
    for name, make, said in [
        ("an older file", not_imaris, r"a\.ims: cannot be opened as HDF5"),
        ("no level", ims(level="Level 0"), "has no /DataSet/ResolutionLevel 0"),
        ("two channels", ims(channels=2), "found 2 images .*name it, as in a.ims:/DataSet"),
        ("two time points", ims(times=2), "found 2 images"),
        ("no channel", ims(channels=0, level="ResolutionLevel 0/x"), "a.ims: "),
        ("a channel that is not there", ims(":/DataSet/9"), "has no image '/DataSet/9', there are"),
        ("fewer voxels than it says", ims(padded=(5, 9, 11)), "says 6 voxels along z and holds 5"),
        ("no extent", ims(about={"ExtMax0": None}), "carries no voxel size"),
        ("an extent of nothing", ims(about={"ExtMax0": 0}), "sizes of 0.3 x 0.2 x 0"),
        ("the size of none", ims(about=UNSET), "1 on every axis, which is what Imaris writes"),
        ("no unit", ims(about={"Unit": None}), "0.3 x 0.2 x 0.1 without a unit"),
        ("a unit that is none", ims(about={"Unit": "furlong"}), "without a unit"),
    ]
]
