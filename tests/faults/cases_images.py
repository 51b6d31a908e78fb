"""PNG, JPEG, BMP, NPY, NRRD, NIfTI and MetaImage that cannot be read, and formats that are not."""

import gzip
import struct

import numpy as np
from PIL import Image

from acuity.formats.read import read_volume
from tests.faults.case import Case

NM = "20 10 10 nm"


def values(shape=(6, 9, 11), dtype="uint8"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def written(name, content, stated=NM, **beside):
    """A file of these bytes; others beside it, whose names have _ for the point."""

    def make(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        for other, data in beside.items():
            (folder / other.replace("_", ".")).write_bytes(data)
        return lambda: read_volume(folder / name, stated).read()

    return make


def picture(name, data, stated=NM, mode=None, cut=None, **options):
    def make(folder):
        Image.fromarray(data, mode).save(folder / name, **options)
        if cut:
            (folder / name).write_bytes((folder / name).read_bytes()[:cut])
        return lambda: read_volume(folder / name, stated).read()

    return make


def film(folder):
    frames = [Image.fromarray(image) for image in values()]
    frames[0].save(folder / "a.png", save_all=True, append_images=frames[1:])
    return lambda: read_volume(folder / "a.png", NM)


def mixed(folder):
    for number, image in enumerate(values((6, 20, 30))):
        Image.fromarray(image[: 20 - (number == 4)]).save(folder / f"s_{number}.png")
    return lambda: read_volume(folder, NM)


def gap(folder):
    for number in (0, 1, 3):
        Image.fromarray(values((9, 11))).save(folder / f"s_{number}.png")
    return lambda: read_volume(folder, NM)


def broken_slice(folder):
    for number in range(4):
        Image.fromarray(values((90, 110))).save(folder / f"s_{number}.jpg")
    path = folder / "s_2.jpg"
    path.write_bytes(path.read_bytes()[:-900])
    return lambda: read_volume(folder, NM).read()


COLOUR = values((9, 11, 3))
CLEAR = np.dstack([values((9, 11))] * 4)
CASES = [
    Case(f"PNG, JPEG, BMP: {name}", make, said)
    for name, make, said in [
        ("empty", written("a.png", b""), r"a\.png: cannot be read as PNG, JPEG or BMP"),
        ("text", written("a.jpg", b"no image" * 9), "it is none of them"),
        ("a PNG that is cut", picture("a.png", values((90, 110)), cut=-400), "damaged or cut"),
        ("a JPEG that is cut", picture("a.jpg", values((90, 110)), cut=-900), "damaged or cut"),
        ("a BMP that is cut", picture("a.bmp", values((90, 110)), cut=-900), "damaged or cut"),
        ("colour", picture("a.png", COLOUR), r"a\.png: found an image in colour.*8-bit"),
        ("colour of a JPEG", picture("a.jpg", COLOUR), "an image in colour"),
        ("colour of a BMP", picture("a.bmp", COLOUR), "an image in colour"),
        ("transparent", picture("a.png", CLEAR), "transparent pixels"),
        ("inks", picture("a.jpg", CLEAR, mode="CMYK"), "in the colours CMYK"),
        ("a film", film, "6 images one after the other"),
        ("no size", picture("a.png", values((9, 11)), None), "carries no voxel size; state it"),
        (
            "a printer's resolution",
            picture("a.png", values((9, 11)), None, dpi=(300, 300)),
            "300 dots an inch",
        ),
        ("slices of two sizes", mixed, r"s_4\.png: this slice is 19 x 30 of uint8"),
        ("a slice that is missing", gap, "number 2 is missing"),
        ("a slice that is cut", broken_slice, r"s_2\.jpg: this slice cannot be read"),
    ]
]


# ------------------------------------------------------------------------------------------ NPY


def npy(data, stated=NM, cut=None, more=b"", **options):
    def make(folder):
        np.save(folder / "a.npy", data, **options)
        content = (folder / "a.npy").read_bytes()
        (folder / "a.npy").write_bytes(content[:cut] + more)
        return lambda: read_volume(folder / "a.npy", stated).read()

    return make


CASES += [
    Case(f"NPY: {name}", make, said)
    for name, make, said in [
        ("empty", written("a.npy", b""), r"a\.npy: cannot be read as NPY"),
        ("a header that is cut", npy(values(), cut=40), "cannot be read as NPY"),
        ("cut short", npy(values(), cut=-1), "721 bytes where its header asks for 722"),
        ("two arrays", npy(values(), more=b"\x93NUMPY"), "728 bytes .*save one array alone"),
        (
            "a pickle",
            npy(np.array([[{}, 1]], object), allow_pickle=True),
            "objects of Python, allowed .*nothing is unpickled",
        ),
        (
            "fields",
            npy(np.zeros((3, 3), [("a", "u1"), ("b", "u1")])),
            "allowed is an array of numbers",
        ),
        ("complex", npy(values().astype("c8")), "holds complex64"),
        ("text", npy(np.array([["a", "b"]])), "holds <U1"),
        ("one axis", npy(values((9,))), "an array of 1 axes"),
        ("four axes", npy(values((2, 6, 9, 11))), "4 axes with the lengths"),
        ("64 bits", npy(values(dtype="int64")), "int64, allowed are"),
        ("no voxels", npy(values((0, 9, 11))), "is empty"),
        ("no size", npy(values(), None), "carries no voxel size; state it"),
    ]
]


# ---------------------------------------------------------------------- NRRD, NIfTI, MetaImage

RAW = values().tobytes()


def nrrd(more="", data=RAW, sizes="11 9 6", kind="uint8", encoding="raw", dimension=3):
    lines = [
        "NRRD0004",
        f"type: {kind}",
        f"dimension: {dimension}",
        f"sizes: {sizes}",
        f"encoding: {encoding}",
        "endian: little",
    ]
    return "\n".join([*lines, *([more] if more else []), "", ""]).encode() + data


def meta(file="LOCAL", more="", data=RAW, size="11 9 6", kind="MET_UCHAR"):
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        f"DimSize = {size}",
        *([more] if more else []),
        f"ElementType = {kind}",
        f"ElementDataFile = {file}",
        "",
    ]
    return "\n".join(lines).encode() + (data if file == "LOCAL" else b"")


def nifti(
    sizes=(0.3, 0.2, 0.1), units=2, kind=2, bits=8, data=RAW, magic=b"n+1\0", dims=(3, 11, 9, 6, 1)
):
    """A NIfTI, byte by byte; sizes in mm along x, y, z."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, *dims, *[1] * (8 - len(dims)))
    struct.pack_into("<2h", head, 70, kind, bits)
    struct.pack_into("<4f", head, 76, 1, *sizes)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    head[123] = units
    head[344:348] = magic
    return bytes(head) + data


CUT = gzip.compress(nifti())[:-20]
CASES += [
    Case(f"NRRD: {name}", make, said)
    for name, make, said in [
        ("text", written("a.nrrd", b"no image" * 99), r"a\.nrrd: does not begin as NRRD does"),
        ("cut short", written("a.nrrd", nrrd(data=RAW[:-1])), "593 bytes of voxels .*asks for 594"),
        ("too long", written("a.nrrd", nrrd(data=RAW + b"12")), "596 bytes of voxels .*must agree"),
        (
            "a header that is cut",
            written("a.nrrd", nrrd()[:40]),
            r"a\.nrrd: cannot be read as NRRD",
        ),
        ("a type that is none", written("a.nrrd", nrrd(kind="quad")), "cannot be read as NRRD"),
        (
            "voxels that do not unpack",
            written("a.nrrd", nrrd(encoding="gzip")),
            "cannot be unpacked .*damaged",
        ),
        (
            "packed voxels that are cut",
            written("a.nrrd", nrrd(encoding="gzip", data=gzip.compress(RAW)[:-9])),
            "ends in the middle of what is packed",
        ),
        (
            "voxels that are missing",
            written("a.nhdr", nrrd("data file: b.raw")),
            r"b\.raw is missing",
        ),
        (
            "voxels outside",
            written("a.nhdr", nrrd("data file: /etc/passwd", data=b"")),
            "/etc/passwd as a part of itself, which lies outside",
        ),
        (
            "voxels that have moved",
            written("a.nhdr", nrrd("data file: there/b.raw", data=b""), b_raw=RAW),
            r"they lie at b\.raw beside it; write that name",
        ),
        (
            "colours",
            written("a.nrrd", nrrd("kinds: RGB-color domain domain", sizes="3 22 9")),
            "3 values a voxel",
        ),
        ("no size", written("a.nrrd", nrrd(), None), "carries no voxel size; state it"),
        (
            "a size without unit",
            written("a.nrrd", nrrd("spacings: 1 2 3"), None),
            "3 x 2 x 1 without a unit",
        ),
    ]
]
CASES += [
    Case(f"MetaImage: {name}", make, said)
    for name, make, said in [
        (
            "text",
            written("a.mhd", b"no image\n" * 9),
            "has no ElementDataFile as MetaImage files do",
        ),
        ("cut short", written("a.mha", meta(data=RAW[:-1])), "593 bytes of voxels .*cut short"),
        (
            "voxels cut short",
            written("a.mhd", meta("b.raw"), b_raw=RAW[:-2]),
            r"592 bytes of voxels in b\.raw",
        ),
        ("voxels that are missing", written("a.mhd", meta("b.raw")), r"part b\.raw is missing"),
        (
            "voxels outside",
            written("a.mhd", meta("/etc/passwd")),
            "/etc/passwd .*outside its folder",
        ),
        ("voxels upwards", written("a.mhd", meta("../" * 30 + "etc/passwd")), "outside its folder"),
        (
            "a list with one outside",
            written("a.mhd", meta("LIST\n/etc/passwd\n/etc/passwd")),
            "outside its folder",
        ),
        (
            "voxels that do not unpack",
            written("a.mha", meta(more="CompressedData = True")),
            "cannot be unpacked",
        ),
        ("a type that is none", written("a.mha", meta(kind="MET_QUAD")), r"a\.mha: "),
        (
            "colours",
            written("a.mha", meta(more="ElementNumberOfChannels = 3", data=RAW * 3)),
            "3 values a voxel",
        ),
        ("no size", written("a.mha", meta(), None), "carries no voxel size; state it"),
        (
            "a size without unit",
            written("a.mha", meta(more="ElementSpacing = 1 2 3"), None),
            "3 x 2 x 1 without a unit",
        ),
    ]
]
CASES += [
    Case(f"NIfTI: {name}", make, said)
    for name, make, said in [
        ("empty", written("a.nii", b""), r"a\.nii: does not begin as NIfTI does"),
        ("Analyze", written("a.nii", nifti(magic=bytes(4))), "does not begin as NIfTI does"),
        ("cut short", written("a.nii", nifti()[:-1]), "593 bytes of voxels .*cut short"),
        ("more slices", written("a.nii", nifti() + RAW * 9), "must agree"),
        ("not packed", written("a.nii.gz", b"\x1f\x8b" + b"x" * 99), "cannot be unpacked"),
        (
            "packed and cut",
            written("a.nii.gz", CUT),
            "a.nii.gz: ends in the middle of what is packed",
        ),
        ("packed and short", written("a.nii.gz", gzip.compress(nifti()[:-5])), "589 bytes"),
        (
            "a header alone",
            written("a.hdr", nifti(magic=b"ni1\0")),
            r"the voxels \(a\.img\) are not",
        ),
        ("colours", written("a.nii", nifti(kind=128, bits=24, data=RAW * 3)), "3 values a voxel"),
        ("complex", written("a.nii", nifti(kind=32, bits=64, data=RAW * 8)), "a voxel .complex"),
        (
            "time points",
            written("a.nii", nifti(dims=(4, 11, 9, 3, 2))),
            r"2 time points \(axis 't'\)",
        ),
        ("no unit", written("a.nii", nifti(units=0), None), "without a unit"),
        ("one millimetre", written("a.nii", nifti((1, 1, 1)), None), "1 mm on every axis"),
    ]
]


# ----------------------------------------------------------------------------------- not read

REFUSED = {
    "dm3": "DigitalMicrograph .*Save As > TIFF",
    "dm4": "DigitalMicrograph",
    "lif": "Leica .*Bio-Formats",
    "czi": "ZEN .*File > Export",
    "nd2": "NIS-Elements .*Save As",
    "txrm": "Xradia .*Scout-and-Scan",
    "xrm": "Xradia",
    "oib": "Olympus",
    "oir": "Olympus",
    "ser": "TIA",
    "emd": "Velox",
    "bcf": "Esprit",
    "hspy": "HyperSpy",
    "lsm": "Zeiss LSM .*File > Open",
    "stk": "MetaMorph",
    "ics": "Image Cytometry",
    "svs": "slide scanner .*QuPath",
    "avi": "film, .*Import > AVI",
    "mp4": "film",
    "gif": "File > Open",
    "jp2": "JPEG 2000",
    "dcm": "DICOM .*Image Sequence",
    "mat": "MATLAB",
    "npz": r"numpy\.load",
    "pkl": "pickle",
    "stl": "mesh .*ParaView",
    "vti": "VTK",
    "am": "Avizo .*3D TIFF",
    "vgl": "VGStudio",
    "isq": "Scanco .*KHKs",
    "pca": r"name the \.vol or \.raw beside",
    "edf": "Bio-Formats",
    "spm": "Gwyddion",
    "pdf": "document",
    "zip": "unpack it first",
    "gz": "unpack it first",
    "xml": "BigDataViewer: the .h5",
}
CASES += [
    Case(
        f"not read: {ending}",
        written(f"scan.{ending}", b"?" * 300),
        rf"scan\.{ending}: found .*{said}",
    )
    for ending, said in REFUSED.items()
]
CASES += [
    Case(f"not read: {name}", make, said)
    for name, make, said in [
        ("DICOM without ending", written("I0001", bytes(128) + b"DICM"), "I0001: found .*DICOM"),
        ("OLE without ending", written("scan", b"\xd0\xcf\x11\xe0" + bytes(99)), "Xradia"),
        (
            "an archive without ending",
            written("scan", b"PK\x03\x04" + bytes(99)),
            "unpack it first",
        ),
        ("an unknown ending", written("scan.abc", b"?"), r"the type '\.abc', allowed are OME-Zarr"),
        ("no ending", written("scan", b"?"), "'without ending', allowed are"),
    ]
]


def of_dicom(folder):
    for number in range(3):
        (folder / f"I{number}.dcm").write_bytes(b"?")
    return lambda: read_volume(folder, NM)


def n5(folder):
    (folder / "a.n5").mkdir()
    (folder / "a.n5" / "attributes.json").write_text("{}")
    return lambda: read_volume(folder / "a.n5", NM)


CASES += [
    Case(
        "not read: a folder of DICOM", of_dicom, r"found I0\.dcm, a file of DICOM .*Image Sequence"
    ),
    Case("not read: N5", n5, r"a\.n5: found a file of N5 .*HDF5/N5/Zarr"),
]
