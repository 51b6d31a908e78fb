"""Command line: check a study, print its schema or figures, export a volume.

The pipeline itself is run by ``snakemake --configfile STUDY.yaml``.
"""

import argparse
import json
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
        Exit code: 0, or 1 after a user's mistake, which is said in one sentence.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except AcuityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="acuity", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check a study file and its sample sheet")
    check.add_argument("study", help="the study file")
    check.set_defaults(run=_check)

    schema = commands.add_parser("schema", help="print the JSON schema of a study file")
    schema.set_defaults(run=_schema)

    summary = commands.add_parser("summary", help="print a study's figures as a table")
    summary.add_argument("metrics", help="results/STUDY/metrics.tsv")
    summary.add_argument("--sample", default="unseen", help="one sample; default: all unseen ones")
    summary.add_argument("--by-size", metavar="METRIC", help="one metric by size class")
    summary.set_defaults(run=_summary)

    export = commands.add_parser("export", help="write a volume as TIFF, OME-TIFF or OME-Zarr 0.4")
    export.add_argument("volume", help="a volume of the pipeline (NAME.ome.zarr)")
    export.add_argument("output", help="NAME.tif, NAME.ome.tif or NAME.zarr")
    export.set_defaults(run=_export)
    return parser


# Imports stand in the functions so that each command starts as fast as it can.


def _check(options):
    from acuity.study import read_study

    study, samples = read_study(options.study)
    print(
        f"{options.study}: study {study.study!r} is sound: {len(samples)} samples, "
        f"{len(study.levels)} levels, methods {', '.join(study.methods)}"
    )


def _schema(options):
    from acuity.study import schema

    print(json.dumps(schema(), indent=2))


def _summary(options):
    from acuity.measure.summary import summary

    print(summary(options.metrics, sample=options.sample, by_size=options.by_size))


def _export(options):
    from acuity.formats.export import export

    export(options.volume, options.output)
    print(f"wrote {options.output}")
