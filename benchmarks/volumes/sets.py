"""The sets of cases: one to choose on, one to judge on. Seeds: docs/seeds.md."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.volumes.cases import (
    SETS,
    Case,
    Scan,
    ball,
    cut_away,
    cut_through,
    grey,
    guess,
    moved_block,
    reversed_axis,
    stated,
    warped,
)
from benchmarks.volumes.scans import LOW, SPECIMENS, Field, Pose

WIDE = 344  # side of the large low volume
START = {"seed": 50, "chip": 60}  # first seed of a kind, beyond the set's
# Photons in a pixel of the open beam, least and most. Seeds absorb little: at 1,000 photons noise has their
# correlation at the truth down to .78, at 20,000 it is .967. Chips get as many.
DOSES = {"seed": (20_000.0, 80_000.0), "chip": (20_000.0, 80_000.0)}


@dataclass(frozen=True)
class Sizes:
    """How many cases of each kind a set has."""

    objects: int  # foams, each at three poses
    others: int  # cases of each hard group
    false: int  # pairs of different objects
    cut: int  # regions cropped away, and as many replaced
    solids: int  # seeds, and chips
    real: int  # sands, and moved pairs
    large: int


SIZES = {
    "choose": Sizes(4, 2, 12, 4, 2, 3, 0),
    "judge": Sizes(8, 4, 30, 12, 4, 6, 1),
}


def pose(random: np.random.Generator, ratio: int = 3, size: int = 128) -> Pose:
    """Draw a pose whose field lies inside of a low volume."""
    turn = tuple(random.uniform(-5, 5, 3).tolist())
    scale = random.uniform(0.98, 1.02)
    # The corners of the field, turned by 5 degrees about each axis, stay in the volume.
    half = ratio * LOW / 2
    room = half - 0.5 * size * (1 + 2 * np.sin(np.deg2rad(5))) * 1.02 - 2 * ratio
    angle = random.uniform(0, 2 * np.pi)
    # The field may leave the object, whose radius is .45 of its height, a little.
    away = 0.9 * room * np.sqrt(random.uniform())
    place = random.uniform(-room, room), away * np.sin(angle), away * np.cos(angle)
    return Pose(turn, scale, tuple(float(n) for n in place))


def field(random: np.random.Generator, kind: str, size: int = 128, voxel: float = 1.0) -> Field:
    """Draw dose, blur and the way that rows are continued."""
    least, most = DOSES.get(kind, (150.0, 3000.0))
    photons = float(np.exp(random.uniform(np.log(least), np.log(most))))
    return Field(size, voxel, photons, random.uniform(0.5, 1.2), bool(random.uniform() < 0.5))


def contrast(random: np.random.Generator):
    """Draw a gain of .5 to 2, inverted or not."""
    return partial(grey, gain=random.choice([-1, 1]) * float(np.exp(random.uniform(-0.7, 0.7))))


def low_scan(kind: str, seed: int, ratio: int = 3) -> Scan:
    """Return the low scan of an object, the same for all its poses."""
    return Scan(kind, seed, field(np.random.default_rng([seed, 1]), kind, LOW, ratio), ratio=ratio)


def high_scan(kind: str, seed: int, number: int, ratio: int = 3, size: int = 128) -> Scan:
    """Return the high scan of an object at its pose `number`."""
    random = np.random.default_rng([seed, 2, number])
    return Scan(kind, seed, field(random, kind, size), pose(random, ratio, size), ratio)


def scanned(
    group: str,
    kind: str,
    seed: int,
    number: int,
    changes: tuple = (),
    *,
    ratio: int = 3,
    low: dict | None = None,
    high: dict | None = None,
    stands: dict | None = None,
) -> Case:
    """Return the true pair of an object's scans, at a contrast of its own.

    Parameters
    ----------
    group, kind : str
    seed, number : int
        Of the object, and of its pose.
    changes : tuple
        Beyond the contrast.
    ratio : int
        Low voxel / high voxel.
    low, high, stands : dict, optional
        What is not drawn: of the fields, and of the pose.
    """
    size = (high or {}).get("size", 128)
    first, second = low_scan(kind, seed, ratio), high_scan(kind, seed, number, ratio, size)
    first = replace(first, field=replace(first.field, **(low or {})))
    at = replace(second.pose, **(stands or {}))
    second = replace(second, field=replace(second.field, **(high or {})), pose=at)
    change = contrast(np.random.default_rng([seed, 3, number]))
    return Case(f"{group} {kind} {seed}.{number}", group, (first, second), (change, *changes))


def cases(name: str) -> list[Case]:
    """Return the cases of a set.

    Seeds: foams first + 0 to 19, foams of the 6:1 pairs + 20 to 29, bumps + 30 to 39, the large foam + 40, seeds
    + 50 to 59, chips + 60 to 69.
    """
    first, sizes = SETS[name], SIZES[name]
    solids = [kind for kind in START if kind in SPECIMENS]
    found = []
    for kind in ("foam", *solids):
        base, objects = first + START.get(kind, 0), sizes.solids if kind in START else sizes.objects
        found += [scanned(kind, kind, base + i, n) for i in range(objects) for n in range(3)]
    found += _hard(first, sizes) + _true_elsewhere(first, sizes) + _false(first, sizes, solids)
    names = [case.name for case in found]
    assert len(set(names)) == len(names)
    return found


def _hard(first, sizes):
    """The hard groups, on the foams that the easy one has, at poses 10 and up."""
    found = []
    for i in range(sizes.others):
        seed = first + i % sizes.objects
        random = np.random.default_rng([seed, 4, i])
        bent = partial(grey, gain=(-1.5, 1.5)[i % 2], power=0.4)
        wrong = partial(stated, factor=(1.05, 1 / 1.05)[i % 2])
        # Every other field of bumps comes with a guess that is better than half a period.
        near = (partial(guess, off=tuple(random.uniform(-3, 3, 3))),) * (i % 2)
        turned = scanned("any turn", "foam", seed, 13)
        z, *rest = turned.source[1].pose.turn
        turn = {"turn": (z + random.uniform(15, 345), *rest)}
        foreign = partial(ball, of_low=i % 2 == 1, seed=seed)
        outside = partial(cut_through, axis=i % 3, share=0.3)
        found += [
            scanned("dim low", "foam", seed, 10, low={"photons": 150.0, "blur": 1.5}),
            scanned("dim high", "foam", seed, 11, high={"photons": 40.0}),
            scanned("partly outside", "foam", seed, 12, (outside,)),
            scanned("any turn", "foam", seed, 13, stands=turn),
            scanned("6:1", "foam", first + 20 + i, 14, ratio=6, high={"size": 192}),
            scanned("small field", "foam", seed, 15, high={"size": 64}),
            replace(scanned("bent contrast", "foam", seed, 16), changes=(bent,)),
            scanned("foreign ball", "foam", seed, 17, (foreign,)),
            scanned("size 5 % wrong", "foam", seed, 18, (wrong,), stands={"scale": 1.0}),
            scanned("repeats", "bumps", first + 30 + i, 19, near),
        ]
        for n in (20, 21):
            move = partial(warped, most=random.uniform(1.2, 2.0), seed=100 * seed + n)
            found.append(scanned("warp", "foam", seed, n, (move,)))
    return found


def _true_elsewhere(first, sizes):
    """Real files, and the large volume."""
    found = []
    for seed in range(first, first + sizes.real):
        move = partial(moved_block, seed=seed)
        found.append(Case(f"sand {seed}", "sand", f"sand {seed}"))
        found.append(Case(f"moved pair {seed}", "moved pair", "bentheimer", (move,)))
    for i in range(sizes.large):
        case = scanned("large", "foam", first + 40 + i, 0, low={"size": WIDE})
        found.append(replace(case, source=tuple(replace(scan, side=WIDE) for scan in case.source)))
    return found


def _false(first, sizes, solids):
    """Pairs that show no common region, or that are stated wrong; few cost scans of their own."""
    kinds = {"foam": (first, sizes.objects)}
    kinds |= {kind: (START[kind] + first, sizes.solids) for kind in solids}
    found = []
    for kind, (base, objects) in kinds.items():
        for i in range(sizes.false if kind == "foam" else 2 * objects):
            one = i % objects
            two = (one + 1 + i // objects % (objects - 1)) % objects
            found.append(crossed("other object", kind, base + one, kind, base + two, i))
        for other, (there, count) in kinds.items():
            if other != kind:
                for i in range(min(objects, count)):
                    found.append(crossed("other kind", kind, base + i, other, there + i, i))
        for i in range(sizes.cut if kind == "foam" else objects):
            seed, number = base + i % objects, i // objects
            away = scanned("region cropped away", kind, seed, number, (cut_away,))
            case = scanned("region replaced", kind, seed, number)
            other = low_scan(kind, base + (i + 1) % objects)
            found += [away, replace(case, filled=other)]
    for i in range(sizes.others):
        seed = first + i % sizes.objects
        wrong = (partial(stated, factor=(1.12, 1 / 1.12)[i % 2]),)
        back = (partial(reversed_axis, axis=i % 3),)
        found += [
            scanned("size 12 % wrong", "foam", seed, 18, wrong, stands={"scale": 1.0}),
            scanned("axis reversed", "foam", seed, 0, back),
        ]
    return found


def crossed(group: str, kind: str, seed: int, other: str, other_seed: int, i: int) -> Case:
    """Return the false pair of one object's low scan and another one's high scan."""
    number = i % 3
    change = contrast(np.random.default_rng([seed, other_seed, i]))
    name = f"{group} {kind} {seed} {other} {other_seed}.{number}"
    return Case(
        name, group, (low_scan(kind, seed), high_scan(other, other_seed, number)), (change,)
    )
