"""Pictures of a report: one slice of each volume, as small PNG files with a scale bar."""

import dataclasses
import html
import io
import math
import re
import textwrap
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image, ImageColor, ImageDraw, ImageFont

from acuity.errors import AcuityError
from acuity.report import drawing, style
from acuity.report.drawing import Drawing, ramp, read_drawing, swatch
from acuity.report.style import PLAIN, in_order, look, ordered
from acuity.report.verdict import unit_text
from acuity.volume import open_volume
from acuity.writing import write_bytes, write_text

LARGEST = 512  # pixels along a picture's longer side
MAP_COLOURS = "cividis_r"  # dark where alike, bright where not; safe for any colour vision
_GREYS = 48  # grey steps under a coloured overlay: all tints share one palette

TEXT = {"font.size": 9, "text.parse_math": False}  # of sheets of pictures
_ABREAST = 6  # pictures side by side, at most, where there are one or two levels

# Tints of voxels or of whole objects.
TINTS = {
    "found": (style.SKY, 0.80, "found"),
    "missed": (style.VERMILLION, 0.90, "missed"),
    "false": (style.YELLOW, 0.90, "invented"),
    "other": (style.PURPLE, 0.90, "merged with a neighbour, or split"),
}


@dataclass(frozen=True)
class Picture:
    """One picture of a sample.

    Parameters
    ----------
    kind : str
        ``slice`` (grey values), ``map`` (MS-SSIM) or ``pores`` (labels against the truth's).
    method : str
    level : float or None
        None for the truth.
    png : bytes
    size : (int, int)
        Width and height in pixels.
    """

    kind: str
    method: str
    level: float | None
    png: bytes
    size: tuple[int, int]

    def label(self, level_format):
        """Return its method and level in words."""
        name = look(self.method).name
        return name if self.level is None else f"{name}, {level_format.format(self.level)}"

    def pixels(self):
        """Return red, green and blue, (y, x, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.png)).convert("RGB"))


@dataclass(frozen=True)
class Gallery:
    """The pictures of one sample, all of the same slice.

    Parameters
    ----------
    pictures : tuple of Picture
        Truth first, then by level and method.
    where : str
        Which slice is shown, in words.
    window : (float, float)
        Intensities that are black and white in all slices.
    map_range : (float, float) or None
        MS-SSIM values at the two ends of the maps' colours.
    whole_objects : bool
        Whether whole objects are tinted by their fate, rather than voxels by agreement.
    """

    pictures: tuple
    where: str
    window: tuple[float, float]
    map_range: tuple[float, float] | None = None
    whole_objects: bool = False

    @property
    def tints(self):
        """Those of `TINTS` that can be in the pictures: what is merged is told of whole objects alone."""
        return [tint for name, tint in TINTS.items() if self.whole_objects or name != "other"]


def gallery(volumes, maps=None, labels=None, statuses=None, *, position=0.5, framed=()):
    """Make the pictures of one sample: the same slice of every volume.

    Parameters
    ----------
    volumes : mapping of (str, float or None) to path-like or Volume
        Image of each method and level; the truth's key is ``("truth", None)``.
    maps, labels : mapping, optional
        MS-SSIM maps and label volumes under the same keys; the truth's labels under the truth's.
    statuses : mapping, optional
        What became of each object under the same keys: tables with ``kind`` (``truth`` or
        ``detection``), ``label`` and ``status``, as `acuity.measure.recovery.recover` gives. Whole
        objects are then tinted by their fate; without a table, voxels by agreement.
    position : float
        Height of the slice as a fraction of the truth's (or else the first volume's) extent in z.
    framed : sequence of ((float, float), (float, float), (float, float))
        Parts that models learned from, ends along z, y, x in the volumes' unit; those that lie in
        the slice are framed.

    Returns
    -------
    Gallery
        Slices share one grey window, taken from the truth; maps share one range.

    Raises
    ------
    AcuityError
        If there is no volume, or one can't be read.
    """
    volumes, maps, labels, statuses = (
        {_key(key): value for key, value in (mapping or {}).items()}
        for mapping in (volumes, maps, labels, statuses)
    )
    keys = in_order(volumes)
    if not keys:
        raise AcuityError("report: no volume to show; at least one (method, level) is needed")
    grid = opened(volumes[keys[0]]).grid
    index = min(int(position * grid.shape[0]), grid.shape[0] - 1)
    height = grid.origin[0] + index * grid.spacing[0]
    planes = {key: plane_at(volumes[key], height) for key in keys}
    window = grey_window(planes[keys[0]][0])
    marks = [sides for (start, end), *sides in framed if start <= height <= end]
    faces = faces_across(grid)

    def picture(kind, key, plane, paint):
        values, spacing = plane
        size = picture_size(values.shape, spacing)
        pixel = spacing[1] * values.shape[1] / size[0]
        return make_picture(kind, key, paint(values, size, pixel), pixel, grid.unit)

    def grey(values, size):
        return stretch(resize(values, size), window)

    def paint_slice(values, size, pixel):
        image = Image.fromarray(grey(values, size))
        for sides in marks:
            frame(image, sides, faces, pixel)
        return image

    def paint_map(values, size, _):
        return _colour(resize(values, size), map_range)

    def paint_objects(key, real, size, _):
        found, _ = plane_at(labels[key], height)
        sides = resize_labels(real, size), resize_labels(found, size)
        return _overlay(grey(planes[key][0], size), *sides, statuses.get(key))

    pictures = [picture("slice", key, plane, paint_slice) for key, plane in planes.items()]
    alike = {key: plane_at(maps[key], height) for key in in_order(maps) if key[0] != "truth"}
    map_range = _map_range([values for values, _ in alike.values()]) if maps else None
    pictures += [picture("map", key, plane, paint_map) for key, plane in alike.items()]
    if ("truth", None) in labels:
        real = plane_at(labels["truth", None], height)
        pictures += [
            picture("pores", key, real, partial(paint_objects, key))
            for key in in_order(labels)
            if key in planes and key[0] != "truth"
        ]
    where = f"slice {index + 1} of {grid.shape[0]}" if grid.shape[0] > 1 else "the image"
    return Gallery(tuple(pictures), where, window, map_range, bool(statuses))


def mosaic(gallery, kind="slice", *, level_format="{:g}:1"):
    """Lay one kind of a sample's pictures out: a row a method, a column a level.

    Parameters
    ----------
    gallery : Gallery
    kind : str
        ``slice``, ``map`` or ``pores``.
    level_format : str
        How a level is written.

    Returns
    -------
    matplotlib.figure.Figure
        Where there is no such picture, a figure that says so.
    """
    pictures = [picture for picture in gallery.pictures if picture.kind == kind]
    if not pictures:
        return nothing_measured("for this sample")
    levels = sorted({p.level for p in pictures if p.level is not None})
    cells = {(p.method, p.level): p for p in pictures}
    order = _order(cells, ordered(p.method for p in pictures), levels)
    across = max(map(len, order))
    width, height = pictures[0].size
    side = 2.1
    with matplotlib.rc_context(TEXT):
        bar = 0.6 if kind == "map" else 0.25
        size = side * across + 0.4, (side * height / width + 0.06) * len(order) + bar
        figure = Figure(size, layout="constrained")
        grid = figure.subplots(len(order), across, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for row, keys in zip(grid, order, strict=True):
            for axes, picture in zip(row, map(cells.get, keys), strict=False):
                if picture is not None:
                    axes.imshow(picture.pixels())
                    axes.set_title(picture.label(level_format), fontsize=8, pad=3)
        if kind == "pores":
            handles = [Patch(color=colour, label=words) for colour, _, words in gallery.tints]
            how = {"loc": "outside lower center", "frameon": False, "fontsize": 8}
            figure.legend(handles=handles, ncols=min(len(handles), max(across, 2)), **how)
        if kind == "map":
            limits = matplotlib.colors.Normalize(*gallery.map_range)
            shades = matplotlib.cm.ScalarMappable(limits, MAP_COLOURS)
            colour_bar(figure, grid, shades, "MS-SSIM (1: like the truth)")
        return figure


def colour_bar(figure, grid, shades, label, **more):
    """Draw the key to the colours of a grid of pictures below it."""
    how = {"location": "bottom", "aspect": 40, "shrink": 0.7, **more}
    figure.colorbar(shades, ax=list(grid.flat), label=label, **how)


def nothing_measured(where="in this study"):
    """Return a figure that says so."""
    figure = Figure((5, 2))
    figure.text(0.5, 0.5, f"Not measured {where}", ha="center", color=style.MUTED)
    return figure


class _Kind(NamedTuple):
    """A kind of pictures: its file, and what a page says of it."""

    file: str
    alt: str
    title: str
    heading: str
    caption: str


_KINDS = {
    "slice": _Kind(
        "slices",
        "Slice",
        "Slices",
        "All slices side by side",
        "The same slice of every volume in the same grey window, taken from {window}.",
    ),
    "map": _Kind(
        "maps",
        "Similarity map",
        "Similarity maps (MS-SSIM)",
        "Similarity maps side by side",
        "Where each result is like the truth (dark) and where not (bright), from fine to coarse "
        "detail together; one colour scale for all. Bright spots in solid material or in place of "
        "small {noun}s are where detail may be invented or lost.",
    ),
    "pores": _Kind(
        "pores",
        "Objects found and missed",
        "{Noun}s found and missed",
        "{Noun}s found and missed, side by side",
        "{how} Look for missed ones (their size tells what the method can't recover) and for "
        "invented ones (they would enter your statistics unseen).",
    ),
}
PICTURES = tuple(kind.file for kind in _KINDS.values())
_WHOLE = (
    "What became of each {noun} in three dimensions, on the result: found and invented ones as the "
    "result has them, the others as the truth has them."
)
_VOXELS = (
    "Where the automatic segmentation of the result agrees with the truth's, voxel by voxel; thin "
    "rims are differences of a voxel."
)


def _order(cells, methods, levels):
    """Keys of pictures, row by row: a row a method; of one or two levels even rows, a level after the other."""
    order = [[(m, level) for level in levels or [None]] for m in methods]
    # The truth has no level: it stands once, first.
    for row in order:
        if row[0] not in cells:
            row[0] = (row[0][0], None)
    if len(levels) > 2:
        return order
    across = math.ceil(len(order) / math.ceil(len(order) / _ABREAST))
    by_level = [list(column) for column in zip(*order, strict=True)]
    return [keys[n : n + across] for keys in by_level for n in range(0, len(keys), across)]


def sample_figures(volumes, *, out_dir, names=PICTURES, words=PLAIN, about=None, **options):
    """Write one sample's picture tables for Snakemake's report, and its pictures for its page.

    Parameters
    ----------
    volumes : mapping
        As for `gallery`.
    out_dir : path-like
        Folder.
    names : sequence of str
        Those to draw of `PICTURES`.
    words : acuity.report.style.Words
        How levels and objects are written.
    about : mapping, optional
        How the sample's file was read; its page says it.
    **options
        Maps, labels and the rest, as for `gallery`.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` and ``NAME.json`` for each name, whatever there is to show.
    """
    shown = gallery(volumes, **options)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kind, (name, *_) in _KINDS.items():
        if name in names:
            figure = mosaic(shown, kind, level_format=words.level_format)
            files += save_sheet(figure, folder, gallery_drawing(shown, kind, words, about), dpi=130)
    return files


def save_sheet(figure, folder, drawing, *, dpi=150):
    """Write a sheet of pictures, and beside it what pages show of it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    folder : pathlib.Path
    drawing : acuity.report.drawing.Drawing
    dpi : int
        Pixels of an inch.

    Returns
    -------
    list of pathlib.Path
        ``NAME.png`` and ``NAME.json``.
    """
    file = Path(folder, f"{drawing.name}.png")
    figure.savefig(file, dpi=dpi, facecolor="white", metadata={"Software": None})
    return [file, drawing.write(folder)]


def gallery_drawing(shown, kind, words=PLAIN, about=None):
    """Say what a page shows of one kind of a sample's pictures.

    Parameters
    ----------
    shown : Gallery
    kind : str
        ``slice``, ``map`` or ``pores``.
    words, about
        As for `sample_figures`.

    Returns
    -------
    acuity.report.drawing.Drawing
        With, in ``more``, the ``kind``, its ``heading``, the ``key`` to its colours, ``where`` the
        slice lies, the ``pictures`` and what it is ``about``.
    """
    truth = any(p.method == "truth" for p in shown.pictures)
    window = "the truth" if truth else "the first of them, since there is no truth"
    how = (_WHOLE if shown.whole_objects else _VOXELS).format(noun=words.noun)
    told = {"noun": words.noun, "Noun": words.noun.title(), "how": how, "window": window}
    name, noun, title, heading, caption = (text.format(**told) for text in _KINDS[kind])
    pictures = []
    for picture in shown.pictures:
        if picture.kind == kind:
            label = picture.label(words.level_format)
            more = {"kind": kind, "method": picture.method, "level": picture.level, "label": label}
            pictures.append(drawing.image(picture, f"{noun}: {label}, {shown.where}", **more))
    more = {
        "kind": kind,
        "heading": heading,
        "key": _colour_key(shown, kind),
        "where": shown.where,
        "pictures": pictures,
        "about": dict(about or {}),
    }
    return Drawing(name, title, caption, more=more)


def _colour_key(shown, kind):
    """Key to the colours of a kind of pictures, as HTML."""
    if kind == "map" and shown.map_range is not None:
        low, high = shown.map_range
        return ramp(MAP_COLOURS, f"{low:.1f} or less: unlike the truth", f"{high:.0f}: alike")
    if kind != "pores":
        return ""
    entries = "".join(f"<li>{swatch(colour)}{words}</li>" for colour, _, words in shown.tints)
    return f'<ul class="legend">{entries}</ul>'


def _key(key):
    method, level = key
    if method == "truth" or level is None or (isinstance(level, float) and math.isnan(level)):
        return str(method), None
    return str(method), float(level)


def opened(source):
    """Open a volume that is given by its path; one that is open stays as it is."""
    return source if hasattr(source, "grid") else open_volume(source)


def plane_at(source, place, axis=0):
    """Read the plane of a volume that is nearest to a place along an axis.

    Parameters
    ----------
    source : path-like or Volume
    place : float
        In the volume's unit.
    axis : int
        0 for a slice (y, x), 1 for a section (z, x).

    Returns
    -------
    values : numpy.ndarray
    spacing : tuple of float
        Voxel size along its two axes.
    """
    volume = opened(source)
    grid = volume.grid
    index = round((place - grid.origin[axis]) / grid.spacing[axis])
    index = min(max(index, 0), grid.shape[axis] - 1)
    box = [slice(None)] * 3
    box[axis] = slice(index, index + 1)
    spacing = tuple(size for n, size in enumerate(grid.spacing) if n != axis)
    return np.asarray(volume.read(*box)).squeeze(axis), spacing


def faces_across(grid, axis=0):
    """Return where the first voxels' outer faces lie along the two axes of a plane; see `plane_at`."""
    faces = np.subtract(grid.origin, np.divide(grid.spacing, 2))
    return np.delete(faces, axis)


def grey_window(values):
    """Choose black and white, clear of a few extreme voxels."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise AcuityError("report: the slice to show holds no finite value")
    low, high = (float(v) for v in np.quantile(finite, [0.002, 0.998]))
    return (low, high) if high > low else (low, low + 1.0)


def _map_range(planes):
    """From a round number below nearly all values to 1."""
    low = min(float(np.nanquantile(values, 0.01)) for values in planes)
    return max(0.0, min(0.9, math.floor(low * 10) / 10)), 1.0


def picture_size(shape, spacing):
    """Give the width and height in pixels that keep the proportions of the sample."""
    height, width = shape[0] * spacing[0], shape[1] * spacing[1]
    pixels = max(shape)
    # A small slice is repeated a whole number of times, so that voxels stay visible.
    longest = min(LARGEST, pixels * max(1, LARGEST // pixels))
    scale = longest / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize(values, size):
    """Bring a slice to a width and height in pixels, without interpolation where it grows."""
    smaller = size[0] < values.shape[1] or size[1] < values.shape[0]
    how = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, how))


def resize_labels(labels, size):
    """Bring labels (y, x) to a width and height in pixels, each the nearest one."""
    # Labels beyond 2^24 would not survive as float32; positions do.
    rows = (np.arange(size[1]) + 0.5) * labels.shape[0] / size[1]
    columns = (np.arange(size[0]) + 0.5) * labels.shape[1] / size[0]
    return labels[rows.astype(int)[:, None], columns.astype(int)]


def stretch(values, window):
    """Turn a grey window into 0 to 255; NaN becomes black."""
    low, high = window
    scaled = (np.nan_to_num(values, nan=low) - low) / (high - low)
    return (255 * np.clip(scaled, 0, 1) + 0.5).astype(np.uint8)


def _colour(values, limits):
    """Paint a map; unmeasured voxels are mid-grey."""
    low, high = limits
    steps = 127
    unknown = ~np.isfinite(values)
    scaled = np.clip((np.where(unknown, high, values) - low) / (high - low), 0, 1)
    index = np.where(unknown, steps + 1, np.round(scaled * steps))
    colours = matplotlib.colormaps[MAP_COLOURS](np.linspace(0, 1, steps + 1))[:, :3]
    return painted(index, [*(255 * colours), [128] * 3])


def painted(index, colours):
    """Paint numbers with colours.

    Parameters
    ----------
    index : numpy.ndarray
        (y, x), whole numbers up to 255.
    colours : sequence of (float, float, float)
        Red, green and blue of each number, 0 to 255.

    Returns
    -------
    PIL.Image.Image
        With the scale bar's black and white behind the colours (`make_picture`).
    """
    image = Image.frombytes("P", index.shape[::-1], index.astype(np.uint8).tobytes())
    palette = np.round([*colours, [0] * 3, [255] * 3])
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image


def _overlay(grey, real, found, status):
    """Tint objects of the truth and of the result by what became of them."""
    names = list(TINTS)
    tint = np.zeros(grey.shape, np.uint8)
    if status is None:
        tint[(real > 0) & (found > 0)] = 1 + names.index("found")
        tint[(real > 0) & (found == 0)] = 1 + names.index("missed")
        tint[(real == 0) & (found > 0)] = 1 + names.index("false")
    else:
        # Found objects as the result has them, too large or ragged as they may be; the others of the
        # truth lie over them.
        for kind, labels, shown in (
            ("detection", found, {"false": "false", "found": "found"}),
            ("truth", real, {"missed": "missed", "split": "other", "merged": "other"}),
        ):
            rows = status[status["kind"] == kind]
            for name, tinted in shown.items():
                own = rows.loc[rows["status"] == name, "label"].to_numpy()
                tint[np.isin(labels, own) & (labels > 0)] = 1 + names.index(tinted)
    return paint_over(grey, tint, [(colour, alpha) for colour, alpha, _ in TINTS.values()])


def paint_over(grey, tint, tints):
    """Lay colours over a picture.

    Parameters
    ----------
    grey : numpy.ndarray
        (y, x), uint8.
    tint : numpy.ndarray
        (y, x): 0 for none, or which of the tints, from 1.
    tints : list of (str, float)
        Colour and how much it covers, 0 to 1.

    Returns
    -------
    PIL.Image.Image
    """
    index = tint * _GREYS + np.minimum(grey // 5, _GREYS - 1)
    ramp = np.repeat(np.arange(_GREYS)[:, None] * (255 / (_GREYS - 1)), 3, axis=1)
    tinted = [
        (1 - alpha) * ramp + alpha * np.array(ImageColor.getrgb(colour)) for colour, alpha in tints
    ]
    return painted(index, np.concatenate([ramp, *tinted]))


def make_picture(kind, key, image, pixel, unit):
    """Draw the scale bar into a Pillow image and give it as a picture.

    Parameters
    ----------
    kind : str
    key : (str, float or None)
        Method and level.
    image : PIL.Image.Image
        In ``L``, or in ``P`` with black and white as the last two colours.
    pixel : float
        Width of a pixel in `unit`.
    unit : str
    """
    _scale_bar(image, pixel, unit)
    return Picture(kind, *key, _png(image), image.size)


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def frame(image, sides, faces, pixel):
    """Draw a white frame, edged in black.

    Parameters
    ----------
    image : PIL.Image.Image
    sides : sequence of (float, float)
        Both ends of the frame along the picture's two axes.
    faces : sequence of float
        Where the picture begins along them (`faces_across`).
    pixel : float
        Side of a pixel, in the same unit.
    """
    (top, bottom), (left, right) = (np.array(sides) - faces[:, None]) / pixel
    box = [round(left), round(top), round(right) - 1, round(bottom) - 1]
    draw = ImageDraw.Draw(image)
    draw.rectangle(box, outline=0, width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline=255, width=2)


def bar_length(width, unit):
    """Choose a scale bar: a round length of about a fifth of the width.

    Parameters
    ----------
    width : float
        Width of the picture in `unit`.
    unit : str

    Returns
    -------
    length : float
        In `unit`.
    label : str
        With its unit, such as ``50 µm``.
    """
    power = 10.0 ** math.floor(math.log10(width / 4))
    length = max(n * power for n in (1, 2, 5) if n * power <= width / 4)
    if unit in ("um", "µm") and length < 1:
        return length, f"{1000 * length:.3g} nm"
    return length, f"{length:.6g} {unit_text(unit)}"


def stamp(files, words):
    """Write words below figures that are there, PNG and SVG, and beside them; other files stay as they are.

    Parameters
    ----------
    files : iterable of path-like
    words : str
        None are no change.
    """
    for path in map(Path, files if words else ()):
        if path.suffix == ".png":
            write_bytes(path, _stamped(Image.open(path), words))
        elif path.suffix == ".svg":
            write_text(path, _stamped_svg(path.read_text(encoding="utf-8"), words))
        elif path.suffix == ".json":
            dataclasses.replace(read_drawing(path), seen=words).write(path.parent)


def _folded(words, width, size):
    """The lines into which words fold, and the height of all, for letters of a size."""
    lines = textwrap.wrap(words, max(12, int(width / (0.6 * size))))
    return lines, round(1.4 * size * len(lines) + 0.6 * size)


def _stamped(image, words):
    size = max(12, image.width // 60)
    lines, height = _folded(words, image.width, size)
    whole = Image.new("RGB", (image.width, image.height + height), (255, 255, 255))
    whole.paste(image.convert("RGB"), (0, 0))
    told = "\n".join(lines), ImageColor.getrgb(style.WARNING), _font("DejaVuSans", size)
    ImageDraw.Draw(whole).multiline_text((size // 2, image.height + size // 4), *told)
    return _png(whole)


def _font(name, size):
    return ImageFont.truetype(Path(matplotlib.get_data_path(), f"fonts/ttf/{name}.ttf"), size)


def _stamped_svg(text, words, size=8):
    head = re.search(
        r'<svg [^>]*?height="([\d.]+)pt"[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', text
    )
    width, tall = float(head[2]), float(head[3])
    lines, height = _folded(words, width, size)
    longer = f"{tall + height:g}"
    grown = head[0].replace(f'height="{head[1]}pt"', f'height="{longer}pt"')
    grown = grown.replace(f'viewBox="0 0 {head[2]} {head[3]}"', f'viewBox="0 0 {head[2]} {longer}"')
    said = "".join(
        f'<text x="4" y="{tall + 1.4 * size * (n + 1):g}" font-family="sans-serif" font-size="{size}" '
        f'fill="{style.WARNING}">{html.escape(line)}</text>'
        for n, line in enumerate(lines)
    )
    white = f'<rect y="{tall:g}" width="{head[2]}" height="{height}" fill="{style.PAPER}"/>'
    text = text.replace(head[0], grown, 1)
    end = text.rindex("</svg>")
    return text[:end] + white + said + text[end:]


def _scale_bar(image, pixel, unit):
    width, height = image.size
    if width < 120 or height < 60:
        return
    black, white = 0, 255
    if image.mode == "P":  # the last two colours of the palette
        white = len(image.getpalette()) // 3 - 1
        black = white - 1
    length, label = bar_length(width * pixel, unit)
    long = round(length / pixel)
    font = _font("DejaVuSans-Bold", max(11, round(width / 30)))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"  # no half tones: a palette may lack them
    left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    pad = max(4, width // 90)
    thick = max(3, width // 128)
    box_width = max(long, right - left) + 2 * pad
    box_height = bottom - top + thick + 3 * pad
    x, y = pad, height - pad - box_height
    draw.rectangle((x, y, x + box_width, y + box_height), fill=black)
    draw.text((x + (box_width - right + left) / 2 - left, y + pad - top), label, white, font)
    start = x + (box_width - long) // 2
    base = y + box_height - pad
    draw.rectangle((start, base - thick + 1, start + long - 1, base), fill=white)
