"""What microscopes write, value by value: every key, every bound of the bar that Zeiss draws."""

import json
import math

import numpy as np
import pytest
import tifffile

from acuity.formats import vendor
from acuity.formats.vendor import Vendor, pixel_text


def test_rows_above_the_bar():
    data = np.arange(2 * 5 * 3).reshape(2, 5, 3).astype(np.uint16)
    rows = Vendor(None, rows=4).above_bar(data)
    assert (rows.shape, rows.dtype) == ((2, 4, 3), np.uint16)
    assert np.array_equal(rows[:, :, :], data[:, :4])
    assert np.array_equal(rows[1:2, 2:4, 1:3], data[1:2, 2:4, 1:3])


def test_a_microscope_by_default_tells_little():
    assert Vendor(None) == Vendor(None, "", None, {})
    with pytest.raises(AttributeError):
        Vendor(None).rows = 3


# --- Thermo Fisher (FEI)

SHAPE = (46, 50)
FEI = {
    "Beam": {"Beam": "EBeam", "Scan": "EScan", "HV": 3000},
    "User": {"Date": "08/24/2023", "Time": "12:06:40 PM"},
    "Detectors": {"Name": "TLD"},
    "EBeam": {
        "HV": 2000,
        "BeamCurrent": 5e-11,
        "WD": 0.0041,
        "TiltCorrectionIsOn": "yes",
        "TiltCorrectionAngle": 0.663225,
        "PixelHeight": 7e-9,
        "PixelWidth": 8e-9,
    },
    "System": {"SystemType": "Helios"},
    "EScan": {"PixelHeight": 5e-9, "PixelWidth": 6e-9, "Dwell": 4e-7},
    "Scan": {"PixelHeight": 3e-9, "PixelWidth": 4e-9, "Dwelltime": 3e-7},
    "Stage": {"StageT": 0.9},
    "Image": {"ResolutionX": 50, "ResolutionY": 40},
    "PrivateFei": {"DatabarHeight": 6},
}
FEI_NOTES = {
    "maker": "Thermo Fisher (FEI)",
    "instrument": "Helios",
    "stage_tilt_degrees": 51.5662,
    "tilt_correction": True,
    "tilt_correction_degrees": 38.0,
    "voltage_V": 2000.0,
    "current_A": 5e-11,
    "dwell_s": 3e-7,
    "working_distance_m": 0.0041,
    "detector": "TLD",
    "taken": "08/24/2023 12:06:40 PM",
    "info_bar_rows": 6,
}


def fei(without=(), **changed):
    said = {part: dict(keys) for part, keys in FEI.items()}
    for name in without:
        part, _, key = name.partition(".")
        if key:
            del said[part][key]
        else:
            del said[part]
    for part, keys in changed.items():
        said[part] = keys if not isinstance(keys, dict) else said[part] | keys
    return vendor._fei(said, SHAPE)


def test_all_that_fei_tells():
    assert fei() == Vendor((3e-9, 4e-9), "m", 40, FEI_NOTES)
    assert vendor._fei({}, SHAPE) == Vendor(None, "m", None, {"maker": "Thermo Fisher (FEI)"})


