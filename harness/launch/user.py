"""Who this process works for, by the name that a person reads."""

import getpass


def user_name() -> str:
    """The user of this process; "unknown" where the system has no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
