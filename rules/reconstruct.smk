"""Cone-beam FDK reconstruction.

Needs  simulate/{sample}/level{level}.h5 (Data Exchange); for the reference, the spheres
Makes  reconstruct/{sample}/level{level}.ome.zarr, reconstruct/{sample}/truth.ome.zarr
"""


rule reconstruct:
    """Reconstruct a scan on the target's grid."""
    input:
        results("simulate/{sample}/level{level}.h5"),
    output:
        volume("reconstruct/{sample}/level{level}"),
    log:
        logs("reconstruct/{sample}/level{level}"),
    benchmark:
        records("reconstruct/{sample}/level{level}")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("reconstruct"),
    params:
        cfg=lambda w: foam_cfg("backend"),
        code=lambda w: code("reconstruct"),
    message:
        "Foam {wildcards.sample}: FDK at level {wildcards.level}"
    script:
        "../scripts/reconstruct.py"


rule reconstruct_truth:
    """Reconstruct the reference from many noiseless views, none of them stored."""
    input:
        spheres=results("simulate/{sample}/spheres.tsv"),
    output:
        volume("reconstruct/{sample}/truth"),
    log:
        logs("reconstruct/{sample}/truth"),
    benchmark:
        records("reconstruct/{sample}/truth")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **needs("reconstruct_truth"),
    params:
        cfg=lambda w: foam_cfg(
            "size",
            "cylinder_radius",
            "voxel_size",
            "unit",
            "peak_attenuation",
            "views",
        ),
        code=lambda w: code("reconstruct_truth"),
    message:
        "Foam {wildcards.sample}: reference reconstruction"
    script:
        "../scripts/reconstruct_truth.py"
