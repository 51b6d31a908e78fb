"""One specimen under an X-ray microscope at two magnifications: what is asked for, as plain numbers."""

from dataclasses import dataclass

from acuity.errors import AcuityError, require

LEVELS = ("low", "middle", "high")
# Bukka et al. 2025, table 1: voxel (um), field (mm), voltage (kV), source to sample and sample to
# detector (mm), projections. The table's "bin 2" of the seed's low scan contradicts its voxel.
TABLE = {
    ("seed", "low"): (9.0, 18.4, 50, 39, 110, 2401),
    ("seed", "middle"): (3.0, 3.1, 50, 19, 23, 3001),
    ("seed", "high"): (1.0, 2.1, 50, 19, 40, 3501),
    ("chip", "low"): (6.75, 13.8, 110, 44, 180, 2401),
    ("chip", "middle"): (2.25, 2.3, 110, 44, 88, 2001),
    ("chip", "high"): (0.75, 1.5, 110, 44, 154, 2401),
}
# Radius of the round body whose section is as large, as a share of the low field's width: what someone
# reads off a coarse scan to continue the rows of a finer one.
_RADIUS = {"seed": 0.4195, "chip": 0.3419}


@dataclass(frozen=True)
class Magnifications:
    """A specimen and its two scans.

    Attributes
    ----------
    specimen : str
        ``seed`` or ``chip``.
    coarse, fine : str
        Scans of table 1 of Bukka et al. 2025: ``low``, ``middle`` or ``high``, the coarse one first.
    columns : tuple of int, optional
        Detector columns of the low, middle and high scan, and voxels along each side of their volumes;
        by default those of the table.
    photons : tuple of float
        In a pixel of the open beam, of each of the three; 0 for no noise.
    place : tuple of float
        Where the stage is told to bring the centre of the next finer scan, (z, y, x) in voxels of the
        coarser one from its centre.
    turn, scale, shift : float
        How far the stage errs: degrees about each axis, relative size, and voxels of the coarser scan.
    blur : float
        Standard deviation of the detector's blur, pixels.
    rays : int
        Rays along each side of a pixel.
    density : float
        Factor on the density of all materials: a small specimen absorbs what a whole one does when it is
        as many times denser.
    most : int
        Most bodies of one size class.
    """

    specimen: str
    coarse: str = "low"
    fine: str = "middle"
    columns: tuple[int, int, int] | None = None
    photons: tuple[float, float, float] = (5000.0, 5000.0, 5000.0)
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 2.0
    scale: float = 0.02
    shift: float = 10.0
    blur: float = 0.5
    rays: int = 2
    density: float = 1.0
    most: int = 150_000

    def __post_init__(self) -> None:
        if self.specimen not in _RADIUS:
            raise AcuityError(f"specimen is {self.specimen!r}; allowed are {' and '.join(_RADIUS)}")
        require(
            LEVELS.index(self.coarse) < LEVELS.index(self.fine),
            f"the coarse scan is {self.coarse} and the fine one {self.fine}; allowed is a finer one after "
            f"a coarser one, of {', '.join(LEVELS)}",
        )

    def voxel(self, level: str) -> float:
        """Return the voxel of a scan of the table, um."""
        return TABLE[self.specimen, level][0]

    def side(self, level: str) -> int:
        """Return the voxels along each side of a scan of the table."""
        if self.columns is not None:
            return self.columns[LEVELS.index(level)]
        return round(1e3 * TABLE[self.specimen, level][1] / self.voxel(level))

    def distance(self, level: str) -> float:
        """Return the distance of the source from the axis in a scan, um: it shrinks with the columns."""
        voxel, width, _, near, *_ = TABLE[self.specimen, level]
        return 1e3 * near * (self.side(level) / round(1e3 * width / voxel))

    def views(self, level: str) -> int:
        """Return the views of a scan: as many for each column as the table has."""
        whole = round(1e3 * TABLE[self.specimen, level][1] / self.voxel(level))
        return 4 * round(TABLE[self.specimen, level][5] * self.side(level) / whole / 4)

    @property
    def ratio(self) -> int:
        """Voxels of the fine scan along one of the coarse scan."""
        return round(self.voxel(self.coarse) / self.voxel(self.fine))

    @property
    def steps(self) -> float:
        """Voxels of the coarse scan by which `place` moves the centre of the fine one, for each of its own."""
        first, last = (LEVELS.index(level) for level in (self.coarse, self.fine))
        return sum(self.voxel(level) for level in LEVELS[first:last]) / self.voxel(self.coarse)

    @property
    def width(self) -> float:
        """Width of the low scan's field, um, which the specimen fills."""
        return self.side("low") * self.voxel("low")

    @property
    def radius(self) -> float:
        """How far the specimen reaches from its axis, were it round, um."""
        return _RADIUS[self.specimen] * self.width
