"""Objects of an image that has no truth: how many, how large and how round they are; nothing is judged."""

from acuity.assumptions import Assumes
from acuity.measures.base import LENGTH, Measure, Metric, Project
from acuity.volume import Volume

SUMMARY = ("summary",)  # the page of a restored sample has a table of its own for them


class Objects(Measure):
    """Table of an image's objects, and figures over all of them."""

    order, column_order = 15, 55
    needs = ("labels",)
    assumes = Assumes(cubes="sphericity_lindblad is left out", units="the volume's")
    tables = ("objects", "object_table")
    metrics = (
        Metric(
            "objects_number",
            "Number",
            short="Objects",
            digits=0,
            on=SUMMARY,
            help="How many objects the automatic segmentation shows, those that the volume's faces cut among "
            "them.",
        ),
        Metric(
            "objects_edge_share",
            "At the edge",
            short="Objects at the edge",
            digits=2,
            on=SUMMARY,
            percent=True,
            help="Share of the objects that the volume's faces cut, or that touch the wall of the cylinder in "
            "which objects were sought. Their size and shape are not known, and the next two figures leave them "
            "out.",
        ),
        Metric(
            "objects_diameter_median",
            "Median diameter",
            unit=LENGTH,
            digits=4,
            page_digits=2,
            on=SUMMARY,
            help="Half of the whole objects are smaller: diameter of the sphere of an object's volume.",
        ),
        Metric(
            "objects_sphericity",
            "Mean sphericity",
            digits=4,
            page_digits=3,
            on=SUMMARY,
            help="How round the whole objects are, by their meshes: 1 is a sphere.",
        ),
        Metric(
            "objects_porosity",
            "Porosity",
            digits=4,
            page_digits=3,
            on=SUMMARY,
            percent=True,
            help="Share of pore space in what was segmented. Air around a specimen counts, where it is in the "
            "volume.",
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        return bool(project.study.segment) and sample in project.restore

    def gathered(self, project: Project, sample: str, image: str):
        figures = ["segment", "objects", *["nlm"] * project.smoothed(image)]
        return [("tables", name) for name in figures] + [("pores", "object_table")]

    def cfg(self, project: Project, sample: str, image: str):
        return {"objects": project.objects, "mask_radius": project.kind.mask_radius(1, sample)}

    def run(self, labels: Volume, objects: str, mask_radius: float | None):
        from acuity.measure.objects import volume_objects

        return volume_objects(labels, objects=objects, mask_radius=mask_radius)


MEASURE = Objects()
