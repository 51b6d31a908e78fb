"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr
"""


def predict_inputs(w):
    files = {"low": low(w.sample, w.level)}
    if learned(w.method):
        files["model"] = results(f"train/{w.method}/level{w.level}/model.safetensors")
        files["card"] = results(f"train/{w.method}/level{w.level}/model.json")
    return files


def predict_method(w):
    # Where grids differ, the unrestored input is shown by repeating its voxels.
    return "nearest" if w.method == "input" else w.method


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
    threads: 2
    resources:
        gpu=lambda w: int(learned(w.method)),
    params:
        cfg=lambda w: {
            "method_name": predict_method(w).split("@")[0],
            "settings": settings(predict_method(w)).for_prediction(),
            "level": float(w.level),
            "scale": list(STUDY.scale),
        },
        code=lambda w: code("predict", predict_method(w)),
    conda:
        ENVIRONMENT
    message:
        "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
    script:
        "../scripts/predict.py"
