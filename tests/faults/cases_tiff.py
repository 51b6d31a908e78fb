"""TIFF files, folders and lists of slices that are no volume, each for a reason of its own."""

import os
import struct

import numpy as np
import tifffile

from acuity.formats.files import files_of
from acuity.formats.read import read_volume
from acuity.ingest.ingest import ingest
from tests.faults.case import Case

DATA = np.random.default_rng(5).integers(0, 200, (8, 10, 12)).astype(np.uint8)


def _write(path, data=DATA, **options):
    tifffile.imwrite(path, data, **{"metadata": None, "photometric": "minisblack"} | options)
    return path


def _file(write, **stated):
    """A case of one file, brought in as a job brings it in."""

    def make(folder):
        path = folder / "bad.tif"
        write(path)
        options = {"voxel_size": "10 nm"} | stated
        return lambda: ingest(path, folder / "out" / "v.ome.zarr", **options)

    return make


def _folder(change, read=True):
    """A case of a folder of eight slices, one of which is changed."""

    def make(folder):
        raw = folder / "raw"
        raw.mkdir()
        for number, image in enumerate(DATA):
            _write(raw / f"s_{number:03}.tif", image)
        change(raw)
        if read:
            return lambda: read_volume(raw, "10 nm").read()
        return lambda: files_of(str(raw))

    return make


def _list(text, names=("a.tif", "b.tif")):
    def make(folder):
        for name, image in zip(names, DATA, strict=False):
            _write(folder / name, image)
        content = text if isinstance(text, bytes) else text.encode()
        (folder / "slices.txt").write_bytes(content)
        return lambda: read_volume(folder / "slices.txt", "10 nm").read()

    return make


def _imagej(text, data=DATA, **options):
    said = b"ImageJ=1.54f\n" + text.encode() + b"\0"

    def write(path):
        _write(path, data, extratags=[(270, 2, len(said), said, True)], **options)

    return write


def _cut(path):
    _write(path)
    path.write_bytes(path.read_bytes()[:-700])


def _ring(path):
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HI", 0, 8))


def _pages(*images, **options):
    def write(path):
        with tifffile.TiffWriter(path) as file:
            for image in images:
                file.write(image, metadata=None, contiguous=False, **options)

    return write


def _coloured(path):
    with tifffile.TiffWriter(path) as file:
        for image in DATA[:3]:
            file.write(image, metadata=None, contiguous=False)
        file.write(np.zeros((10, 12, 3), np.uint8), metadata=None, photometric="rgb")


def _one_directory(path):
    _imagej("images=8\nslices=8\n", DATA[0])(path)
    path.write_bytes(path.read_bytes() + DATA[1:6].tobytes())


def _packed(path):
    _imagej("images=8\nslices=8\n", DATA[0], compression="zlib")(path)


def _ome(**said):
    return lambda path: tifffile.imwrite(path, DATA, ome=True, metadata={"axes": "ZYX"} | said)


def _ome_with(old, new):
    def write(path):
        _ome()(path)
        described = tifffile.tiffcomment(path)
        assert old in described
        tifffile.tiffcomment(path, described.replace(old, new).encode())

    return write


