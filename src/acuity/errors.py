"""The one exception that a user's mistake raises, and what libraries raise turned into it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Of a file, in a sentence.
DAMAGED = "the file is damaged or cut short"
CUT_SHORT = "it is cut short, copy it again from its source"


class AcuityError(Exception):
    """A mistake that a user can mend, said in one sentence.

    The sentence names the file, key or slice, what was found and what is allowed. Scripts and the
    command line print it without a traceback and exit with code 1.
    """


def require(condition: bool, message: str) -> None:
    """Raise an `AcuityError` with a message where a condition does not hold."""
    if not condition:
        raise AcuityError(message)


def error_reason(error: Exception) -> str:
    """Return an error's message as one short line."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160].rstrip(". ")


@contextmanager
def one_sentence(
    what: str,
    remedy: str | Callable[[], str] = "",
    reason: Callable[[Exception], str] = error_reason,
) -> Iterator[None]:
    """Turn what a library raises into an `AcuityError`; one, and a lack of memory, pass unchanged.

    Parameters
    ----------
    what : str
        The file, and what cannot be done with it.
    remedy : str or callable
        What to do; a callable is asked when there is an error.
    reason : callable
        From the error to its reason in words.
    """
    try:
        yield
    except (AcuityError, MemoryError):
        raise
    except Exception as error:
        do = remedy() if callable(remedy) else remedy
        raise AcuityError(f"{what} ({reason(error)}){do and f'; {do}'}.") from error
