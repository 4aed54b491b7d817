"""What is left of a person's folders and command lines in files that are copied to other machines and published."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

KEEP = "CROSSCAST_KEEP_PATHS"
"""The environment variable that, set to 1, leaves absolute paths and whole command lines in what is written."""

FOLDERS = re.compile(r"(?<![\w/.~:])/(?!dev/|proc/|sys/|usr/|opt/|etc/)(?:[^\s/:;,'\"()\[\]]+/)+(?=[^\s/:;,'\"()\[\]])")


def without_folders(text: str) -> str:
    """Text in which paths are relative to the current folder, or shortened to …/ and their last part; not the system's.

    Unchanged where the user asks for whole paths.
    """
    return text if keeps_paths() else FOLDERS.sub("…/", text.replace(f"{Path.cwd()}{os.sep}", ""))


def command_title(command: Sequence[str]) -> str:
    """A command as a recording names it: the program, and its arguments only where the user asks for them."""
    if keeps_paths() or len(command) < 2:
        return " ".join(command)
    return f"{Path(command[0]).name} …"


def interpreter_title(python: str) -> str:
    """The path of a Python as records name it: from the folder of its environment on, as in …/mindspore/bin/python."""
    folders = Path(python).parts[:-3]
    return python if keeps_paths() or len(folders) < 2 else "/".join(("…", *Path(python).parts[-3:]))


def keeps_paths() -> bool:
    """Whether the user asks for whole paths and command lines."""
    return os.environ.get(KEEP) == "1"
