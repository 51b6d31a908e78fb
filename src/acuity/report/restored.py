"""A restored sample that has no truth: its planes beside those of its input, grey values and frequencies."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from acuity.errors import AcuityError
from acuity.measure.power import power_spectrum
from acuity.report import images, sheets, style
from acuity.report.drawing import Drawing, image
from acuity.report.figures import Panel, Plot, write_powers
from acuity.report.style import INK, PLAIN, in_order, look, ordered
from acuity.report.verdict import unit_text
from acuity.units import convert

FIGURES = ("restored_graphs", "restored_planes")
_AXES = ("XY", "XZ")  # planes across z and across y
_CLOSE = 128  # voxels along a side of a close-up, of planes of more than twice as many
_DEEP, _WIDE = 192, 2048  # voxels along a side of what is counted and transformed; of an image
_MIDDLE = 2**-0.5  # of a plane's sides: a square within the circle that a tomograph saw
_BINS = 96
_FAINT = 1e-9  # of the greatest power: what lies below is rounding
# Neighbours differ, so that one sees what was separated.
_OBJECTS = [(colour, 0.75) for colour in (style.SKY, style.ORANGE, style.PURPLE, style.GREEN)]


def restored_figures(volumes, low, *, labels=None, out_dir, words=PLAIN, about=None, framed=()):
    """Write the figures of a restored sample, and what its page shows of them.

    Parameters
    ----------
    volumes : mapping of (str, float) to path-like or Volume
        Input and results by method and level, on the grid of the results.
    low : path-like or Volume
        The input as it was, on its own grid.
    labels : mapping, optional
        Objects found in them, under the same keys.
    out_dir : path-like
        Folder.
    words : acuity.report.style.Words
        How objects are called.
    about : mapping, optional
        How the sample's file was read; its page says it.
    framed : sequence
        Parts that models learned from, as for `acuity.report.images.gallery`.

    Returns
    -------
    list of pathlib.Path
        `FIGURES` as PNG (the graphs as SVG too) and JSON.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    opened = {key: images.opened(volumes[key]) for key in in_order(volumes)}
    shown = views(opened, low, labels or {}, framed=framed, noun=words.noun)
    more = {"rows": [view.row() for view in shown], "about": dict(about or {})}
    sizes = f"Input: {_size(images.opened(low).grid)}; results: {_size(list(opened.values())[-1].grid)}."
    caption = (
        "The same planes of the input and of every result, in the same grey window, taken from the input; "
        f"voxels are not interpolated. {sizes} There is no truth to compare them with."
    )
    drawing = Drawing("restored_planes", "Input and results", caption, more=more)
    files = graphs(opened, low).save(folder)
    return files + images.save_sheet(_sheet(shown), folder, drawing)


def _size(grid):
    """How many voxels of which size a grid has, z first, in words."""
    flat = grid.shape[0] == 1
    sides = [f"{size:.4g}" for size in grid.spacing[flat:]]
    sides = sides[:1] if len(set(sides)) == 1 else sides
    shape, voxel = (" x ".join(map(str, part)) for part in (grid.shape[flat:], sides))
    return f"{shape} {'pixels' if flat else 'voxels'} of {voxel} {unit_text(grid.unit)}"


# Planes


@dataclass(frozen=True)
class View:
    """One plane of the input and of every result.

    Parameters
    ----------
    kind : str
        Such as ``xz``, ``xy_close`` or ``xz_objects``; of no other view.
    title, where : str
    pictures : list of acuity.report.images.Picture
        The input's first.
    """

    kind: str
    title: str
    where: str
    pictures: list

    def row(self):
        """Return what a page shows of it, as JSON holds it."""
        shown = []
        for picture in self.pictures:
            name = look(picture.method).name
            more = {
                "kind": self.kind,
                "method": picture.method,
                "level": picture.level,
                "label": name,
            }
            shown.append(image(picture, f"{self.title}: {name}, {self.where}", **more))
        return {"kind": self.kind, "title": self.title, "where": self.where, "pictures": shown}