def _damaged(path):
    _write(path, compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        start, count = file.pages[3].dataoffsets[0], file.pages[3].databytecounts[0]
    content[start : start + count] = b"\xff" * count
    path.write_bytes(content)


def _nan(path):
    data = DATA.astype(np.float32)
    data[5, 2, 3] = np.nan
    _write(path, data)


def _odd_bits(path):
    """A page of 24 bits a value."""
    content = bytearray(_write(path, DATA[0]).read_bytes())
    at = content.index(struct.pack("<HHI", 258, 3, 1))
    content[at + 8 : at + 10] = struct.pack("<H", 24)
    path.write_bytes(content)


def _unknown_compression(path):
    content = bytearray(_write(path, DATA[0]).read_bytes())
    at = content.index(struct.pack("<HHI", 259, 3, 1))
    content[at + 8 : at + 10] = struct.pack("<H", 34999)
    path.write_bytes(content)


def _many_files(path):
    _ome()(path)
    described = tifffile.tiffcomment(path)
    start = described.index("<TiffData")
    end = described.index("/>", start) + 2
    part = '<TiffData IFD="0"><UUID FileName="{}">urn:uuid:1</UUID></TiffData>'
    parts = part.format("bad.tif") + part.format("other.tif")
    tifffile.tiffcomment(path, (described[:start] + parts + described[end:]).encode())


def _meanings(path):
    with tifffile.TiffWriter(path) as file:
        for number, image in enumerate(DATA):
            kind = "miniswhite" if number == 4 else "minisblack"
            file.write(image, metadata=None, contiguous=False, photometric=kind)


def _add(name, number=3):
    return lambda raw: _write(raw / name, DATA[number])


def _change(number, data, **options):
    return lambda raw: _write(raw / f"s_{number:03}.tif", data, **options)


CASES = [
    # one file
    Case("TIFF: no TIFF but text", _file(lambda p: p.write_text("hello")), r"bad\.tif: is no TIFF"),
    Case("TIFF: empty", _file(lambda p: p.write_bytes(b"")), r"bad\.tif: is no TIFF"),
    Case("TIFF: cut short", _file(_cut), r"bad\.tif: the TIFF is cut short"),
    Case("TIFF: a ring of directories", _file(_ring), r"bad\.tif: .*ring"),
    Case(
        "TIFF: no directory",
        _file(lambda p: p.write_bytes(struct.pack("<2sHI", b"II", 42, 0))),
        r"bad\.tif: the TIFF holds no image",
    ),
    Case(
        "TIFF: a page that cannot be unpacked",
        _file(_damaged),
        r"bad\.tif: slices \d+ to \d+ cannot be read \(slice 3",
    ),
    Case("TIFF: a value that is no number", _file(_nan), r"bad\.tif: .*slice 5"),
    Case("TIFF: constant", _file(lambda p: _write(p, DATA * 0)), r"bad\.tif: is constant"),
    Case(
        "TIFF: colours",
        _file(lambda p: _write(p, np.zeros((9, 9, 3), np.uint8), photometric="rgb")),
        r"bad\.tif: found a colour image \(3 samples a pixel, rgb\)",
    ),
    Case("TIFF: one page in colour", _file(_coloured), r"bad\.tif: page 3 is in colour"),
    Case(
        "TIFF: pages of two sizes",
        _file(_pages(*DATA[:4], DATA[4, :9])),
        r"bad\.tif: page 4 is 9 x 12 of uint8 where page 0 is 10 x 12",
    ),
    Case(
        "TIFF: pages of two types",
        _file(_pages(*DATA[:4], DATA[4].astype(np.uint16))),
        r"bad\.tif: page 4 is 10 x 12 of uint16",
    ),
    Case(
        "TIFF: one page with white as zero", _file(_meanings), r"bad\.tif: page 4 has another photo"
    ),
    Case(
        "TIFF: fractions with white as zero",
        _file(lambda p: _write(p, DATA.astype(np.float32), photometric="miniswhite")),
        r"bad\.tif: has white as its lowest value",
    ),
    Case("TIFF: values of 24 bits", _file(_odd_bits), r"bad\.tif: "),
    Case(
        "TIFF: packed in a way nobody knows",
        _file(_unknown_compression),
        r"bad\.tif: its images are packed by the compression 34999",
    ),
    Case(
        "TIFF: integers of 64 bits",
        _file(lambda p: _write(p, DATA.astype(np.uint64))),
        r"bad\.tif: found the type uint64",
    ),
    Case(
        "TIFF: complex numbers",
        _file(lambda p: _write(p, DATA.astype(np.complex64))),
        r"bad\.tif: found the type complex64",
    ),
    Case(
        "TIFF: 24 images told and 8 pages there",
        _file(_imagej("images=24\nslices=24\n")),
        r"bad\.tif: says that it holds 24 images and holds 8",
    ),
    Case(
        "TIFF: 4 images told and 8 pages there",
        _file(_imagej("images=4\nslices=4\n")),
        r"bad\.tif: says that it holds 4 images and holds 8",
    ),
    Case(
        "TIFF: one directory with fewer slices than it tells",
        _file(_one_directory),
        r"bad\.tif: says that it holds 8 images and has data for 6",
    ),
    Case(
        "TIFF: one packed image that says it is 8",
        _file(_packed),
        r"bad\.tif: says that it holds 8 images and holds 1, which is packed",
    ),
    Case(
        "TIFF: ImageJ's counts contradict each other",
        _file(_imagej("images=8\nslices=3\n")),
        r"bad\.tif: says that it holds 8 images and lays them out as slices=3",
    ),
    Case(
        "TIFF: channels",
        _file(_imagej("images=8\nchannels=8\n")),
        r"bad\.tif: found 8 channels",
    ),
    Case(
        "TIFF: time points",
        _file(_imagej("images=8\nframes=8\n")),
        r"bad\.tif: found 8 time points",
    ),
    Case(
        "TIFF: channels and slices",
        _file(_imagej("images=8\nchannels=2\nslices=4\n")),
        r"bad\.tif: found 2 channels",
    ),
    Case(
        "TIFF: calibrated by a curve",
        _file(_imagej("images=8\nslices=8\ncf=7\nc0=1\nc1=2\nc2=3\nc3=4\nvunit=OD\n")),
        r"bad\.tif: its values are calibrated in ImageJ by the function Rodbard",
    ),
    Case(
        "TIFF: calibrated by a line without a slope",
        _file(_imagej("images=8\nslices=8\ncf=0\nc0=1\nvunit=OD\n")),
        r"bad\.tif: its values are calibrated in ImageJ with c0=1, c1=None",
    ),
    Case(
        "TIFF: a spacing that is no number",
        _file(
            _imagej("images=8\nslices=8\nunit=nm\nspacing=0,05\n", resolution=(10, 10)),
            voxel_size=None,
        ),
        r"bad\.tif: .*a spacing of '0,05'",
    ),
    Case(
        "TIFF: a resolution for the screen",
        _file(lambda p: _write(p, resolution=(37.8, 37.8), resolutionunit=3), voxel_size=None),
        r"bad\.tif: .*96 dots an inch, which is meant for a printer or a screen",
    ),
    Case(
        "TIFF: OME tells of more planes",
        _file(_ome_with('SizeZ="8"', 'SizeZ="12"')),
        r"bad\.tif: says that it holds 12 images and holds 8",
    ),
    Case(
        "TIFF: OME metadata cut",
        _file(_ome_with("</Pixels>", "")),
        r"bad\.tif: its OME metadata cannot be read",
    ),
    Case(
        "TIFF: OME over several files", _file(_many_files), r"bad\.tif: .*over 2 files \(other\.tif"
    ),
    Case(
        "TIFF: OME with a physical size of zero",
        _file(
            _ome(PhysicalSizeX=1, PhysicalSizeY=1, PhysicalSizeZ=0.0),
            voxel_size=None,
        ),
        r"bad\.tif: .*PhysicalSizeZ of '0.0'",
    ),
    Case(
        "TIFF: a pitch for a single image",
        _file(lambda p: _write(p, DATA[0]), pitch="20 nm"),
        r"bad\.tif: found 1 slice where a pitch",
    ),
    # a folder
    Case(
        "folder of slices: a number twice",
        _folder(_add("s_003 (1).tif"), read=False),
        r"raw: found s_003 \(1\)\.tif, which does not fit the series",
    ),
    Case(
        "folder of slices: a copy",
        _folder(_add("Copy of s_003.tif")),
        r"raw: found Copy of s_003\.tif, which does not fit",
    ),
    Case(
        "folder of slices: a projection",
        _folder(_add("MAX_s.tif"), read=False),
        r"raw: found MAX_s\.tif, which does not fit",
    ),
    Case(
        "folder of slices: the same slice with another ending",
        _folder(_add("s_003.tiff")),
        r"raw: s_003\.tif and s_003\.tiff are two files for one slice",
    ),
    Case(
        "folder of slices: a number is missing",
        _folder(lambda raw: (raw / "s_004.tif").unlink()),
        r"raw: number 4 is missing between s_003\.tif and s_005\.tif",
    ),
    Case(
        "folder of slices: two detectors",
        _folder(lambda raw: [_write(raw / f"t_{n:03}.tif", DATA[n]) for n in range(8)]),
        r"raw: holds several series",
    ),
    Case(
        "folder of slices: no image",
        _folder(lambda raw: [file.unlink() for file in raw.iterdir()]),
        r"raw: found no images",
    ),
    Case(
        "folder of slices: a link to nowhere",
        _folder(lambda raw: (raw / "s_008.tif").symlink_to("gone.tif")),
        r"s_008\.tif: is no file that could be read",
    ),
    Case(
        "folder of slices: a pipe",
        _folder(lambda raw: os.mkfifo(raw / "s_008.tif")),
        r"s_008\.tif: is no file that could be read",
    ),
    Case(
        "folder of slices: one of another size",
        _folder(_change(5, DATA[5, :9])),
        r"s_005\.tif: this slice is 9 x 12 of uint8 where the first one is 10 x 12",
    ),
    Case(
        "folder of slices: one of another type",
        _folder(_change(5, DATA[5].astype(np.uint16))),
        r"s_005\.tif: this slice is 10 x 12 of uint16",
    ),
    Case(
        "folder of slices: one in colour",
        _folder(_change(5, np.zeros((10, 12, 3), np.uint8), photometric="rgb")),
        r"s_005\.tif: found a colour image",
    ),
    Case(
        "folder of slices: one of several pages",
        _folder(_change(5, DATA)),
        r"s_005\.tif: holds 8 slices, allowed in a folder",
    ),
    Case(
        "folder of slices: an empty one",
        _folder(lambda raw: (raw / "s_005.tif").write_bytes(b"")),
        r"s_005\.tif: is no TIFF",
    ),
    # a list
    Case("list of slices: empty", _list("# nothing\n\n"), r"slices\.txt: names no file"),
    Case("list of slices: a file twice", _list("a.tif\na.tif\n"), r"names a\.tif 2 times"),
    Case(
        "list of slices: a file that is not there",
        _list("a.tif\nc.tif\n"),
        r"names c\.tif, which is",
    ),
    Case("list of slices: no text", _list(b"\xff\xfe\x00\xd8\x00"), r"slices\.txt: "),
    Case(
        "list of slices: a file of another kind",
        _list("a.tif\nslices.txt\n"),
        r"slices\.txt: is no image",
    ),
]