@pytest.mark.parametrize(
    ("change", "pixel"),
    [
        ({"without": ["Scan"]}, (5e-9, 6e-9)),
        ({"Scan": {"PixelHeight": 0}}, (5e-9, 6e-9)),
        ({"Scan": {"PixelWidth": -1e-9}}, (5e-9, 6e-9)),
        ({"Scan": {"PixelWidth": "4 nm"}, "EScan": 3}, (7e-9, 8e-9)),
        ({"without": ["Scan", "EScan"]}, (7e-9, 8e-9)),
        ({"without": ["Scan", "EScan", "EBeam.PixelHeight"]}, None),
        ({"without": ["Scan", "Beam"]}, None),
    ],
)
def test_which_pixels_of_fei_count(change, pixel):
    assert fei(**change).pixel == pixel


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ({"EBeam": {"TiltCorrectionIsOn": "no"}}, {"tilt_correction": False}),
        ({"EBeam": {"TiltCorrectionIsOn": False}}, {"tilt_correction": False}),
        ({"EBeam": {"TiltCorrectionIsOn": "?"}}, {"tilt_correction": None}),
        ({"EBeam": {"TiltCorrectionAngle": "?"}}, {"tilt_correction": True}),
    ],
)
def test_the_angle_of_a_tilt_correction_counts_where_that_is_on(change, notes):
    expected = {k: v for k, v in FEI_NOTES.items() if k != "tilt_correction_degrees"} | notes
    assert fei(**change).notes == {k: v for k, v in expected.items() if v is not None}


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ({"Stage": {"StageT": 0.0}}, "stage_tilt_degrees", 0.0),
        ({"Stage": {"StageT": -1e-5}}, "stage_tilt_degrees", -0.0006),
        ({"without": ["Stage"]}, "stage_tilt_degrees", None),
        ({"EBeam": {"TiltCorrectionAngle": 0.5}}, "tilt_correction_degrees", 28.6479),
        ({"without": ["EBeam.HV"]}, "voltage_V", 3000.0),
        ({"without": ["EBeam.HV", "Beam.HV"]}, "voltage_V", None),
        ({"without": ["Scan.Dwelltime"]}, "dwell_s", 4e-7),
        ({"without": ["Scan.Dwelltime", "EScan.Dwell"]}, "dwell_s", None),
        ({"User": {"Time": ""}}, "taken", "08/24/2023"),
        ({"without": ["User"]}, "taken", None),
        ({"System": {"SystemType": ""}}, "instrument", None),
    ],
)
def test_what_fei_tells_or_not(change, key, value):
    assert fei(**change).notes.get(key) == value


@pytest.mark.parametrize(
    ("image", "bar", "rows"),
    [
        ({}, 6, 40),
        ({}, None, 40),
        ({}, 0, 40),
        ({}, 5, None),
        ({}, 7, None),
        ({"ResolutionX": 49}, 6, None),
        ({"ResolutionX": 51}, 6, None),
        ({"ResolutionY": 46}, None, None),
        ({"ResolutionY": 45}, None, 45),
        ({"ResolutionY": 1}, None, 1),
        ({"ResolutionY": 0}, None, None),
        ({"ResolutionY": -3}, None, None),
        ({"ResolutionY": 40.0}, 6, None),
    ],
)
def test_the_bar_of_fei(image, bar, rows):
    found = fei(Image=image, PrivateFei={"DatabarHeight": bar})
    assert found.rows == rows
    assert found.notes.get("info_bar_rows") == (None if rows is None else 46 - rows)


def test_the_bar_of_fei_under_an_image_of_many_rows():
    rows, columns, bar = map(int, ("884", "1024", "59"))
    said = {
        "Image": {"ResolutionX": columns, "ResolutionY": rows},
        "PrivateFei": {"DatabarHeight": bar},
    }
    assert vendor._fei(said, tuple(map(int, ("943", "1024")))).rows == 884


# --- Zeiss

ZEISS = {
    "ap_image_pixel_size": ("Image Pixel Size", 5.0, "nm"),
    "ap_width": ("Width", 0.64, "µm"),
    "ap_pixel_size": ("Pixel Size", 2.5, "nm"),
    "dp_sem": ("Sem", "Crossbeam"),
    "dp_tilt_correction": ("Tilt Corrn.", "On"),
    "ap_tilt_angle": ("Tilt Angle", 36.00001, "°"),
    "ap_stage_at_t": ("Stage at T", 54.00004, "°"),
    "ap_actualkv": ("EHT", 1.5, "kV"),
    "ap_beam_current": ("Beam Current", 80.0, "pA"),
    "dp_dwell_time": ("Dwell Time", 100, "ns"),
    "ap_wd": ("WD", 4.1, "mm"),
    "dp_detector_type": ("Signal A", "InLens"),
    "ap_date": ("Date", "24 Aug 2023"),
    "ap_time": ("Time", "12:06:40"),
}
ZEISS_NOTES = {
    "maker": "Zeiss",
    "instrument": "Crossbeam",
    "stage_tilt_degrees": 54.0,
    "tilt_correction": True,
    "tilt_correction_degrees": 36.0,
    "voltage_V": 1500.0,
    "current_A": 8e-11,
    "dwell_s": 1e-7,
    "working_distance_m": 0.0041,
    "detector": "InLens",
    "taken": "24 Aug 2023 12:06:40",
}
PLAIN = np.random.default_rng(0).integers(0, 99, (1, 40, 128)).astype(np.uint8)


