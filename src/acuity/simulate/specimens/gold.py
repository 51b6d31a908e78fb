"""Gold nanoparticles on carbon: what they look like and how they are scanned."""

from dataclasses import dataclass

from acuity.simulate.specimens.base import Specimen

_BEYOND = 200.0  # nm around the field that hold particles too


@dataclass(frozen=True)
class Layout:
    """How particles lie: dense, in clusters, with small gaps between them.

    Attributes
    ----------
    diameter : (float, float)
        Smallest and largest diameter, nm.
    typical : float
        Median of the lognormal distribution that diameters are drawn from, nm; small ones find
        room more often than large ones.
    spread : float
        Standard deviation of the logarithm of the diameter.
    gap : (float, float)
        Smallest gap, and the mean of what a gap exceeds it by (exponential), nm.
    touching : float
        Share of the particles that are placed in touch with a neighbour.
    covered : float
        Share of the field that is no bare region.
    bare_size : float
        Typical size of a region, nm.
    facets : float
        How far outlines are from circles to polygons, 0 to 1.
    """

    diameter: tuple[float, float] = (5.0, 150.0)
    typical: float = 95.0
    spread: float = 0.35
    gap: tuple[float, float] = (6.0, 2.0)
    touching: float = 0.12
    covered: float = 0.94
    bare_size: float = 700.0
    facets: float = 0.8


@dataclass(frozen=True)
class Surface:
    """How many secondary electrons gold and carbon give off.

    Attributes
    ----------
    carbon : float
        Yield of carbon where that of flat gold is 1.
    carbon_grain : float
        Standard deviation of the carbon's yield, as a share of it.
    grain_size : float
        Standard deviation of the Gaussian that makes the grain, nm.
    rim : float
        How much brighter gold is at an edge (edge effect).
    rim_length : float
        Depth behind the edge at which that has fallen to 1/e, nm.
    shadow : float
        How much darker carbon is right beside a particle.
    shadow_length : float
        Distance at which that has fallen to 1/e, nm.
    groove : float
        How much darker the seam of two particles in touch is.
    """

    carbon: float = 0.22
    carbon_grain: float = 0.12
    grain_size: float = 9.0
    rim: float = 1.0
    rim_length: float = 7.0
    shadow: float = 0.25
    shadow_length: float = 12.0
    groove: float = 0.3


@dataclass(frozen=True)
class Gold(Specimen):
    """Particles that stay where they are; sizes, currents and times of de Haan et al. 2019."""

    title = "gold nanoparticles on carbon"
    shape = (780, 924)
    pixel_size = 7.1
    spot = 12.5
    dwell = 30.0
    detected = 0.006

    layout: Layout = Layout()
    surface: Surface = Surface()

    def draw(self, *, origin, end, shape, step, seed):
        """Return electrons and particles; see `Specimen.draw`."""
        from acuity.simulate.particles import layout, render

        field = (*(o - _BEYOND for o in origin), *(e + _BEYOND for e in end))
        table = layout(field, self.layout, seed=seed)
        fine = render(table, self.surface, origin=origin, shape=shape, step=step, seed=seed)
        return fine, table


SPECIMEN = Gold
