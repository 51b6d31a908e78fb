"""MRC and raw files that cannot be read as a volume: one sentence each."""

import json
import struct

import numpy as np

from acuity.formats.read import read_volume
from tests.faults.case import Case

NM = "20 10 10 nm"


def values(shape=(6, 9, 11), dtype="int16"):
    return np.random.default_rng(1).integers(0, 100, shape).astype(dtype)


def mrc_bytes(
    data=None,
    mode=1,
    counts=None,
    size=(1.5, 1.0, 2.0),
    order=(1, 2, 3),
    stamp=b"\x44\x44\0\0",
    word=b"MAP ",
    endian="<",
    space=1,
    imod=None,
    low_high=(0, 100),
    extended=b"",
):
    """An MRC file, byte by byte; sizes in angstrom along x, y, z."""
    data = values() if data is None else data
    counts = counts or data.shape[::-1]
    head = bytearray(1024)
    struct.pack_into(f"{endian}4i", head, 0, *counts, mode)
    struct.pack_into(f"{endian}3i", head, 28, *counts)
    lengths = [count * length for count, length in zip(counts, size, strict=True)]
    struct.pack_into(f"{endian}3f", head, 40, *lengths)
    struct.pack_into(f"{endian}3f", head, 52, 90, 90, 90)
    struct.pack_into(f"{endian}3i", head, 64, *order)
    struct.pack_into(f"{endian}2f", head, 76, *low_high)
    struct.pack_into(f"{endian}2i", head, 88, space, len(extended))
    if imod is not None:
        struct.pack_into(f"{endian}2i", head, 152, 1146047817, imod)
    head[208:212], head[212:216] = word, stamp
    kind = data.dtype.newbyteorder(endian)
    return bytes(head) + extended + data.astype(kind).tobytes()


def mrc(stated=NM, cut=None, more=b"", **options):
    def make(folder):
        (folder / "a.mrc").write_bytes((mrc_bytes(**options) + more)[:cut])
        return lambda: read_volume(folder / "a.mrc", stated)

    return make


def text(folder):
    (folder / "a.map").write_text("symbol file\n" * 200)
    return lambda: read_volume(folder / "a.map", NM)


CASES = [
    Case(f"MRC: {name}", make, said)
    for name, make, said in [
        ("a header cut short", mrc(cut=500), "has 500 bytes where the header .* has 1024"),
        ("voxels cut short", mrc(cut=-1), "has 2211 bytes where its header asks for 2212"),
        (
            "more slices than it says",
            mrc(more=bytes(198)),
            "says 6 slices .*there are voxels for 7",
        ),
        ("text", text, "which is no MRC in either byte order; check"),
        (
            "a stamp and a header of nothing",
            mrc(stamp=b"\x44\x20\x20\x20", mode=70000),
            "44 20 20 20",
        ),
        ("4 bits", mrc(mode=101), "mode 101, voxels of 4 bits.*newstack -mode 0"),
        ("complex", mrc(mode=4), "mode 4, complex numbers"),
        ("complex of 16 bits", mrc(mode=3), "mode 3, complex 16-bit"),
        ("colour", mrc(mode=16), "mode 16, colour"),
        ("a mode that nobody knows", mrc(mode=99), "mode 99, a type that is not known"),
        ("a stack of volumes", mrc(space=401), r"stack of volumes \(space group 401\)"),
        ("other axes", mrc(order=(3, 2, 1)), r"order \[3, 2, 1\], allowed is x, y, z"),
        ("no voxels", mrc(counts=(0, 9, 6)), "no MRC in either byte order"),
        ("no voxel size", mrc(None, size=(0, 0, 0)), "carries no voxel size; state it"),
        ("one angstrom", mrc(None, size=(1, 1, 1)), "1 angstrom on every axis"),
        ("a size below zero", mrc(None, size=(1.5, -1, 2)), "sizes of 2 x -1 x 1.5 angstrom"),
    ]
]


# ------------------------------------------------------------------------------------------ raw

SIDECAR = {"shape": [6, 9, 11], "dtype": "int16", "byte_order": "little", "voxel_size": NM}


def raw(said=None, data=None, name="a.raw.yaml", **change):
    def make(folder):
        (folder / "a.raw").write_bytes(values().tobytes() if data is None else data)
        if said is None:
            keys = {key: value for key, value in (SIDECAR | change).items() if value is not None}
            (folder / name).write_text(json.dumps(keys))
        elif said:
            (folder / name).write_text(said)
        return lambda: read_volume(folder / "a.raw")

    return make


CASES += [
    Case(f"raw: {name}", make, said)
    for name, make, said in [
        ("no sidecar", raw(""), r"a\.raw: found 0 sidecar"),
        ("a sidecar that is no YAML", raw("{"), r"a\.raw\.yaml: not a YAML file"),
        ("a sidecar 5,000 deep", raw("[" * 5000), r"a\.raw\.yaml: .*too deep"),
        ("a sidecar of a list", raw("[1]"), r"a\.raw\.yaml: holds no keys"),
        ("no shape", raw(shape=None), "the key 'shape' is missing"),
        ("a shape of two", raw(shape=[54, 11]), "shape is .*three counts"),
        ("a shape with nothing", raw(shape=[6, 0, 11]), "shape is .*three counts"),
        ("a type that is none", raw(dtype="float128"), "dtype is 'float128'"),
        ("no byte order", raw(byte_order=None), "byte_order is None"),
        ("a key that is none", raw(voxelsize=NM), "found the key 'voxelsize'"),
        ("cut short", raw(data=values().tobytes()[:-2]), "found 1186 bytes where .* asks for 1188"),
        ("too long", raw(data=values().tobytes() + b"xy"), "found 1190 bytes where"),
        ("an offset below zero", raw(offset=-1), "offset is -1"),
        ("a size without unit", raw(voxel_size=[1, 2, 3]), "without a unit"),
        ("a size of nothing", raw(voxel_size="0 nm"), "a voxel_size of '0 nm'"),
        ("a size that is a word", raw(voxel_size=["a", 1, 2]), "voxel_size"),
    ]
]
