"""Errors that a user can mend."""


class UserError(ValueError):
    """A mistake of the caller: the message names what was given, what was expected and what to do.

    Command lines print it as one line and exit with ``exit_status``; nothing else about it is worth a stack trace.
    """

    exit_status = 2