def zeiss(**changed):
    said = {key: value for key, value in (ZEISS | changed).items() if value is not None}
    return vendor._zeiss(said, PLAIN)


def test_the_pixels_of_zeiss_are_those_of_the_image_as_it_was_stored():
    columns = PLAIN.shape[2]
    assert zeiss(dp_image_store=("Store resolution", f"{columns} * 96")) == zeiss()
    found = zeiss(dp_image_store=("Store resolution", f"{2 * columns} * 192"))
    assert (found.pixel, found.notes) == (None, ZEISS_NOTES)
    said = f"pixels of 5 nm for an image of {2 * columns} columns, and this one has {columns}"
    assert found.hint == said


def test_all_that_zeiss_tells():
    assert zeiss() == Vendor((5.0, 5.0), "nm", None, ZEISS_NOTES)
    assert vendor._zeiss({}, PLAIN) == Vendor(None, "", None, {"maker": "Zeiss"})


@pytest.mark.parametrize(
    ("size", "width", "pixel", "unit"),
    [
        (("", 5, "furlong"), ZEISS["ap_width"], (0.005, 0.005), "µm"),
        (("", 0.0, "nm"), ZEISS["ap_width"], (0.005, 0.005), "µm"),
        (("", 5.0), ZEISS["ap_width"], (0.005, 0.005), "µm"),
        (None, ("", 1.0, "mm"), (0.0078125, 0.0078125), "mm"),
        (None, ("", 1 / 3, "mm"), (0.00260416667, 0.00260416667), "mm"),
        (("", 1 / 3, "nm"), None, (0.333333333, 0.333333333), "nm"),
        (None, None, None, ""),
    ],
)
def test_the_pixels_of_zeiss(size, width, pixel, unit):
    found = zeiss(ap_image_pixel_size=size, ap_width=width)
    assert (found.pixel, found.unit) == (pixel, unit)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ({"ap_stage_at_t": ("", -0.00001, "°")}, "stage_tilt_degrees", 0.0),
        ({"ap_stage_at_t": ("", 12.34567, "°")}, "stage_tilt_degrees", 12.3457),
        ({"ap_stage_at_t": ("", "?", "°")}, "stage_tilt_degrees", None),
        ({"ap_tilt_angle": ("", 12.34567, "°")}, "tilt_correction_degrees", 12.3457),
        ({"ap_tilt_angle": None}, "tilt_correction_degrees", None),
        ({"dp_tilt_correction": ("", "Off")}, "tilt_correction", False),
        ({"dp_tilt_correction": ("", "Off")}, "tilt_correction_degrees", None),
        ({"ap_date": None}, "taken", "12:06:40"),
        ({"ap_time": None}, "taken", "24 Aug 2023"),
        ({"ap_actualkv": ("EHT", 1.5, "mm")}, "voltage_V", None),
    ],
)
def test_what_zeiss_tells_or_not(change, key, value):
    # the text tells a negative zero from a plain one
    assert repr(zeiss(**change).notes.get(key)) == repr(value)


