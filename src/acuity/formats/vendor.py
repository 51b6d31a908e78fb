"""What electron microscopes write into a TIFF or beside it: pixel size, tilt, bar of information."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard
from xml.etree import ElementTree

import numpy as np
import tifffile

from acuity.errors import AcuityError
from acuity.text import read_text
from acuity.units import convert, known
from acuity.volume import CroppedArray, LazyArray

Pixel = tuple[float, ...]


@dataclass(frozen=True)
class Vendor:
    """What a microscope says of its image.

    Parameters
    ----------
    pixel : (float, float), optional
        Height and width of a pixel in `unit`.
    unit : str
    rows : int, optional
        Rows of the image above the bar of information; None where the file tells of no bar.
    notes : dict
        Where they are told: maker, instrument, tilt of the stage in degrees and tilt correction;
        and how the image was taken: ``voltage_V``, ``current_A``, ``dwell_s``,
        ``working_distance_m``, ``detector``, ``taken`` (date and time in the file's own words);
        ``info_bar_rows``, or ``info_bar`` where a bar may be left in.
    hint : str
        What it says of the size of a pixel where that cannot be used.
    """

    pixel: tuple[float, ...] | None
    unit: str = ""
    rows: int | None = None
    notes: dict = field(default_factory=dict)
    hint: str = ""

    def sized(self, pixel: Pixel | None, unit: str, hint: str) -> tuple[Pixel | None, str, str]:
        """Put the size of a pixel that it tells, or its hint, before what the file's format tells."""
        if self.pixel is not None:
            return self.pixel, self.unit, ""
        return pixel, unit, self.hint if self.hint and pixel is None else hint

    def above_bar(self, data: LazyArray | np.ndarray) -> LazyArray | np.ndarray:
        """Leave out the bar of information of images (z, y, x), where there is one; not read yet."""
        if self.rows is None:
            return data
        return CroppedArray(data, (slice(None), slice(self.rows), slice(None)))


def read(
    file: tifffile.TiffFile | None,
    data: LazyArray | np.ndarray,
    note: Path | None = None,
    page: Any = None,
) -> Vendor | None:
    """Read what a microscope has written of an image.

    Known are Thermo Fisher (FEI), Phenom, Zeiss, Fibics (Atlas), TESCAN and OpenFIBSEM in the tags of
    a TIFF, TESCAN, Hitachi and JEOL in a text beside it.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open; None of an image of another format, of which only the text counts.
    data : array
        Its slices, (z, y, x); of Zeiss's files the lowest quarter of the first is read.
    note : pathlib.Path, optional
        The text beside the image, see :func:`acuity.formats.files.notes_of`.
    page : tifffile.TiffPage, optional
        The page of its first slice, where that is not the first page.

    Returns
    -------
    Vendor
        None where the file is of none of them.
    """
    shape = data.shape[1:]
    if file is None:
        return None if note is None else _beside(note, shape)
    if file.is_sem:
        return _zeiss(file.sem_metadata or {}, data)
    if file.is_fei:
        return _fei(file.fei_metadata or {}, shape)
    page = page or file.pages[0]
    for tag, reader in _TAGS.items():
        if (text := _tag_text(page, tag)) and (found := reader(text, shape)):
            return found
    return _open_fibsem(page) or (None if note is None else _beside(note, shape))


def _tag_text(page: Any, tag: int) -> str:
    """Return a tag that holds a text, whatever type it was written in."""
    value: Any = page.tags[tag].value if tag in page.tags else ""
    if isinstance(value, tuple) and all(isinstance(n, int) and 0 <= n < 256 for n in value):
        value = bytes(value)
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return value if isinstance(value, str) else ""


def parse_ini(text: str) -> dict[str, dict[str, str]]:
    """Read ``[Section]`` and ``Key=value``; names in lower case, other lines are left aside.

    Parameters
    ----------
    text : str
        Where a key stands twice in a section, the first counts.

    Returns
    -------
    dict of str to dict
        Values as text, without blanks around them; keys before any section under ``""``.
    """
    sections: dict[str, dict[str, str]] = {"": {}}
    section = sections[""]
    for line in text.splitlines():
        line = line.strip()
        if match := re.fullmatch(r"[\[{](.+)[\]}]", line):
            section = sections.setdefault(match[1].strip().lower(), {})
        elif "=" in line:
            key, _, value = line.partition("=")
            section.setdefault(key.strip().lower(), value.strip())
    return sections


def number_in(text: str | None) -> Any:
    """Read a number that stands alone, with a point or a comma before its fraction; else None."""
    match = re.fullmatch(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?", (text or "").strip())
    if match is None or re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", match[0]):  # may be thousands
        return None
    return _number(float(match[0].replace(",", ".")))


def _measured(text: str | None, unit: str) -> tuple[Any, str]:
    """Read a length such as ``9.92``, ``9.92 nm`` or ``10um``; without a unit it is in `unit`."""
    match = re.fullmatch(r"\s*([\d.,eE+-]+?)\s*\(?([^\d\s.,()+-]*)\)?\s*", text or "")
    if match is None:
        return None, unit
    return number_in(match[1]), match[2] or unit


def _size(told: tuple[object, object], shape: tuple[int, ...]) -> tuple[int | None, bool]:
    """Compare the rows and columns that are told with the image's.

    Returns
    -------
    rows : int or None
        Rows above the bar, where rows more than are told lie under the image.
    same : bool
        Whether the image is the one that was taken: not binned, nor cut, nor enlarged.
    """
    rows, columns = (int(part) if _positive(part) else None for part in told)
    if rows is None or columns is None:
        return None, True
    if columns != shape[1] or rows > shape[0]:
        return None, False
    return (rows if rows < shape[0] else None), True


def _vendor(notes: dict, pixel: list, unit: str, told: tuple, shape: tuple[int, ...]) -> Vendor:
    """Put together what a microscope says that tells the rows and columns of its image, if it does."""
    rows, same = _size(told, shape)
    usable = all(_positive(size) for size in pixel) and known(unit)
    hint = ""
    if any(size is not None for size in pixel) and not usable:
        hint = f"a pixel size of {pixel[0]} x {pixel[1]} in {unit!r}"
    if usable and not same:
        size = pixel_text(tuple(pixel), unit)
        taken = " x ".join(f"{part:g}" for part in told)
        hint = f"pixels of {size} for an image of {taken}, and this one has {shape[0]} x {shape[1]}"
        notes = {"info_bar": "left in, if there is one: the image was changed afterwards"} | notes
    elif rows is not None:
        notes = {key: value for key, value in notes.items() if key != "info_bar"}
    sizes = tuple(float(f"{size:.9g}") for size in pixel) if usable and same else None
    return Vendor(sizes, unit if sizes else "", rows, _told(notes, rows, shape), hint)


def _find(root: ElementTree.Element, path: str) -> str | None:
    """Return the text of an element at a path of names, whatever their namespace."""
    return root.findtext(re.sub(r"\w+", r"{*}\g<0>", path))


def _xml(text: str) -> ElementTree.Element | None:
    """Read an XML document, without what follows it; None where it is none."""
    try:
        return ElementTree.fromstring(text[text.find("<") :].rstrip("\0 \r\n\t"))
    except ElementTree.ParseError:
        return None


def _fei_xml(text: str, shape: tuple[int, ...]) -> Vendor | None:
    """Read the XML of Phenom, and that of later microscopes of Thermo Fisher (tag 34683)."""
    root = _xml(text)
    if root is None:
        return None
    find = partial(_find, root)
    if root.tag.endswith("FeiImage"):
        units = [root.find(f"{{*}}pixel{side}") for side in ("Height", "Width")]
        unit = next((part.get("unit", "m") for part in units if part is not None), "m")
        pixel = [number_in(find(f"pixel{side}")) for side in ("Height", "Width")]
        if pixel[0] is None:
            pixel[0] = pixel[1]
        bar = number_in(find("databarHeight"))
        rows = shape[0] - int(bar) if _positive(bar) and bar < shape[0] else None
        notes = {
            "maker": "Thermo Fisher (Phenom)",
            "instrument": find("instrument/edition") or find("instrument/type"),
            "voltage_V": _volts(find("acquisition/scan/highVoltage")),
            "detector": find("acquisition/scan/detector"),
            "taken": find("time"),
        }
        return _vendor(notes, pixel, unit, (rows, shape[1] if rows else None), shape)
    if root.find(".//{*}BinaryResult") is None:
        return None
    pixel, unit = [], "m"
    for axis in "YX":
        part = root.find(f".//{{*}}BinaryResult/{{*}}PixelSize/{{*}}{axis}")
        size = None if part is None else number_in(part.text)
        # its power is that of the unit, 1, and not one of ten; another is not understood
        if part is not None and part.get("unitPrefixPower", "1") not in ("0", "1"):
            size, unit = None, f"{part.get('unit')} to the {part.get('unitPrefixPower')}"
        elif part is not None:
            unit = part.get("unit", "m")
        pixel.append(size)
    told = [number_in(find(f"BinaryResult/ImageSize/{axis}")) for axis in "YX"]
    notes = {
        "maker": "Thermo Fisher (FEI)",
        "instrument": find("Instrument/InstrumentClass"),
        "stage_tilt_degrees": _degrees(number_in(find(".//StagePosition/Tilt/Alpha"))),
        "voltage_V": number_in(find("Optics/AccelerationVoltage")),
        "current_A": number_in(find("Optics/BeamCurrent")),
        "dwell_s": number_in(find("ScanSettings/DwellTime")),
        "working_distance_m": number_in(find("Optics/WorkingDistance")),
        "detector": find(".//Detectors//DetectorName"),
        "taken": find("Acquisition/AcquisitionDatetime"),
    }
    return _vendor(notes, pixel, unit, tuple(told), shape)


def _volts(text: str | None) -> float | None:
    """Read a voltage, which some write in kV and some negative."""
    value = number_in(text)
    return None if value is None else abs(value) * (1000.0 if abs(value) < 100 else 1.0)


def _fibics(text: str, shape: tuple[int, ...]) -> Vendor | None:
    """Read the XML of Fibics, which Zeiss's Atlas writes (tag 51023)."""
    root = _xml(text)
    if root is None or not root.tag.endswith("Fibics"):
        return None
    find = partial(_find, root)
    # steps of the scan along a row (U) and from row to row (V)
    steps = [[number_in(find(f"Scan/{name}{axis}")) for axis in "xy"] for name in "VU"]
    told = tuple(number_in(find(f"Image/{name}")) for name in ("Height", "Width"))
    pixel = [None if None in step else math.hypot(*step) for step in steps]
    for n, axis in enumerate("YX"):
        field_of_view = number_in(find(f"Scan/FOV_{axis}"))
        if pixel[n] is None and _positive(field_of_view) and _positive(told[n]):
            pixel[n] = field_of_view / told[n]
    dwell = number_in(find("Scan/Dwell"))
    notes = {
        "maker": "Fibics",
        "instrument": find("Application/Version"),
        "dwell_s": None if dwell is None else dwell * 1e-9,
        "detector": find(".//Detector"),
        "taken": find("Application/Date"),
    }
    return _vendor(notes, pixel, "um", told, shape)


def _tescan(text: str, shape: tuple[int, ...]) -> Vendor | None:
    """Read TESCAN's header: a tag (50431) or a file beside the image; lengths in m."""
    start = text.upper().find("[MAIN]")
    said = parse_ini(text[start:]) if start >= 0 else {}
    main, sem = said.get("main", {}), said.get("sem", {}) or said.get("fib", {})
    if "pixelsizex" not in main and "tescan" not in str(main).lower():
        return None
    pixel = [number_in(main.get(f"pixelsize{axis}")) for axis in "yx"]
    strip = number_in(main.get("imagestripsize"))
    rows = shape[0] - int(strip) if _positive(strip) and strip < shape[0] else None
    views = [number_in(main.get(f"viewfieldscount{axis}")) or 1 for axis in "yx"]
    notes = {
        "maker": "TESCAN",
        "instrument": main.get("devicemodel") or main.get("device"),
        "stage_tilt_degrees": number_in(sem.get("stagetilt")),
        "tilt_correction": _yes(sem.get("tiltcorrection")),
        "voltage_V": number_in(sem.get("hv") or sem.get("acceleratorvoltage")),
        "current_A": number_in(sem.get("specimencurrent") or sem.get("predictedbeamcurrent")),
        "dwell_s": number_in(sem.get("dwelltime")),
        "working_distance_m": number_in(sem.get("wd")),
        "detector": sem.get("detector") or sem.get("detector0"),
        "taken": _joined(main, "date", "time"),
    }
    if max(views) > 1:
        notes["views"] = f"{views[0]:g} x {views[1]:g} images of several detectors side by side"
    return _vendor(notes, pixel, "m", (rows, shape[1] if rows else None), shape)


def _hitachi(text: str, shape: tuple[int, ...]) -> Vendor | None:
    """Read Hitachi's text beside the image; a pixel in nm where no unit is told."""
    sections = parse_ini(text)
    said = sections.get("semimagefile") or sections.get("temimagefile") or {}
    if not said:
        return None
    size, unit = _measured(said.get("pixelsize"), "nm")
    columns, _, rows = said.get("datasize", "").lower().partition("x")
    volts, _ = _measured(said.get("acceleratingvoltage"), "V")
    distance, length = _measured(said.get("workingdistance"), "um")
    usable = distance is not None and known(length)
    notes = {
        "maker": "Hitachi",
        "instrument": said.get("instructname"),
        "voltage_V": volts,
        "working_distance_m": convert(distance, length, "m") if usable else None,
        "detector": said.get("signalname"),
        "taken": _joined(said, "date", "time"),
        # drawn over the image on demand, and the text does not tell
        "info_bar": "may be drawn over the lowest rows; leave them out with region",
    }
    return _vendor(notes, [size, size], unit, (number_in(rows), number_in(columns)), shape)


def _jeol(text: str, shape: tuple[int, ...]) -> Vendor | None:
    """Read JEOL's text beside the image; a pixel is the scale bar over its number of pixels."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key.startswith("$"):
            said.setdefault(key.lstrip("$").upper(), value.strip())
    if not any(key.startswith(("CM_", "SM_")) for key in said):
        return None
    count = number_in(said.get("SM_MICRON_BAR"))
    length, unit = _measured(said.get("SM_MICRON_MARKER"), "")
    size = length / count if length is not None and _positive(count) else None
    full = [number_in(part) for part in re.split(r"[\sx,]+", said.get("CM_FULL_SIZE", ""))]
    told = (full[1], full[0]) if len(full) == 2 else (None, None)
    volts, distance = number_in(said.get("CM_ACCEL_VOLT")), number_in(said.get("SM_WD"))
    notes = {
        "maker": "JEOL",
        "instrument": said.get("CM_INSTRUMENT"),
        "voltage_V": None if volts is None else volts * 1000,
        "working_distance_m": None if distance is None else float(f"{distance / 1000:.9g}"),
        "detector": said.get("CM_SIGNAL"),
        "taken": _joined(said, "CM_DATE", "CM_TIME"),
    }
    if size is not None:
        notes["pixel_from"] = f"scale bar of {length:g} {unit} and {count:g} pixels"
    if told[0] is None:
        notes["info_bar"] = "not told; where there is one, leave it out with region"
    return _vendor(notes, [size, size], unit, told, shape)


_TAGS = {34683: _fei_xml, 51023: _fibics, 50431: _tescan}


def _beside(note: Path, shape: tuple[int, ...]) -> Vendor | None:
    """Read the text that lies beside an image."""
    try:
        text = read_text(note, "text of a microscope", windows=True)
    except AcuityError as error:
        return Vendor(None, hint=f"nothing that can be used, as {error}")
    found = _hitachi(text, shape) or _jeol(text, shape) or _tescan(text, shape)
    if found is not None and found.hint:
        return Vendor(None, "", found.rows, found.notes, f"{found.hint} ({note.name})")
    return found


def _fei(said: dict, shape: tuple[int, ...]) -> Vendor:
    beam = _part(said, _part(said, "Beam").get("Beam"))
    own = _part(said, _part(said, "Beam").get("Scan"))
    # the scan as a whole, or that of the beam alone
    scans: Any = (_part(said, "Scan"), own, beam)
    sizes = [(scan.get("PixelHeight"), scan.get("PixelWidth")) for scan in scans]
    pixel = next((tuple(map(float, size)) for size in sizes if all(map(_positive, size))), None)
    corrected = _yes(beam.get("TiltCorrectionIsOn"))
    notes = {
        "maker": "Thermo Fisher (FEI)",
        "instrument": _part(said, "System").get("SystemType"),
        "stage_tilt_degrees": _degrees(_part(said, "Stage").get("StageT")),
        "tilt_correction": corrected,
        "tilt_correction_degrees": _degrees(beam.get("TiltCorrectionAngle")) if corrected else None,
        "voltage_V": _number(beam.get("HV")) or _number(_part(said, "Beam").get("HV")),
        "current_A": _number(beam.get("BeamCurrent")),
        "dwell_s": _number(_part(said, "Scan").get("Dwelltime")) or _number(own.get("Dwell")),
        "working_distance_m": _number(beam.get("WD")),
        "detector": _part(said, "Detectors").get("Name"),
        "taken": _joined(_part(said, "User"), "Date", "Time"),
    }
    image = _part(said, "Image")
    rows: Any = image.get("ResolutionY")
    columns = image.get("ResolutionX")
    bar = _part(said, "PrivateFei").get("DatabarHeight")
    # The bar lies under the image. Where the sizes do not add up the file was changed afterwards,
    # and which rows are the specimen's is not known.
    fits = columns == shape[1] and isinstance(rows, int) and 0 < rows < shape[0]
    if not fits or (_positive(bar) and rows + bar != shape[0]):
        if _positive(bar) or (_positive(rows) and rows != shape[0]):
            notes["info_bar"] = "left in, if there is one: its height does not fit the image"
        rows = None
    pixel, hint = _of_this_image(pixel, "m", columns, shape)
    return Vendor(pixel, "m", rows, _told(notes, rows, shape), hint)


def _of_this_image(
    pixel: Pixel | None, unit: str, columns: object, shape: tuple[int, ...]
) -> tuple[Pixel | None, str]:
    """Leave out the size of a pixel of an image that was binned, enlarged or cut since, and say so."""
    if pixel is None or not _positive(columns) or columns == shape[1]:
        return pixel, ""
    size = pixel_text(pixel, unit)
    return None, f"pixels of {size} for an image of {columns} columns, and this one has {shape[1]}"


def _zeiss(said: dict, data: LazyArray | np.ndarray) -> Vendor:
    shape = data.shape[1:]
    pixel: Pixel | None = None
    unit = ""
    # not ap_pixel_size, which in some files is that of an image stored at another size
    for key, pixels in (("ap_image_pixel_size", 1), ("ap_width", shape[1])):
        found = said.get(key, ())
        if len(found) > 2 and known(found[2]) and _positive(found[1]):
            size = float(f"{found[1] / pixels:.9g}")
            pixel, unit = (size, size), found[2]
            break
    stored = re.match(r"\s*(\d+)\s*\*", str(_second(said, "dp_image_store") or ""))
    pixel, hint = _of_this_image(pixel, unit, int(stored[1]) if stored else None, shape)
    tilt, angle = (_number(_second(said, f"ap_{key}")) for key in ("stage_at_t", "tilt_angle"))
    corrected = _yes(_second(said, "dp_tilt_correction"))
    notes = {
        "maker": "Zeiss",
        "instrument": _second(said, "dp_sem"),
        # adding 0.0 makes a negative zero a plain one
        "stage_tilt_degrees": None if tilt is None else round(tilt, 4) + 0.0,
        "tilt_correction": corrected,
        "tilt_correction_degrees": round(angle, 4) if corrected and angle is not None else None,
        "voltage_V": _measure(said, "ap_actualkv", "V"),
        "current_A": _measure(said, "ap_beam_current", "A"),
        "dwell_s": _measure(said, "dp_dwell_time", "s"),
        "working_distance_m": _measure(said, "ap_wd", "m"),
        "detector": _second(said, "dp_detector_type"),
        "taken": _joined({key: _second(said, key) for key in said}, "ap_date", "ap_time"),
    }
    rows = _bar_start(data)
    return Vendor(pixel, unit, rows, _told(notes, rows, shape), hint)


def _open_fibsem(page: Any) -> Vendor | None:
    """Read the JSON that OpenFIBSEM writes for Thermo Fisher's microscopes."""
    try:
        said = json.loads(page.description)
        sizes = said["pixel_size"]["y"], said["pixel_size"]["x"]
        said["beam_type"]
    except (ValueError, KeyError, TypeError):
        return None
    pixel = tuple(float(f"{size:.9g}") for size in sizes if _positive(size))
    state, kind = _part(said, "microscope_state"), str(said["beam_type"]).lower()
    beam = _part(state, {"electron": "eb_settings", "ion": "ib_settings"}.get(kind))
    notes = {
        "maker": "OpenFIBSEM",
        "beam": kind,
        "stage_tilt_degrees": _degrees(_part(state, "absolute_position").get("t")),
        "voltage_V": _number(beam.get("voltage")),
        "current_A": _number(beam.get("beam_current")),
        "dwell_s": _number(said.get("dwell_time")) or _number(beam.get("dwell_time")),
        "working_distance_m": _number(beam.get("working_distance")),
        "detector": _part(said, "detector_settings").get("type"),
        "taken": state.get("timestamp"),
    }
    return Vendor(pixel if len(pixel) == 2 else None, "m", None, _told(notes, None, (0, 0)))


def _bar_start(data: LazyArray | np.ndarray) -> int | None:
    """Find the first row of the bar that Zeiss draws over the lower end of an image.

    It is a frame as wide as the image, filled with one other value beside its text. Nothing in the
    file tells of it.
    """
    count = data.shape[1]
    start = count - count // 4
    if count < 16 or np.dtype(data.dtype).kind != "u":
        return None
    part = np.asarray(data[0:1, start:count, :])[0]
    share = [_commonest(row) for row in part]
    low = next((r for r in range(len(part) - 1, len(part) - 4, -1) if share[r][1] >= 0.99), None)
    if low is None:
        return None
    line = share[low][0]
    for row in range(low - 4):
        paper, filled = share[row + 1]
        if share[row] != (line, share[row][1]) or share[row][1] < 0.99:
            continue
        contrast = abs(int(paper) - int(line)) > np.iinfo(part.dtype).max // 2
        if contrast and filled >= 0.95 and np.mean(part[row + 1 : low] == paper) >= 0.6:
            return start + row
    return None


def _commonest(row: np.ndarray) -> tuple[int, float]:
    values, counts = np.unique(row, return_counts=True)
    most = int(counts.argmax())
    return int(values[most]), counts[most] / row.size


def told_alone(notes: dict) -> dict:
    """Leave out notes that the file does not tell."""
    return {key: value for key, value in notes.items() if value not in (None, "")}


def _told(notes: dict, rows: int | None, shape: tuple[int, ...]) -> dict:
    return told_alone(notes) | ({} if rows is None else {"info_bar_rows": shape[0] - rows})


def _part(said: dict, name: object) -> dict:
    part = said.get(name) if isinstance(name, str) else None
    return part if isinstance(part, dict) else {}


def _second(said: dict, key: str) -> object:
    found = said.get(key, ())
    return found[1] if isinstance(found, tuple) and len(found) > 1 else None


_PREFIX = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


def _measure(said: dict, key: str, unit: str) -> float | None:
    """Read a number with its unit, such as 5.00 kV, in the unit without prefix."""
    found = said.get(key, ())
    if len(found) < 3 or not str(found[2]).endswith(unit):
        return None
    number, prefix = _number(found[1]), _PREFIX.get(str(found[2]).removesuffix(unit).strip())
    return None if number is None or prefix is None else float(f"{number * prefix:.9g}")


def _number(value: Any) -> float | None:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _degrees(radians: object) -> float | None:
    value = _number(radians)
    return None if value is None else round(math.degrees(value), 4)


def _joined(said: Mapping[str, object], *keys: str) -> str:
    """Put together what some keys say, where they say it."""
    return " ".join(str(said[key]) for key in keys if said.get(key))


def _positive(value: object) -> TypeGuard[float]:
    return (_number(value) or 0.0) > 0


def _yes(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"yes": True, "on": True, "no": False, "off": False}.get(str(value).strip().lower())


def pixel_text(pixel: tuple[float, ...], unit: str) -> str:
    """Write a pixel size for an error, metres in nm or um.

    Parameters
    ----------
    pixel : (float, float)
        Height and width.
    unit : str
    """
    if unit == "m":
        unit = "nm" if min(pixel) < 1e-7 else "um"
        pixel = tuple(convert(size, "m", unit) for size in pixel)
    return f"{' x '.join(f'{size:g}' for size in dict.fromkeys(pixel))} {unit}"
