"""Settings of a simulated foam and of its scan."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Body:
    """A cylinder of solid in a cube of voxels.

    Attributes
    ----------
    size : int
        Side of the cube and height of the cylinder, voxels.
    cylinder_radius : float
        Radius of the cylinder as a fraction of `size`.
    voxel_size : float
        Physical size of a voxel.
    unit : str
        Unit of `voxel_size`.
    """

    size: int
    cylinder_radius: float = 0.45
    voxel_size: float = 1.0
    unit: str = "um"


@dataclass(frozen=True)
class Pores:
    """Which pores a foam has; lengths in voxels.

    Attributes
    ----------
    diameter : (float, float)
        Smallest and largest diameter of a pore.
    small_fraction : float
        Share (by number) of the pores whose diameter is below `small_below`.
    small_below : float
        Diameter that separates the small pores from the others.
    max_pores : int, optional
        Stop at this number of pores. By default the number is not limited.
    porosity : float, optional
        Stop when pores fill this share of the cylinder (pores cut by an end count by the part
        inside). By default the foam is filled until no other than small pores fit.
    min_gap : float
        Smallest distance between the surfaces of two pores, and of a pore and the lateral wall.
        Above the square root of 3 no voxel is shared by two pores, and above 1 two pores never
        merge when voxelised.
    trial_points : int, optional
        Number of trial points; by default one for 64 voxels, between 20,000 and 1,000,000.
    """

    diameter: tuple[float, float] = (6.0, 70.0)
    small_fraction: float = 0.1
    small_below: float = 15.0
    max_pores: int | None = None
    porosity: float | None = None
    min_gap: float = 2.0
    trial_points: int | None = None


@dataclass(frozen=True)
class Beam:
    """What a scan is made with.

    Attributes
    ----------
    photons : float, optional
        Photons in a pixel of the open beam; None for no noise.
    peak_attenuation : float
        Line integral through the solid cylinder's diameter.
    blur_domain : {"intensity", "attenuation"}
        Blur exp(-p), as a detector does, or p.
    """

    photons: float | None = 5000.0
    peak_attenuation: float = 2.0
    blur_domain: str = "intensity"
