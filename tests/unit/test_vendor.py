"""Raw stacks: what the microscopes' metadata says, the milling pitch, slices that do not fit."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from acuity.errors import AcuityError
from acuity.formats.export import export
from acuity.formats.files import check_numbering, files_of
from acuity.formats.read import read_volume
from acuity.ingest.ingest import ingest, source_digest
from acuity.volume import open_volume
from tests.conftest import shared
from tests.runs import predict

FEI = """[Beam]\r
HV=2000\r
Beam=EBeam\r
Scan=EScan\r
[User]\r
Date=08/24/2023\r
Time=12:06:40 PM\r
[Detectors]\r
Name=TLD\r
[EBeam]\r
HV=2000\r
BeamCurrent=5e-11\r
WD=0.0041\r
TiltCorrectionIsOn={corrected}\r
TiltCorrectionAngle=0.663225\r
[System]\r
SystemType=Helios NanoLab 660\r
[EScan]\r
PixelWidth=5e-09\r
PixelHeight=5e-09\r
[{scan}]\r
PixelWidth=4e-09\r
PixelHeight=4e-09\r
Dwelltime=3e-07\r
[Stage]\r
StageT=0.907571\r
[Image]\r
ResolutionX={columns}\r
ResolutionY={rows}\r
[PrivateFei]\r
DatabarHeight={bar}\r
"""

ZEISS = (
    "\r\n".join(["0"] * 8)
    + "\r\nDP_SEM\r\nSem = Crossbeam\r\nDP_TILT_CORRECTION\r\nTilt Corrn. = On\r\n"
    "AP_TILT_ANGLE\r\nTilt Angle = 36.0 °\r\nAP_STAGE_AT_T\r\nStage at T = 54.0 °\r\n"
    "AP_PIXEL_SIZE\r\nPixel Size = 2.5 nm\r\nAP_ACTUALKV\r\nEHT = 1.50 kV\r\nAP_WD\r\nWD = 4.1 mm\r\n"
    "AP_BEAM_CURRENT\r\nBeam Current = 80.0 pA\r\nDP_DETECTOR_TYPE\r\nSignal A = InLens\r\n"
    "AP_DATE\r\nDate :24 Aug 2023\r\nAP_TIME\r\nTime :12:06:40\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 5.0 nm\r\n"
)


def values(shape=(5, 40, 50), dtype="uint8"):
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def fei(rows=40, columns=50, bar=0, corrected="no", scan="Scan"):
    text = FEI.format(rows=rows, columns=columns, bar=bar, corrected=corrected, scan=scan)
    return text.encode() + b"\0"


def write(path, image, note, tag=34682):
    tifffile.imwrite(path, image, metadata=None, extratags=[(tag, 2, len(note), note, True)])


def stack(folder, data, note=None, first=1):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(data, first):
        write(folder / f"slice_{number:03}.tif", image, note or fei())
    return folder


# ----------------------------------------------------------------------------- vendors' metadata


@pytest.mark.parametrize("tag", [34680, 34682])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_fei_pixels_pitch_tilt_and_bar(tmp_path, tag, dtype):
    data = values((4, 46, 50), dtype)
    for number, image in enumerate(data):
        write(tmp_path / f"s{number}.tif", image, fei(40, bar=6, corrected="yes"), tag)
    volume = read_volume(tmp_path, pitch="20 nm")
    assert volume.grid.spacing == pytest.approx((20, 4, 4))
    assert volume.grid.unit == "nm"
    assert np.array_equal(volume.read(), data[:, :40])
    assert np.array_equal(volume.read(slice(1, 3), slice(30, 40)), data[1:3, 30:40])
    (step,) = volume.provenance
    assert step["voxel_size_from"] == "file and pitch"
    assert step["instrument"] == {
        "maker": "Thermo Fisher (FEI)",
        "instrument": "Helios NanoLab 660",
        "stage_tilt_degrees": 52.0,
        "tilt_correction": True,
        "tilt_correction_degrees": 38.0,
        "voltage_V": 2000.0,
        "current_A": 5e-11,
        "dwell_s": 3e-07,
        "working_distance_m": 0.0041,
        "detector": "TLD",
        "taken": "08/24/2023 12:06:40 PM",
        "info_bar_rows": 6,
    }


@pytest.mark.parametrize(
    ("note", "rows"),
    [
        (fei(46), 46),  # no bar was saved
        (fei(40, bar=5), 46),  # sizes that do not add up
        (fei(40), 40),  # a bar whose height is not told
    ],
    ids=["none", "sum", "untold"],
)
def test_fei_only_a_bar_that_is_told_is_cut(tmp_path, note, rows):
    write(tmp_path / "a.tif", values((46, 50)), note)
    assert read_volume(tmp_path / "a.tif").grid.shape == (1, rows, 50)


def test_fei_the_size_of_a_pixel_is_that_of_the_image_as_it_was_taken(tmp_path):
    write(tmp_path / "a.tif", values((46, 50)), fei(40, columns=100, bar=6))
    said = "pixels of 4 nm for an image of 100 columns, and this one has 50"
    with pytest.raises(AcuityError, match=said):
        read_volume(tmp_path / "a.tif")
    volume = read_volume(tmp_path / "a.tif", "8 nm")
    assert (volume.grid.shape, volume.grid.spacing) == ((1, 46, 50), (8, 8, 8))
    assert "left in" in volume.provenance[0]["instrument"]["info_bar"]


def test_fei_the_beams_own_scan_counts_where_there_is_no_other(tmp_path):
    write(tmp_path / "a.tif", values((40, 50)), fei(scan="Other"))
    assert read_volume(tmp_path / "a.tif").grid.spacing == pytest.approx((5, 5, 5))


def test_fei_many_pages(tmp_path):
    data = values((4, 46, 50))
    note = fei(40, bar=6)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in data:
            file.write(image, metadata=None, extratags=[(34682, 2, len(note), note, True)])
    with pytest.raises(AcuityError, match="tells pixels of 4 nm and no distance between slices"):
        read_volume(tmp_path / "a.tif")
    volume = read_volume(tmp_path / "a.tif", pitch="0.02 um", region="1:4,5:30")
    assert np.array_equal(volume.read(), data[1:4, 5:30])
    assert volume.grid.spacing == pytest.approx((20, 4, 4))


def bar(image, height, paper, line=0):
    image = image.copy()
    image[-height:] = line
    image[-height + 1 : -2, 1:-1] = paper
    image[-height + 4 : -height + 8, 10:30] = line  # text
    return image


@pytest.mark.parametrize(("dtype", "paper"), [("uint8", 255), ("uint8", 243), ("uint16", 65535)])
def test_zeiss_image_pixel_size_tilt_and_drawn_bar(tmp_path, dtype, paper):
    image = bar(values((200, 256), dtype), 18, paper)
    write(tmp_path / "a.tif", image, ZEISS.encode("cp1252") + b"\0", 34118)
    volume = read_volume(tmp_path / "a.tif")
    assert volume.grid.shape == (1, 182, 256)
    assert volume.grid.spacing == pytest.approx((5, 5, 5))  # not ap_pixel_size
    assert np.array_equal(volume.read()[0], image[:182])
    told = volume.provenance[-1]["instrument"]
    assert told["instrument"] == "Crossbeam"
    assert (told["stage_tilt_degrees"], told["tilt_correction_degrees"]) == (54.0, 36.0)
    assert (told["voltage_V"], told["working_distance_m"], told["current_A"]) == (
        1500,
        0.0041,
        8e-11,
    )
    assert told["detector"] == "InLens"
    assert told["taken"] == "24 Aug 2023 12:06:40"
    assert told["info_bar_rows"] == 18


@pytest.mark.parametrize("kind", ["noise", "white", "black", "white floor", "void below"])
def test_zeiss_specimen_is_not_taken_for_a_bar(tmp_path, kind):
    image = values((200, 256))
    if kind in ("white", "black"):
        image[:] = 255 if kind == "white" else 0
    if kind == "white floor":
        image[160:] = 255
    if kind == "void below":
        image[160:190], image[190:] = 255, 0
    write(tmp_path / "a.tif", image, ZEISS.encode("cp1252") + b"\0", 34118)
    assert read_volume(tmp_path / "a.tif").grid.shape == (1, 200, 256)


def test_open_fibsem(tmp_path):
    said = (
        '{"beam_type": "ION", "pixel_size": {"x": 9.765624999999999e-08, "y": 9.765625e-08}, '
        '"dwell_time": 1e-06, "detector_settings": {"type": "ETD"}, "microscope_state": '
        '{"absolute_position": {"t": 0.907571}, "ib_settings": {"voltage": 30000.0}, '
        '"eb_settings": {"voltage": 2000.0}, "timestamp": "08/24/2023 12:06:40"}}'
    )
    tifffile.imwrite(tmp_path / "a.tif", values((40, 50)), description=said, metadata=None)
    volume = read_volume(tmp_path / "a.tif")
    assert volume.grid.spacing == pytest.approx((97.65625,) * 3)
    told = volume.provenance[-1]["instrument"]
    assert told["stage_tilt_degrees"] == 52.0
    assert (told["voltage_V"], told["dwell_s"], told["detector"]) == (30000.0, 1e-6, "ETD")
    assert told["taken"] == "08/24/2023 12:06:40"


# ----------------------------------------------------------------------------------------- pitch


def test_a_stack_without_pitch_is_refused_in_one_sentence(tmp_path):
    stack(tmp_path, values())
    with pytest.raises(AcuityError) as error:
        read_volume(tmp_path)
    text = str(error.value)
    assert "pixels of 4 nm and no distance between slices" in text
    assert 'state the distance as pitch, such as "20 nm"' in text
    assert "\n" not in text


def test_pitch_beside_a_voxel_size(tmp_path):
    stack(tmp_path, values())
    volume = read_volume(tmp_path, "10 nm", pitch="0.03 um")
    assert volume.grid.spacing == (30, 10, 10)
    assert volume.provenance[-1]["voxel_size"] == "30 10 10 nm"
    assert read_volume(tmp_path, "30 10 5 nm", pitch="30 nm").grid.spacing == (30, 10, 5)
    with pytest.raises(AcuityError, match="state different distances between slices"):
        read_volume(tmp_path, "20 10 10 nm", pitch="30 nm")
    with pytest.raises(AcuityError, match="state different distances"):
        read_volume(tmp_path, "10 10 10 nm", pitch="30 nm")


@pytest.mark.parametrize(
    "pitch", ["20", "nm", "0 nm", "-5 nm", "20 20 nm", "20 kg", "1e999 nm", ""]
)
def test_pitch_of_another_form(tmp_path, pitch):
    stack(tmp_path, values())
    with pytest.raises(AcuityError, match=r"pitch: found .* one number and a unit"):
        read_volume(tmp_path, pitch=pitch)


def test_pitch_without_pixels_or_without_a_stack(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values())
    with pytest.raises(AcuityError, match=r"a\.tif: the file carries no pixel size"):
        read_volume(tmp_path / "a.tif", pitch="20 nm")
    write(tmp_path / "b.tif", values((40, 50)), fei())
    with pytest.raises(AcuityError, match=r"b\.tif: found 1 slice .* at least two slices"):
        read_volume(tmp_path / "b.tif", pitch="20 nm")


def test_pitch_goes_before_the_files_own_distance(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        values(),
        imagej=True,
        resolution=(100, 100),
        metadata={"spacing": 0.05, "unit": "um", "axes": "ZYX"},
    )
    volume = read_volume(tmp_path / "a.tif", pitch="20 nm")
    assert volume.grid.spacing == pytest.approx((0.02, 0.01, 0.01))
    assert volume.provenance[-1]["voxel_size_in_file"] == "0.05 0.01 0.01 um"


def test_ingest_takes_the_pitch_and_leaves_nothing_where_it_fails(tmp_path):
    data = values()
    stack(tmp_path / "raw", data)
    ingest(tmp_path / "raw", tmp_path / "v.ome.zarr", pitch="20 nm")
    volume = open_volume(tmp_path / "v.ome.zarr")
    assert volume.grid.spacing == pytest.approx((20, 4, 4))
    assert np.array_equal(volume.read(), data)
    assert volume.provenance[-1]["instrument"]["stage_tilt_degrees"] == 52.0
    (tmp_path / "raw" / "slice_003.tif").unlink()
    with pytest.raises(AcuityError, match="number 3 is missing"):
        ingest(tmp_path / "raw", tmp_path / "w.ome.zarr", pitch="20 nm")
    assert not (tmp_path / "w.ome.zarr").exists()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif", "out.zarr"])
def test_type_pixel_and_instrument_of_an_image_come_back(tmp_path, dtype, name):
    image = values((46, 50), dtype) * (250 if dtype == "uint16" else 1)
    write(tmp_path / "raw.tif", image, fei(40, bar=6))
    ingest(tmp_path / "raw.tif", tmp_path / "low.ome.zarr")
    options = {"level": 2, "scale": (1, 2, 2), "keep_type": True}
    predict("lanczos", {}, tmp_path / "low.ome.zarr", tmp_path / "high.ome.zarr", **options)
    export(tmp_path / "high.ome.zarr", tmp_path / name)
    volume = read_volume(tmp_path / name)
    assert volume.dtype == dtype
    assert volume.grid.unit == "nm"
    assert volume.grid.spacing[1:] == pytest.approx((2, 2))
    assert volume.grid.shape == (1, 80, 100)
    assert 0.8 * image.max() < volume.read().max() <= np.iinfo(dtype).max
    (instrument,) = (step["instrument"] for step in volume.provenance if "instrument" in step)
    assert instrument["instrument"] == "Helios NanoLab 660"
    assert instrument["stage_tilt_degrees"] == 52.0
    assert (instrument["voltage_V"], instrument["detector"]) == (2000.0, "TLD")


# ------------------------------------------------------------------------------------- numbering


def numbering(names):
    check_numbering([Path(name) for name in names], Path("folder"))


@pytest.mark.parametrize(
    "names",
    [
        ["a.tif", "b.tif", "c.tif"],
        ["slice_9.tif", "slice_10.tif", "slice_11.tif"],
        [f"slice_{n:04}.tif" for n in range(0, 500, 10)],
        [f"s{n}_{120000 + 7 * n * n}.tif" for n in range(30)],  # a counter and a time
        ["img_120501.tif", "img_120833.tif", "img_121307.tif"],  # times alone
        [f"{n:03} z={n / 100 + 0.97:.3f}um.tif" for n in range(9)],
        [f"z={n / 100 + 0.97:.3f}um.tif" for n in range(9)],
        [f"day{1 + n // 5}_{n:03}.tif" for n in range(9)],
        [f"part{1 + n // 5}_{n % 5}.tif" for n in range(8)],
        ["one 7.tif"],
    ],
    ids=["words", "plain", "tens", "time", "times", "z", "z alone", "days", "parts", "one"],
)
def test_numberings_without_a_gap(names):
    numbering(names)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["s1.tif", "s2.tif", "s4.tif"], "number 3 is missing between s2.tif and s4.tif"),
        (["s1.tif", "s3.tif"], "number 2 is missing"),
        (["s0.tif", "s5.tif", "s7.tif"], "numbers 1 to 4 are missing"),
        ([f"s_{n:03}.tif" for n in range(60) if n not in (20, 21)], "numbers 20 to 21"),
        ([f"s_{n:03}.tif" for n in range(0, 90, 10) if n != 40], "number 40 is missing"),
        ([f"s{n}_{120000 + 7 * n * n}.tif" for n in range(30) if n != 4], "number 4 is missing"),
        ([f"p{p}_{n}.tif" for p in (1, 2) for n in range(6) if (p, n) != (2, 3)], "number 3 is"),
        ([f"s{n}.tif" for n in range(9) if n != 5] + ["s5 again.tif"], "number 5 is missing"),
        ([f"{d}_{n}.tif" for d in ("ESB", "SE2") for n in range(5)], "several series"),
        ([f"det{d}_{n}.tif" for d in (1, 2) for n in range(5)], "several series"),
    ],
)
def test_numberings_refused(names, said):
    with pytest.raises(AcuityError, match=said):
        numbering(names)


def test_every_slice_that_is_taken_from_a_folder_is_missed():
    names = [f"SEM Image 2 - SliceImage - {n:03}.tif" for n in range(1, 41)]
    numbering(names)
    for n in range(2, 40):
        with pytest.raises(AcuityError, match=f"number {n} is missing"):
            numbering([name for name in names if f"{n:03}" not in name])


# -------------------------------------------------------------------------------- slices that fit


def test_a_slice_that_cannot_be_decoded_is_named(tmp_path):
    data = values((4, 40, 50))
    for number, image in enumerate(data):
        tifffile.imwrite(tmp_path / f"s{number}.tif", image, compression="zlib")
    content = bytearray((tmp_path / "s2.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "s2.tif") as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    content[offset : offset + count] = b"\xff" * count
    (tmp_path / "s2.tif").write_bytes(content)
    volume = read_volume(tmp_path, "10 nm")
    assert np.array_equal(volume.read(slice(0, 2)), data[:2])
    with pytest.raises(AcuityError, match=r"s2\.tif: this slice cannot be read"):
        ingest(tmp_path, tmp_path / "v.ome.zarr", voxel_size="10 nm")
    assert not (tmp_path / "v.ome.zarr").exists()


def test_a_page_that_cannot_be_decoded_is_named(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for image in values((4, 40, 50)):
            file.write(image, metadata=None, compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[2].dataoffsets[0], file.pages[2].databytecounts[0]
    content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)
    with pytest.raises(AcuityError, match=r"a\.tif: .* cannot be read \(slice 2: "):
        read_volume(path, "10 nm").read()


def test_what_is_no_image_is_named(tmp_path):
    stack(tmp_path, values())
    (tmp_path / "slice_004.tif").write_bytes(b"")
    with pytest.raises(AcuityError, match=r"slice_004\.tif"):
        read_volume(tmp_path, pitch="20 nm")


def test_a_slice_of_another_magnification_or_bar_is_named(tmp_path):
    stack(tmp_path, values())
    note = fei().replace(b"4e-09", b"8e-09")
    write(tmp_path / "slice_003.tif", values((40, 50)), note)
    with pytest.raises(AcuityError, match=r"slice_003\.tif: this slice has pixels of 8 nm"):
        read_volume(tmp_path, pitch="20 nm")
    write(tmp_path / "slice_003.tif", values((40, 50)), fei().replace(b"4e-09", b"4.004e-09"))
    read_volume(tmp_path, pitch="20 nm")  # autofocus
    write(tmp_path / "slice_003.tif", values((40, 50)), fei(36, bar=4))
    with pytest.raises(AcuityError, match=r"slice_003\.tif: this slice is 36 x 50 of uint8"):
        read_volume(tmp_path, pitch="20 nm")


# ------------------------------------------------------------------------------------------ lists


def test_a_list_gives_the_slices_and_their_order(tmp_path):
    data = values()
    stack(tmp_path / "raw", data)
    taken = tmp_path / "stack.txt"
    taken.write_text(
        "# without the second\nraw/slice_001.tif\n\nraw/slice_004.tif\nraw/slice_003.tif\n"
    )
    volume = read_volume(taken, pitch="20 nm")
    assert np.array_equal(volume.read(), data[[0, 3, 2]])
    assert volume.provenance[-1]["source"] == "stack.txt"
    assert [file.name for file in files_of(str(taken))][1:] == [
        "slice_001.tif",
        "slice_004.tif",
        "slice_003.tif",
    ]
    given = read_volume([tmp_path / "raw" / f"slice_00{n}.tif" for n in (1, 4, 3)], pitch="20 nm")
    assert np.array_equal(given.read(), volume.read())
    before = source_digest(taken)
    write(tmp_path / "raw" / "slice_004.tif", data[0], fei())
    assert source_digest(taken) != before


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_list_as_windows_writes_it(tmp_path, encoding):
    data = values()
    stack(tmp_path / "Prüfling", data)
    text = '# Größe\r\nPrüfling\\slice_001.tif\r\n"Prüfling/slice_003.tif"\r\n'
    (tmp_path / "stack.txt").write_bytes(text.encode(encoding))
    volume = read_volume(tmp_path / "stack.txt", pitch="20 nm")
    assert np.array_equal(volume.read(), data[[0, 2]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no file"),
        ("raw/slice_001.tif\nraw/slice_009.tif", "names slice_009.tif, which is no file"),
        ("raw/slice_001.tif\nraw/slice_001.tif", "names slice_001.tif 2 times"),
        ("raw/slice_001.tif\nstack.txt", "stack.txt: is no image"),
    ],
)
def test_lists_refused(tmp_path, text, said):
    stack(tmp_path / "raw", values())
    (tmp_path / "stack.txt").write_text(text)
    with pytest.raises(AcuityError, match=said):
        read_volume(tmp_path / "stack.txt", pitch="20 nm")


# ------------------------------------------------------------------------------------- real files


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "shape", "bar_rows", "tilt"),
    [
        ("vendor/FEI-Helios-Ebeam-8bits.tif", (1, 442, 512), 29, 0.0004),
        ("vendor/test_tiff_Zeiss_SEM_1k.tif", (1, 691, 1024), 77, 0.0),
        ("vendor/test_tiff_Zeiss_SEM_512pix.tif", (1, 350, 512), 34, 0.0),
    ],
)
def test_real_bars_are_left_out(name, shape, bar_rows, tilt):
    volume = read_volume(shared(name))
    assert volume.grid.shape == shape
    told = volume.provenance[-1]["instrument"]
    assert told["info_bar_rows"] == bar_rows
    assert told["stage_tilt_degrees"] == pytest.approx(tilt, abs=1e-4)
    assert volume.read().shape == shape


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size"), [("400um_260nm", 260.4), ("150um_98nm", 97.66), ("80um_52nm", 52.08)]
)
def test_real_open_fibsem(name, size):
    grid = read_volume(shared(f"sem/autoliftout_ib_HFW{name}.tif")).grid
    assert grid.shape == (1, 1024, 1536)
    assert grid.unit == "nm" or size > 100
    nanometres = grid.spacing[1] * (1 if grid.unit == "nm" else 1000)
    assert nanometres == pytest.approx(size, rel=1e-3)


@pytest.mark.real
def test_real_shale(tmp_path):
    source = shared("em/shale_slices")
    grid = read_volume(source, "10 nm", pitch="20 nm").grid
    assert (grid.shape, grid.spacing) == ((10, 1104, 1720), (20, 10, 10))
    for number in (0, 1, 3):
        (tmp_path / f"slice_0{number}.tif").write_bytes(
            (source / f"slice_0{number}.tif").read_bytes()
        )
    with pytest.raises(AcuityError, match=r"number 2 is missing between slice_01\.tif"):
        read_volume(tmp_path, "10 nm", pitch="20 nm")
