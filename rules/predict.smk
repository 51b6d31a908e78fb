"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr
"""


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
        gpu=lambda w: int(learned(w.method)),
    params:
        cfg=lambda w: {
            "method_name": predict_method(w).split("@")[0],
            "settings": settings(predict_method(w)).for_prediction(),
            **task(w.level),
        },
        code=lambda w: code("predict", predict_method(w)),
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict.py"
