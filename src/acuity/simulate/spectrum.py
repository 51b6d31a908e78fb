"""Attenuation of materials in the bins of an X-ray spectrum.

The coefficients of the elements are those of Elam, Ravel and Sieber (2002), which lie within 1 % of
NIST's XCOM from 10 to 150 keV for the elements here; `attenuation.tsv` holds them. A tube's spectrum
is Kramers' law behind its filter, and the detector adds up energies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from acuity.errors import AcuityError, require

_TABLE = Path(__file__).with_name("attenuation.tsv")
_LEAST = 5.0  # keV; below it nothing leaves the tube
_STEP = 0.1  # keV, of the sums over a bin


@dataclass(frozen=True)
class Material:
    """A material: density (g/cm3) and the share by mass of each element."""

    density: float
    elements: Mapping[str, float]


_EPOXY = {"C": 0.72, "H": 0.07, "O": 0.21}
_SILICA = {"Si": 0.4674, "O": 0.5326}


def _mixture(*parts: tuple[float, Mapping[str, float]]) -> dict[str, float]:
    """Return the elements of a mixture of materials, by mass."""
    mixed: dict[str, float] = {}
    for share, elements in parts:
        for name, value in elements.items():
            mixed[name] = mixed.get(name, 0.0) + share * value
    return mixed


MATERIALS = {
    "air": Material(0.0012, {"N": 0.76, "O": 0.24}),
    # Cell wall: cellulose (C6H10O5)n at the density of the wall itself.
    "cellulose": Material(1.5, {"C": 0.4445, "H": 0.0621, "O": 0.4934}),
    # Storage tissue of a dried seed: oil, protein and some starch.
    "tissue": Material(1.05, {"C": 0.62, "H": 0.09, "O": 0.24, "N": 0.05}),
    "wax": Material(0.93, {"C": 0.8563, "H": 0.1437}),
    # Crystals of calcium oxalate, CaC2O4 H2O, as plant cells keep them.
    "oxalate": Material(2.12, {"Ca": 0.2743, "C": 0.1644, "H": 0.0138, "O": 0.5475}),
    "silicon": Material(2.33, {"Si": 1.0}),
    "copper": Material(8.96, {"Cu": 1.0}),
    "solder": Material(7.37, {"Sn": 0.965, "Ag": 0.035}),
    "epoxy": Material(1.2, _EPOXY),
    "silica": Material(2.2, _SILICA),
    "mould": Material(1.9, _mixture((0.2, _EPOXY), (0.8, _SILICA))),
    "laminate": Material(1.8, _mixture((0.45, _EPOXY), (0.55, _SILICA))),
    "aluminium": Material(2.7, {"Al": 1.0}),
}


@dataclass(frozen=True)
class Spectrum:
    """What a detector weighs, bin by bin, and what materials do to it.

    Attributes
    ----------
    weights : numpy.ndarray
        (bin,), share of the open beam's signal; the sum is 1.
    attenuation : numpy.ndarray
        (material, bin), 1/um.
    energies : numpy.ndarray
        (bin,), mean energy of the signal, keV.
    """

    weights: np.ndarray
    attenuation: np.ndarray
    energies: np.ndarray

    def transmission(self, lengths: np.ndarray) -> np.ndarray:
        """Return the share of the open beam's signal behind given lengths of the materials.

        Parameters
        ----------
        lengths : numpy.ndarray
            (view, material, v, u), um.

        Returns
        -------
        numpy.ndarray
            (view, v, u), float64.
        """
        out = np.zeros((lengths.shape[0], *lengths.shape[2:]))
        for weight, attenuation in zip(self.weights, self.attenuation.T, strict=True):
            line = np.zeros_like(out)
            for m in np.flatnonzero(attenuation):
                line += attenuation[m] * lengths[:, m]
            np.exp(-line, out=line)
            out += weight * line
        return out

    @property
    def effective(self) -> np.ndarray:
        """Attenuation of a thin layer of each material, 1/um."""
        return self.attenuation @ self.weights


def spectrum(
    voltage: float,
    materials: Sequence[str],
    *,
    filters: Sequence[tuple[str, float]] = (),
    bins: int = 8,
    density: float = 1.0,
) -> Spectrum:
    """Return the spectrum of a scan, in bins of equal width.

    Parameters
    ----------
    voltage : float
        Of the tube, kV.
    materials : sequence of str
        Names in `MATERIALS`, that of material 0 first; what air absorbs is taken as nothing.
    filters : sequence of (str, float)
        Name and thickness (um) of each filter between source and specimen.
    bins : int
        Number of bins between 5 keV and the voltage.
    density : float
        Factor on the density of all materials. A specimen of few voxels absorbs what one of many
        absorbs when it is as many times denser.

    Returns
    -------
    Spectrum
        Weights and attenuations.

    Raises
    ------
    AcuityError
        If the voltage is out of range, a material is not known or a number is below 0.
    """
    require(10 <= voltage <= 160, f"voltage is {voltage:g} kV; 10 to 160 kV is allowed")
    require(1 <= bins <= 64, f"bins is {bins}; 1 to 64 is allowed")
    require(density > 0, f"density is {density}; a factor above 0 is needed")
    number = round((voltage - _LEAST) / _STEP)
    edges = np.linspace(_LEAST, voltage, number + 1)
    energy = 0.5 * (edges[1:] + edges[:-1])
    # Kramers: photons in proportion to (E0 - E) / E; the detector weighs each with its energy.
    signal = voltage - energy
    for name, thickness in filters:
        require(
            thickness >= 0, f"the filter of {name} is {thickness:g} um thick; 0 or more is needed"
        )
        signal = signal * np.exp(-attenuation(name, energy) * thickness)
    which = np.minimum(bins * (energy - _LEAST) / (voltage - _LEAST), bins - 1).astype(int)
    weights = np.bincount(which, signal, bins)
    absorbs = [
        np.zeros(bins)
        if name == "air"
        else density
        * np.bincount(which, signal * attenuation(name, energy), bins)
        / np.maximum(weights, np.finfo(float).tiny)
        for name in materials
    ]
    means = np.bincount(which, signal * energy, bins) / np.maximum(weights, np.finfo(float).tiny)
    return Spectrum(weights / weights.sum(), np.array(absorbs), means)


def attenuation(material: str, energy: np.ndarray) -> np.ndarray:
    """Return the linear attenuation of a material.

    Parameters
    ----------
    material : str
        Name in `MATERIALS`.
    energy : numpy.ndarray
        keV, within the table.

    Returns
    -------
    numpy.ndarray
        1/um, interpolated between the table's energies in both logarithms.

    Raises
    ------
    AcuityError
        If the material is not known.
    """
    if material not in MATERIALS:
        raise AcuityError(f"material {material!r} is not known; allowed are {', '.join(MATERIALS)}")
    of = MATERIALS[material]
    total = np.zeros(np.shape(energy))
    for element, share in of.elements.items():
        energies, values = _elements()[element]
        total = total + share * np.exp(np.interp(np.log(energy), np.log(energies), np.log(values)))
    return total * of.density * 1e-4


@cache
def _elements() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Energies (keV) and mass attenuation (cm2/g) of each element of the table."""
    rows = [line.split("\t") for line in _TABLE.read_text().splitlines() if line[0] != "#"][1:]
    names = dict.fromkeys(row[0] for row in rows)
    return {
        name: tuple(np.array([[float(a), float(b)] for n, a, b in rows if n == name]).T)
        for name in names
    }
