"""Measures: image quality, resolution, pores found, pore space; and the tables of a study.

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
            truth=lambda w: files(PROJECT.truth(w.sample)),
        output:
            part.seals("measure/{sample}/{image}/quality"),
            **part.made(
                "measure/{sample}/{image}/ms_ssim",
                table=results("measure/{sample}/{image}/quality.tsv"),
                map=volume("measure/{sample}/{image}/ms_ssim"),
            ),
        log:
            part.log("measure/{sample}/{image}/quality"),
        benchmark:
            part.record("measure/{sample}/{image}/quality")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **needs(part.name("quality")),
        params:
            cfg=part.cfg(PROJECT.quality_cfg()),
            code=lambda w: code("quality"),
        message:
            part.says("{wildcards.sample}: quality of {wildcards.image}")
        script:
            "../scripts/quality.py"


rule resolution:
    """Fit an image by the blurred truth: effective resolution, gain, offset."""
    input:
        image=lambda w: files(PROJECT.image(w.sample, w.image)),
        truth=lambda w: files(PROJECT.truth(w.sample)),
    output:
        seals("measure/{sample}/{image}/resolution", "measure/{sample}/{image}/curve"),
        table=results("measure/{sample}/{image}/resolution.tsv"),
        curve=results("measure/{sample}/{image}/curve.tsv"),
    log:
        logs("measure/{sample}/{image}/resolution"),
    benchmark:
        records("measure/{sample}/{image}/resolution")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("resolution"),
    params:
        cfg={"mask_radius": KIND.mask_radius()},
        code=lambda w: code("resolution"),
    message:
        "{wildcards.sample}: resolution of {wildcards.image}"
    script:
        "../scripts/resolution.py"


rule error:
    """State the errors of a volume that is finer along z, as the FIB-SEM papers do."""
    input:
        image=lambda w: files(PROJECT.image(w.sample, w.image)),
        truth=lambda w: files(PROJECT.truth(w.sample)),
        cubic=lambda w: files(PROJECT.low(w.sample, split_image(w.image)[0])),
    output:
        results("measure/{sample}/{image}/error.tsv"),
        seals("measure/{sample}/{image}/error"),
    log:
        logs("measure/{sample}/{image}/error"),
    benchmark:
        records("measure/{sample}/{image}/error")
    conda:
        ENVIRONMENT
    resources:
        **needs("error"),
    params:
        cfg=lambda w: {
            "task": KIND.task(split_image(w.image)[0]),
            "data_range": STUDY.measure.data_range,
            "threshold": STUDY.measure.binary_threshold,
            "volume_fraction": STUDY.measure.volume_fraction,
        },
        code=lambda w: code("error"),
    message:
        "{wildcards.sample}: errors of {wildcards.image}"
    script:
        "../scripts/error.py"


rule scattering:
    """Average the power of a volume over shells of the scattering vector."""
    input:
        image=lambda w: files(PROJECT.image(w.sample, w.image)),
        truth=lambda w: files([] if w.sample in RESTORE else PROJECT.truth(w.sample)),
    output:
        seals(
            "measure/{sample}/{image}/scattering",
            "measure/{sample}/{image}/scattering_curve",
        ),
        table=results("measure/{sample}/{image}/scattering.tsv"),
        curve=results("measure/{sample}/{image}/scattering_curve.tsv"),
    log:
        logs("measure/{sample}/{image}/scattering"),
    benchmark:
        records("measure/{sample}/{image}/scattering")
    conda:
        ENVIRONMENT
    resources:
        **needs("scattering"),
    params:
        cfg={},
        code=lambda w: code("scattering"),
    message:
        "{wildcards.sample}: scattering of {wildcards.image}"
    script:
        "../scripts/scattering.py"


rule fsc:
    """Correlate two independent acquisitions, shell by shell."""
    input:
        lambda w: files(PROJECT.image(w.sample, w.image)),
        lambda w: files(PROJECT.image(SAMPLE[w.sample].repeat_of, w.image)),
    output:
        seals("measure/{sample}/{image}/fsc", "measure/{sample}/{image}/fsc_curve"),
        table=results("measure/{sample}/{image}/fsc.tsv"),
        curve=results("measure/{sample}/{image}/fsc_curve.tsv"),
    log:
        logs("measure/{sample}/{image}/fsc"),
    benchmark:
        records("measure/{sample}/{image}/fsc")
    conda:
        ENVIRONMENT
    resources:
        **needs("fsc"),
    params:
        cfg={},
        code=lambda w: code("fsc"),
    message:
        "{wildcards.sample}: shell correlation of {wildcards.image}"
    script:
        "../scripts/fsc.py"


rule spectrum:
    """Compare the spatial frequencies of an image with the truth's."""
    input:
        image=lambda w: files(PROJECT.image(w.sample, w.image)),
        truth=lambda w: files(PROJECT.truth(w.sample)),
    output:
        seals(
            "measure/{sample}/{image}/spectrum",
            "measure/{sample}/{image}/spectrum_curve",
        ),
        table=results("measure/{sample}/{image}/spectrum.tsv"),
        curve=results("measure/{sample}/{image}/spectrum_curve.tsv"),
    log:
        logs("measure/{sample}/{image}/spectrum"),
    benchmark:
        records("measure/{sample}/{image}/spectrum")
    conda:
        ENVIRONMENT
    resources:
        **needs("spectrum"),
    params:
        cfg=lambda w: {"factor": float(split_image(w.image)[0])},
        code=lambda w: code("spectrum"),
    message:
        "{wildcards.sample}: spectrum of {wildcards.image}"
    script:
        "../scripts/spectrum.py"