def views(volumes, low, labels=None, *, framed=(), noun="pore"):
    """Cut the planes that are shown through the middle: that which matters first.

    Parameters
    ----------
    volumes, low, labels, framed
        As for `restored_figures`.
    noun : str
        What the objects are called.

    Returns
    -------
    list of View
        XZ before XY where the input was refined along z, XY first else and alone of an image; of each a
        close-up behind it where it is large, and at the end of the first plane the objects.

    Raises
    ------
    AcuityError
        If there is no volume.
    """
    if not volumes:
        raise AcuityError("report: no volume to show; at least one (method, level) is needed")
    opened, coarse = (
        {key: images.opened(volumes[key]) for key in in_order(volumes)},
        images.opened(low),
    )
    grid = next(reversed(opened.values())).grid
    axes = [1, 0] if refined(coarse.grid, grid)[0] > 1 else [0, 1]
    axes = axes if grid.shape[0] > 1 else [0]
    # The input as it was recorded: a study may show it interpolated.
    shown = {key: coarse if key[0] == "input" else volume for key, volume in opened.items()}
    found = [view for axis in axes for view in _across(shown, axis, framed)]
    return found + _objects(opened, labels or {}, axes[0], noun)


def refined(low, fine):
    """Return how many times finer the grid of a result is than that of its input, along z, y and x."""
    sizes = zip(low.spacing, fine.spacing, strict=True)
    return tuple(round(convert(a, low.unit, fine.unit) / b, 3) for a, b in sizes)


def _middle(grid, axis):
    """Index and place of the plane in the middle of an axis, and its words."""
    index = grid.shape[axis] // 2
    place = grid.origin[axis] + index * grid.spacing[axis]
    what = f"{'slice' if axis == 0 else 'row'} {index + 1} of {grid.shape[axis]}"
    return place, what if grid.shape[0] > 1 else "the image"


def _across(volumes, axis, framed):
    """The views of one plane: all of it and, of a large one, its middle."""
    grid = next(reversed(volumes.values())).grid
    place, where = _middle(grid, axis)
    shape, spacing = (np.delete(sides, axis) for sides in (grid.shape, grid.spacing))
    faces = images.faces_across(grid, axis)
    parts = [slice(0, n) for n in shape], [sheets.middle(int(n), _CLOSE) for n in shape]
    marks = [np.delete(box, axis, 0) for box in framed if box[axis][0] <= place <= box[axis][1]]
    window, shown = None, []
    for part in parts if max(shape) > 2 * _CLOSE else parts[:1]:
        ends = [
            (f + p.start * s, f + p.stop * s) for f, s, p in zip(faces, spacing, part, strict=True)
        ]
        count = [p.stop - p.start for p in part]
        size = images.picture_size(count, spacing)
        pixel, pictures = spacing[1] * count[1] / size[0], []
        for key, volume in volumes.items():
            plane = _plane(volume, place, axis, ends)
            window = window or images.grey_window(plane)
            drawn = Image.fromarray(images.stretch(images.resize(plane, size), window))
            for sides in marks if part is parts[0] else ():
                images.frame(drawn, sides, faces, pixel)
            pictures.append(images.make_picture("plane", key, drawn, pixel, grid.unit))
        shown.append((pictures, " x ".join(map(str, count))))
    kind, name = _AXES[axis].lower(), _AXES[axis]
    plane = f"{'Section' if axis else 'Slice'} {name}" if grid.shape[0] > 1 else "Image"
    found = [View(kind, plane, where, shown[0][0])]
    for pictures, told in shown[1:]:
        told = f"the middle {told} voxels of {where}"
        found.append(View(f"{kind}_close", f"{plane}, close up", told, pictures))
    return found


