"""The figures and pages of a study, and what they are told.

Needs  PROJECT
Makes  SAMPLE_PAGES, paths of figures and pages, cfg of the rules of report.smk
"""

from typing import NamedTuple

from acuity.report.plots.base import further


def figure(name):
    """The file of a figure, and beside it its SVG."""
    return local(results(f"figures/{name}.png"))


def drawn(name, category, folder="", **more):
    """A figure, with what Snakemake's own report says of it; of a further one its page alone does."""
    captioned = (ROOT / "config" / "captions" / f"{name}.rst").exists()
    return report(
        figure(folder + name),
        caption=f"../config/captions/{name}.rst" if captioned else None,
        category=category,
        labels={"figure": name.replace("_", " ")},
        **more,
    )


def beside(name):
    """What lies beside a figure, for pages: title, caption, legend and what they show of it."""
    return local(results(f"figures/{name}.json"))


STUDY_FIGURES = {
    name: category
    for category, names in {
        "Image quality": "quality ms_ssim resolution",
        "Pores": "pores_found pore_fates recall_by_size precision_by_size pore_sizes sphericity pore_space",
        "Training": "training_psnr training_loss training_adversaries",
    }.items()
    for name in names.split()
}
PICTURED = ("slices", "maps", "pores")
try:
    FURTHER_FIGURES = {
        "study": further("study", STUDY_FIGURES),
        "sample": further("sample", PICTURED),
    }
except AcuityError as error:
    raise WorkflowError(str(error))
STUDY_FIGURES |= dict.fromkeys(FURTHER_FIGURES["study"], "Further")
# What was restored without a truth is in no figure of the study.
COMPARED = [sample for sample in SHOWN if sample not in RESTORE]
DRAWN = {
    name: category
    for name, category in STUDY_FIGURES.items()
    if METHODS
    and (COMPARED or (category == "Training" and PROJECT.trained))
    and (STUDY.segment or category != "Pores")
    and name not in KIND.figures_left_out
    and (KIND.pixelwise or category != "Image quality")
    and (name != "training_adversaries" or any(map(PROJECT.adversarial, METHODS)))
}
FURTHER = PROJECT.further_pages()
WORDS = {
    "level_format": KIND.level_format,
    "level_title": KIND.level_title,
    "noun": "pore" if PROJECT.objects == "dark" else "grain",
}
REPORTED = {
    "study": STUDY.study,
    "title": STUDY.title,
    "samples": SHOWN,
    "training_samples": PROJECT.taught,
    "learned": PROJECT.learners,
    "trainings": 1 + len(STUDY.training_seeds),
}
HISTORIES = files(PROJECT.trained_files("history.tsv"))
CARDS = files(PROJECT.trained_files("model.json"))
FURTHER_CARDS = files(
    PROJECT.trained_files("model.json", [(m, level) for m in AGAIN for level in LEVELS])
)
JUDGED = [results("judged.json")] if KIND.page else []
STACK_JUDGED = beside("{sample}/stack")
PICTURED = PICTURED[: 3 if STUDY.segment else 1 + KIND.pixelwise]
BACK = {"study": STUDY.study, "title": STUDY.title, "index": "../index.html"}


def captioned(page):
    """The figures of a page: those that have a caption, whose name begins with the page's."""
    found = (ROOT / "config" / "captions").glob(f"{page}_*.rst")
    return tuple(sorted(path.stem for path in found))


class SamplePage(NamedTuple):
    """A page of a sample, and the figures on it.

    What differs between the pages: their figures, words about them, who has such a page, and what
    its jobs are told beside the sample.
    """

    figures: tuple[str, ...]
    category: str
    drawn: str
    label: str
    samples: list[str]
    judged: dict = {}
    title: str = ""
    drawing_cfg: dict = {}
    page_cfg: dict = {}
    further: tuple[str, ...] = ()


