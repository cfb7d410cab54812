"""Errors that users can correct themselves."""


class UserError(ValueError):
    """An error of the caller; its message says what was given, what was expected and what to do.

    Command lines print it as one line, without a stack trace, and exit with ``exit_status``.
    """

    exit_status = 2