def _plane(volume, place, axis, ends):
    """The part of a volume's plane between two ends along both its axes; see `images.plane_at`."""
    plane, spacing = images.plane_at(volume, place, axis)
    faces = images.faces_across(volume.grid, axis)
    return plane[tuple(map(_span, plane.shape, spacing, faces, ends))]


def _span(count, size, face, ends):
    """The voxels of an axis between two places: at least one, those that a volume has."""
    start, stop = (min(max(round((end - face) / size), 0), count) for end in ends)
    return slice(min(start, count - 1), max(stop, start + 1))


def _objects(volumes, labels, axis, noun):
    """The objects of each image in the first plane, neighbours in other colours."""
    pictures, window = [], None
    for key, volume in volumes.items():
        if key not in labels:
            continue
        place, where = _middle(volume.grid, axis)
        plane, spacing = images.plane_at(volume, place, axis)
        window = window or images.grey_window(plane)
        size = images.picture_size(plane.shape, spacing)
        found = images.resize_labels(images.plane_at(labels[key], place, axis)[0], size)
        tint = np.where(found > 0, 1 + found % len(_OBJECTS), 0).astype(np.uint8)
        grey = images.stretch(images.resize(plane, size), window)
        drawn, pixel = (
            images.paint_over(grey, tint, _OBJECTS),
            spacing[1] * plane.shape[1] / size[0],
        )
        pictures.append(images.make_picture("objects", key, drawn, pixel, volume.grid.unit))
    if not pictures:
        return []
    told = f"{where}; colours tell neighbours apart and mean nothing else"
    return [View("objects", f"{noun.title()}s that the segmentation found", told, pictures)]


def _sheet(shown):
    """Lay the pictures out for other programs: a row a view, a column a method."""
    methods = ordered(picture.method for view in shown for picture in view.pictures)
    side, rows = 2.6, [view for view in shown if not view.kind.endswith("_close")]
    heights = [view.pictures[0].size[1] / view.pictures[0].size[0] for view in rows]
    with matplotlib.rc_context(images.TEXT):
        size = side * len(methods) + 0.3, side * sum(heights) + 0.35 * len(rows)
        figure = Figure(size, layout="constrained")
        grid = figure.subplots(len(rows), len(methods), squeeze=False, height_ratios=heights)
        for cells, view in zip(grid, rows, strict=True):
            there = {picture.method: picture for picture in view.pictures}
            for axes, method in zip(cells, methods, strict=True):
                axes.set_axis_off()
                if method in there:
                    title = f"{look(method).short}, {view.kind.upper() if len(view.kind) == 2 else view.kind}"
                    sheets.show(axes, there[method], title)
        return figure


# Graphs