STACKED = [STACK_JUDGED] * bool(FURTHER["stack"])
SAMPLE_PAGES = {
    "sample": SamplePage(
        (*PICTURED, *FURTHER_FIGURES["sample"]),
        "Samples",
        "pictures",
        "{sample}",
        COMPARED,
        judged={"judged": STACKED + JUDGED},
        drawing_cfg={
            "names": list(PICTURED),
            "further": FURTHER_FIGURES["sample"],
            "words": {key: WORDS[key] for key in ("level_format", "noun")},
        },
        page_cfg={**REPORTED, "words": WORDS},
        further=tuple(FURTHER_FIGURES["sample"]),
    ),
    "restored": SamplePage(
        (*captioned("restored"), *FURTHER_FIGURES["sample"]),
        "Samples",
        "pictures",
        "{sample}, restored",
        [sample for sample in SHOWN if sample in RESTORE],
        judged={"judged": STACKED},
        drawing_cfg={
            "further": FURTHER_FIGURES["sample"],
            "words": {key: WORDS[key] for key in ("level_format", "noun")},
        },
        page_cfg={
            "study": STUDY.study,
            "title": STUDY.title,
            "samples": SHOWN,
            "methods": METHODS,
            "words": WORDS,
        },
        further=tuple(FURTHER_FIGURES["sample"]),
    ),
    "stack": SamplePage(
        captioned("stack"),
        "Stacks",
        "alignment",
        "{sample}: alignment",
        FURTHER["stack"],
        judged={"judged": STACK_JUDGED},
        title="Alignment",
        page_cfg=BACK | {"mode": STUDY.align and STUDY.align.mode},
    ),
    "axial": SamplePage(
        captioned("axial"),
        "Along z",
        "sections along z",
        "{sample}: along z",
        FURTHER["axial"],
        title="Along the milling direction",
        drawing_cfg={"data_range": STUDY.measure.data_range},
        page_cfg=BACK,
    ),
    "sem": SamplePage(
        captioned("sem"),
        "Images",
        "gaps and spectra",
        "{sample}: gaps and spectra",
        FURTHER["sem"],
        title="Images, gaps and spectra",
        drawing_cfg={"limits": PROJECT.pair_limits()},
        page_cfg=BACK,
    ),
    "pair": SamplePage(
        captioned("pair"),
        "Pairs",
        "registration",
        "{sample}: registration",
        FURTHER["pair"],
        title="Two scans of one object",
        page_cfg=BACK,
    ),
}


def stated(section):
    """What a study or a row of its sample sheet states, and its defaults."""
    return section.model_dump(mode="json", exclude_none=True)


def page_of(page, sample="{sample}"):
    """The path of a sample's page, below report/ and without ending."""
    return sample if page in ("sample", "restored") else f"{page}/{sample}"


def told(page, sample):
    """What the page of one sample is told that others of its kind are not."""
    if page not in ("sample", "restored"):
        return {}
    row = {"row": stated(SAMPLE[sample])}
    if page == "sample":
        return row
    level = RESTORE[sample]
    return {
        **row,
        "level": float(level),
        "given": {
            method: ", then ".join(map(str, PROJECT.given_models(method, level)))
            for method in PROJECT.given
        },
        "further": further_of(sample),
        "surroundings": PROJECT.objects == "dark"
        and KIND.mask_radius(1, sample) is None,
    }


def further_of(sample):
    """Title and path, from the first page, of a sample's further pages."""
    return [
        [SAMPLE_PAGES[page].title, f"{page}/{sample}.html"]
        for page, samples in FURTHER.items()
        if sample in samples
    ]


def module_of(page):
    """The module of acuity.report that writes a sample's page."""
    return page if page == "sample" else f"{page}_page"


PAGES = [
    results(f"report/{page_of(page, sample)}.html")
    for page, about in SAMPLE_PAGES.items()
    for sample in about.samples
]
FIGURES = [figure(name) for name in DRAWN] + [
    figure(f"{sample}/{name}")
    for about in SAMPLE_PAGES.values()
    for sample in about.samples
    for name in about.figures
]
