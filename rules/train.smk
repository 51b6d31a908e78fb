"""Training of the learned methods.

Needs  low- and high-resolution volumes of the train samples
Makes  train/{method}/level{level}/model.safetensors, model.json, history.tsv
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
