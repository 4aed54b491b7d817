"""The one exception that a user's mistake may raise."""


class UserError(Exception):
    """What is wrong, where, and what to do, in one line; the command line prints it and exits with 2."""
