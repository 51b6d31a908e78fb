"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  predict/{sample}/level{level}/{method}.ome.zarr; for methods that restore XZ and YZ planes how
       far the two differ, predict/{sample}/level{level}/disagreement/{method}.ome.zarr
"""

RESTORED = "predict/{sample}/level{level}/{method}"
DISAGREEMENT = "predict/{sample}/level{level}/disagreement/{method}"

for part in PARTS:
    for stage, methods, further in (
        ("predict", PROJECT.by_voxels, {}),
        ("predict_planes", PROJECT.by_planes, {"disagreement": DISAGREEMENT}),
    ):
        made = {"restored": RESTORED, **further}

        rule:
            """Restore one volume, from its planes with how far both directions differ; in slabs, or join them."""
            name:
                part.name(stage)
            input:
                unpack(
                    lambda w: files(
                        PROJECT.prediction_inputs(w.method, w.sample, w.level)
                    )
                ),
                **part.needed(**made),
            output:
                **{name: part.volume(path) for name, path in made.items()},
            log:
                part.log(RESTORED),
            benchmark:
                part.record(RESTORED)
            wildcard_constraints:
                method=either(methods),
            conda:
                ENVIRONMENT
            threads: 2
            resources:
                **needs(part.name(stage)),
                gpu=part.gpus_to_restore,
            params:
                cfg=part.cfg(lambda w: PROJECT.prediction_cfg(w.method, w.level)),
                code=lambda w: code("predict", PROJECT.shown_by(w.method)),
            message:
                part.says(
                    "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
                )
            script:
                "../scripts/predict.py"
