"""Further figures of the report, one file each; a file that ends in ``FIGURE = ItsClass()`` is one.

The rule that draws a page's other figures draws it too, and the page shows it. What is heavy to import is
imported in `Figure.plot`: Snakemake loads all of these files at each start.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from acuity.errors import AcuityError
from acuity.plugins import declared, modules


class Figure:
    """A figure of a page.

    Attributes
    ----------
    page : str
        ``sample``: drawn for each sample, from its volumes, and shown on its page; ``study``: drawn
        once, from the study's tables, and shown on the first page.
    """

    page: ClassVar[Literal["sample", "study"]] = "sample"

    @property
    def name(self) -> str:
        """Name of its files: that of its module."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def plot(self, **sources: Any) -> Any:
        """Return it as it is drawn.

        Parameters
        ----------
        **sources
            Of a sample what `acuity.report.images.sample_figures` takes: ``volumes``, ``maps``, ``labels``
            and ``statuses``, each by (method, level). Of a study what
            `acuity.report.figures.study_figures` takes: ``metrics``, ``pores``, ``curves``, ``spaces``
            and ``histories``. And ``words`` (acuity.report.style.Words).

        Returns
        -------
        acuity.report.figures.Plot
            Of its `name`; without panels where there is nothing to draw.
        """
        raise NotImplementedError


def load(name: str) -> Figure:
    """Find a further figure by its name.

    Raises
    ------
    AcuityError
        If its file is none that can be loaded.
    """
    return declared(__package__, name, "FIGURE", "a figure")


def further(page: str, drawn: Iterable[str]) -> list[str]:
    """Name the further figures of a page.

    Parameters
    ----------
    page : str
        ``sample`` or ``study``.
    drawn : iterable of str
        Names of the other figures.

    Returns
    -------
    list of str

    Raises
    ------
    AcuityError
        If one cannot be loaded, or has the name of another figure.
    """
    found = [name for name in modules(__package__) if load(name).page == page]
    for name in set(found) & set(drawn):
        raise AcuityError(
            f"{modules(__package__)[name]}: declares the figure {name!r}, which the page of the "
            f"{page} has already"
        )
    return found