def image_with_bar(
    *,
    line_row=31,
    low_row=39,
    line=0,
    paper=255,
    line_share=200,
    low_share=200,
    filled=200,
    text=0,
    dtype=np.uint8,
    rows=40,
):
    """200 columns of noise over a frame from one row to another, filled, with text."""
    image = np.random.default_rng(0).integers(20, 200, (1, rows, 200)).astype(dtype)
    for row, share in ((line_row, line_share), (low_row, low_share)):
        image[0, row, :share] = line
        image[0, row, share:] = line ^ 7
    image[0, line_row + 1 : low_row] = paper
    image[0, line_row + 1, filled:] = paper ^ 5
    inner = image[0, line_row + 2 : low_row].reshape(-1)
    inner[:text] = paper ^ 9
    return image


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ({}, 31),
        ({"line": 255, "paper": 0}, 31),
        # of a quarter of the rows
        ({"line_row": 30}, 30),
        ({"line_row": 29}, None),
        ({"line_row": 32, "rows": 43, "low_row": 42}, None),
        ({"line_row": 33, "rows": 43, "low_row": 42}, 33),
        # the lower line is one of the last three rows
        ({"low_row": 38}, 31),
        ({"low_row": 37}, 31),
        ({"low_row": 36}, None),
        # lines of 99 per cent
        ({"line_share": 198}, 31),
        ({"line_share": 197}, None),
        ({"low_share": 198}, 31),
        ({"low_share": 197}, None),
        # at least four rows between
        ({"line_row": 34}, 34),
        ({"line_row": 35}, None),
        # half the range of grey values apart, and more
        ({"paper": 128}, 31),
        ({"paper": 127}, None),
        ({"line": 120, "paper": 250}, 31),
        ({"line": 130, "paper": 250}, None),
        ({"dtype": np.uint16, "paper": 32768}, 31),
        ({"dtype": np.uint16, "paper": 32767}, None),
        # the first row of paper to 95 per cent
        ({"filled": 190}, 31),
        ({"filled": 189}, None),
        # all of it to 60 per cent: of 7 rows by 200
        ({"text": 560}, 31),
        ({"text": 561}, None),
        ({"dtype": np.int16}, None),
        ({"dtype": np.float32}, None),
    ],
    ids=str,
)
def test_a_bar_of_zeiss(said, start):
    image = image_with_bar(**said)
    found = vendor._bar_start(image)
    assert found == start
    # the first slice counts
    assert vendor._bar_start(np.concatenate([image, image[:, ::-1]])) == start
    if start is not None and image.dtype == np.uint8:
        assert vendor._zeiss(ZEISS, image).rows == start
        assert vendor._zeiss(ZEISS, image).notes["info_bar_rows"] == image.shape[1] - start


def test_images_of_few_rows_have_no_bar():
    assert vendor._bar_start(np.zeros((1, 1, 9), np.uint8)) is None
    assert vendor._bar_start(np.zeros((1, 16, 9), np.uint8)) is None


# --- OpenFIBSEM

SAID = {
    "beam_type": "ION",
    "pixel_size": {"x": 2.0000000001e-9, "y": 3e-9},
    "dwell_time": 1e-6,
    "detector_settings": {"type": "ETD"},
    "microscope_state": {
        "absolute_position": {"t": 0.9},
        "ib_settings": {
            "voltage": 30000,
            "beam_current": 1e-9,
            "working_distance": 0.016,
            "dwell_time": 2e-6,
        },
        "eb_settings": {"voltage": 2000},
        "timestamp": "today",
    },
}


class Page:
    def __init__(self, text):
        self.description = text


def openfibsem(**changed):
    return vendor._open_fibsem(Page(json.dumps(SAID | changed)))


def test_all_that_openfibsem_tells():
    assert openfibsem() == Vendor(
        (3e-9, 2e-9),
        "m",
        None,
        {
            "maker": "OpenFIBSEM",
            "beam": "ion",
            "stage_tilt_degrees": 51.5662,
            "voltage_V": 30000.0,
            "current_A": 1e-9,
            "dwell_s": 1e-6,
            "working_distance_m": 0.016,
            "detector": "ETD",
            "taken": "today",
        },
    )
    electron = openfibsem(beam_type="Electron", dwell_time=None)
    assert (electron.notes["beam"], electron.notes["voltage_V"]) == ("electron", 2000.0)
    assert "dwell_s" not in electron.notes
    assert openfibsem(dwell_time=0).notes["dwell_s"] == 2e-6
    assert openfibsem(pixel_size={"x": 1e-9, "y": 0}).pixel is None
    assert openfibsem(pixel_size={"x": -1, "y": 1e-9}).pixel is None
    bare = openfibsem(microscope_state=None, beam_type=7, detector_settings=[], dwell_time="?")
    assert bare.notes == {"maker": "OpenFIBSEM", "beam": "7"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"beam_type": "ION"}',
        '{"beam_type": "ION", "pixel_size": {"x": 1}}',
        '{"beam_type": "ION", "pixel_size": 3}',
        '{"pixel_size": {"x": 1, "y": 1}}',
    ],
)
def test_other_descriptions_are_not_openfibsems(text):
    assert vendor._open_fibsem(Page(text)) is None


