"""The xrm section: specimens under a simulated X-ray microscope, at two magnifications."""

import dataclasses
import math
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from acuity.errors import AcuityError
from acuity.region import parse_region
from acuity.settings import Section, setting
from acuity.simulate.microscope import Magnifications

Level = Literal["low", "middle", "high"]
_D = Magnifications
_GAP = 3  # coarse voxels between what the fine scan may show and what is judged
_END = 4  # of the field along z that are not judged by default
_WIDE = 0.16  # half of the width that is judged by default, as a share of the field
_TALL = 30  # most slices


class Xrm(Section):
    """Specimens scanned twice by a simulated X-ray microscope (Bukka et al. 2025, table 1).

    A sample with the role train is scanned at both magnifications; one with the role test or restore
    at the coarse one alone. What is judged by is the fine scan of the whole coarse field, free of noise and
    truncation.
    """

    specimen: Literal["seed", "chip"] = setting(
        ..., "What is scanned: a dried seed, or a piece of a flip-chip package"
    )
    coarse: Level = setting(_D.coarse, "The coarse scan of a pair, of those of the table")
    fine: Level = setting(_D.fine, "The fine scan of a pair")
    columns: tuple[int, int, int] | None = setting(
        None,
        "Detector columns of the low, middle and high scan, and voxels along each side of their volumes; "
        "the views for each column and the angle of the cone stay those of the table. None: the table's",
        "pixel",
    )
    photons: tuple[float, float, float] = setting(
        _D.photons,
        "Photons a detector pixel in the open beam, of the low, middle and high scan; 0: no noise",
        "1",
    )
    place: tuple[float, float, float] = setting(
        _D.place,
        "Where the stage is told to centre the next finer scan (z, y, x), from the centre of the coarser one",
        "voxel of the coarser scan",
    )
    turn: float = setting(
        _D.turn, "Greatest turn of the stage about each axis", "degree", ge=0, le=5
    )
    scale: float = setting(_D.scale, "Greatest error of a scan's voxel size", "1", ge=0, le=0.05)
    shift: float = setting(
        _D.shift,
        "Greatest error of the stage along each axis",
        "voxel of the coarser scan",
        ge=0,
        le=50,
    )
    blur: float = setting(
        _D.blur, "Standard deviation of the detector's blur", "detector pixel", ge=0, le=20
    )
    rays: int = setting(
        _D.rays, "Rays along each side of a pixel, over which it averages", "1", ge=1, le=8
    )
    density: float = setting(
        _D.density,
        "Factor on the density of all materials: a specimen of few voxels absorbs what a whole one does "
        "when it is as many times denser",
        "1",
        gt=0,
        le=100,
    )
    most: int = setting(
        _D.most, "Most pores, grains or voids of one size class", "1", ge=100, le=10_000_000
    )
    judged: str | None = setting(
        None,
        "Box that is judged, as z0:z1,y0:y1,x0:x1; by default one about the axis, above all that the fine "
        "scan may show",
        "voxel of the coarse scan",
        max_length=200,
    )
    doses: tuple[float, ...] = setting(
        (1, 4, 16, 64),
        "Multiples of the coarse scan's photons at which its porosity error is found beside that of the "
        "methods, rising; none: []. Needs the method cubic, noise, and memory for all views",
        "1",
    )
    map: Literal["found", "true"] = setting(
        "found",
        "By which map the two scans of a pair are brought together: that which registration finds, or the "
        "one by which they were made",
    )

    @field_validator("columns")
    @classmethod
    def _columns(cls, value: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        if value is not None and not 24 <= min(value) <= max(value) <= 8192:
            raise ValueError(f"found {list(value)}; allowed are three numbers from 24 to 8192")
        return value

    @field_validator("photons")
    @classmethod
    def _photons(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if any(n != 0 and not 1 <= n <= 1e9 for n in value):
            raise ValueError(f"found {list(value)}; allowed are 0, and 1 to 1e9")
        return value

    @field_validator("doses")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in pairwise(value)) or any(not 0.01 <= n <= 1e5 for n in value):
            raise ValueError(f"found {list(value)}; allowed are rising numbers from 0.01 to 1e5")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            self.magnifications  # noqa: B018  the two scans in their order
            self.box  # noqa: B018
        except AcuityError as error:
            raise ValueError(str(error)) from None
        return self

    def of_scans(self) -> dict[str, Any]:
        """Return what jobs that make specimens and scans are told."""
        fields = {field.name for field in dataclasses.fields(Magnifications)}
        return self.model_dump(mode="json", include=fields)

    @property
    def magnifications(self) -> Magnifications:
        """The specimen and its scans."""
        return Magnifications(**self.of_scans())

    @property
    def coarse_side(self) -> int:
        """Voxels along each side of the coarse volume."""
        return self.magnifications.side(self.coarse)

    @property
    def fine_side(self) -> int:
        """Voxels along each side of the fine volume."""
        return self.magnifications.side(self.fine)

    def field(self, *, pair: bool) -> tuple[int, int, int]:
        """Return about how many coarse voxels (z, y, x) methods restore of a sample, without what they see beyond."""
        sides = []
        for (first, last), place in zip(self.box, self.place, strict=True):
            middle = self.coarse_side / 2 + self.magnifications.steps * place
            half = self.fine_side / self.magnifications.ratio / 2
            ends = (min(first, middle - half), max(last, middle + half)) if pair else (first, last)
            sides.append(min(self.coarse_side, round(ends[1] - ends[0])))
        return sides[0], sides[1], sides[2]

    def truth_slices(self, *, pair: bool) -> list[int]:
        """Return the coarse slices of which the truth is made: what is judged and, of a pair, what it may show."""
        side, scans = self.coarse_side, self.magnifications
        first, last = self.box[0]
        if pair:
            # A turned cube reaches further along z than a straight one, and its scale may be off.
            half = self.fine_side / scans.ratio / 2
            half *= (1 + self.scale) * (1 + 2 * math.sin(math.radians(self.turn)))
            slip = scans.steps * self.shift + _GAP
            middle = side / 2 + scans.steps * self.place[0]
            first = min(first, math.floor(middle - half - slip))
            last = max(last, math.ceil(middle + half + slip))
        return [max(0, first), min(side, last)]

    @property
    def box(self) -> list[list[int]]:
        """First coarse voxel that is judged and the one behind the last, along z, y, x.

        Raises
        ------
        AcuityError
            If no slices are left beside what the fine scan may show, or a box is stated that lies beyond
            the field.
        """
        side = self.coarse_side
        if self.judged is not None:
            found = parse_region(self.judged, (side,) * 3, "judged")
            return [[part.start, part.stop] for part in found]
        half = self.fine_side / self.magnifications.ratio / 2
        steps = self.magnifications.steps
        first = round(side / 2 + steps * (self.place[0] + self.shift) + half + _GAP)
        last = min(first + _TALL, side - _END)
        if last - first < 8:
            raise AcuityError(
                f"judged: only {max(0, last - first)} slices of the coarse scan are left above what the fine "
                "one may show; allowed are 8 and more: state a box, or a place further down"
            )
        wide = max(4, round(_WIDE * side))
        across = [side // 2 - wide, side // 2 + wide]
        return [[first, last], across, across]
