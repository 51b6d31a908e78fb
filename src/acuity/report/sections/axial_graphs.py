"""Graphs by slice interval: errors, scattering functions, shell correlations."""

from acuity.report.axial import GRAPHS
from acuity.report.further import graphs

AXIAL_GRAPHS = graphs("Graphs", *GRAPHS)
