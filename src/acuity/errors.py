"""The one exception that a user's mistake raises."""


class AcuityError(Exception):
    """A mistake that a user can mend, said in one sentence.

    The sentence names the file, key or slice, what was found and what is allowed. Scripts and the
    command line print it without a traceback and exit with code 1.
    """


def require(condition: bool, message: str) -> None:
    """Raise an `AcuityError` with a message where a condition does not hold."""
    if not condition:
        raise AcuityError(message)
