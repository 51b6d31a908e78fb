"""Training of the learned methods.

Needs  low- and high-resolution volumes of the train samples; or a model that was trained elsewhere
Makes  train/{method}/level{level}/model.safetensors, model.json, history.tsv (of what is trained here),
       judged.tsv (of what was trained elsewhere)
"""


rule train:
    """Train one method at one level on all train samples."""
    input:
        unpack(lambda w: files(PROJECT.training_inputs(w.method, w.level))),
        # first, but a further sample to be judged is no reason to train again
        unseen=[ancient(file) for file in unseen()],
    output:
        **tables(history="train/{method}/level{level}/history"),
        model=results("train/{method}/level{level}/model.safetensors"),
        card=results("train/{method}/level{level}/model.json"),
    log:
        logs("train/{method}/level{level}"),
    benchmark:
        benchmarks("train/{method}/level{level}")
    wildcard_constraints:
        method=either([*PROJECT.learners, *AGAIN]),
    conda:
        ENVIRONMENT
    threads: lambda w: 2 * PROJECT.processes(w.method)
    resources:
        **resources_for("train"),
        gpu=lambda w: PROJECT.gpus(w.method, "train"),
    params:
        cfg=lambda w: {
            "study": STUDY.study,
            **PROJECT.training_cfg(w.method),
            **KIND.task(w.level),
            "seed": PROJECT.training_seed(w.method, w.level),
            "checkpoints": results(f"train/{w.method}/level{w.level}/checkpoints"),
        },
        code=lambda w: code_digest("train", w.method),
    message:
        "Train {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/train.py"


rule take_model:
    """Take a model that was trained elsewhere, byte for byte."""
    input:
        lambda w: given_files(w.method, w.level),
        unseen=[ancient(file) for file in unseen()],
    output:
        model=results("train/{method}/level{level}/model.safetensors"),
        card=results("train/{method}/level{level}/model.json"),
    log:
        logs("take/{method}/level{level}"),
    wildcard_constraints:
        method=either(PROJECT.given),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("take_model"),
    params:
        cfg=lambda w: {
            "models": PROJECT.given_models(w.method, w.level),
            "method_name": module_name(w.method),
            **KIND.task(w.level),
        },
        code=lambda w: code_digest("take_model"),
    message:
        "Take a model of {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/take_model.py"


# Not with the model: another figure of it is no reason to restore again.
rule take_judged:
    """Take what the study that a model was trained in has found of it."""
    input:
        lambda w: given_figures(w.method, w.level),
    output:
        **tables(table="train/{method}/level{level}/judged"),
    log:
        logs("take/{method}/level{level}/judged"),
    wildcard_constraints:
        method=either(PROJECT.given),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("take_judged"),
    params:
        cfg=lambda w: {"models": PROJECT.given_models(w.method, w.level)},
        code=lambda w: code_digest("take_judged"),
    message:
        "Take the figures of a model of {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/take_judged.py"
