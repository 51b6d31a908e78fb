"""Restoration, by a trained model or a classical method.

Needs  a low-resolution volume; for a learned method its model and card
Makes  describe/{sample}/level{level}.json, what the volume is to models, where it must be like those that
       they were made for; predict/{sample}/level{level}/{method}.ome.zarr; for methods that restore XZ and YZ planes how
       far the two differ, predict/{sample}/level{level}/disagreement/{method}.ome.zarr
"""

RESTORED = {"restored": "predict/{sample}/level{level}/{method}"}
PLANES = RESTORED | {
    "disagreement": "predict/{sample}/level{level}/disagreement/{method}"
}

for restore, methods, volumes in (
    ("predict", PROJECT.by_voxels, RESTORED),
    ("predict_planes", PROJECT.by_planes, PLANES),
):
    for part in PARTS:

        rule:
            """Restore one volume, and of XZ and YZ planes keep how far they differ; in slabs, or join them."""
            name:
                part.name(restore)
            input:
                unpack(
                    lambda w: files(
                        PROJECT.prediction_inputs(w.method, w.sample, w.level)
                    )
                ),
                **part.needed(*volumes.values()),
            output:
                **{name: part.volume(path) for name, path in volumes.items()},
            log:
                part.log(RESTORED["restored"]),
            benchmark:
                part.benchmark(RESTORED["restored"])
            wildcard_constraints:
                method=either(methods),
            conda:
                ENVIRONMENT
            threads: 2
            resources:
                **resources_for(part.name(restore)),
                gpu=part.gpus_to_restore,
            params:
                cfg=part.cfg(
                    lambda w: PROJECT.prediction_cfg(w.method, w.sample, w.level)
                ),
                code=lambda w: code_digest("predict", PROJECT.shown_by(w.method)),
            message:
                part.says(
                    "{wildcards.sample}: {wildcards.method} at level {wildcards.level}"
                )
            script:
                "../scripts/predict.py"


rule describe:
    """Describe a low-resolution volume as an input of models."""
    input:
        lambda w: files(PROJECT.low(w.sample, w.level)),
    output:
        results("describe/{sample}/level{level}.json"),
    log:
        logs("describe/{sample}/level{level}"),
    benchmark:
        benchmarks("describe/{sample}/level{level}")
    conda:
        ENVIRONMENT
    resources:
        **resources_for("describe"),
    params:
        cfg={},
        code=lambda w: code_digest("describe"),
    message:
        "{wildcards.sample}: describe it at level {wildcards.level} as an input of models"
    script:
        "../scripts/describe.py"
