"""Alignment of stacks of slices.

Needs  ingest/{sample}.ome.zarr, the study's align section
Makes  disturb/{sample}/*.ome.zarr and added.tsv, where the alignment is to be checked;
       align/{sample}/{stack}/transforms.json, slices.tsv, pairs.tsv;
       align/{sample}/aligned.ome.zarr, valid.ome.zarr; measure/{sample}/align/*.tsv
"""


rule disturb:
    """Put known shifts and faults into a stack, and cut the undisturbed one the same."""
    input:
        volume("ingest/{sample}"),
    output:
        **tables(added="disturb/{sample}/added", nothing="disturb/{sample}/nothing"),
        disturbed=volume("disturb/{sample}/disturbed"),
        undisturbed=volume("disturb/{sample}/undisturbed"),
    log:
        logs("disturb/{sample}"),
    benchmark:
        benchmarks("disturb/{sample}")
    conda:
        ENVIRONMENT
    resources:
        **resources_for("disturb"),
    params:
        cfg=lambda w: STUDY.align.disturb.model_dump(mode="json")
        | {"seed": PROJECT.seed_of(ALIGNMENT.source(w.sample), "disturb")},
        code=lambda w: code_digest("disturb"),
    message:
        "{wildcards.sample}: put shifts and faults in"
    script:
        "../scripts/disturb.py"


rule align:
    """Find the displacement of every slice."""
    input:
        lambda w: files(ALIGNMENT.stack(w.sample, w.stack)),
    output:
        **tables(
            slices="align/{sample}/{stack}/slices",
            pairs="align/{sample}/{stack}/pairs",
            table="measure/{sample}/align/{stack}",
        ),
        transforms=results("align/{sample}/{stack}/transforms.json"),
    log:
        logs("align/{sample}/{stack}"),
    benchmark:
        benchmarks("align/{sample}/{stack}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("align"),
    params:
        cfg=lambda w: STUDY.align.model_dump(mode="json", exclude={"crop", "disturb"})
        | {"name": w.sample},
        code=lambda w: code_digest("align"),
    message:
        "{wildcards.sample}: align the {wildcards.stack} slices"
    script:
        "../scripts/align.py"


for part in PARTS:

    rule:
        """Move every slice once, by the displacement that was found; in slabs, or join them."""
        name:
            part.name("apply_alignment")
        input:
            unpack(lambda w: files(ALIGNMENT.transform_inputs(w.sample))),
            **part.needed("align/{sample}/aligned", "align/{sample}/valid"),
        output:
            aligned=part.volume("align/{sample}/aligned"),
            valid=part.volume("align/{sample}/valid"),
        log:
            part.log("align/{sample}/transform"),
        benchmark:
            part.benchmark("align/{sample}/transform")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("apply_alignment")),
        params:
            cfg=part.cfg(ALIGNMENT.cfg),
            code=lambda w: code_digest("apply_alignment"),
        message:
            part.says("{wildcards.sample}: move the slices")
        script:
            "../scripts/apply_alignment.py"


rule check_alignment:
    """Compare the displacements that were found with those that were put in."""
    input:
        **tables(
            found="align/{sample}/disturbed/slices",
            reference="align/{sample}/undisturbed/slices",
            added="disturb/{sample}/added",
        ),
    output:
        **tables(table="measure/{sample}/align/check", errors="align/{sample}/errors"),
    log:
        logs("measure/{sample}/align/check"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("check_alignment"),
    params:
        cfg={},
        code=lambda w: code_digest("check_alignment"),
    message:
        "{wildcards.sample}: check the alignment"
    script:
        "../scripts/check_alignment.py"
