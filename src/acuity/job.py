"""What every pipeline script needs around its one call: log, threads and errors."""

import errno
import gc
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from acuity.errors import AcuityError
from acuity.patience import share_cores
from acuity.threads import note_environment, use_threads

logger = logging.getLogger("acuity")

# A job's last line; benchmarks/plan.py reads it.
USED = "used %.1f MiB of memory, %.2f core seconds"


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a script as one job.

    The log goes to the rule's log file and to standard error, and ends with the memory and the
    time that were used; numba and torch use the rule's threads; a user's mistake ends in one sentence
    and exit code 1, Ctrl-C in one and 130, anything else in one sentence and a traceback in the log
    file.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake hands to a script: ``rule``, ``log``, ``threads``.
    """
    # What the imports made lives as long as the process: not to be searched for garbage, least of
    # all when it ends.
    gc.freeze()
    path = Path(snakemake.log[0]) if snakemake.log else None
    _configure(path)
    use_threads(snakemake.threads)
    note_environment(snakemake.threads)
    try:
        with share_cores():
            yield
        logger.info(USED, peak_memory(), time.process_time())
    except AcuityError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(f"rule {snakemake.rule}: interrupted; run the same command again to go on", 130)
    except Exception as error:
        if said := _used_up(error):
            _fail(f"rule {snakemake.rule}: {said}")
        _unexpected(snakemake.rule, error, path)


def _used_up(error: Exception) -> str:
    """Say what an error tells to be used up, memory or disk, and what to do; empty of others."""
    if isinstance(error, MemoryError):
        return "out of memory; give the job more memory or use a smaller volume"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"disk full while writing {error.filename or 'its output'}"
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which a job need not have loaded
        return (
            "the memory of the GPU is full; use a smaller batch or patch (train) or tile (predict), or "
            "device: cpu"
        )
    return ""


def peak_memory() -> float:
    """Give the most memory that this process has held.

    Returns
    -------
    float
        MiB.
    """
    try:
        # Not getrusage: what it tells begins with the memory of the parent process.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:", 1)[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _configure(path: Path | None) -> None:
    logger.handlers = []
    logger.setLevel(logging.INFO)
    logger.propagate = False
    _log_to(logging.StreamHandler(sys.stderr))
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        # Appending, so that a traceback that is written beside it is not overwritten.
        _log_to(logging.FileHandler(path, mode="a", encoding="utf-8"))
    except OSError as error:
        _fail(
            f"{path}: the log cannot be written ({error.strerror}: {error.filename}); move what is "
            "there, allow it, or free some space"
        )


def _log_to(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)


def _fail(sentence: str, code: int = 1) -> NoReturn:
    logger.error("error: %s", sentence)
    logging.shutdown()
    sys.stdout.flush()
    raise SystemExit(code)


def _unexpected(rule: str, error: Exception, path: Path | None) -> NoReturn:
    text = str(error).strip().splitlines()
    where = f"; the traceback is in {path}" if path is not None else ""
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    else:
        traceback.print_exc()
    name = type(error).__name__
    _fail(f"rule {rule}: unexpected {name}: {text[0] if text else os.strerror(1)}{where}")
