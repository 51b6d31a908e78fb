"""Specimens under a simulated X-ray microscope: scanned at two magnifications and reconstructed.

Needs  the study's xrm section, a seed for each sample
Makes  simulate/{sample}/bodies.tsv, map.json, coarse.h5, fine.h5, judged and field.ome.zarr;
       reconstruct/{sample}/coarse, fine and noise_free.ome.zarr, what is judged by;
       measure/{sample}/map.tsv, how far the map found is off, and dose.tsv, what restorations are worth
"""


rule specimen_bodies:
    """Make a specimen, and say how its two scans lie in each other."""
    output:
        **tables(bodies="simulate/{sample}/bodies"),
        map=results("simulate/{sample}/map.json"),
    log:
        logs("simulate/{sample}/bodies"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("specimen_bodies"),
    params:
        cfg=lambda w: KIND.specimen_cfg(w.sample),
        code=lambda w: code_digest("specimen_bodies"),
    message:
        "Specimen {wildcards.sample}: its bodies"
    script:
        "../scripts/specimen_bodies.py"


rule scan_specimen:
    """Scan a specimen at one magnification: analytic path lengths, spectrum, blur, photon noise."""
    input:
        **tables(bodies="simulate/{sample}/bodies"),
    output:
        results("simulate/{sample}/{exposure}.h5"),
    log:
        logs("simulate/{sample}/{exposure}"),
    cache: CACHED
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("scan_specimen"),
    params:
        cfg=lambda w: KIND.scan_cfg(w.sample, w.exposure),
        code=lambda w: code_digest("scan_specimen"),
    message:
        "Specimen {wildcards.sample}: {wildcards.exposure} scan"
    script:
        "../scripts/scan_specimen.py"


for part in PARTS:

    rule:
        """Reconstruct a scan of a specimen; in slabs, or join them."""
        name:
            part.name("reconstruct_scan")
        input:
            **part.needed("reconstruct/{sample}/{exposure}"),
            scan=results("simulate/{sample}/{exposure}.h5"),
        output:
            part.volume("reconstruct/{sample}/{exposure}"),
        log:
            part.log("reconstruct/{sample}/{exposure}"),
        benchmark:
            part.benchmark("reconstruct/{sample}/{exposure}")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("reconstruct_scan")),
        params:
            cfg=part.cfg(lambda w: KIND.reconstruction_cfg()),
            code=lambda w: code_digest("reconstruct"),
        message:
            part.says(
                "Specimen {wildcards.sample}: FDK of the {wildcards.exposure} scan"
            )
        script:
            "../scripts/reconstruct.py"

    rule:
        """Reconstruct the whole coarse field as a perfect fine scan shows it; in slabs, or join them."""
        name:
            part.name("reconstruct_noise_free")
        input:
            **part.needed("reconstruct/{sample}/noise_free"),
            **tables(bodies="simulate/{sample}/bodies"),
        output:
            part.volume("reconstruct/{sample}/noise_free"),
        log:
            part.log("reconstruct/{sample}/noise_free"),
        benchmark:
            part.benchmark("reconstruct/{sample}/noise_free")
        conda:
            ENVIRONMENT
        threads: 2
        resources:
            **resources_for(part.name("reconstruct_noise_free")),
        params:
            cfg=part.cfg(lambda w: KIND.scan_cfg(w.sample, "truth")),
            code=lambda w: code_digest("reconstruct_noise_free"),
        message:
            part.says("Specimen {wildcards.sample}: what is judged by")
        script:
            "../scripts/reconstruct_noise_free.py"


rule judged_region:
    """Say which box of a specimen is judged."""
    input:
        volume("reconstruct/{sample}/noise_free"),
    output:
        volume("simulate/{sample}/judged"),
    log:
        logs("simulate/{sample}/judged"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("judged_region"),
    params:
        cfg=lambda w: KIND.judged_cfg(w.sample),
        code=lambda w: code_digest("judged_region"),
    message:
        "Specimen {wildcards.sample}: which part is judged"
    script:
        "../scripts/judged_region.py"


rule restored_field:
    """Cut a coarse scan to the part that methods restore."""
    input:
        unpack(lambda w: files(KIND.field_inputs(w.sample))),
    output:
        volume("simulate/{sample}/field"),
    log:
        logs("simulate/{sample}/field"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("restored_field"),
    params:
        cfg=lambda w: KIND.field_cfg(PLANNER.reach),
        code=lambda w: code_digest("restored_field"),
    message:
        "Specimen {wildcards.sample}: the part that is restored"
    script:
        "../scripts/restored_field.py"


rule judge_map:
    """Hold the map found between the two scans against the true one."""
    input:
        transform=results("pair/{sample}/transform.json"),
        truth=results("simulate/{sample}/map.json"),
    output:
        **tables(table="measure/{sample}/map"),
    log:
        logs("pair/{sample}/judge_map"),
    conda:
        ENVIRONMENT
    resources:
        **resources_for("judge_map"),
    params:
        cfg={},
        code=lambda w: code_digest("judge_map"),
    message:
        "Specimen {wildcards.sample}: how far the map found is off"
    script:
        "../scripts/judge_map.py"


rule dose:
    """Find how long a coarse scan must be exposed to give the porosity error of restorations."""
    input:
        unpack(lambda w: files(KIND.dose_inputs(w.sample))),
        **tables(bodies="simulate/{sample}/bodies"),
    output:
        **tables(table="measure/{sample}/dose"),
    log:
        logs("measure/{sample}/dose"),
    benchmark:
        benchmarks("measure/{sample}/dose")
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        **resources_for("dose"),
    params:
        cfg=lambda w: KIND.dose_cfg(w.sample),
        code=lambda w: code_digest("dose"),
    message:
        "Specimen {wildcards.sample}: what restorations are worth in dose"
    script:
        "../scripts/dose.py"
