"""Gaps between neighbouring particles that an image resolves (de Haan et al. 2019)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from acuity.assumptions import Assumes
from acuity.measures.base import Measure, Metric, Project
from acuity.volume import Volume

SUMMARY = ("summary",)
SHOWN = ("summary", "images")
factor = partial(Metric, digits=2, interval=True, on=SUMMARY, better="higher")


class Gaps(Measure):
    """Which of the truth's gaps an image shows, how wide, and which it invents."""

    order, column_order = 70, 10
    needs = ("image", "truth", "valid")
    bytes_a_voxel = 16
    assumes = Assumes(
        single="they are the peak of the particle that they lie in",
        units="nm",
        size="1 slice; square pixels",
    )
    tables = ("gap_summary", "gaps")
    gathers = (("tables", "gap_summary"), ("gaps", "gaps"))
    metrics = (
        Metric(
            "gaps_unresolved",
            "Gaps unresolved",
            source="gaps_unresolved_bootstrap",
            better="lower",
            interval=True,
            percent=True,
            on=SHOWN,
            help="Share of the gaps between neighbouring particles of the truth that the image does not "
            "show: its lowest value between the particles does not fall below 60 % of the peak. In "
            "brackets the 95 % interval, by the bootstrap over the gaps and, where there are several "
            "images, over these.",
        ),
        factor("gaps_unresolved_factor", "Times fewer"),
        Metric(
            "gap_error",
            "Gap error",
            unit="nm",
            digits=2,
            page_digits=1,
            better="lower",
            interval=True,
            on=SHOWN,
            help="Mean absolute difference of the gap widths (at 80 % of the peak) from the truth's, "
            "over gaps that both show.",
        ),
        factor("gap_error_factor", "Times smaller"),
        Metric(
            "gaps_invented",
            "Gaps invented",
            source="gaps_invented_bootstrap",
            better="lower",
            interval=True,
            percent=True,
            on=SHOWN,
            help="Share of the pairs of particles that touch in the truth and between which the image "
            "shows a gap.",
        ),
        Metric(
            "gaps_unresolved_matched",
            "Unresolved if as many were invented as in the input",
            short="Unresolved at the input's invented",
            better="lower",
            interval=True,
            percent=True,
            on=SHOWN,
            help="The share of gaps unresolved, had the image's contrast been such that it shows as many "
            "gaps between touching particles as the input does. A network that darkens all gaps gains "
            "nothing here.",
        ),
        Metric(
            "gap_auc", "Gaps told from touching, AUC", interval=True, on=SUMMARY, better="higher"
        ),
    )

    def applies(self, project: Project, sample: str, image: str):
        wanted = project.study.flat and project.study.measure.gaps is not None
        return wanted and sample not in project.restore

    def cfg(self, project: Project, sample: str, image: str):
        settings = project.study.measure.gaps.model_dump(mode="json")
        return settings | {"seed": project.seed_of(sample, "gaps")}

    def run(self, image: Volume, truth: Volume, valid: Volume | None = None, **settings: Any):
        from acuity.measure.gaps import volume_gaps

        return volume_gaps(image, truth, valid=valid, **settings)

    def checked(self, volumes: Mapping[str, Volume], cfg: Mapping[str, Any]):
        image = volumes["image"]
        return {"image": image, "truth": volumes["truth"].within(image.grid, "truth")}


MEASURE = Gaps()
