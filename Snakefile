"""Acuity: recover resolution in microscopy, from acquisition to report.

snakemake                            the demo study (config/config.yaml)
snakemake --configfile STUDY.yaml    another study, and nothing of the demo
snakemake train_all ...              one target of the study (before --configfile)
"""

from snakemake.utils import min_version

min_version("9.10")


report: "config/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/slabs.smk"


# Used under `--sdm apptainer` alone.
container: str(IMAGE)


rule all:
    default_target: True
    input:
        results("metrics.tsv"),
        results("pores.tsv"),
        results("report/index.html"),
        [results("trainings.tsv")] if AGAIN else [],
        lambda w: PAGES,
        lambda w: FIGURES,
        lambda w: files(PROJECT.intermediate_files()),


include: "rules/simulate.smk"
include: "rules/xrm.smk"
include: "rules/reconstruct.smk"
include: "rules/scans.smk"
include: "rules/ingest.smk"
include: "rules/align.smk"
include: "rules/pair.smk"
include: "rules/degrade.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/segment.smk"
include: "rules/measure.smk"
include: "rules/pages.smk"
include: "rules/report.smk"


rule ingest_all:
    """All imported volumes."""
    input:
        files([KIND.target(sample) for sample in SAMPLE]),


rule align_all:
    """All aligned volumes."""
    input:
        [volume(f"align/{sample}/aligned") for sample in ALIGNMENT.stacks],


rule pair_all:
    """All registered pairs."""
    input:
        files([KIND.truth(sample) for sample, _ in KIND.registered()]),


rule degrade_all:
    """All low-resolution volumes."""
    input:
        files([PROJECT.low(s, level) for s in TRAIN + TEST for level in LEVELS]),


rule train_all:
    """All models."""
    input:
        **files(PROJECT.trained_files("model.json")),


onstart:
    check_start()


onerror:
    tell_failures(log if isinstance(log, str) else log[0])
