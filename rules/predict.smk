"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr; for methods that restore XZ and YZ planes how
       far the two differ, predict/{sample}/level{level}/disagreement/{method}.ome.zarr
"""


ruleorder: predict_planes > predict


rule predict:
    """Restore one volume."""
    input:
        unpack(predict_inputs),
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
        gpu=lambda w: int(learned(w.method)),
    params:
        cfg=lambda w: {
            "method_name": predict_method(w).split("@")[0],
            "settings": settings(predict_method(w)).for_prediction(),
            **task(w.level),
            **({"keep_type": True} if FLAT else {}),
        },
        code=lambda w: code("predict", predict_method(w)),
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict.py"


rule predict_planes:
    """Restore one volume from its XZ and its YZ planes, and keep how far the two differ."""
    input:
        unpack(predict_inputs),
    output:
        restored=volume("predict/{sample}/level{level}/{method}"),
        disagreement=volume("predict/{sample}/level{level}/disagreement/{method}"),
    log:
        logs("predict/{sample}/level{level}/{method}"),
    benchmark:
        records("predict/{sample}/level{level}/{method}")
    wildcard_constraints:
        method="|".join(PLANES) or "none",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("predict_planes"),
        gpu=1,
    params:
        cfg=lambda w: {
            "method_name": w.method.split("@")[0],
            "settings": settings(w.method).for_prediction(),
            **task(w.level),
        },
        code=lambda w: code("predict_planes", w.method),
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict_planes.py"
