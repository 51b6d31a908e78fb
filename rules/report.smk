"""Report: pages for people who never open a terminal, and the same figures for Snakemake's own.

Needs  the tables of the study; for a sample's figures its volumes, labels and maps; for a stack's the
       tables of its alignment; for those of an image its pair and tables of gaps and spectra
Makes  figures/*.png, figures/{sample}/*.png, and beside each figure X.json, which pages show;
       judged.json, figures/{sample}/stack.json, what is judged beside objects; report/index.html,
       report/{sample}.html, report/stack/{sample}.html, report/axial/{sample}.html,
       report/sem/{sample}.html
"""

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
SAMPLE_FIGURES = ["slices", "maps", "pores"]
STACK_FIGURES = ("stack_path", "stack_ncc", "stack_residuals", "stack_views")
AXIAL_FIGURES = (
    "axial_scattering",
    "axial_shells",
    "axial_error",
    "axial_views",
    "axial_differences",
    "axial_patches",
    "axial_surface",
    "axial_disagreement",
)
SEM_FIGURES = (
    "sem_overlay",
    "sem_displacement",
    "sem_patches",
    "sem_crops",
    "sem_profiles",
    "sem_gaps",
    "sem_spectra",
)
DRAWN = {
    name: category
    for name, category in STUDY_FIGURES.items()
    if METHODS
    and (STUDY.segment or category != "Pores")
    and name not in KIND.figures_left_out
    and (KIND.pixelwise or category != "Image quality")
    and (name != "training_adversaries" or any(map(PROJECT.adversarial, METHODS)))
}
PICTURED = tuple(SAMPLE_FIGURES[: 3 if STUDY.segment else 1 + KIND.pixelwise])
FURTHER = PROJECT.further_pages()
STACKS = ALIGNMENT.stacks
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


STUDY_TABLES = {
    "metrics": results("metrics.tsv"),
    "pores": results("pores.tsv"),
    "curves": results("curves.tsv"),
    "spaces": results("pore_space.tsv"),
}
HISTORIES = files(PROJECT.trained_files("history.tsv"))
CARDS = files(PROJECT.trained_files("model.json"))
FURTHER_CARDS = files(
    PROJECT.trained_files("model.json", [(m, level) for m in AGAIN for level in LEVELS])
)
JUDGED = [results("judged.json")] if KIND.page else []

SAMPLES_OF = {
    PICTURED: SHOWN,
    STACK_FIGURES: FURTHER["stack"],
    AXIAL_FIGURES: FURTHER["axial"],
    SEM_FIGURES: FURTHER["sem"],
}
FIGURES = [figure(name) for name in DRAWN] + [
    figure(f"{sample}/{name}")
    for names, samples in SAMPLES_OF.items()
    for sample in samples
    for name in names
]
TITLES = {
    "stack": "Alignment",
    "axial": "Along the milling direction",
    "sem": "Images, gaps and spectra",
}
PAGES = [results(f"report/{sample}.html") for sample in SHOWN] + [
    results(f"report/{kind}/{sample}.html")
    for kind, samples in FURTHER.items()
    for sample in samples
]


rule figures:
    """Draw the study's figures."""
    input:
        seals_of(seen()),
        seals_of(STUDY_TABLES),
        seals_of(HISTORIES),
        **STUDY_TABLES,
        **HISTORIES,
        seen=seen(),
    output:
        *(
            report(
                figure(name),
                caption=f"../config/captions/{name}.rst",
                category=category,
                labels={"figure": name.replace("_", " ")},
            )
            for name, category in DRAWN.items()
        ),
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
        code=lambda w: code_digest("figures"),
    message:
        "Draw the study's figures"
    script:
        "../scripts/figures.py"


rule sample_figures:
    """Draw one sample's pictures."""
    input:
        seals_of(seen()),
        lambda w: seals_of(files(PROJECT.shown_files(w.sample))),
        unpack(lambda w: files(PROJECT.shown_files(w.sample))),
        unpack(lambda w: files(PROJECT.learned_from(w.sample))),
        seen=seen(),
    output:
        *(
            report(
                figure(f"{{sample}}/{name}"),
                caption=f"../config/captions/{name}.rst",
                category="Samples",
                subcategory="{sample}",
                labels={"figure": name},
            )
            for name in PICTURED
        ),
        beside=[beside(f"{{sample}}/{name}") for name in PICTURED],
    log:
        logs("figures/{sample}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("sample_figures"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "folder": results(f"figures/{w.sample}"),
            "names": list(PICTURED),
            "words": {key: WORDS[key] for key in ("level_format", "noun")},
        },
        code=lambda w: code_digest("sample_figures"),
    message:
        "{wildcards.sample}: draw its pictures"
    script:
        "../scripts/sample_figures.py"


