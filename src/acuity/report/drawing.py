"""What lies beside a figure: its title, caption and legend, its panels and what else a page shows of it."""

import base64
import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.markers import MarkerStyle

from acuity.report.style import INK, MUTED, look
from acuity.seals import again, write_sealed
from acuity.volume import read_sealed_json


@dataclass(frozen=True)
class Drawing:
    """A figure as its rule has drawn it, for the pages that show it.

    Parameters
    ----------
    name : str
        File name without ending.
    title, caption : str
    legend : list of (str, str)
        Key (HTML) and label.
    svgs : list of str
        Panels; none where nothing was measured.
    more : dict
        What else a page shows of it, as JSON holds it: pictures by row, rows of a table.
    seen : str
        What is said of it where it shows what models learned from.
    """

    name: str
    title: str
    caption: str = ""
    legend: list = field(default_factory=list)
    svgs: list = field(default_factory=list)
    more: Mapping[str, Any] = field(default_factory=dict)
    seen: str = ""

    def write(self, folder: str | os.PathLike) -> Path:
        """Write it beside its figure, as ``NAME.json``."""
        path = Path(folder) / f"{self.name}.json"
        write_sealed(path, dataclasses.asdict(self))
        return path


def read_drawing(path: str | os.PathLike) -> Drawing:
    """Read what lies beside a figure."""
    content = read_sealed_json(Path(path), "its figure cannot be shown", again(path))
    drawing = Drawing(**content)
    legend = [(Markup(key), label) for key, label in drawing.legend]
    return dataclasses.replace(drawing, legend=legend, svgs=list(map(Markup, drawing.svgs)))


def read_drawings(paths: Iterable[str | os.PathLike]) -> dict[str, Drawing]:
    """Read what lies beside figures, by their names."""
    return {drawing.name: drawing for drawing in map(read_drawing, paths)}


def drawing_of(plot) -> Drawing:
    """Draw the panels of a figure for a page, and say what lies beside it.

    Parameters
    ----------
    plot : acuity.report.figures.Plot

    Returns
    -------
    Drawing
    """
    legend = [(marker(method), look(method).name) for method in plot.legend]
    legend += [(swatch(colour), label) for label, colour in plot.patches]
    legend += [(_line_key(how), label) for label, how in plot.extra]
    svgs = [Markup(svg) for svg in plot.svgs()]
    return Drawing(plot.name, plot.title, plot.caption, legend, svgs)


def image(picture, alt: str, **more) -> dict[str, Any]:
    """Return a picture as pages show it.

    Parameters
    ----------
    picture : acuity.report.images.Picture
    alt : str
        What it shows, for those who do not see it.
    **more
        What stands with it, such as ``label``.

    Returns
    -------
    dict
    """
    width, height = picture.size
    return {"src": address(picture.png), "width": width, "height": height, "alt": alt, **more}


def address(png: bytes) -> str:
    """Return an address that holds a picture, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def swatch(colour: str) -> Markup:
    """Return the key to an area of a colour."""
    return Markup(f'<span class="swatch" style="background: {colour}"></span>')


def ramp(colours, low: str, high: str) -> Markup:
    """Return the key to a range of colours.

    Parameters
    ----------
    colours : str
        Name of a matplotlib colormap.
    low, high : str
        What its ends mean.

    Returns
    -------
    markupsafe.Markup
    """
    import matplotlib

    shades = matplotlib.colormaps[colours](np.linspace(0, 1, 9))
    stops = ", ".join(matplotlib.colors.to_hex(shade) for shade in shades)
    return Markup(
        f'<p class="note">{low} <span class="ramp" style="background: '
        f'linear-gradient(90deg, {stops})"></span> {high}</p>'
    )


def marker(method: str) -> Markup:
    """Draw a method's line and marker as a small inline SVG, for legends and tables.

    Parameters
    ----------
    method : str

    Returns
    -------
    markupsafe.Markup
    """
    how = look(method)
    style = MarkerStyle(how.marker)
    path = style.get_path().transformed(style.get_transform())
    shape = []
    for points, code in path.iter_segments(simplify=False):
        pairs = [f"{v:.3g}" for v in np.asarray(points) * np.tile((4.6, -4.6), len(points) // 2)]
        shape.append({1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[code])
        if code != 79:
            shape.append(" ".join(pairs))
    colour = {INK: "var(--ink)", MUTED: "var(--muted)"}.get(how.colour, how.colour)
    dash = ' stroke-dasharray="3 2"' if how.variant else ""
    return Markup(
        f'<svg class="key" viewBox="-12 -6 24 12" aria-hidden="true"><path d="M-12 0H12" '
        f'stroke="{colour}" stroke-width="1.8"{dash}/><path d="{"".join(shape)}" fill="{colour}"/>'
        "</svg>"
    )


def _line_key(how):
    """Key to a line that is no method's, from its matplotlib properties."""
    ink = "ink" if how["color"] == INK else "muted"
    ring = (
        f'<circle r="4" fill="var(--paper)" stroke="var(--{ink})" stroke-width="1.3"/>'
        if "marker" in how
        else ""
    )
    return Markup(
        '<svg class="key" viewBox="-12 -6 24 12" aria-hidden="true"><path d="M-12 0H12" '
        f'stroke="var(--{ink})" stroke-width="1.4" stroke-dasharray="3 2"/>{ring}</svg>'
    )