rule edges:
    """Measure how wide the edges of the truth are in an image."""
    input:
        unpack(lambda w: compared(w.sample, w.image)),
    output:
        results("measure/{sample}/{image}/edges.tsv"),
        seals("measure/{sample}/{image}/edges"),
    log:
        logs("measure/{sample}/{image}/edges"),
    benchmark:
        records("measure/{sample}/{image}/edges")
    conda:
        ENVIRONMENT
    resources:
        **needs("edges"),
    params:
        cfg=lambda w: {"repeated": KIND.repeated(*split_image(w.image))},
        code=lambda w: code("edges"),
    message:
        "{wildcards.sample}: edges of {wildcards.image}"
    script:
        "../scripts/edges.py"


rule gaps:
    """Look for the gaps between particles that the truth shows."""
    input:
        unpack(lambda w: compared(w.sample, w.image)),
    output:
        seals("measure/{sample}/{image}/gaps", "measure/{sample}/{image}/gap_summary"),
        table=results("measure/{sample}/{image}/gaps.tsv"),
        summary=results("measure/{sample}/{image}/gap_summary.tsv"),
    log:
        logs("measure/{sample}/{image}/gaps"),
    benchmark:
        records("measure/{sample}/{image}/gaps")
    conda:
        ENVIRONMENT
    resources:
        **needs("gaps"),
    params:
        cfg=lambda w: STUDY.measure.gaps.model_dump(mode="json")
        | {"seed": PROJECT.seed_of(w.sample, "gaps")},
        code=lambda w: code("gaps"),
    message:
        "{wildcards.sample}: gaps in {wildcards.image}"
    script:
        "../scripts/gaps.py"


rule census:
    """Tabulate the pores of an image and match them with the true ones, or join the slabs."""
    input:
        labels=volume("segment/{sample}/{image}"),
        truth=lambda w: files(PROJECT.true_labels(w.sample)),
        reference=volume("segment/{sample}/truth"),
        slabs=counts_of("measure/{sample}/{image}/census"),
        # for its voxels alone
        classes=[ancient(file) for file in files(PROJECT.size_reference())],
    output:
        seals(
            "measure/{sample}/{image}/census",
            "measure/{sample}/{image}/pores",
            "measure/{sample}/{image}/status",
        ),
        table=results("measure/{sample}/{image}/census.tsv"),
        pores=results("measure/{sample}/{image}/pores.tsv"),
        status=results("measure/{sample}/{image}/status.tsv"),
    log:
        logs("measure/{sample}/{image}/census"),
    benchmark:
        records("measure/{sample}/{image}/census")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("census"),
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
        code=lambda w: code("census"),
    message:
        "{wildcards.sample}: pores of {wildcards.image}"
    script:
        "../scripts/census.py"


