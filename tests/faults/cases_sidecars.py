"""What lies beside images and raw voxels and cannot be believed, each for a reason of its own."""

import numpy as np
import tifffile

from acuity.formats.read import read_volume
from tests.faults.case import Case
from tests.unit.test_sidecars import HITACHI, JEOL, NIKON, PCR, SAID, SKYSCAN, TESCAN, VGI

DATA = np.random.default_rng(5).integers(0, 200, (4, 46, 50)).astype(np.uint8)


def _image(name, text):
    """One image with a text beside it, whose size the study does not state."""

    def make(folder):
        tifffile.imwrite(folder / "a.tif", DATA[0], metadata=None)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return lambda: read_volume(folder / "a.tif").read()

    return make


def _scan(name, text, size="5 um"):
    def make(folder):
        for number, image in enumerate(DATA):
            tifffile.imwrite(folder / f"s_{number}.tif", image, metadata=None)
        (folder / name).write_text(text)
        return lambda: read_volume(folder, size).read()

    return make


def _raw(dtype="<f4", **headers):
    def make(folder):
        (folder / "scan.vol").write_bytes(DATA.astype(dtype).tobytes())
        for ending, text in headers.items():
            content = text if isinstance(text, bytes) else text.encode()
            (folder / f"scan.{ending}").write_bytes(content)
        return lambda: read_volume(folder / "scan.vol").read()

    return make


GOOD = VGI.format(**SAID)
LOG = {"step": 1, "count": 4, "columns": 50, "unit": "um", "size": 5.5}
CASES = [
    Case(
        "text of a microscope: Hitachi of another image",
        _image("a.txt", HITACHI.format(rows=960, columns=1280, size="4")),
        r"a\.tif: .*for an image of 960 x 1280, and this one has 46 x 50 \(a\.txt\)",
    ),
    Case(
        "text of a microscope: Hitachi with a pixel of zero",
        _image("a.txt", HITACHI.format(rows=46, columns=50, size="0")),
        r"a\.tif: .*a pixel size of 0\.0",
    ),
    Case(
        "text of a microscope: Hitachi with a strange unit",
        _image("a.txt", HITACHI.format(rows=46, columns=50, size="4 furlong")),
        r"a\.tif: .*in 'furlong'",
    ),
    Case(
        "text of a microscope: no text",
        _image("a.txt", b"[SemImageFile]\n\x81\x8d\x00\x01"),
        r"a\.tif: .*nothing that can be used",
    ),
    Case(
        "text of a microscope: JEOL with a bar without a length",
        _image("a.txt", JEOL.format(rows=46, columns=50, bar=100, marker="")),
        r"a\.tif: the file carries no voxel size",
    ),
    Case(
        "text of a microscope: TESCAN with a negative pixel",
        _image("a-tif.hdr", TESCAN.format(strip=0).replace("4.1e", "-4.1e")),
        r"a\.tif: .*-4\.1e-08",
    ),
    Case(
        "log of a tomograph: projections",
        _scan(
            "s.log",
            SKYSCAN.split("[Reconstruction]")[0].replace("=100", "=46").replace("=120", "=50"),
        ),
        r"projections, as s\.log has no section",
    ),
    Case(
        "log of a tomograph: of other images",
        _scan("s.log", SKYSCAN.format(**LOG | {"columns": 99}), None),
        r"5\.5 um for images of 46 x 99 in s\.log",
    ),
    Case(
        "log of a tomograph: a pixel that is no number",
        _scan("s.log", SKYSCAN.format(**LOG | {"size": "?"}), None),
        r"a pixel size of None um",
    ),
    Case(
        "log of a tomograph: projections of Nikon",
        _scan("s.xtekct", NIKON.format(x=9, y=9, z=9)),
        r"projections, of the size of the detector in s\.xtekct",
    ),
    Case(
        "log of a tomograph: projections of GE",
        _scan("s.pca", "[Geometry]\nFDD=1\n[Image]\nDimX=50\nDimY=46\n"),
        r"projections, of the size of the detector in s\.pca",
    ),
    Case("header of raw voxels: none", _raw(), r"scan\.vol: found 0 sidecar files.*scan\.vgi"),
    Case("header of raw voxels: empty", _raw(vgi=""), r"scan\.vgi: has no section \[file1\]"),
    Case("header of raw voxels: no text", _raw(vgi=b"\x00\x01\x02\x81"), r"scan\.vgi: "),
    Case(
        "header of raw voxels: two counts in place of three",
        _raw(vgi=VGI.format(**SAID | {"size": "50 46"})),
        r"scan\.vgi: Size is '50 46'",
    ),
    Case(
        "header of raw voxels: another size than the file",
        _raw("<u2", vgi=GOOD),
        r"scan\.vol: found 18400 bytes where scan\.vgi asks for 36800",
    ),
    Case(
        "header of raw voxels: a type of 24 bits",
        _raw(vgi=VGI.format(**SAID | {"kind": "unsigned integer", "bits": 24})),
        r"scan\.vgi: the file is raw, unsigned integer of 24 bits",
    ),
    Case(
        "header of raw voxels: several files",
        _raw(vgi=VGI.format(**SAID | {"more": "[file2]\nName=b.vol\n"})),
        r"scan\.vgi: tells of several files",
    ),
    Case(
        "header of raw voxels: negative bytes to skip",
        _raw(vgi=VGI.format(**SAID | {"more": "SkipHeader = -8\n"})),
        r"scan\.vgi: SkipHeader is '-8'",
    ),
    Case(
        "header of raw voxels: a resolution of zero",
        _raw(vgi=VGI.format(**SAID | {"resolution": "0 0 0"})),
        r"scan\.vol: .*sizes of 0 x 0 x 0 mm",
    ),
    Case(
        "header of raw voxels: an unknown code of GE",
        _raw(pcr=PCR.format(code=3)),
        r"scan\.pcr: Format is '3', allowed are 1 \(uint8\)",
    ),
    Case(
        "header of raw voxels: Nikon's voxels do not fill the file",
        _raw(xtekct=NIKON.format(x=50, y=46, z=9)),
        r"scan\.vol: found 36800 bytes where scan\.xtekct tells of 20700 voxels",
    ),
    Case(
        "header of raw voxels: two that contradict each other",
        _raw(vgi=GOOD, pcr=PCR.format(code=5)),
        r"scan\.vol: scan\.vgi and scan\.pcr beside it tell different things, the type",
    ),
]
