"""Command line: check and plan a study, print its schema or figures, apply a model, export a volume.

The pipeline itself is run by ``snakemake --configfile STUDY.yaml``.
"""

import argparse
import json
import os
import re
import sys

from acuity.errors import AcuityError


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        Exit code: 0, 1 after a user's mistake, which is said in one sentence, 130 after Ctrl-C,
        141 where nobody reads the output any more.
    """
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        print(end="", flush=True)  # also where standard output is closed
    except AcuityError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except BrokenPipeError:  # who reads, as `head` does, has read enough
        _silence()
        return 141
    except OSError as error:
        if error.filename is None:  # standard output's, which cannot be written at the end either
            _silence()
        return _failed(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except MemoryError:
        return _failed("out of memory; use a machine with more, or a smaller volume")
    return 0


def _failed(sentence, code=1):
    print(f"error: {sentence}", file=sys.stderr)
    return code


def _silence():
    """Send what may still be written to standard output nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _parser():
    parser = argparse.ArgumentParser(prog="acuity", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check", help="check a study file, its sample sheet, and the headers of its inputs"
    )
    check.add_argument("study", help="the study file")
    check.add_argument(
        "--deep", action="store_true", help="read all voxels once, and tell what is wrong with them"
    )
    check.set_defaults(run=_check)

    plan = commands.add_parser(
        "plan", help="tell what a study needs: jobs, memory, disk, time; refuse what cannot fit"
    )
    plan.add_argument("study", help="the study file")
    plan.add_argument("--cores", type=_count, help="cores of the machine; default: this one's")
    plan.add_argument("--memory", type=_size, help="its memory, such as 64G; default: this one's")
    plan.add_argument("--disk", type=_size, help="free disk, such as 2T; default: that of results/")
    plan.add_argument("--gpus", type=_count, help="its GPUs; default: this one's")
    plan.set_defaults(run=_plan)

    schema = commands.add_parser("schema", help="print the JSON schema of a study file")
    schema.set_defaults(run=_schema)

    summary = commands.add_parser("summary", help="print a study's figures as a table")
    summary.add_argument("metrics", help="results/STUDY/metrics.tsv, its folder, or the study file")
    summary.add_argument("--sample", default="unseen", help="one sample; default: all unseen ones")
    part = summary.add_mutually_exclusive_group()
    part.add_argument("--by-size", metavar="METRIC", help="one metric by size class")
    part.add_argument(
        "--trainings",
        action="store_true",
        help="mean and range over the trainings with other seeds (training_seeds), of trainings.tsv",
    )
    summary.set_defaults(run=_summary)

    apply = commands.add_parser(
        "apply", help="restore a scan with a trained model, without a study"
    )
    apply.add_argument("model", help="the model's folder, RESULTS/train/METHOD/levelLEVEL")
    apply.add_argument("volume", help="the scan: a file or folder that a study could import")
    apply.add_argument("output", help="NAME.ome.zarr, NAME.tif, NAME.ome.tif or NAME.zarr")
    apply.add_argument(
        "--voxel-size", help="such as '1 um' or '20 10 10 nm' (z y x), where the file states none"
    )
    apply.add_argument("--region", help="part to restore, z0:z1,y0:y1,x0:x1 in voxels of the scan")
    apply.add_argument("--dtype", choices=("float32", "uint8", "uint16"), help="type of the result")
    apply.add_argument(
        "--accept",
        metavar="WHAT",
        default=[],
        type=_accepted,
        help="in what the scan may differ from those that the model was made for: "
        "level, voxel_size, axes, bit_depth, noise, grey_values, unrecorded; separated by commas",
    )
    apply.add_argument(
        "--cores",
        type=_count,
        help="cores to use, default: all; the last digit of a sum follows their number, that of a study "
        "is 2",
    )
    apply.set_defaults(run=_apply)

    export = commands.add_parser("export", help="write a volume as TIFF, OME-TIFF or OME-Zarr 0.4")
    export.add_argument("volume", help="a volume of the pipeline (NAME.ome.zarr)")
    export.add_argument("output", help="NAME.tif, NAME.ome.tif or NAME.zarr")
    export.set_defaults(run=_export)
    return parser


# Imports stand in the functions so that each command starts as fast as it can.


def _check(options):
    from acuity.ingest.look import look, table
    from acuity.study.given import unlike
    from acuity.study.reading import read_study

    study, samples = read_study(options.study)
    inputs = list(look(study, samples, options.deep))
    print(table(inputs))
    for found in inputs:
        for finding in found.findings:
            print(f"{found.row[0]}, {found.row[1]}: {finding}")
    errors = [found.error for found in inputs if found.error] + list(unlike(study, samples))
    for error in errors[:-1]:
        _failed(error)
    if errors:
        raise AcuityError(errors[-1])
    print(
        f"{options.study}: study {study.study!r} is sound: {len(samples)} samples, "
        f"{len(study.levels)} levels, methods {', '.join(study.methods)}"
    )


def _count(text):
    if re.fullmatch(r"[0-9]{1,9}", text) is None:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is a whole number")
    return int(text)


def _size(text):
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]+)?)\s*([kMGT]?)(?:i?B)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed is a size such as 500M, 64G, 2T")
    return float(match[1]) * 1024 ** " kMGT".index(match[2] or " ")


def _plan(options):
    from acuity.plan.jobs import Machine, check, plan, table

    machine = Machine.here()
    for name in ("cores", "memory", "disk", "gpus"):
        if getattr(options, name) is not None:
            setattr(machine, name, getattr(options, name))
    if machine.cores < 1:
        raise AcuityError("--cores: found 0; allowed is a whole number from 1 up")
    lines, *told = plan(options.study, machine)
    print(table(lines, machine, *told))
    check(lines, machine, options.study)


def _schema(options):
    from acuity.study.study import schema

    print(json.dumps(schema(), indent=2))


def _summary(options):
    from acuity.report.summary import summary, training_summary

    if options.trainings:
        print(training_summary(options.metrics))
        return
    print(summary(options.metrics, sample=options.sample, by_size=options.by_size))


def _accepted(text):
    from acuity.made_for import ACCEPTABLE

    found = [word.strip() for word in text.split(",")]
    if wrong := [word for word in found if word not in ACCEPTABLE]:
        raise argparse.ArgumentTypeError(
            f"found {wrong[0]!r}; allowed are {', '.join(ACCEPTABLE)}, separated by commas"
        )
    return found


def _apply(options):
    from acuity.predict.apply import apply
    from acuity.threads import cores, keep_limit

    names = ("voxel_size", "region", "dtype", "accept")
    asked = {name: getattr(options, name) for name in names}
    if options.cores == 0:
        raise AcuityError("--cores: found 0; allowed is a whole number from 1 up")
    keep_limit()
    threads = options.cores or cores()
    said = apply(options.model, options.volume, options.output, threads=threads, **asked)
    for difference in said:
        print(f"accepted: the {difference}")
    print(f"wrote {options.output}")


def _export(options):
    from acuity.formats.export import export

    export(options.volume, options.output)
    print(f"wrote {options.output}")
