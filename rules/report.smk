"""Report: pages for people who never open a terminal, and the same figures for Snakemake's own.

Needs  the tables of the study; for a sample's figures its volumes, labels and maps; for a stack's the
       tables of its alignment; for those of an image its pair and tables of gaps and spectra
Makes  figures/*.png, figures/{sample}/*.png, and beside each figure X.json, which pages show;
       judged.json, figures/{sample}/stack.json, what is judged beside objects; report/index.html,
       report/{sample}.html, report/stack/{sample}.html, report/axial/{sample}.html,
       report/sem/{sample}.html
"""

from typing import NamedTuple


def figure(name):
    """The file of a figure, and beside it its SVG."""
    return local(results(f"figures/{name}.png"))


def drawn(name, category, folder="", **more):
    """A figure, with what Snakemake's own report says of it."""
    return report(
        figure(folder + name),
        caption=f"../config/captions/{name}.rst",
        category=category,
        labels={"figure": name.replace("_", " ")},
        **more,
    )


def beside(name):
    """What lies beside a figure, for pages: title, caption, legend and what they show of it."""
    return local(results(f"figures/{name}.json"))


STUDY_FIGURES = {
    "quality": "Image quality",
    "ms_ssim": "Image quality",
    "resolution": "Image quality",
    "pores_found": "Pores",
    "pore_fates": "Pores",
    "recall_by_size": "Pores",
    "precision_by_size": "Pores",
    "pore_sizes": "Pores",
    "sphericity": "Pores",
    "pore_space": "Pores",
    "training_psnr": "Training",
    "training_loss": "Training",
    "training_adversaries": "Training",
}
DRAWN = {
    name: category
    for name, category in STUDY_FIGURES.items()
    if METHODS
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
    "training_samples": TRAIN,
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
PICTURED = ("slices", "maps", "pores")[: 3 if STUDY.segment else 1 + KIND.pixelwise]
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


SAMPLE_PAGES = {
    "sample": SamplePage(
        PICTURED,
        "Samples",
        "pictures",
        "{sample}",
        SHOWN,
        judged={"judged": [STACK_JUDGED] * bool(FURTHER["stack"]) + JUDGED},
        drawing_cfg={
            "names": list(PICTURED),
            "words": {key: WORDS[key] for key in ("level_format", "noun")},
        },
        page_cfg={**REPORTED, "words": WORDS},
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
}


def stated(section):
    """What a study or a row of its sample sheet states, and its defaults."""
    return section.model_dump(mode="json", exclude_none=True)


def page_of(page, sample="{sample}"):
    """The path of a sample's page, below report/ and without ending."""
    return sample if page == "sample" else f"{page}/{sample}"


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


rule figures:
    """Draw the study's figures."""
    input:
        seals_of(seen()),
        seals_of(files(STUDY_TABLES)),
        seals_of(HISTORIES),
        **files(STUDY_TABLES),
        **HISTORIES,
        seen=seen(),
    output:
        *(drawn(name, category) for name, category in DRAWN.items()),
        beside=[beside(name) for name in STUDY_FIGURES],
    log:
        logs("figures"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("figures"),
    params:
        cfg={
            "training_samples": TRAIN,
            "folder": results("figures"),
            "names": list(DRAWN),
            "words": WORDS,
        },
        page="drawn.study",
        code=lambda w: code_digest("figures", page="drawn.study"),
    message:
        "Draw the study's figures"
    script:
        "../scripts/figures.py"


for page, about in SAMPLE_PAGES.items():

    rule:
        """Draw the figures of one sample's page."""
        name:
            f"{page}_figures"
        input:
            seals_of(seen()),
            lambda w, page=page: seals_of(files(PROJECT.drawn_files(page, w.sample))),
            unpack(lambda w, page=page: files(PROJECT.drawn_files(page, w.sample))),
            seen=seen(),
        output:
            *(
                drawn(name, about.category, folder="{sample}/", subcategory="{sample}")
                for name in about.figures
            ),
            **(about.judged if page == "stack" else {}),
            beside=[beside(f"{{sample}}/{name}") for name in about.figures],
        log:
            logs("figures/{sample}" + (f"-{page}" if page in FURTHER else "")),
        conda:
            ENVIRONMENT
        resources:
            **resources_for(f"{page}_figures"),
        params:
            cfg=lambda w, page=page, about=about: {
                "sample": w.sample,
                "folder": results(f"figures/{w.sample}"),
                **about.drawing_cfg,
            },
            columns=PROJECT.columns if page == "sem" else None,
            page=f"drawn.{page}",
            code=lambda w, page=page: code_digest("figures", page=f"drawn.{page}"),
        message:
            f"{{wildcards.sample}}: draw its {about.drawn}"
        script:
            "../scripts/figures.py"

    rule:
        """Write one page of a sample."""
        name:
            f"report_{page}"
        input:
            lambda w, page=page: seals_of(files(PROJECT.page_tables(page, w.sample))),
            unpack(lambda w, page=page: files(PROJECT.page_tables(page, w.sample))),
            **about.judged,
            drawings=[beside(f"{{sample}}/{name}") for name in about.figures],
        output:
            report(
                results(f"report/{page_of(page)}.html"),
                caption=f"../config/captions/{page}.rst",
                category="Pages",
                labels={"page": about.label},
            ),
        log:
            logs(f"report/{page_of(page)}"),
        conda:
            ENVIRONMENT
        resources:
            **resources_for(f"report_{page}"),
        params:
            page=module_of(page),
            cfg=lambda w, page=page, about=about: {
                "sample": w.sample,
                **({"row": stated(SAMPLE[w.sample])} if page == "sample" else {}),
                **about.page_cfg,
            },
            columns=PROJECT.columns if page in ("sample", "sem") else None,
            code=lambda w, page=page: code_digest("page", page=module_of(page)),
        message:
            "{wildcards.sample}: write "
            + (f"the page of its {about.drawn}" if page in FURTHER else "its page")
        script:
            "../scripts/page.py"


if KIND.page:

    rule judge:
        """Say of each sample what its further page judges."""
        input:
            seals("metrics"),
            metrics=results("metrics.tsv"),
        output:
            results("judged.json"),
        log:
            logs("judge"),
        conda:
            ENVIRONMENT
        resources:
            **resources_for("judge"),
        params:
            cfg={},
            code=lambda w: code_digest(f"judge_{KIND.page}"),
        message:
            "Say what is judged beside objects"
        script:
            f"../scripts/judge_{KIND.page}.py"


rule report:
    """Write the report's first page."""
    input:
        seals_of(seen()),
        seals("metrics", "warnings"),
        seals("trainings") if AGAIN else [],
        **CARDS,
        **FURTHER_CARDS,
        **files(PROJECT.shown_volumes(*SHOWN)),
        metrics=results("metrics.tsv"),
        drawings=[beside(name) for name in STUDY_FIGURES if METHODS],
        judged=[beside(f"{sample}/stack") for sample in FURTHER["stack"]] + JUDGED,
        trainings=[results("trainings.tsv")] if AGAIN else [],
        warnings=results("warnings.tsv"),
        pages=PAGES,
        picture=figure(PROJECT.first_picture()[0]),
        seen=seen(),
    output:
        report(
            results("report/index.html"),
            caption="../config/captions/index.rst",
            category="Pages",
            labels={"page": "verdict"},
        ),
    log:
        logs("report"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("report"),
    params:
        cfg={
            "settings": stated(STUDY),
            "sheet": [stated(row) for row in SAMPLES],
            "command": f"snakemake --configfile {STUDY_FILE}",
            "restored_samples": list(RESTORE),
            "shown": PROJECT.first_picture()[1],
            "further": {
                sample: [
                    [SAMPLE_PAGES[page].title, f"{page}/{sample}.html"]
                    for page, samples in FURTHER.items()
                    if sample in samples
                ]
                for sample in dict.fromkeys(sum(FURTHER.values(), []))
            },
            **REPORTED,
            "words": WORDS,
        },
        page="index",
        columns=PROJECT.columns,
        code=lambda w: code_digest("page", page="index"),
    message:
        "Write the report"
    script:
        "../scripts/page.py"
