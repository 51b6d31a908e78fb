"""Measures, one file each in src/acuity/measures; and the tables of a study.

Needs  restored volumes and their truth, label volumes and the true labels; tables of alignments
Makes  measure/{sample}/{image}/*.tsv, ms_ssim.ome.zarr; in slabs census/{slab}.npz, what was
       counted; metrics.tsv, pores.tsv, curves.tsv, pore_space.tsv; trainings.tsv;
       warnings.tsv, what is not as a measure assumes it
"""

GATHERED = ("tables", "pores", "status", "curves", "spaces", "gaps")
POOLED = ("tables", "status", "gaps")


for part in PARTS:

    rule:
        """Compare an image with the truth, voxel by voxel and by structure; in slabs, or join them."""
        name:
            part.name("quality")
        input:
            **part.needed("measure/{sample}/{image}/ms_ssim"),
            image=lambda w: files(PROJECT.image(w.sample, w.image)),
            truth=lambda w: files(KIND.truth(w.sample)),
        output:
            **part.made(
                "measure/{sample}/{image}/ms_ssim",
                map=volume("measure/{sample}/{image}/ms_ssim"),
                **tables(table="measure/{sample}/{image}/quality"),
            ),
        log:
            part.log("measure/{sample}/{image}/quality"),
        benchmark:
            part.benchmark("measure/{sample}/{image}/quality")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("quality")),
        params:
            cfg=part.cfg(PROJECT.quality_cfg()),
            code=lambda w: code_digest("quality"),
        message:
            part.says("{wildcards.sample}: quality of {wildcards.image}")
        script:
            "../scripts/quality.py"


rule count_objects:
    """Tabulate the pores of an image and match them with the true ones, or join the slabs."""
    input:
        labels=volume("segment/{sample}/{image}"),
        truth=lambda w: files(KIND.true_labels(w.sample)),
        reference=volume("segment/{sample}/truth"),
        slabs=counts_of("measure/{sample}/{image}/census"),
        # for its voxels alone
        classes=[ancient(file) for file in files(PROJECT.size_reference())],
    output:
        **tables(
            table="measure/{sample}/{image}/census",
            pores="measure/{sample}/{image}/pores",
            status="measure/{sample}/{image}/status",
        ),
    log:
        logs("measure/{sample}/{image}/count_objects"),
    benchmark:
        benchmarks("measure/{sample}/{image}/count_objects")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("count_objects"),
    params:
        cfg={
            "count": {"mask_radius": KIND.mask_radius(1)},
            "census": {
                "objects": PROJECT.objects,
                "size_bin": STUDY.measure.size_bin,
                "size_classes": STUDY.measure.size_classes
                and list(STUDY.measure.size_classes),
            },
            # what the sheet says of those voxels
            "classes": [
                SAMPLE[s].voxel_size for s in SHOWN[:1] if PROJECT.size_reference()
            ],
        },
        code=lambda w: code_digest("count_objects"),
    message:
        "{wildcards.sample}: pores of {wildcards.image}"
    script:
        "../scripts/count_objects.py"


if SLABS > 1:

    use rule count_objects as count_objects_slab with:
        input:
            labels=volume("segment/{sample}/{image}"),
            truth=lambda w: files(KIND.true_labels(w.sample)),
            reference=volume("segment/{sample}/truth"),
        output:
            results("measure/{sample}/{image}/census/{slab}.npz"),
        log:
            logs("measure/{sample}/{image}/count_objects/slab{slab}"),
        benchmark:
            benchmarks("measure/{sample}/{image}/count_objects/slab{slab}")
        resources:
            **resources_for("count_objects_slab"),
        params:
            cfg=lambda w: {"count": SLAB.cfg({"mask_radius": KIND.mask_radius(1)})(w)},
        message:
            "{wildcards.sample}: pores of {wildcards.image}, slab {wildcards.slab}"


for MEASURE in [m for m in PROJECT.measures.values() if not m.own_rule]:

    rule:
        name:
            MEASURE.name
        input:
            unpack(
                lambda w, name=MEASURE.name: files(
                    PROJECT.measure_inputs(name, w.sample, w.image)
                )
            ),
        output:
            **tables(
                **{
                    name: f"measure/{{sample}}/{{image}}/{name}"
                    for name in MEASURE.written()
                }
            ),
        log:
            logs(f"measure/{{sample}}/{{image}}/{MEASURE.name}"),
        benchmark:
            benchmarks(f"measure/{{sample}}/{{image}}/{MEASURE.name}")
        conda:
            ENVIRONMENT
        threads: MEASURE.threads
        resources:
            **resources_for(MEASURE.name),
        params:
            measure=MEASURE.name,
            cfg=lambda w, measure=MEASURE: measure.cfg(PROJECT, w.sample, w.image),
            code=lambda w, name=MEASURE.name: code_digest("measure", measure=name),
        message:
            f"{{wildcards.sample}}: {MEASURE.name} of {{wildcards.image}}"
        script:
            "../scripts/measure.py"


rule collect_metrics:
    """Gather all tables of the study, and pool them over the unseen samples."""
    input:
        **sealed(**files(PROJECT.named_tables(MEASURED, GATHERED))),
    output:
        **sealed(
            **files(STUDY_TABLES),
            gaps=results("gaps.tsv"),
            warnings=results("warnings.tsv"),
        ),
    log:
        logs("collect_metrics"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("collect_metrics"),
    params:
        cfg={
            "study": STUDY.study,
            "unseen": TEST,
            # some of them may be seen
            **({"pooled": "judged"} if STUDY.allow_seen else {}),
        },
        code=lambda w: code_digest("collect_metrics"),
    message:
        "Gather the tables of the study"
    script:
        "../scripts/collect_metrics.py"


rule trainings:
    """Pool the measures of each training, where methods are trained with several seeds."""
    input:
        **sealed(**files(PROJECT.named_tables(PROJECT.compared, POOLED))),
    output:
        **tables(table="trainings"),
    log:
        logs("trainings"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("trainings"),
    params:
        cfg={
            "study": STUDY.study,
            "unseen": TEST,
            "seed": STUDY.seed,
        },
        code=lambda w: code_digest("trainings"),
    message:
        "Gather the figures of all trainings"
    script:
        "../scripts/trainings.py"
