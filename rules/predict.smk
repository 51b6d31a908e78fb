"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr; for methods that restore XZ and YZ planes how
       far the two differ, predict/{sample}/level{level}/disagreement/{method}.ome.zarr
"""

for part in PARTS:

    rule:
        """Restore one volume; in slabs, or join them."""
        name:
            part.name("predict")
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
            **part.needed("predict/{sample}/level{level}/{method}"),
        output:
            part.volume("predict/{sample}/level{level}/{method}"),
        log:
            part.log("predict/{sample}/level{level}/{method}"),
        benchmark:
            part.benchmark("predict/{sample}/level{level}/{method}")
        wildcard_constraints:
            method=either(PROJECT.by_voxels),
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("predict")),
            gpu=part.gpus_to_restore,
        params:
            cfg=part.cfg(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
            code=lambda w: code_digest("predict", PROJECT.shown_by(w.method)),
        message:
            part.says(
                "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
            )
        script:
            "../scripts/predict.py"

    rule:
        """Restore one volume from its XZ and its YZ planes, and keep how far the two differ."""
        name:
            part.name("predict_planes")
        input:
            unpack(
                lambda w: files(PROJECT.prediction_inputs(w.method, w.sample, w.level))
            ),
            **part.needed(
                restored="predict/{sample}/level{level}/{method}",
                disagreement="predict/{sample}/level{level}/disagreement/{method}",
            ),
        output:
            restored=part.volume("predict/{sample}/level{level}/{method}"),
            disagreement=part.volume(
                "predict/{sample}/level{level}/disagreement/{method}"
            ),
        log:
            part.log("predict/{sample}/level{level}/{method}"),
        benchmark:
            part.benchmark("predict/{sample}/level{level}/{method}")
        wildcard_constraints:
            method=either(PROJECT.by_planes),
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("predict_planes")),
            gpu=part.gpus_to_restore,
        params:
            cfg=part.cfg(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
            code=lambda w: code_digest("predict_planes", w.method),
        message:
            part.says(
                "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
            )
        script:
            "../scripts/predict_planes.py"
