"""The real pair of config/studies/bentheimer.yaml, its coarse block moved by known amounts.

The map that is found of the moved pair is held against that of the pair as it is, composed with the motion: how far
apart they put a point, root mean square over the fine field, in fine voxels. The coarse block is shifted by up to 1.5
voxels, turned by up to 2 degrees about z and y and 4 about x, cropped by up to 12 voxels along x and 2 along y and z
(`benchmarks.volumes.cases.motion`). By default the scale is held; all else are the study's settings.

Run from the project's root, with the folder of the real images::

    python -m benchmarks.moved_pair ../shared/data/ct 5000 5001 5002
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from acuity.errors import AcuityError
from acuity.register.volume_settings import VolumeSettings
from acuity.register.volumes import register_volumes
from benchmarks.volumes.cases import bentheimer, forth, moved_block

STUDY = Path("config/studies/bentheimer.yaml")
HELD_AGREEING = 0.3


def settings(transform: str) -> VolumeSettings:
    """Return those of the study; with the scale held a smaller share of the blocks agrees.

    The files drift against each other along x, which a map of the stated scale cannot follow.
    """
    stated = yaml.safe_load(STUDY.read_text())["pair"]
    own = {key: stated[key] for key in VolumeSettings.__dataclass_fields__ if key in stated}
    held = {"least_agreeing": HELD_AGREEING} if transform == "rigid" else {}
    return VolumeSettings(**own | {"transform": transform} | held)


def found(pair, name: str, transform: str):
    """Register a pair; give the map, the estimate of its error, and the seconds it took."""
    started = time.process_time()
    one = register_volumes(pair.low, pair.high, pair.ratio, settings(transform), where=name)
    return one, time.process_time() - started


def main() -> None:
    """Print a line for each motion."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("real", type=Path, help="folder of bentheimer_pair")
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--transform", default="rigid", choices=("rigid", "similarity"))
    arguments = parser.parse_args()
    pair = bentheimer(arguments.real)
    still, seconds = found(pair, "not moved", arguments.transform)
    print(
        f"not moved: estimated error {still.error:.2f}, correlation {still.correlation:.3f}, scale "
        f"{still.scale:.4f}, {seconds:.1f} s",
        flush=True,
    )
    axes = [np.linspace(0, n - 1, 9) for n in pair.high.shape]
    field = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    nominal = np.vstack([pair.matrix, [0, 0, 0, 1]])
    for seed in arguments.seeds:
        moved = moved_block(replace(pair), seed)
        motion = np.linalg.solve(nominal, np.vstack([moved.matrix, [0, 0, 0, 1]]))
        known = still.matrix @ motion
        try:
            own, seconds = found(moved, f"moved {seed}", arguments.transform)
        except AcuityError as error:
            print(f"moved {seed}: refused: {error}", flush=True)
            continue
        # Where the map found puts the moved voxels on which the fine field lies.
        there = forth(np.linalg.inv(np.vstack([known, [0, 0, 0, 1]]))[:3], field)
        off = np.sqrt(((forth(own.matrix, there) - field) ** 2).sum(axis=1).mean())
        print(
            f"moved {seed}: {off:.3f} fine voxels apart, estimated error {own.error:.2f}, correlation "
            f"{own.correlation:.3f}, {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
