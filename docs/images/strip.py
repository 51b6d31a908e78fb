"""Make the README's picture from a finished demo: python docs/images/strip.py."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from acuity.report.images import gallery
from acuity.report.style import look

LEVEL = 5.0
SHOWN = [("input", LEVEL), *((m, LEVEL) for m in ("richardson_lucy", "srcnn3d", "deepnet"))]
FOLDER = Path("results/demo")


def main():
    """Put the same slice of input, restorations and truth beside each other."""
    volumes = {key: FOLDER / f"predict/foam-2/level{LEVEL:g}/{key[0]}.ome.zarr" for key in SHOWN}
    volumes["input", LEVEL] = FOLDER / f"reconstruct/foam-2/level{LEVEL:g}.ome.zarr"
    volumes["truth", None] = FOLDER / "reconstruct/foam-2/truth.ome.zarr"
    pictures = {(p.method, p.level): p for p in gallery(volumes).pictures}
    figure, axes = plt.subplots(1, 5, figsize=(12.5, 2.85), layout="constrained")
    for axis, key in zip(axes, [*SHOWN, ("truth", None)], strict=True):
        axis.imshow(np.asarray(Image.open(io.BytesIO(pictures[key].png))), cmap="gray")
        axis.set_title(look(key[0]).name if key[0] != "input" else f"Input, {LEVEL:g}:1")
        axis.set_axis_off()
    figure.savefig("docs/images/demo.png", dpi=100)


main()