rule report_sample:
    """Write one sample's page."""
    input:
        seals("metrics", "pores", "curves", "pore_space"),
        **STUDY_TABLES,
        drawings=[beside(f"{{sample}}/{name}") for name in PICTURED],
        judged=[beside("{sample}/stack")] * bool(STACKS) + JUDGED,
    output:
        report(
            results("report/{sample}.html"),
            caption="../config/captions/sample.rst",
            category="Pages",
            labels={"page": "{sample}"},
        ),
    log:
        logs("report/{sample}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("report_sample"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "row": SAMPLE[w.sample].model_dump(mode="json", exclude_none=True),
            **REPORTED,
            "words": WORDS,
        },
        columns=PROJECT.columns,
        code=lambda w: code_digest("report_sample"),
    message:
        "{wildcards.sample}: write its page"
    script:
        "../scripts/report_sample.py"


rule stack_figures:
    """Draw what was done to a stack."""
    input:
        seals_of(seen()),
        lambda w: seals_of(files(ALIGNMENT.page_files(w.sample))),
        unpack(lambda w: files(ALIGNMENT.page_files(w.sample))),
        seen=seen(),
    output:
        *(
            report(
                figure(f"{{sample}}/{name}"),
                caption=f"../config/captions/{name}.rst",
                category="Stacks",
                subcategory="{sample}",
                labels={"figure": name.replace("_", " ")},
            )
            for name in STACK_FIGURES
        ),
        beside=[beside(f"{{sample}}/{name}") for name in STACK_FIGURES],
        judged=beside("{sample}/stack"),
    log:
        logs("figures/{sample}-stack"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("stack_figures"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "folder": results(f"figures/{w.sample}"),
        },
        code=lambda w: code_digest("stack_figures"),
    message:
        "{wildcards.sample}: draw its alignment"
    script:
        "../scripts/stack_figures.py"


rule report_stack:
    """Write the page of a stack."""
    input:
        lambda w: seals_of(files(ALIGNMENT.page_files(w.sample)["slices"])),
        slices=lambda w: files(ALIGNMENT.page_files(w.sample)["slices"]),
        drawings=[beside(f"{{sample}}/{name}") for name in STACK_FIGURES],
        judged=beside("{sample}/stack"),
    output:
        report(
            results("report/stack/{sample}.html"),
            caption="../config/captions/stack.rst",
            category="Pages",
            labels={"page": "{sample}: alignment"},
        ),
    log:
        logs("report/stack/{sample}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("report_stack"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "study": STUDY.study,
            "title": STUDY.title,
            "mode": STUDY.align.mode,
            "index": "../index.html",
        },
        code=lambda w: code_digest("report_stack"),
    message:
        "{wildcards.sample}: write the page of its alignment"
    script:
        "../scripts/report_stack.py"


rule axial_figures:
    """Draw what was restored along z."""
    input:
        seals_of(seen()),
        seals("metrics"),
        lambda w: seals_of(files(PROJECT.curves(w.sample, "scattering_curve"))),
        lambda w: seals_of(files(PROJECT.curves(w.sample, "fsc_curve"))),
        unpack(lambda w: files(PROJECT.shown_volumes(w.sample))),
        unpack(lambda w: files(PROJECT.curves(w.sample, "scattering_curve"))),
        unpack(lambda w: files(PROJECT.curves(w.sample, "fsc_curve"))),
        unpack(lambda w: files(PROJECT.disagreements(w.sample))),
        unpack(lambda w: files(PROJECT.learned_from(w.sample))),
        **CARDS,
        metrics=results("metrics.tsv"),
        seen=seen(),
    output:
        *(
            report(
                figure(f"{{sample}}/{name}"),
                caption=f"../config/captions/{name}.rst",
                category="Along z",
                subcategory="{sample}",
                labels={"figure": name.replace("_", " ")},
            )
            for name in AXIAL_FIGURES
        ),
        beside=[beside(f"{{sample}}/{name}") for name in AXIAL_FIGURES],
    log:
        logs("figures/{sample}-axial"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("axial_figures"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "data_range": STUDY.measure.data_range,
            "folder": results(f"figures/{w.sample}"),
        },
        code=lambda w: code_digest("axial_figures"),
    message:
        "{wildcards.sample}: draw its sections along z"
    script:
        "../scripts/axial_figures.py"


rule report_axial:
    """Write the page of what was restored along z."""
    input:
        seals("metrics"),
        **CARDS,
        metrics=results("metrics.tsv"),
        drawings=[beside(f"{{sample}}/{name}") for name in AXIAL_FIGURES],
    output:
        report(
            results("report/axial/{sample}.html"),
            caption="../config/captions/axial.rst",
            category="Pages",
            labels={"page": "{sample}: along z"},
        ),
    log:
        logs("report/axial/{sample}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("report_axial"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "study": STUDY.study,
            "title": STUDY.title,
            "index": "../index.html",
        },
        code=lambda w: code_digest("report_axial"),
    message:
        "{wildcards.sample}: write the page of its sections along z"
    script:
        "../scripts/report_axial.py"


rule sem_figures:
    """Draw what became of an image: its pair, gaps, spectra."""
    input:
        seals_of(seen()),
        seals("metrics"),
        lambda w: seals_of(files(KIND.page_files(w.sample))),
        unpack(lambda w: files(KIND.page_files(w.sample))),
        unpack(lambda w: files(PROJECT.learned_from(w.sample))),
        metrics=results("metrics.tsv"),
        seen=seen(),
    output:
        *(
            report(
                figure(f"{{sample}}/{name}"),
                caption=f"../config/captions/{name}.rst",
                category="Images",
                subcategory="{sample}",
                labels={"figure": name.replace("_", " ")},
            )
            for name in SEM_FIGURES
        ),
        beside=[beside(f"{{sample}}/{name}") for name in SEM_FIGURES],
    log:
        logs("figures/{sample}-sem"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("sem_figures"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "limits": PROJECT.pair_limits(),
            "folder": results(f"figures/{w.sample}"),
        },
        columns=PROJECT.columns,
        code=lambda w: code_digest("sem_figures"),
    message:
        "{wildcards.sample}: draw its gaps and spectra"
    script:
        "../scripts/sem_figures.py"


rule report_sem:
    """Write the page of an image: its pair, gaps, spectra."""
    input:
        seals("metrics"),
        metrics=results("metrics.tsv"),
        drawings=[beside(f"{{sample}}/{name}") for name in SEM_FIGURES],
    output:
        report(
            results("report/sem/{sample}.html"),
            caption="../config/captions/sem.rst",
            category="Pages",
            labels={"page": "{sample}: gaps and spectra"},
        ),
    log:
        logs("report/sem/{sample}"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("report_sem"),
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "study": STUDY.study,
            "title": STUDY.title,
            "index": "../index.html",
        },
        columns=PROJECT.columns,
        code=lambda w: code_digest("report_sem"),
    message:
        "{wildcards.sample}: write the page of its gaps and spectra"
    script:
        "../scripts/report_sem.py"


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
        judged=[beside(f"{sample}/stack") for sample in STACKS] + JUDGED,
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
            "settings": STUDY.model_dump(mode="json", exclude_none=True),
            "sheet": [s.model_dump(mode="json", exclude_none=True) for s in SAMPLES],
            "command": f"snakemake --configfile {STUDY_FILE}",
            "restored_samples": list(RESTORE),
            "shown": PROJECT.first_picture()[1],
            "further": {
                sample: [
                    [TITLES[kind], f"{kind}/{sample}.html"]
                    for kind, samples in FURTHER.items()
                    if sample in samples
                ]
                for sample in dict.fromkeys(sum(FURTHER.values(), []))
            },
            **REPORTED,
            "words": WORDS,
        },
        columns=PROJECT.columns,
        code=lambda w: code_digest("report"),
    message:
        "Write the report"
    script:
        "../scripts/report.py"
