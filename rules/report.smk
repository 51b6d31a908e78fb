"""Report: pages for people who never open a terminal, and the same figures for Snakemake's own.

Needs  the tables of the study; for a sample's figures its volumes, labels and maps; for a stack's the
       tables of its alignment; for those of an image its pair and tables of gaps and spectra
Makes  figures/*.png, figures/{sample}/*.png, and beside each figure X.json, which pages show;
       judged.json, figures/{sample}/stack.json, what is judged beside objects; report/index.html,
       report/{sample}.html, report/stack/{sample}.html, report/axial/{sample}.html,
       report/sem/{sample}.html
"""


rule figures:
    """Draw the study's figures."""
    input:
        **sealed(**files(STUDY_TABLES), **HISTORIES, seen=seen()),
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
            "training_samples": PROJECT.taught,
            "folder": results("figures"),
            "names": list(DRAWN),
            "further": FURTHER_FIGURES["study"],
            "words": WORDS,
            **({"restored_samples": list(RESTORE)} if RESTORE else {}),
        },
        page="drawn.study",
        code=lambda w: code_digest(
            "figures", page="drawn.study", figures=tuple(FURTHER_FIGURES["study"])
        ),
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
            unpack(
                lambda w, page=page: sealed(
                    **files(PROJECT.drawn_files(page, w.sample)), seen=seen()
                )
            ),
        output:
            *(
                drawn(name, about.category, folder="{sample}/", subcategory="{sample}")
                for name in about.figures
            ),
            **(about.judged if page == "stack" else {}),
            beside=[beside(f"{{sample}}/{name}") for name in about.figures],
        log:
            logs("figures/{sample}" + (f"-{page}" if page != "sample" else "")),
        wildcard_constraints:
            sample=either(about.samples),
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
            code=lambda w, page=page, about=about: code_digest(
                "figures", page=f"drawn.{page}", figures=about.further
            ),
        message:
            f"{{wildcards.sample}}: draw its {about.drawn}"
        script:
            "../scripts/figures.py"

    rule:
        """Write one page of a sample."""
        name:
            f"report_{page}"
        input:
            unpack(
                lambda w, page=page: sealed(
                    **files(PROJECT.page_tables(page, w.sample))
                )
            ),
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
            logs("report/{sample}" if page == "sample" else f"report/{page}/{{sample}}"),
        wildcard_constraints:
            sample=either(about.samples),
        conda:
            ENVIRONMENT
        resources:
            **resources_for(f"report_{page}"),
        params:
            page=module_of(page),
            cfg=lambda w, page=page, about=about: {
                "sample": w.sample,
                **told(page, w.sample),
                **about.page_cfg,
            },
            columns=PROJECT.columns if page in ("sample", "restored", "sem") else None,
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
            **tables(metrics="metrics"),
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
        **sealed(
            metrics=results("metrics.tsv"),
            trainings=[results("trainings.tsv")] if AGAIN else [],
            warnings=results("warnings.tsv"),
            seen=seen(),
        ),
        **CARDS,
        **FURTHER_CARDS,
        **files(PROJECT.shown_volumes(*SHOWN)),
        drawings=[beside(name) for name in STUDY_FIGURES if METHODS],
        judged=[beside(f"{sample}/stack") for sample in FURTHER["stack"]] + JUDGED,
        pages=PAGES,
        picture=figure(PROJECT.first_picture()[0]),
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
            "restored_samples": RESTORE,
            "methods": METHODS,
            "shown": PROJECT.first_picture()[1],
            "further": {
                sample: further_of(sample)
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