def test_whose_file_it_is(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PLAIN[0], metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert vendor.read(file, PLAIN) is None


# --- values


def test_the_commonest_value_of_a_row():
    value, share = vendor._commonest(np.array([3, 7, 7, 9], np.uint8))
    assert (value, share) == (7, 0.5)
    assert vendor._commonest(np.array([5, 5]))[1] == 1.0
    assert vendor._commonest(np.array([9, 4, 9, 4]))[0] == 4


@pytest.mark.parametrize(
    ("value", "number", "positive"),
    [
        (3, 3.0, True),
        (1e-12, 1e-12, True),
        (0, 0.0, False),
        (-2.5, -2.5, False),
        (True, None, False),
        (math.nan, None, False),
        (math.inf, None, False),
        ("3", None, False),
        (None, None, False),
    ],
)
def test_numbers(value, number, positive):
    assert vendor._number(value) == number
    assert vendor._positive(value) is positive


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (True, True),
        (False, False),
        ("yes", True),
        (" On ", True),
        ("NO", False),
        ("off", False),
        ("maybe", None),
        (1, None),
        (None, None),
    ],
)
def test_yes_or_no(value, answer):
    assert vendor._yes(value) is answer


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (("", 5.0, "pA"), 5e-12),
        (("", 5.0, "nA"), 5e-9),
        (("", 5.0, "µA"), 5e-6),
        (("", 5.0, "uA"), 5e-6),
        (("", 5.0, "mA"), 5e-3),
        (("", 5.0, "A"), 5.0),
        (("", 5, " A"), 5.0),
        (("", 5.0, "kA"), 5e3),
        (("", 1 / 3, "A"), 0.333333333),
        (("", 5.0, "MA"), None),
        (("", 5.0, "kV"), None),
        (("", "5", "A"), None),
        (("", 5.0), None),
        (None, None),
    ],
)
def test_measures(found, value):
    assert vendor._measure({} if found is None else {"key": found}, "key", "A") == value


def test_parts_and_seconds():
    assert vendor._part({"a": {"b": 1}}, "a") == {"b": 1}
    assert vendor._part({"a": 3}, "a") == vendor._part({}, "a") == {}
    assert vendor._part({None: {1: 2}}, None) == {}
    assert vendor._second({"a": ("x", 2)}, "a") == 2
    assert vendor._second({"a": ("x", 2, 3)}, "a") == 2
    assert vendor._second({"a": ("x",)}, "a") is None
    assert vendor._second({"a": "xy"}, "a") is None
    assert vendor._second({}, "a") is None
    assert vendor._told({"a": None, "b": "", "c": 0, "d": False}, None, (9, 9)) == {
        "c": 0,
        "d": False,
    }
    assert vendor._told({}, 7, (9, 8)) == {"info_bar_rows": 2}


@pytest.mark.parametrize(
    ("pixel", "unit", "text"),
    [
        ((4e-9, 4e-9), "m", "4 nm"),
        ((4e-9, 5e-9), "m", "4 x 5 nm"),
        ((9.9e-8, 3e-6), "m", "99 x 3000 nm"),
        ((3e-6, 9.9e-8), "m", "3000 x 99 nm"),
        ((1e-7, 1e-7), "m", "0.1 um"),
        ((1e-05, 1e-05), "cm", "1e-05 cm"),
    ],
)
def test_pixels_in_words(pixel, unit, text):
    assert pixel_text(pixel, unit) == text
