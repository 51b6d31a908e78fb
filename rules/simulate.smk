"""Simulated foam phantoms and their cone-beam scans; specimens in an electron microscope.

Needs  the study's foam or specimen section, a seed for each sample
Makes  simulate/{sample}/spheres.tsv, exact.ome.zarr, exact_labels.ome.zarr, level{level}.h5;
       simulate/{sample}/high.ome.zarr, low.ome.zarr, particles.tsv, warp.tsv
"""


rule spheres:
    """Place the pores of a foam."""
    output:
        multiext(results("simulate/{sample}/spheres"), ".tsv", ".tsv.seal"),
    log:
        logs("simulate/{sample}/spheres"),
    cache: CACHED
    conda:
        ENVIRONMENT
    resources:
        **resources_for("spheres"),
    params:
        cfg=lambda w: KIND.settings("size", "cylinder_radius", Pores)
        | {"seed": SAMPLE[w.sample].seed},
        code=lambda w: code_digest("spheres"),
    message:
        "Foam {wildcards.sample}: placing pores"
    script:
        "../scripts/spheres.py"


rule exact_truth:
    """Voxelise a foam: exact solid fraction, and the label of each pore."""
    input:
        **tables(spheres="simulate/{sample}/spheres"),
    output:
        solid=volume("simulate/{sample}/exact"),
        labels=volume("simulate/{sample}/exact_labels"),
    log:
        logs("simulate/{sample}/exact_truth"),
    benchmark:
        benchmarks("simulate/{sample}/exact_truth")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("exact_truth"),
    params:
        cfg=lambda w: KIND.settings(Body),
        code=lambda w: code_digest("exact_truth"),
    message:
        "Foam {wildcards.sample}: exact truth"
    script:
        "../scripts/exact_truth.py"


rule projections:
    """Scan a foam: analytic projections, blur, photon noise."""
    input:
        **tables(spheres="simulate/{sample}/spheres"),
    output:
        results("simulate/{sample}/level{level}.h5"),
    log:
        logs("simulate/{sample}/level{level}"),
    cache: CACHED
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("projections"),
    params:
        cfg=lambda w: KIND.settings(Body, Beam)
        | {
            "level": float(w.level),
            "seed": PROJECT.seed_of(w.sample, "photons", w.level),
        },
        code=lambda w: code_digest("projections"),
    message:
        "Foam {wildcards.sample}: scan at level {wildcards.level}"
    script:
        "../scripts/projections.py"


rule specimen:
    """Simulate a specimen and its two scans."""
    output:
        **tables(particles="simulate/{sample}/particles", warp="simulate/{sample}/warp"),
        high=volume("simulate/{sample}/high"),
        low=volume("simulate/{sample}/low"),
    log:
        logs("simulate/{sample}/specimen"),
    benchmark:
        benchmarks("simulate/{sample}/specimen")
    conda:
        ENVIRONMENT
    resources:
        **resources_for("specimen"),
    params:
        cfg=lambda w: PROJECT.specimen_cfg(w.sample),
        code=lambda w: code_digest("specimen", specimen=STUDY.specimen.kind),
    message:
        "Specimen {wildcards.sample}: scan it twice"
    script:
        "../scripts/specimen.py"
