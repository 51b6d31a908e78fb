"""What electron microscopes write into a TIFF: pixel size, tilt, the bar of information."""

import json
import math
from dataclasses import dataclass, field

import numpy as np
import tifffile

from acuity.units import convert, known
from acuity.volume import Box, LazyArray


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
        ``working_distance_m``, ``detector``, ``taken`` (date and time in the file's own words).
    """

    pixel: tuple[float, float] | None
    unit: str = ""
    rows: int | None = None
    notes: dict = field(default_factory=dict)


class UpperRows(LazyArray):
    """The rows above the bar of information; the others are not read.

    Parameters
    ----------
    data : array
        (z, y, x).
    rows : int
        How many rows are kept.
    """

    def __init__(self, data: LazyArray | np.ndarray, rows: int) -> None:
        self._data = data
        self.shape = (data.shape[0], rows, data.shape[2])
        self.dtype = np.dtype(data.dtype)

    def read_box(self, box: Box) -> np.ndarray:
        """Read the voxels of a box."""
        return self._data[box]


def read(file: tifffile.TiffFile, data: LazyArray | np.ndarray) -> Vendor | None:
    """Read what the microscopes of Thermo Fisher (FEI) and Zeiss, and OpenFIBSEM, write.

    Parameters
    ----------
    file : tifffile.TiffFile
        Open.
    data : array
        Its slices, (z, y, x); of Zeiss's files the lowest quarter of the first is read.

    Returns
    -------
    Vendor
        None where the file is of none of them.
    """
    shape = data.shape[1:]
    if file.is_sem:
        return _zeiss(file.sem_metadata or {}, data)
    if file.is_fei:
        return _fei(file.fei_metadata or {}, shape)
    return _open_fibsem(file.pages[0])


def _fei(said: dict, shape: tuple[int, int]) -> Vendor:
    beam = _part(said, _part(said, "Beam").get("Beam"))
    pixel = None
    # the scan as a whole, or that of the beam alone
    for scan in (_part(said, "Scan"), _part(said, _part(said, "Beam").get("Scan")), beam):
        sizes = scan.get("PixelHeight"), scan.get("PixelWidth")
        if all(_positive(size) for size in sizes):
            pixel = (float(sizes[0]), float(sizes[1]))
            break
    tilt = _number(_part(said, "Stage").get("StageT"))
    corrected = beam.get("TiltCorrectionIsOn")
    notes = {
        "maker": "Thermo Fisher (FEI)",
        "instrument": _part(said, "System").get("SystemType"),
        "stage_tilt_degrees": None if tilt is None else round(math.degrees(tilt), 4),
        "tilt_correction": _yes(corrected),
    }
    angle = _number(beam.get("TiltCorrectionAngle"))
    if notes["tilt_correction"] and angle is not None:
        notes["tilt_correction_degrees"] = round(math.degrees(angle), 4)
    own, user = _part(said, _part(said, "Beam").get("Scan")), _part(said, "User")
    notes |= {
        "voltage_V": _number(beam.get("HV")) or _number(_part(said, "Beam").get("HV")),
        "current_A": _number(beam.get("BeamCurrent")),
        "dwell_s": _number(_part(said, "Scan").get("Dwelltime")) or _number(own.get("Dwell")),
        "working_distance_m": _number(beam.get("WD")),
        "detector": _part(said, "Detectors").get("Name"),
        "taken": " ".join(str(user[key]) for key in ("Date", "Time") if user.get(key)),
    }
    image = _part(said, "Image")
    rows, columns = image.get("ResolutionY"), image.get("ResolutionX")
    bar = _part(said, "PrivateFei").get("DatabarHeight")
    # The bar lies under the image. Where the sizes do not add up the file was changed afterwards,
    # and which rows are the specimen's is not known.
    fits = columns == shape[1] and isinstance(rows, int) and 0 < rows < shape[0]
    if not fits or (_positive(bar) and rows + bar != shape[0]):
        rows = None
    return Vendor(pixel, "m", rows, _told(notes, rows, shape))


def _zeiss(said: dict, data: LazyArray | np.ndarray) -> Vendor:
    shape = data.shape[1:]
    pixel, unit = None, ""
    # not ap_pixel_size, which in some files is that of an image stored at another size
    for key, pixels in (("ap_image_pixel_size", 1), ("ap_width", shape[1])):
        found = said.get(key, ())
        if len(found) > 2 and known(found[2]) and _positive(found[1]):
            size = float(f"{found[1] / pixels:.9g}")
            pixel, unit = (size, size), found[2]
            break
    tilt = _number(_second(said, "ap_stage_at_t"))
    notes = {
        "maker": "Zeiss",
        "instrument": _second(said, "dp_sem"),
        # adding 0.0 makes a negative zero a plain one
        "stage_tilt_degrees": None if tilt is None else round(tilt, 4) + 0.0,
        "tilt_correction": _yes(_second(said, "dp_tilt_correction")),
    }
    angle = _number(_second(said, "ap_tilt_angle"))
    if notes["tilt_correction"] and angle is not None:
        notes["tilt_correction_degrees"] = round(angle, 4)
    notes |= {
        "voltage_V": _measure(said, "ap_actualkv", "V"),
        "current_A": _measure(said, "ap_beam_current", "A"),
        "dwell_s": _measure(said, "dp_dwell_time", "s"),
        "working_distance_m": _measure(said, "ap_wd", "m"),
        "detector": _second(said, "dp_detector_type"),
        "taken": " ".join(
            str(part) for key in ("ap_date", "ap_time") if (part := _second(said, key))
        ),
    }
    rows = _bar_start(data)
    return Vendor(pixel, unit, rows, _told(notes, rows, shape))


def _open_fibsem(page: tifffile.TiffPage) -> Vendor | None:
    """Read the JSON that OpenFIBSEM writes for Thermo Fisher's microscopes."""
    try:
        said = json.loads(page.description)
        sizes = said["pixel_size"]["y"], said["pixel_size"]["x"]
        said["beam_type"]
    except (ValueError, KeyError, TypeError):
        return None
    pixel = tuple(float(f"{size:.9g}") for size in sizes if _positive(size))
    place = _part(_part(said, "microscope_state"), "absolute_position")
    tilt = _number(place.get("t"))
    notes = {
        "maker": "OpenFIBSEM",
        "beam": str(said["beam_type"]).lower(),
        "stage_tilt_degrees": None if tilt is None else round(math.degrees(tilt), 4),
    }
    state = _part(said, "microscope_state")
    beam = _part(state, {"electron": "eb_settings", "ion": "ib_settings"}.get(notes["beam"]))
    notes |= {
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


def _told(notes: dict, rows: int | None, shape: tuple[int, int]) -> dict:
    kept = {key: value for key, value in notes.items() if value not in (None, "")}
    return kept if rows is None else {**kept, "info_bar_rows": shape[0] - rows}


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


def _number(value: object) -> float | None:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _positive(value: object) -> bool:
    return (_number(value) or 0.0) > 0


def _yes(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"yes": True, "on": True, "no": False, "off": False}.get(str(value).strip().lower())


def pixel_text(pixel: tuple[float, float], unit: str) -> str:
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