if SLABS > 1:

    use rule census as census_slab with:
        input:
            labels=volume("segment/{sample}/{image}"),
            truth=lambda w: files(PROJECT.true_labels(w.sample)),
            reference=volume("segment/{sample}/truth"),
        output:
            results("measure/{sample}/{image}/census/{slab}.npz"),
        log:
            logs("measure/{sample}/{image}/census/slab{slab}"),
        benchmark:
            records("measure/{sample}/{image}/census/slab{slab}")
        resources:
            **needs("census_slab"),
        params:
            cfg=lambda w: {"count": SLAB.cfg({"mask_radius": KIND.mask_radius(1)})(w)},
        message:
            "{wildcards.sample}: pores of {wildcards.image}, slab {wildcards.slab}"


rule pore_space:
    """Describe the space of the pores: local thickness, chords, two-point correlation."""
    input:
        volume("segment/{sample}/{image}"),
    output:
        seals(
            "measure/{sample}/{image}/pore_space",
            "measure/{sample}/{image}/pore_space_curve",
        ),
        table=results("measure/{sample}/{image}/pore_space.tsv"),
        curve=results("measure/{sample}/{image}/pore_space_curve.tsv"),
    log:
        logs("measure/{sample}/{image}/pore_space"),
    benchmark:
        records("measure/{sample}/{image}/pore_space")
    conda:
        ENVIRONMENT
    resources:
        **needs("pore_space"),
    params:
        cfg={
            "pores": "labels" if PROJECT.objects == "dark" else "background",
            "mask_radius": KIND.mask_radius(1),
        },
        code=lambda w: code("pore_space"),
    message:
        "{wildcards.sample}: pore space of {wildcards.image}"
    script:
        "../scripts/pore_space.py"


rule metrics:
    """Gather all tables of the study, and pool them over the unseen samples."""
    input:
        [seals_of(files(PROJECT.gathered(name))) for name in GATHERED],
        **files(PROJECT.named_tables(MEASURED, GATHERED)),
    output:
        seals("metrics", "pores", "curves", "pore_space", "gaps", "warnings"),
        metrics=results("metrics.tsv"),
        pores=results("pores.tsv"),
        curves=results("curves.tsv"),
        spaces=results("pore_space.tsv"),
        gaps=results("gaps.tsv"),
        warnings=results("warnings.tsv"),
    log:
        logs("metrics"),
    conda:
        ENVIRONMENT
    resources:
        **needs("metrics"),
    params:
        cfg={
            "study": STUDY.study,
            "unseen": TEST,
            # some of them may be seen
            **({"pooled": "judged"} if STUDY.allow_seen else {}),
        },
        code=lambda w: code("metrics"),
    message:
        "Gather the tables of the study"
    script:
        "../scripts/metrics.py"


rule trainings:
    """Pool the measures of each training, where methods are trained with several seeds."""
    input:
        [seals_of(files(PROJECT.gathered(name, PROJECT.compared))) for name in POOLED],
        **files(PROJECT.named_tables(PROJECT.compared, POOLED)),
    output:
        seals("trainings"),
        table=results("trainings.tsv"),
    log:
        logs("trainings"),
    conda:
        ENVIRONMENT
    resources:
        **needs("trainings"),
    params:
        cfg={
            "study": STUDY.study,
            "unseen": TEST,
            "seed": STUDY.seed,
        },
        code=lambda w: code("trainings"),
    message:
        "Gather the figures of all trainings"
    script:
        "../scripts/trainings.py"
