"""The foam section: simulated foams and how they are scanned."""

from typing import Literal, Self

from pydantic import model_validator

from acuity.settings import Section, setting
from acuity.simulate.settings import Beam, Body, Pores
from acuity.study.lengths import Length


class Foam(Section):
    """Simulated foam phantoms, scanned in cone-beam geometry (Pelt et al. 2022; Bukka et al. 2025).

    The acquisition is the same in all studies: source to axis 4 N, source to detector 8 N,
    detector pixel 2, N views over 360 degrees for a volume of N^3.
    """

    size: int = setting(..., "Side N of the cubic volume", "voxel", ge=32, le=2048)
    voxel_size: Length = setting(
        "1 um", "Edge of a voxel, with its unit (nm, um or mm)", "in the value"
    )
    cylinder_radius: float = setting(
        Body.cylinder_radius, "Radius of the foam's cylinder", "fraction of size", gt=0.1, le=0.47
    )
    diameter: tuple[float, float] = setting(
        Pores.diameter, "Smallest and largest pore diameter", "voxel"
    )
    small_below: float = setting(
        Pores.small_below, "Pores below this diameter are the small ones", "voxel", gt=0
    )
    small_fraction: float = setting(Pores.small_fraction, "Share of small pores", "1", ge=0, le=0.9)
    min_gap: float = setting(
        Pores.min_gap, "Least gap between the surfaces of two pores, and to the wall", "voxel", ge=0
    )
    max_pores: int | None = setting(Pores.max_pores, "Most pores; none: as many as fit", "1", ge=1)
    photons: float = setting(Beam.photons, "Photons a detector pixel in the open beam", "1", gt=0)
    peak_attenuation: float = setting(
        Beam.peak_attenuation, "Line integral through the solid cylinder's diameter", "1", gt=0
    )
    blur_domain: Literal["intensity", "attenuation"] = setting(
        Beam.blur_domain, "What the detector's Gaussian blur acts on"
    )
    target_level: float = setting(
        1.0,
        "Level of the training target: standard deviation of its blur",
        "detector pixel",
        ge=0.01,
    )
    truth_views: int = setting(
        12,
        "Noiseless views of the reference reconstruction, as a multiple of size",
        "size",
        ge=1,
        le=64,
    )
    backend: Literal["numba", "rtk"] = setting("numba", "Implementation of the FDK reconstruction")

    @model_validator(mode="after")
    def _diameters(self) -> Self:
        low, high = self.diameter
        if not 2 <= low < high <= self.size:
            raise ValueError(
                f"diameter {list(self.diameter)}: smallest and largest must satisfy 2 <= smallest < largest <= size ({self.size})"
            )
        if not low <= self.small_below <= high:
            raise ValueError(
                f"small_below {self.small_below:g}: it must lie between the smallest and the largest diameter ({low:g} to {high:g})"
            )
        return self
