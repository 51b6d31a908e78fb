"""Acuity: recover resolution in microscopy, from acquisition to report.

snakemake                            the demo study (config/config.yaml)
snakemake --configfile STUDY.yaml    another study, and nothing of the demo
snakemake metrics | report | ...     one target of the study
"""

from snakemake.utils import min_version

min_version("9.10")


include: "rules/common.smk"


rule all:
    default_target: True
    input:
        results("metrics.tsv"),
        results("pores.tsv"),
        results("report/index.html"),
        FIGURES,


include: "rules/simulate.smk"
include: "rules/reconstruct.smk"
include: "rules/ingest.smk"
include: "rules/degrade.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/segment.smk"
include: "rules/measure.smk"
include: "rules/report.smk"


onerror:
    print_logs_of_failed_jobs(log)
