"""Porosity of a fine scan between two thresholds: how far its own segmentation may be off."""

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume


class PorosityRange(Measure):
    """Share of the fine scan's voxels on the pores' side of each of two thresholds.

    They lie a tenth of the distance between pores and solid below and above the one that is used
    (`acuity.pair.judge.UNCERTAIN`): where there is no exact truth, no difference within them can be told
    from none.
    """

    order, column_order = 105, 105
    needs = ("image",)
    assumes = Assumes()
    metrics = (
        Metric(
            "porosity_least",
            "Porosity, least",
            digits=4,
            on=(),
            help="Share of pores of the fine scan where the threshold is a tenth of the distance between pores "
            "and solid nearer to the pores.",
        ),
        Metric(
            "porosity_most",
            "Porosity, most",
            digits=4,
            on=(),
            help="The same with the threshold a tenth of that distance nearer to the solid.",
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        study = project.study
        return bool(study.segment) and study.paired_volumes and image == "truth"

    def run(self, image: Volume):
        """Return two rows; read slab by slab."""
        import numpy as np

        from acuity.volume import slabs

        between = image.provenance[-1]["threshold_between"]
        counts = np.zeros(2, np.int64)
        for z0, z1 in slabs(image.grid.shape[0], 16):
            block = image.read(slice(z0, z1))
            counts += [int(np.count_nonzero(block <= t)) for t in between]
        shares = counts / np.prod(image.grid.shape)
        return [
            {"metric": name, "subset": "all", "value": float(share), "unit": "1"}
            for name, share in zip(("porosity_least", "porosity_most"), shares, strict=True)
        ]


MEASURE = PorosityRange()
