"""What a report says of trainings: of how many its figures are, and how far those swing."""

from acuity.report.shown import training_rows
from acuity.report.style import look


def training_note(page, where):
    """Say of how many trainings the figures of learned methods are.

    Parameters
    ----------
    page : acuity.report.graded.GradedPage
        Of the methods that learn, those that have figures on it are spoken of.
    where : str
        Where mean and range over several stand, as ``below``.

    Returns
    -------
    str
        Empty where nothing learns.
    """
    there = set(page.figures_of["method"])
    learned = [method for method in page.learned if method in there]
    if not learned:
        return ""
    names = [look(method).name for method in learned]
    several = len(names) > 1
    named = f"{', '.join(names[:-1])} and {names[-1]}" if several else names[0]
    if page.trainings > 1:
        return (
            f"Figures of {named} are of the first of {page.trainings} trainings; mean and range over all of them "
            f"stand {where}."
        )
    return (
        f"Figures of {named} are of one training{' each' if several else ''}: another seed, or another "
        "processor, gives other ones. With training_seeds the study tells by how much."
    )


def training_table(table, level_format="{:g}"):
    """Arrange mean and range over trainings for a page.

    Parameters
    ----------
    table : pandas.DataFrame
        As `acuity.measure.trainings.trainings` gives it.
    level_format : str
        How levels are written.

    Returns
    -------
    list of list of str
        A heading and its rows; without the columns that are empty.
    """
    heading, *rows = training_rows(table)
    rows = [
        [level_format.format(float(level)) if level else "", look(method).name, *rest]
        for level, method, *rest in rows
    ]
    heading = [word[:1].upper() + word[1:] for word in heading]
    return [heading, *rows]
