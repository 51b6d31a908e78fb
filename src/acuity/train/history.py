"""How a training goes: the table that is kept of it, and what is said meanwhile."""

import logging
import math
import sys
import time
from collections.abc import Sequence
from os import PathLike
from typing import Any

from tqdm import tqdm

from acuity.methods.base import Method
from acuity.seals import sealing

logger = logging.getLogger("acuity.train")

QUIET = 10.0  # seconds between two lines of progress in a log
COLUMNS = ("step", "split", "loss", "psnr", "seconds")
NOT_JUDGED = {"loss": None, "psnr": None, "psnr_input": None}


def psnr(mse: float, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error."""
    return 10.0 * math.log10(data_range**2 / max(mse, 1e-30))


def history_row(row: Sequence[Any]) -> str:
    """Return a line of the table: step, split, loss, PSNR, seconds, further losses."""
    step, split, loss, decibels, seconds, *others = row
    shown = "" if decibels is None else f"{decibels:.4f}"
    further = "".join("\t" if value is None else f"\t{value:.6g}" for value in others)
    return f"{step}\t{split}\t{loss:.6g}\t{shown}\t{seconds:.1f}{further}\n"


def write_history(
    path: str | PathLike, rows: Sequence[Sequence[Any]], further: Sequence[str] = ()
) -> None:
    """Write the table anew.

    Parameters
    ----------
    path : path
        The table.
    rows : list of list
        As `history_row` takes them.
    further : sequence of str
        Names of the method's further losses.
    """
    columns = "\t".join([*COLUMNS, *further])
    lines = "".join(history_row(row) for row in rows)
    with sealing(path) as part:
        part.write_text(f"{columns}\n{lines}", encoding="utf-8")


class Progress:
    """A bar on a terminal, a line every few seconds in a log."""

    def __init__(self, step: int, steps: int, method: Method, shown: bool = True) -> None:
        self.steps, self.first = steps, step
        self.name = f"{method.name()} level {method.task.level:g}"
        self.started = self.shown = time.perf_counter()
        self.bar = None
        if shown and sys.stderr.isatty():
            self.bar = tqdm(total=steps, initial=step, desc=self.name, unit="step")

    def show(self, step: int, loss: float) -> None:
        """Note a step and its loss."""
        if self.bar is not None:
            self.bar.n = step
            self.bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self.bar.update(0)
            return
        now = time.perf_counter()
        if now - self.shown >= QUIET:
            self.shown = now
            left = (now - self.started) / (step - self.first) * (self.steps - step)
            said = "%s: step %d of %d, loss %.4g, about %.0f s left"
            logger.info(said, self.name, step, self.steps, loss, left)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()