def graphs(volumes, low):
    """Draw grey values and power spectra of the input and of every result.

    Parameters
    ----------
    volumes, low
        As for `restored_figures`; the input is taken from `low`, as it was.

    Returns
    -------
    acuity.report.figures.Plot
        ``restored_graphs``.
    """
    coarse = images.opened(low)
    results = {key[0]: volume for key, volume in volumes.items() if key[0] != "input"}
    grid = next(iter((results or {"": coarse}).values())).grid
    most = [grid.shape[0], *(int(_MIDDLE * n) for n in grid.shape[1:])]
    most = [min(n, _DEEP) for n in most] if grid.shape[0] > 1 else [_WIDE] * 3
    parts = [sheets.middle(n, max(1, part)) for n, part in zip(grid.shape, most, strict=True)]
    ends = [
        (origin + (part.start - 0.5) * size, origin + (part.stop - 0.5) * size)
        for origin, size, part in zip(grid.origin, grid.spacing, parts, strict=True)
    ]
    blocks = {
        name: _block(volume, ends, grid.unit)
        for name, volume in {"input": coarse, **results}.items()
    }
    finer = refined(coarse.grid, grid)
    along = finer[0] > 1 and max(finer[1:]) <= 1
    lasting = [name for name, (voxels, _) in blocks.items() if voxels.min() < voxels.max()]
    panels = [Panel("Grey values", partial(_draw_values, {n: blocks[n][0] for n in lasting}))]
    curves = {n: power_spectrum(*blocks[n], along_z=along) for n in lasting}
    spacing = [convert(size, coarse.grid.unit, grid.unit) for size in coarse.grid.spacing]
    limit = 0.5 / (
        spacing[0] if along else max(s for s, n in zip(spacing, grid.shape, strict=True) if n > 1)
    )
    limit = limit if max(finer) > 1 else None
    told = f"Power spectrum, {'along z' if along else 'all directions'}"
    panels.append(Panel(told, partial(_draw_power, curves, grid, limit)))
    shape = " x ".join(str(part.stop - part.start) for part in parts if part.stop - part.start > 1)
    mark = ("finest that the input's voxels can show", {"color": INK, "ls": ":", "lw": 1.2})
    return Plot(
        "restored_graphs",
        "Grey values and spatial frequencies",
        f"Of the middle {shape} voxels of the results, and of the same part of the input"
        f"{'; the power along the refined axis' if along else ''}. A line below the input's has lost detail, or noise; one "
        "above it has more contrast there than the input. "
        + (
            "Right of the dotted line nothing was measured: what stands there the method has added. "
            if limit
            else ""
        )
        + "No truth tells which of it is right.",
        panels if lasting else [],
        ordered(lasting),
        extra=[mark] if limit and lasting else [],
        margins=(0.75, 0.5),
    )


def _block(volume, ends, unit):
    """The voxels of a volume between ends along z, y and x, and their size, in a unit."""
    grid = volume.grid
    faces = np.subtract(grid.origin, np.divide(grid.spacing, 2))
    own = [[convert(end, unit, grid.unit) for end in both] for both in ends]
    box = map(_span, grid.shape, grid.spacing, faces, own)
    spacing = [convert(size, grid.unit, unit) for size in grid.spacing]
    return np.asarray(volume.read(*box), np.float32), spacing


def _draw_values(blocks, axes):
    ends = [np.quantile(voxels, [0.001, 0.999]) for voxels in blocks.values()]
    low, high = float(np.min(ends)), float(np.max(ends))
    width = (high - low) / _BINS or 1.0
    if any(np.array_equal(voxels, np.rint(voxels)) for voxels in blocks.values()):
        # Bins of so many whole grey values: others would hold more of them than their neighbours.
        width = max(1.0, round(width))
        low = np.floor(low) - 0.5
    edges = low + width * np.arange(int(np.ceil((high - low) / width)) + 1)
    for method in ordered(blocks):
        counts, _ = np.histogram(blocks[method], edges)
        share = 100 * counts / blocks[method].size
        axes.stairs(share, edges, color=look(method).colour, lw=1.4, ls=look(method).line["ls"])
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None))
    axes.set(xlabel="Grey value", ylabel="Share of voxels in a bin (%)")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _draw_power(curves, grid, limit, axes):
    # As power per volume the units of many grids would be no words; a curve is held against another.
    top = max(curve["power"].max() for curve in curves.values())
    curves = {name: curve[curve["power"] > _FAINT * top] for name, curve in curves.items()}
    least = min(curve["power"].min() for curve in curves.values()) / top
    for method in ordered(curves):
        curve = curves[method]
        how = look(method)
        every = {"marker": how.marker, "ms": 4, "markevery": max(1, len(curve) // 8)}
        axes.plot(curve["frequency"], curve["power"] / top, lw=1.4, **how.line, **every)
    if limit:
        axes.axvline(limit, color=INK, lw=1.2, ls=":")
    axes.set(yscale="log", xlim=(0, None), ylim=(0.3 * least, 3))
    write_powers(axes.yaxis)
    axes.set(
        xlabel=f"Spatial frequency (1/{unit_text(grid.unit)})",
        ylabel="Power, share of the greatest",
    )
