"""Report: pages for people who never open a terminal, and the same figures for Snakemake's own.

Needs  the tables of the study; for a sample's page its volumes, labels and maps
Makes  figures/*.png, figures/{sample}/*.png, report/index.html, report/{sample}.html
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
}
SAMPLE_FIGURES = ("slices", "maps", "pores")
TRAINED = [(method, level) for method in METHODS if learned(method) for level in LEVELS]
WORDS = {
    "level_format": "{:g}:1" if SIMULATED else "blur {:g}",
    "level_title": (
        "Resolution ratio (blur of input : target)"
        if SIMULATED
        else "Blur of the input (standard deviation, voxels)"
    ),
    "noun": "pore" if STUDY.segment.objects == "dark" else "grain",
}
REPORTED = {
    "study": STUDY.study,
    "title": STUDY.title,
    "samples": SHOWN,
    "training_samples": TRAIN,
}


STUDY_TABLES = {
    "metrics": results("metrics.tsv"),
    "pores": results("pores.tsv"),
    "curves": results("curves.tsv"),
    "spaces": results("pore_space.tsv"),
    "histories": [
        results(f"train/{m}/level{level}/history.tsv") for m, level in TRAINED
    ],
}

FIGURES = [results(f"figures/{name}.png") for name in STUDY_FIGURES] + [
    results(f"figures/{sample}/{name}.png")
    for sample in SHOWN
    for name in SAMPLE_FIGURES
]
PAGES = [results(f"report/{sample}.html") for sample in SHOWN]


rule figures:
    """Draw the study's figures."""
    input:
        **STUDY_TABLES,
    output:
        *(
            report(
                results(f"figures/{name}.png"),
                caption=f"../config/captions/{name}.rst",
                category=category,
                labels={"figure": name.replace("_", " ")},
            )
            for name, category in STUDY_FIGURES.items()
        ),
    log:
        logs("figures"),
    conda:
        ENVIRONMENT
    params:
        cfg={
            "trained": TRAINED,
            "training_samples": TRAIN,
            "folder": results("figures"),
            **WORDS,
        },
        code=code("figures"),
    message:
        "Draw the study's figures"
    script:
        "../scripts/figures.py"


rule sample_figures:
    """Draw one sample's pictures."""
    input:
        unpack(lambda w: page_files(w.sample)),
    output:
        *(
            report(
                results(f"figures/{{sample}}/{name}.png"),
                caption=f"../config/captions/{name}.rst",
                category="Samples",
                subcategory="{sample}",
                labels={"figure": name},
            )
            for name in SAMPLE_FIGURES
        ),
    log:
        logs("figures/{sample}"),
    conda:
        ENVIRONMENT
    params:
        cfg=lambda w: {
            "images": page_keys(w.sample),
            "folder": results(f"figures/{w.sample}"),
            "level_format": WORDS["level_format"],
        },
        code=code("sample_figures"),
    message:
        "{wildcards.sample}: draw its pictures"
    script:
        "../scripts/sample_figures.py"


rule report_sample:
    """Write one sample's page."""
    input:
        unpack(lambda w: page_files(w.sample)),
        metrics=results("metrics.tsv"),
        pores=results("pores.tsv"),
        curves=results("curves.tsv"),
        spaces=results("pore_space.tsv"),
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
    params:
        cfg=lambda w: {
            "sample": w.sample,
            "images": page_keys(w.sample),
            "provenance": {
                "sample": SAMPLE[w.sample].model_dump(mode="json", exclude_none=True)
            },
            **REPORTED,
            **WORDS,
        },
        code=code("report_sample"),
    message:
        "{wildcards.sample}: write its page"
    script:
        "../scripts/report_sample.py"


rule report:
    """Write the report's first page."""
    input:
        **STUDY_TABLES,
        cards=[results(f"train/{m}/level{level}/model.json") for m, level in TRAINED],
        pages=PAGES,
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
    params:
        cfg={
            "trained": TRAINED,
            "settings": STUDY.model_dump(mode="json", exclude_none=True),
            "sheet": [s.model_dump(mode="json", exclude_none=True) for s in SAMPLES],
            "command": f"snakemake --configfile {STUDY_FILE}",
            **REPORTED,
            **WORDS,
        },
        code=code("report"),
    message:
        "Write the report"
    script:
        "../scripts/report.py"
