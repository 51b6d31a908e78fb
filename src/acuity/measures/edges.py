"""How wide the edges of the truth are in an image."""

from acuity.assumptions import Assumes
from acuity.keys import split_image
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume


class Edges(Measure):
    """Edge spread of an image at the straight, isolated edges of its truth."""

    order, column_order = 60, 30
    needs = ("image", "truth", "valid")
    bytes_a_voxel = 16
    assumes = Assumes(units="nm", size="1 pixel; square pixels")
    metrics = (
        Metric(
            "edge_spread",
            "Edge spread",
            unit="nm",
            digits=2,
            page_digits=1,
            on=("summary", "images"),
            infinite="lost",
            help="Median distance over which the image rises from 20 to 80 % across the truth's "
            "straight, isolated edges; compare with the truth's own. Sharper than the truth is no gain.",
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        wanted = project.study.flat and project.study.measure.edges
        return wanted and sample not in project.restore

    def cfg(self, project: Project, sample: str, image: str):
        return {"repeated": project.kind.repeated(*split_image(image))}

    def run(self, image: Volume, truth: Volume, repeated: int, valid: Volume | None = None):
        from acuity.measure.edges import volume_edges

        return volume_edges(image, truth, valid=valid, repeated=repeated)[0]


MEASURE = Edges()
