"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr; for methods that restore XZ and YZ planes how
       far the two differ, predict/{sample}/level{level}/disagreement/{method}.ome.zarr
"""


ruleorder: predict_planes > predict


rule predict:
    """Restore one volume, or join its slabs."""
    input:
        unpack(lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))),
        slabs=slabs_of("predict/{sample}/level{level}/{method}"),
    output:
        volume("predict/{sample}/level{level}/{method}"),
    log:
        logs("predict/{sample}/level{level}/{method}"),
    benchmark:
        records("predict/{sample}/level{level}/{method}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("predict"),
        gpu=lambda w: PROJECT.gpus(w.method, "predict") if SLABS == 1 else 0,
    params:
        cfg=lambda w: PROJECT.prediction_cfg(w.method, w.level),
        code=lambda w: code("predict", PROJECT.shown_by(w.method)),
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict.py"


if SLABS > 1:

    ruleorder: predict_planes_init > predict_init
    ruleorder: predict_planes_slab > predict_slab

    use rule predict as predict_init with:
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
        output:
            store_of("predict/{sample}/level{level}/{method}"),
        log:
            logs("predict/{sample}/level{level}/{method}/init"),
        benchmark:
            records("predict/{sample}/level{level}/{method}/init")
        resources:
            **needs("predict_init"),
            gpu=lambda w: PROJECT.gpus(w.method, "predict"),
        params:
            cfg=init_part(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
        message:
            "{wildcards.sample}: {wildcards.method} at level {wildcards.level}, empty store"

    use rule predict as predict_slab with:
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
            store=store_of("predict/{sample}/level{level}/{method}"),
        output:
            slab_of("predict/{sample}/level{level}/{method}"),
        log:
            logs("predict/{sample}/level{level}/{method}/slab{slab}"),
        benchmark:
            records("predict/{sample}/level{level}/{method}/slab{slab}")
        resources:
            **needs("predict_slab"),
            gpu=lambda w: PROJECT.gpus(w.method, "predict"),
        params:
            cfg=slab_part(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
        message:
            "{wildcards.sample}: {wildcards.method} at level {wildcards.level}, slab {wildcards.slab}"


rule predict_planes:
    """Restore one volume from its XZ and its YZ planes, and keep how far the two differ."""
    input:
        unpack(lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))),
        slabs=slabs_of(
            "predict/{sample}/level{level}/{method}",
            "predict/{sample}/level{level}/disagreement/{method}",
        ),
    output:
        restored=volume("predict/{sample}/level{level}/{method}"),
        disagreement=volume("predict/{sample}/level{level}/disagreement/{method}"),
    log:
        logs("predict/{sample}/level{level}/{method}"),
    benchmark:
        records("predict/{sample}/level{level}/{method}")
    wildcard_constraints:
        method="|".join(map(re.escape, PROJECT.by_planes)) or "none",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("predict_planes"),
        gpu=lambda w: PROJECT.gpus(w.method, "predict") if SLABS == 1 else 0,
    params:
        cfg=lambda w: PROJECT.prediction_cfg(w.method, w.level),
        code=lambda w: code("predict_planes", w.method),
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict_planes.py"


if SLABS > 1:

    use rule predict_planes as predict_planes_init with:
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
        output:
            restored=store_of("predict/{sample}/level{level}/{method}"),
            disagreement=store_of("predict/{sample}/level{level}/disagreement/{method}"),
        log:
            logs("predict/{sample}/level{level}/{method}/init"),
        benchmark:
            records("predict/{sample}/level{level}/{method}/init")
        resources:
            **needs("predict_planes_init"),
            gpu=lambda w: PROJECT.gpus(w.method, "predict"),
        params:
            cfg=init_part(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
        message:
            "{wildcards.sample}: {wildcards.method} at level {wildcards.level}, empty store"

    use rule predict_planes as predict_planes_slab with:
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
            restored_store=store_of("predict/{sample}/level{level}/{method}"),
            disagreement_store=store_of(
                "predict/{sample}/level{level}/disagreement/{method}"
            ),
        output:
            restored=slab_of("predict/{sample}/level{level}/{method}"),
            disagreement=slab_of("predict/{sample}/level{level}/disagreement/{method}"),
        log:
            logs("predict/{sample}/level{level}/{method}/slab{slab}"),
        benchmark:
            records("predict/{sample}/level{level}/{method}/slab{slab}")
        resources:
            **needs("predict_planes_slab"),
            gpu=lambda w: PROJECT.gpus(w.method, "predict"),
        params:
            cfg=slab_part(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
        message:
            "{wildcards.sample}: {wildcards.method} at level {wildcards.level}, slab {wildcards.slab}"
