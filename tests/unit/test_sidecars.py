"""Sizes that microscopes and tomographs write beside images, into tags, and beside raw voxels."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from acuity.errors import AcuityError
from acuity.formats.files import files_of
from acuity.formats.read import read_volume
from acuity.units import convert

ROWS, COLUMNS = 40, 50
DATA = np.random.default_rng(3).integers(0, 200, (4, ROWS + 6, COLUMNS)).astype(np.uint8)
IMAGE = DATA[0]

HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8230\r\nDate=2019/03/12\r\nTime=10:22:13\r\n"
    "DataSize={columns}x{rows}\r\nPixelSize={size}\r\nSignalName=SE(U)\r\n"
    "AcceleratingVoltage=15000 Volt\r\nWorkingDistance=8100 um\r\n"
)
JEOL = (
    "$CM_FORMAT JEOL/SEM\n$CM_INSTRUMENT JSM-7800F\n$CM_SIGNAL SEI\n$CM_ACCEL_VOLT 15.00\n"
    "$CM_DATE 2019/03/12\n$CM_TIME 10:21:55\n$CM_FULL_SIZE {columns} {rows}\n"
    "$$SM_MICRON_BAR {bar}\n$$SM_MICRON_MARKER {marker}\n$$SM_WD 10.0\n"
)
TESCAN = (
    "[MAIN]\r\nCompany=TESCAN\r\nDate=2019-03-12\r\nTime=10:22:13\r\nDeviceModel=MIRA3 LMH\r\n"
    "ImageStripSize={strip}\r\nPixelSizeX=4.1e-008\r\nPixelSizeY=4.2e-008\r\n"
    "[SEM]\r\nHV=15000.0\r\nWD=0.0100\r\nDetector=SE\r\n"
)
PHENOM = (
    '<?xml version="1.0" encoding="UTF-8"?><FeiImage><databarHeight>{bar}</databarHeight>'
    '<pixelWidth unit="{unit}">{size}</pixelWidth><pixelHeight unit="{unit}">{size}</pixelHeight>'
    "<instrument><edition>G4 Phenom ProX</edition></instrument></FeiImage>"
)
FEI = (
    '<?xml version="1.0"?><Metadata xmlns="http://schemas.fei.com/Metadata/v1/2013/07">'
    "<Instrument><InstrumentClass>Helios 5</InstrumentClass></Instrument>"
    "<Optics><AccelerationVoltage>2000</AccelerationVoltage></Optics>"
    "<BinaryResult><ImageSize><X>{columns}</X><Y>{rows}</Y></ImageSize>"
    '<PixelSize><X unit="m" unitPrefixPower="1">{size}</X>'
    '<Y unit="m" unitPrefixPower="1">6e-09</Y></PixelSize></BinaryResult></Metadata>'
)
FIBICS = (
    '<?xml version="1.0"?><Fibics version="1.2"><Application><Version>Atlas 5</Version></Application>'
    "<Image><Width>{columns}</Width><Height>{rows}</Height></Image>"
    "<Scan><Dwell>500</Dwell>{steps}</Scan></Fibics>"
)
STEPS = "<Ux>0.003</Ux><Uy>0.004</Uy><Vx>-0.0048</Vx><Vy>0.0064</Vy>"


def sizes_nm(volume):
    return [convert(size, volume.grid.unit, "nm") for size in volume.grid.spacing]


def beside(folder, text, name="a.txt", image=IMAGE, **options):
    tifffile.imwrite(folder / "a.tif", image, metadata=None, **options)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "a.tif"


def tagged(folder, tag, text, image=IMAGE, kind=2, **options):
    text = text.encode() if isinstance(text, str) else text
    tifffile.imwrite(
        folder / "a.tif",
        image,
        metadata=None,
        extratags=[(tag, kind, len(text) + (kind == 2), text + b"\0" * (kind == 2), True)],
        **options,
    )
    return folder / "a.tif"


# ------------------------------------------------------------------------- electron microscopes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize(("size", "nm"), [("9.921875", 9.921875), ("9,5 nm", 9.5), ("0.5 µm", 500)])
def test_hitachi(tmp_path, encoding, size, nm):
    text = HITACHI.format(rows=ROWS, columns=COLUMNS, size=size).encode(encoding)
    volume = read_volume(beside(tmp_path, text))
    assert sizes_nm(volume) == pytest.approx([nm] * 3)
    assert np.array_equal(volume.read()[0], IMAGE[:ROWS])
    assert volume.provenance[0]["instrument"] == {
        "maker": "Hitachi",
        "instrument": "SU8230",
        "voltage_V": 15000.0,
        "working_distance_m": 0.0081,
        "detector": "SE(U)",
        "taken": "2019/03/12 10:22:13",
        "info_bar_rows": 6,
    }
    assert [file.name for file in files_of(tmp_path / "a.tif")] == ["a.tif", "a.txt"]


@pytest.mark.parametrize("name", ["a.txt", "a.hdr", "a.log"])
def test_a_pipe_beside_an_image_is_not_waited_for(tmp_path, name):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    os.mkfifo(tmp_path / name)
    assert files_of(tmp_path / "a.tif") == [tmp_path / "a.tif"]


def test_a_bar_that_hitachi_may_have_drawn_is_named(tmp_path):
    volume = read_volume(beside(tmp_path, HITACHI.format(rows=46, columns=50, size="4")))
    assert np.array_equal(volume.read()[0], IMAGE)
    assert "may be drawn over" in volume.provenance[0]["instrument"]["info_bar"]


@pytest.mark.parametrize(
    ("marker", "nm"),
    [("100nm", 1), ("1um", 10), ("1 um", 10), ("1µm", 10), ("0.1um", 1), ("1ƒÊm", 10)],
)
def test_jeol(tmp_path, marker, nm):
    text = JEOL.format(rows=ROWS, columns=COLUMNS, bar=100, marker=marker)
    volume = read_volume(beside(tmp_path, text))
    assert sizes_nm(volume) == pytest.approx([nm] * 3)
    assert np.array_equal(volume.read()[0], IMAGE[:ROWS])
    told = volume.provenance[0]["instrument"]
    assert (told["maker"], told["voltage_V"], told["working_distance_m"]) == ("JEOL", 15000.0, 0.01)
    assert told["pixel_from"].startswith("scale bar of ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HITACHI.format(rows=960, columns=1280, size="4"),
            "pixels of 4 nm for an image of 960 x 1280",
        ),
        (
            HITACHI.format(rows=46, columns=50, size="0"),
            r"a pixel size of 0.0 x 0.0 in 'nm' \(a.txt\)",
        ),
        (HITACHI.format(rows=46, columns=50, size="1,000"), "no voxel size"),
        (HITACHI.format(rows=46, columns=50, size="4 furlong"), "in 'furlong'"),
        (JEOL.format(rows=960, columns=1280, bar=100, marker="1um"), "this one has 46 x 50"),
        (JEOL.format(rows=46, columns=50, bar=100, marker="1 bar"), "in 'bar'"),
        (JEOL.format(rows=46, columns=50, bar=0, marker="1um"), "no voxel size"),
        (b"[SemImageFile]\n\x81\x8d PixelSize=4", "nothing that can be used"),
    ],
)
def test_a_text_that_does_not_fit_is_named_and_needs_not_stop(tmp_path, text, said):
    path = beside(tmp_path, text)
    with pytest.raises(AcuityError, match=said):
        read_volume(path)
    volume = read_volume(path, "5 nm")
    assert volume.grid.shape == (1, 46, 50)


@pytest.mark.parametrize("kind", ["png", "bmp", "jpg"])
def test_tescan_beside_other_images(tmp_path, kind):
    for number in range(2):
        Image.fromarray(IMAGE).save(tmp_path / f"s{number}.{kind}")
        (tmp_path / f"s{number}-{kind}.hdr").write_text(TESCAN.format(strip=6))
    volume = read_volume(tmp_path, pitch="50 nm")
    assert volume.grid.shape == (2, ROWS, COLUMNS)
    assert sizes_nm(volume) == pytest.approx([50, 42, 41])
    assert len(files_of(tmp_path)) == 4


@pytest.mark.parametrize("where", ["tag", "bytes", "a-tif.hdr", "a.hdr"])
def test_tescan(tmp_path, where):
    text = TESCAN.format(strip=6)
    if where == "tag":
        path = tagged(tmp_path, 50431, text)
    elif where == "bytes":
        path = tagged(tmp_path, 50431, bytes(range(32)) + b"\xff\xfe" + text.encode(), kind=1)
    else:
        path = beside(tmp_path, text, where)
    volume = read_volume(path)
    assert volume.grid.spacing == pytest.approx((41, 42, 41))
    assert np.array_equal(volume.read()[0], IMAGE[:ROWS])
    assert volume.provenance[0]["instrument"] == {
        "maker": "TESCAN",
        "instrument": "MIRA3 LMH",
        "voltage_V": 15000.0,
        "working_distance_m": 0.01,
        "detector": "SE",
        "taken": "2019-03-12 10:22:13",
        "info_bar_rows": 6,
    }
    whole = read_volume(tagged(tmp_path, 50431, TESCAN.format(strip=0)))
    assert whole.grid.shape == (1, 46, 50)


@pytest.mark.parametrize(("unit", "size", "nm"), [("nm", 69.5, 69.5), ("um", 0.0695, 69.5)])
def test_phenom(tmp_path, unit, size, nm):
    path = tagged(tmp_path, 34683, PHENOM.format(bar=6, unit=unit, size=size))
    volume = read_volume(path)
    assert sizes_nm(volume) == pytest.approx([nm] * 3)
    assert np.array_equal(volume.read()[0], IMAGE[:ROWS])
    assert volume.provenance[0]["instrument"]["instrument"] == "G4 Phenom ProX"
    none = read_volume(tagged(tmp_path, 34683, PHENOM.format(bar=0, unit=unit, size=size)))
    assert none.grid.shape == (1, 46, 50)


def test_the_xml_of_fei(tmp_path):
    path = tagged(tmp_path, 34683, FEI.format(rows=ROWS, columns=COLUMNS, size="5e-09"))
    volume = read_volume(path)
    assert volume.grid.spacing == pytest.approx((5, 6, 5))
    assert np.array_equal(volume.read()[0], IMAGE[:ROWS])
    told = volume.provenance[0]["instrument"]
    assert (told["instrument"], told["voltage_V"]) == ("Helios 5", 2000.0)


@pytest.mark.parametrize(
    ("steps", "y", "x"),
    [(STEPS, 8, 5), (f"<FOV_X>{0.005 * COLUMNS}</FOV_X><FOV_Y>{0.008 * ROWS}</FOV_Y>", 8, 5)],
)
def test_fibics(tmp_path, steps, y, x):
    path = tagged(tmp_path, 51023, FIBICS.format(rows=ROWS, columns=COLUMNS, steps=steps))
    volume = read_volume(path)
    assert sizes_nm(volume) == pytest.approx([x, y, x])
    assert volume.grid.shape == (1, ROWS, COLUMNS)
    assert volume.provenance[0]["instrument"]["dwell_s"] == pytest.approx(5e-7)


@pytest.mark.parametrize(
    ("tag", "text", "said"),
    [
        (34683, FEI.format(rows=46, columns=100, size="5e-09"), "for an image of 46 x 100"),
        (34683, FEI.format(rows=46, columns=50, size="none"), "a pixel size of 6e-09 x None"),
        (34683, "<FeiImage><pixelWidth", "no voxel size"),
        (34683, "<Other/>", "no voxel size"),
        (34683, PHENOM.format(bar=0, unit="px", size=3), "in 'px'"),
        (51023, FIBICS.format(rows=80, columns=100, steps=STEPS), "for an image of 80 x 100"),
        (51023, FIBICS.format(rows=46, columns=50, steps=""), "no voxel size"),
        (50431, TESCAN.format(strip=0).replace("4.1e-008", "0"), "a pixel size of 4.2e-08 x 0.0"),
    ],
)
def test_a_tag_that_cannot_be_used_is_named_and_needs_not_stop(tmp_path, tag, text, said):
    path = tagged(tmp_path, tag, text)
    with pytest.raises(AcuityError, match=said):
        read_volume(path)
    assert read_volume(path, "5 nm").grid.spacing == (5, 5, 5)


def test_slices_with_a_text_each(tmp_path):
    for number, image in enumerate(DATA):
        tifffile.imwrite(tmp_path / f"s{number}.tif", image, metadata=None)
        text = HITACHI.format(rows=ROWS, columns=COLUMNS, size="4")
        (tmp_path / f"s{number}.txt").write_text(text)
    volume = read_volume(tmp_path, pitch="20 nm")
    assert volume.grid.spacing == (20, 4, 4)
    assert np.array_equal(volume.read(), DATA[:, :ROWS])
    text = HITACHI.format(rows=ROWS, columns=COLUMNS, size="5")
    (tmp_path / "s2.txt").write_text(text)
    with pytest.raises(AcuityError, match=r"s2\.tif: this slice has pixels of 5 nm"):
        read_volume(tmp_path, pitch="20 nm")


# ------------------------------------------------------------------------------------ tomographs

SKYSCAN = (
    "[System]\nScanner=SkyScan1172\n[Acquisition]\nSource Voltage (kV)=59\nSource Current (uA)=167\n"
    "Number of Rows=100\nNumber of Columns=120\nImage Pixel Size (um)=9.99\n"
    "[Reconstruction]\nSection to Section Step={step}\nSections Count={count}\n"
    "Result Image Width (pixels)={columns}\nResult Image Height (pixels)=46\n"
    "Pixel Size ({unit})={size}\n"
)


def skyscan(folder, text, name="scan_rec.log"):
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(DATA):
        tifffile.imwrite(folder / f"scan_rec{number:04}.tif", image, metadata=None)
    (folder / name).write_bytes(text.encode("cp1252"))
    return folder


@pytest.mark.parametrize("unit", ["um", "µm"])
@pytest.mark.parametrize(("step", "z"), [(1, 5.5), (2, 11)])
def test_skyscan(tmp_path, unit, step, z):
    said = {"step": step, "count": 4, "columns": 50, "unit": unit, "size": 5.5}
    volume = read_volume(skyscan(tmp_path / "a", SKYSCAN.format(**said)))
    assert (volume.grid.spacing, volume.grid.unit) == ((z, 5.5, 5.5), "um")
    assert np.array_equal(volume.read(), DATA)
    assert volume.provenance[0]["instrument"] == {
        "maker": "Bruker (SkyScan)",
        "instrument": "SkyScan1172",
        "voltage_V": 59000.0,
        "current_A": 0.000167,
    }
    assert files_of(str(tmp_path / "a"))[-1].name == "scan_rec.log"


def test_skyscan_of_other_images(tmp_path):
    said = {"step": 1, "count": 100, "columns": 50, "unit": "um", "size": 5.5}
    part = read_volume(skyscan(tmp_path / "a", SKYSCAN.format(**said)))
    assert part.provenance[0]["instrument"]["sections_in_log"] == 100
    folder = skyscan(tmp_path / "a", SKYSCAN.format(**said | {"columns": 100}))
    with pytest.raises(
        AcuityError, match=r"pixels of 5.5 um for images of 46 x 100 in scan_rec\.log"
    ):
        read_volume(folder)
    folder = skyscan(tmp_path / "a", SKYSCAN.format(**said | {"size": 0}))
    with pytest.raises(AcuityError, match=r"a pixel size of 0.0 um .* in scan_rec\.log"):
        read_volume(folder)
    assert read_volume(folder, "5 um").grid.spacing == (5, 5, 5)


@pytest.mark.parametrize(("numbers", "step", "z"), [((0, 2), 2, 11), ((1, 3), 1, None)])
def test_slices_of_skyscan_that_were_left_out(tmp_path, numbers, step, z):
    said = {"step": step, "count": 4, "columns": 50, "unit": "um", "size": 5.5}
    folder = skyscan(tmp_path / "a", SKYSCAN.format(**said))
    named = folder / "slices.txt"
    named.write_text("\n".join(f"scan_rec{number:04}.tif" for number in numbers))
    if z is not None:
        assert read_volume(named).grid.spacing == (z, 5.5, 5.5)
        return
    with pytest.raises(AcuityError, match=r"a step of 1 .* go on in steps of 2"):
        read_volume(named)
    assert read_volume(named, "11 5.5 5.5 um").grid.spacing == (11, 5.5, 5.5)


def test_projections_of_skyscan_are_no_volume(tmp_path):
    text = SKYSCAN.split("[Reconstruction]")[0].replace("=100", "=46").replace("=120", "=50")
    folder = skyscan(tmp_path / "a", text)
    with pytest.raises(AcuityError, match=r"projections, as scan_rec\.log has no section"):
        read_volume(folder, "5 um")
    assert read_volume(folder, "5 um", volume=True).grid.shape == DATA.shape


NIKON = (
    "[XTekCT]\nName=scan\nVoxelsX={x}\nVoxelSizeX=0.05\nVoxelsY={y}\nVoxelSizeY=0.05\nVoxelsZ={z}\n"
    "VoxelSizeZ=0.06\nDetectorPixelsX=50\nDetectorPixelsY=46\nProjections=4\n[Xrays]\nXraykV=216\n"
)


def test_slices_and_projections_of_nikon(tmp_path):
    folder = skyscan(tmp_path / "a", NIKON.format(x=50, y=46, z=4), "scan_rec.xtekct")
    volume = read_volume(folder)
    assert (volume.grid.spacing, volume.grid.unit) == ((0.06, 0.05, 0.05), "mm")
    text = NIKON.format(x=50, y=46, z=4).replace("Name=scan", "Units=microns")
    assert read_volume(skyscan(tmp_path / "b", text, "scan_rec.xtekct")).grid.unit == "um"
    folder = skyscan(tmp_path / "a", NIKON.format(x=50, y=50, z=46), "scan_rec.xtekct")
    with pytest.raises(AcuityError, match="projections, of the size of the detector"):
        read_volume(folder, "5 um")


def test_projections_of_ge_are_no_volume(tmp_path):
    text = "[Geometry]\nVoxelSizeX=0.04\n[Image]\nDimX=50\nDimY=46\n"
    with pytest.raises(AcuityError, match=r"detector in scan_rec\.pca"):
        read_volume(skyscan(tmp_path / "a", text, "scan_rec.pca"), "5 um")


VGI = (
    "{{volume1}}\n[representation]\nsize = {size}\ndatatype = unsigned integer\nbitsperelement = 16\n"
    "[file1]\nFileFormat = raw\nSize = {size}\nName = scan.vol\nDatatype = {kind}\n"
    "BitsPerElement = {bits}\n{more}{{volumeprimitive1}}\n[geometry]\nresolution = {resolution}\n"
    "scale = 1 1 1\nunit = mm\n[volume]\nvolume = volume1\n"
)
SAID = {"size": "50 46 4", "kind": "float", "bits": 32, "more": "", "resolution": "0.05 0.05 0.06"}
PCR = "[VolumeData]\nVolume_SizeX=50\nVolume_SizeY=46\nVolume_SizeZ=4\nFormat={code}\nVoxelSizeRec=0.05\n"


def raw(folder, data, **headers):
    (folder / "scan.vol").write_bytes(np.ascontiguousarray(data).tobytes())
    for ending, text in headers.items():
        (folder / f"scan.{ending}").write_text(text)
    return folder / "scan.vol"


@pytest.mark.parametrize(
    ("kind", "bits", "dtype"),
    [
        ("float", 32, "<f4"),
        ("unsigned integer", 16, "<u2"),
        ("unsigned integer", 8, "u1"),
        ("signed integer", 16, "<i2"),
    ],
)
def test_vgstudio(tmp_path, kind, bits, dtype):
    data = DATA.astype(dtype)
    path = raw(tmp_path, data, vgi=VGI.format(**SAID | {"kind": kind, "bits": bits}))
    volume = read_volume(path)
    assert (volume.grid.spacing, volume.grid.unit) == ((0.06, 0.05, 0.05), "mm")
    assert np.array_equal(volume.read(), data)
    assert [file.name for file in files_of(str(path))] == ["scan.vol", "scan.vgi"]
    by_header = path.with_suffix(".vgi")
    assert files_of(by_header) == files_of(path)
    assert np.array_equal(read_volume(by_header).read(), data)


@pytest.mark.parametrize(("code", "dtype"), [(1, "u1"), (5, "<u2"), (10, "<f4")])
def test_ge(tmp_path, code, dtype):
    data = DATA.astype(dtype)
    volume = read_volume(raw(tmp_path, data, pcr=PCR.format(code=code)))
    assert volume.grid.spacing == (0.05, 0.05, 0.05)
    assert np.array_equal(volume.read(), data)
    assert volume.provenance[0]["instrument"] == {"maker": "GE"}


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<f4"])
def test_nikon(tmp_path, dtype):
    data = DATA.astype(dtype)
    path = raw(tmp_path, data, xtekct=NIKON.format(x=50, y=46, z=4))
    volume = read_volume(path)
    assert volume.grid.spacing == (0.06, 0.05, 0.05)
    assert np.array_equal(volume.read(), data)
    both = raw(tmp_path, DATA.astype("<f4"), vgi=VGI.format(**SAID))
    assert np.array_equal(read_volume(both).read(), DATA)
    assert [file.name for file in files_of(str(both))] == ["scan.vol", "scan.vgi", "scan.xtekct"]
    (tmp_path / "scan.yaml").write_text("shape: [4, 46, 50]\ndtype: float32\nbyte_order: little\n")
    with pytest.raises(AcuityError, match="no voxel size"):  # what the user wrote counts
        read_volume(both)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"vgi": VGI.format(**SAID | {"size": "50 46"})}, "Size is '50 46'"),
        (
            {"vgi": VGI.format(**SAID | {"size": "50 46 5"})},
            r"found 36800 bytes where scan\.vgi asks",
        ),
        ({"vgi": VGI.format(**SAID | {"kind": "float", "bits": 16})}, "float of 16 bits"),
        ({"vgi": VGI.format(**SAID | {"more": "[file2]\nName=b\n"})}, "several files"),
        ({"vgi": "{volume1}\n[representation]\nsize = 50 46 4\n"}, r"no section \[file1\]"),
        (
            {"vgi": VGI.format(**SAID).replace("size = 50 46 4", "size = 50 46 8", 1)},
            r"50 46 4 voxels in \[file1\] and of 50 46 8",
        ),
        ({"pcr": PCR.format(code=7)}, "Format is '7', allowed are 1"),
        ({"pcr": PCR.format(code=10).replace("SizeZ=4", "SizeZ=x")}, "allowed are three counts"),
        (
            {"xtekct": NIKON.format(x=50, y=46, z=5)},
            "found 36800 bytes where scan.xtekct tells of 11500",
        ),
        (
            {"vgi": VGI.format(**SAID), "pcr": PCR.format(code=10).replace("=46", "=45")},
            r"scan\.vgi and scan\.pcr beside it tell different things, the shape is 4 x 46 x 50 in",
        ),
        ({"vgi": VGI.format(**SAID), "pcr": PCR.format(code=10)}, "the voxel size is 0.06 x 0.05"),
    ],
)
def test_headers_that_cannot_be_believed(tmp_path, headers, said):
    path = raw(tmp_path, DATA.astype("<f4"), **headers)
    with pytest.raises(AcuityError, match=said):
        read_volume(path, "5 um")


def test_a_header_without_its_voxels_is_named(tmp_path):
    (tmp_path / "scan.vgi").write_text(VGI.format(**SAID))
    with pytest.raises(AcuityError, match=r"scan\.vgi: describes raw voxels, and 0 files"):
        read_volume(tmp_path / "scan.vgi")


def test_a_header_without_a_size_needs_one_stated(tmp_path):
    path = raw(tmp_path, DATA.astype("<f4"), vgi=VGI.format(**SAID | {"resolution": "0 0 0"}))
    with pytest.raises(AcuityError, match="tells sizes of 0 x 0 x 0 mm"):
        read_volume(path)
    assert read_volume(path, "5 um").grid.spacing == (5, 5, 5)


def test_the_size_that_vgstudio_writes_without_one_is_none(tmp_path):
    path = raw(tmp_path, DATA.astype("<f4"), vgi=VGI.format(**SAID | {"resolution": "1 1 1"}))
    with pytest.raises(AcuityError, match="carries no voxel size"):
        read_volume(path)
    path = raw(tmp_path, DATA.astype("<f4"), vgi=VGI.format(**SAID | {"resolution": "1 1 2"}))
    assert read_volume(path).grid.spacing == (2, 1, 1)
