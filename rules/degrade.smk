"""Degradation of an imported volume.

Needs  an imported, and perhaps aligned, volume; the study's degrade section
Makes  degrade/{sample}/level{level}.ome.zarr
"""

# A kind of study degrades in one way, or not at all.
DEGRADED = KIND.degraded
for part in (PARTS if DEGRADED.slabs else [WHOLE]) if DEGRADED else []:

    rule:
        """Make an imported volume worse; in slabs, or join them."""
        name:
            part.name(DEGRADED.rule)
        input:
            **part.needed("degrade/{sample}/level{level}"),
            volume=lambda w: files(PROJECT.imported(w.sample)),
        output:
            part.volume("degrade/{sample}/level{level}"),
        log:
            part.log("degrade/{sample}/level{level}"),
        benchmark:
            part.benchmark("degrade/{sample}/level{level}")
        conda:
            ENVIRONMENT
        threads: DEGRADED.threads
        resources:
            **resources_for(part.name(DEGRADED.rule)),
        params:
            cfg=part.cfg(lambda w: KIND.degrade_cfg(w.sample, w.level)),
            code=lambda w: code_digest(DEGRADED.rule),
        message:
            part.says(f"{{wildcards.sample}}: {DEGRADED.words} {{wildcards.level}}")
        script:
            f"../scripts/{DEGRADED.rule}.py"
