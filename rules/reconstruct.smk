"""Cone-beam FDK reconstruction.

Needs  simulate/{sample}/level{level}.h5 (Data Exchange); for the reference, the spheres
Makes  reconstruct/{sample}/level{level}.ome.zarr, reconstruct/{sample}/truth.ome.zarr
"""

for part in PARTS:

    rule:
        """Reconstruct a scan on the target's grid; in slabs, or join them."""
        name:
            part.name("reconstruct")
        input:
            **part.needed("reconstruct/{sample}/level{level}"),
            scan=results("simulate/{sample}/level{level}.h5"),
        output:
            part.volume("reconstruct/{sample}/level{level}"),
        log:
            part.log("reconstruct/{sample}/level{level}"),
        benchmark:
            part.benchmark("reconstruct/{sample}/level{level}")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("reconstruct")),
        params:
            cfg=part.cfg(lambda w: KIND.settings("backend")),
            code=lambda w: code_digest("reconstruct"),
        message:
            part.says("Foam {wildcards.sample}: FDK at level {wildcards.level}")
        script:
            "../scripts/reconstruct.py"

    rule:
        """Reconstruct the reference from many noiseless views, none of them stored."""
        name:
            part.name("reconstruct_truth")
        input:
            **part.needed("reconstruct/{sample}/truth"),
            **tables(spheres="simulate/{sample}/spheres"),
        output:
            part.volume("reconstruct/{sample}/truth"),
        log:
            part.log("reconstruct/{sample}/truth"),
        benchmark:
            part.benchmark("reconstruct/{sample}/truth")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("reconstruct_truth")),
        params:
            cfg=part.cfg(lambda w: KIND.settings(Body, "peak_attenuation", "views")),
            code=lambda w: code_digest("reconstruct_truth"),
        message:
            part.says("Foam {wildcards.sample}: reference reconstruction")
        script:
            "../scripts/reconstruct_truth.py"
