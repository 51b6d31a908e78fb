"""Registers one pair by itk-elastix; started by peers.py with the interpreter of another environment.

python elastix.py PAIR.npz FOLDER     # writes FOLDER/found.json

A similarity about the common point, started without a turn; elastix's own settings for it but the seed (one is fixed)
and the number of samples (8,192 in place of 2,048).
"""

import json
import sys
import time
from pathlib import Path

import itk
import numpy as np


def image(array, spacing):
    """Make an image with its first voxel at 0; spacing along z, y, x."""
    out = itk.image_view_from_array(np.ascontiguousarray(array))
    out.SetSpacing([float(n) for n in spacing[::-1]])
    return out


def peak():
    """Return the peak of memory, MB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:", 1)[1].split()[0]) / 1024


def main(path, folder):
    """Read, register, write."""
    given = np.load(path)
    fixed = image(given["high"].astype(np.float32), np.ones(3))
    moving = image(given["low"].astype(np.float32), given["spacing"])
    mask = image(given["mask"], np.ones(3))
    settings = itk.ParameterObject.New()
    chosen = settings.GetDefaultParameterMap("rigid", 4)
    chosen["Transform"] = ["SimilarityTransform"]
    chosen["AutomaticTransformInitialization"] = ["false"]
    chosen["NumberOfSpatialSamples"] = ["8192"]
    chosen["MaximumNumberOfIterations"] = ["500"]
    chosen["RandomSeed"] = ["1"]
    chosen["ErodeMask"] = ["false"]
    chosen["WriteResultImage"] = ["false"]
    middle, place = given["middle"][::-1], given["place"][::-1]
    # The start is taken out of the low image's origin, so that elastix starts at nothing.
    moving.SetOrigin([float(n) for n in middle - place])
    chosen["CenterOfRotationPoint"] = [f"{n:.9g}" for n in middle]
    settings.AddParameterMap(chosen)
    before, began = peak(), time.process_time()
    _, found = itk.elastix_registration_method(
        fixed,
        moving,
        parameter_object=settings,
        fixed_mask=mask,
        number_of_threads=1,
        log_to_console=False,
        output_directory=str(folder),
    )
    seconds, more = time.process_time() - began, peak() - before
    result = found.GetParameterMap(0)
    x, y, z, *rest = (float(n) for n in result["TransformParameters"])
    centre = np.array([float(n) for n in result["CenterOfRotationPoint"]])
    move, scale = np.array(rest[:3]), rest[3]
    versor = np.array([x, y, z])
    w = np.sqrt(max(0.0, 1 - versor @ versor))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    linear = scale * (np.eye(3) + 2 * w * cross + 2 * cross @ cross)
    shift = centre + move - linear @ centre - (middle - place)
    Path(folder, "found.json").write_text(
        json.dumps(
            {
                "linear": linear.tolist(),
                "shift": shift.tolist(),
                "seconds": seconds,
                "memory": more,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
