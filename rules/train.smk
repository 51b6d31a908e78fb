"""Training of the learned methods.

Needs  low- and high-resolution volumes of the train samples
Makes  train/{method}/level{level}/model.safetensors, model.json, history.tsv
"""


rule train:
    """Train one method at one level on all train samples."""
    input:
        low=lambda w: [learned_low(s, w.level) for s in learns_from(w.method, w.level)],
        target=lambda w: [target(s) for s in learns_from(w.method, w.level)],
        masks=lambda w: [valid(s) for s in learns_from(w.method, w.level) if PAIRED],
        # first, but a further sample to be judged is no reason to train again
        unseen=[ancient(file) for file in unseen()],
    output:
        seals("train/{method}/level{level}/history"),
        model=results("train/{method}/level{level}/model.safetensors"),
        card=results("train/{method}/level{level}/model.json"),
        history=results("train/{method}/level{level}/history.tsv"),
    log:
        logs("train/{method}/level{level}"),
    benchmark:
        records("train/{method}/level{level}")
    conda:
        ENVIRONMENT
    threads: lambda w: 2 * processes(w.method)
    resources:
        **needs("train"),
        gpu=lambda w: gpus(w.method, "train"),
    params:
        cfg=lambda w: {
            "study": STUDY.study,
            "method_name": module_name(w.method),
            "settings": settings(w.method).for_training(),
            **task(w.level),
            **degradation(),
            "seed": training_seed(w.method, w.level),
            "fov_radius": STUDY.foam.size / 2 if SIMULATED else None,
            "checkpoints": results(f"train/{w.method}/level{w.level}/checkpoints"),
        },
        code=lambda w: code("train", w.method),
    message:
        "Train {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/train.py"
