"""Measures: one file each, found by name; a file that ends in ``MEASURE = ItsClass()`` is one.

A measure declares what it reads, what it takes for granted, what it writes and which of its figures are
shown where. From that come its rule, its place in ``metrics.tsv``, the columns of pages and of
``acuity summary`` with the words that explain them, and what its jobs cost. What is heavy to import is
imported in `Measure.run`: Snakemake loads all of these files at each start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, ClassVar, Literal

from acuity.assumptions import Assumes, warning_rows
from acuity.errors import AcuityError, require
from acuity.plugins import declared as load_module
from acuity.plugins import modules
from acuity.volume import Volume

Project = Any  # acuity.study.project.Project, of a room above this one
LENGTH = "length"  # the unit of a figure that is in the volume's own unit
ALL = "all"  # the subset of a figure that is of the whole image


@dataclass(frozen=True)
class Metric:
    """A figure that a measure declares: how it is called, written and explained.

    Attributes
    ----------
    key : str
        Its name in the column ``metric``.
    title : str
        Its heading on pages.
    short : str
        Its heading in ``acuity summary``, where that is not the title.
    unit : str
        Its unit; `LENGTH` where that is the volume's.
    digits : int
        Decimals.
    page_digits : int or None
        Decimals on pages, where these are others.
    better : str
        Which way is better; empty where neither is.
    help : str
        What it means, in words for people who see the page and nothing else.
    subset : str
        The subset of its rows.
    on : tuple of str
        Where it is shown: ``summary`` (``acuity summary`` and the table of trainings), ``volumes``
        (first page, and that of a sample), ``images`` (page of a SEM sample).
    interval : bool
        Whether its 95 % interval is shown with it.
    percent : bool
        Whether pages write it as a percentage.
    source : str
        The metric whose rows ``acuity summary`` shows in its place, where another has the better
        interval.
    unlike : str
        A metric; the column is left out where it says the same as that one's.
    infinite : str
        What an infinite value means.
    """

    key: str
    title: str
    short: str = ""
    unit: str = ""
    digits: int = 3
    page_digits: int | None = None
    better: Literal["", "higher", "lower", "nearer 0"] = ""
    help: str = ""
    subset: str = ALL
    on: tuple[str, ...] = ("summary", "volumes", "images")
    interval: bool = False
    percent: bool = False
    source: str = ""
    unlike: str = ""
    infinite: str = "∞"

    @property
    def name(self):
        """Key and, where it is not of the whole image, its subset."""
        return self.key if self.subset == ALL else f"{self.key}, {self.subset}"

    def headed(self, *, interval: bool = True):
        """Return the heading in ``acuity summary``: with unit, and what stands behind the value."""
        title = self.short or self.title
        if title[1:2].islower():
            title = title[:1].lower() + title[1:]
        behind = [self.unit] * (self.unit not in ("", LENGTH)) + ["95 %"] * (
            interval and self.interval
        )
        return f"{title} ({', '.join(behind)})" if behind else title

    @property
    def words(self):
        """What it means, and which way is better."""
        return f"{self.help} {self.better.capitalize()} is better." if self.better else self.help


class Measure:
    """What is measured of an image.

    Attributes
    ----------
    metrics : tuple of Metric
        The figures that are shown, in their order.
    assumes : acuity.assumptions.Assumes
        What it takes for granted of its volumes.
    needs : tuple of str
        The volumes that it reads, each where there is one: ``image``, ``truth``, ``low`` (what the
        image was restored from), ``repeat`` (the same image of a second acquisition), ``labels``
        (the image's objects), ``valid`` (where image and truth agree).
    tables : tuple of str
        The tables that it writes beside the image, without ending: that of its figures first, curves
        and the like behind it. By default one of the measure's name.
    gathers : tuple of (str, str)
        What is gathered for the study: what it becomes there (``tables``, ``curves`` and so on, as
        `acuity.measure.collect.collect` takes them) and the table; by default its figures, as
        ``tables``.
    order : int
        Its place among the measures in ``metrics.tsv``.
    column_order : int
        Its place among the measures in ``acuity summary`` and on pages.
    threads : int
        Threads that its jobs use.
    bytes_a_voxel : float
        Memory of a job: bytes for each voxel of the image.
    own_rule : bool
        Whether its rule stands in rules/ by itself, as that of one which works in slabs.
    """

    metrics: ClassVar[tuple[Metric, ...]] = ()
    assumes: ClassVar[Assumes] = Assumes()
    needs: ClassVar[tuple[str, ...]] = ("image", "truth")
    tables: ClassVar[tuple[str, ...]] = ()
    gathers: ClassVar[tuple[tuple[str, str], ...]] = ()
    order: ClassVar[int] = 1000
    column_order: ClassVar[int] = 1000
    threads: ClassVar[int] = 1
    bytes_a_voxel: ClassVar[float] = 24
    own_rule: ClassVar[bool] = False

    @property
    def name(self):
        """Name of the measure: that of its module."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def applies(self, project: Project, sample: str, image: str):
        """Return whether an image is measured: by default each that has a truth, but the truth.

        Parameters
        ----------
        project : acuity.study.project.Project
        sample, image : str

        Returns
        -------
        bool
        """
        return image != "truth" and sample not in project.restore

    def cfg(self, project: Project, sample: str, image: str):
        """Return what `run` is told beside the volumes, as plain data.

        Parameters
        ----------
        project, sample, image
            As for `applies`.

        Returns
        -------
        dict
        """
        return {}

    def written(self):
        """Return the names of the tables that a job writes, that of the figures first."""
        return self.tables or (self.name,)

    def gathered(self, project: Project, sample: str, image: str):
        """Return the tables of an image that are gathered, as in `gathers`."""
        return self.gathers or [("tables", self.written()[0])]

    def run(self, *volumes: Any, **cfg: Any):
        """Measure; all is given by name.

        Parameters
        ----------
        *volumes
            The volumes of `needs` (acuity.volume.Volume).
        **cfg
            What `cfg` returns.

        Returns
        -------
        list of dict, or tuple
            Rows with ``metric subset value unit`` and, where known, ``low high n``; in a tuple with
            the further tables (pandas.DataFrame), in the order of `tables`.
        """
        raise NotImplementedError

    def checked(self, volumes: Mapping[str, Volume], cfg: Mapping[str, Any]):
        """Return what is held against `assumes`, as `acuity.assumptions.warning_rows` takes it."""
        return {name: volumes[name] for name in volumes if name not in ("low", "valid")}

    def held(self, shape: Sequence[int]):
        """Return the bytes that a job holds of an image of a shape (z, y, x)."""
        return self.bytes_a_voxel * prod(shape)


def measured(measure: Measure, volumes: Mapping[str, Volume], cfg: Mapping[str, Any]):
    """Measure, and add what is not as the measure assumes it.

    Parameters
    ----------
    measure : Measure
    volumes : dict of str to acuity.volume.Volume
        By the names of `Measure.needs`.
    cfg : dict
        As `Measure.cfg` returns it.

    Returns
    -------
    list
        The rows of figures, and the further tables (pandas.DataFrame), in the order of
        `Measure.tables`.
    """
    found = measure.run(**volumes, **cfg)
    rows, *tables = found if isinstance(found, tuple) else (found,)
    return [rows + warning_rows(measure.assumes, **measure.checked(volumes, cfg)), *tables]


def known():
    """Return the names of the measures that there are, sorted."""
    return list(modules(__package__))


@cache
def load(name: str):
    """Find a measure by its name.

    As `acuity.methods.base.load`: a job depends on the code of its own measure and of no other.

    Parameters
    ----------
    name : str

    Returns
    -------
    Measure

    Raises
    ------
    AcuityError
        If there is none of that name, or its file is none that can be loaded.
    """
    require(name in known(), f"unknown measure {name!r}; known measures are {', '.join(known())}")
    return load_module(__package__, name, "MEASURE", "a measure")


def measures():
    """Load all measures.

    Returns
    -------
    dict of str to Measure
        By name, in the order of ``metrics.tsv``.

    Raises
    ------
    AcuityError
        If one cannot be loaded, or a metric or a table is declared twice.
    """
    found = sorted((load(name) for name in known()), key=lambda m: (m.order, m.name))
    owners = {}
    for measure in found:
        declared = [f"the metric {metric.name!r}" for metric in measure.metrics]
        for what in [*declared, *(f"the table {name!r}" for name in measure.written())]:
            if what in owners:
                file = modules(__package__)[measure.name]
                raise AcuityError(f"{file}: declares {what}, which {owners[what]}.py declares too")
            owners[what] = measure.name
    return {measure.name: measure for measure in found}


@cache
def declared(where: str | None = None):
    """List the metrics that are shown somewhere, in their order.

    Parameters
    ----------
    where : str, optional
        ``summary``, ``volumes`` or ``images``; by default all metrics are listed.

    Returns
    -------
    tuple of Metric
    """
    order = sorted(measures().values(), key=lambda m: (m.column_order, m.order, m.name))
    every = (metric for measure in order for metric in measure.metrics)
    return tuple(metric for metric in every if where is None or where in metric.on)
