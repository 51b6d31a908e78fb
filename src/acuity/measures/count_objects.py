"""Objects of an image: how many of the true ones it has, how many of its own are true, their sizes."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Metric, Project

SUMMARY = ("summary",)  # on pages the verdict has columns of its own for objects


class CountObjects(Measure):
    """Pores of an image, tabulated and matched with the true ones."""

    order, column_order = 10, 50
    own_rule = True  # it works in slabs
    needs = ("labels",)
    assumes = Assumes(cubes="sphericity_lindblad is left out", units="the volume's")
    tables = ("census", "pores", "status")
    metrics = (
        Metric("pores_found_ratio", "Found ratio", better="", on=SUMMARY),
        Metric("pore_recall", "Recall", better="higher", interval=True, on=SUMMARY),
        Metric("pore_precision", "Precision", better="higher", interval=True, on=SUMMARY),
        Metric("pore_f1", "F1", better="higher", on=SUMMARY),
        # where there is no wall, or nothing lies at it, it would say the same again
        Metric("pore_f1_off_rim", "F1 off the wall", better="higher", unlike="pore_f1", on=SUMMARY),
        Metric("porosity_error", "Porosity error", better="nearer 0", on=SUMMARY),
        Metric("sphericity_mesh", "Sphericity", digits=4, on=SUMMARY),
    )

    def applies(self, project: Project, sample: str, image: str):
        return bool(project.study.segment) and sample not in project.restore

    def gathered(self, project: Project, sample: str, image: str):
        figures = ["segment", "census", *["nlm"] * project.smoothed(image)]
        return [("tables", name) for name in figures] + [("pores", "pores"), ("status", "status")]


MEASURE = CountObjects()
