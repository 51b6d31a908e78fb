"""Graphs of what was found in a stack, and removed."""

from acuity.report.further import graphs
from acuity.report.stack import GRAPHS

STACK_GRAPHS = graphs("What was found and removed", *GRAPHS)
