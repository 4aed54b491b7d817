"""What is left of a person's folders and command lines in files that are copied to other machines and published."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

KEEP = "CROSSCAST_KEEP_PATHS"
"""The environment variable that, set to 1, leaves absolute paths and whole command lines in what is written."""

PART = r"[^\s/:;,'\"()\[\]]+"
BEGINNING = r"(?:(?<![\w/.~])|(?<=file://))"
HOME = re.compile(rf"{BEGINNING}(?:/{PART}){{0,3}}/(?:home|[Uu]sers)/{PART}/?(?=$|[\s:;,'\"()\[\]])")
"""A home folder itself, whose last part is a person's name."""

FOLDERS = re.compile(rf"{BEGINNING}/(?!dev/|proc/|sys/|usr/|opt/|etc/)(?:{PART}/)+(?={PART})")

CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
SIGNATURE = re.compile(r"([?&](?:[\w-]{0,40}(?:signature|credential|token)|sig|key)=)[^&\s'\"]+", re.I)
"""What opens a URL to whoever has it: user and password before the host, and a signature behind the path."""


def without_folders(text: str) -> str:
    """Text in which paths are relative to the current folder, or shortened to …/ and their last part; not the system's.

    A home folder is ~. Paths are unchanged where the user asks for whole ones; secrets of URLs are left out always.
    """
    text = SIGNATURE.sub(r"\1…", CREDENTIALS.sub("", text))
    return text if keeps_paths() else FOLDERS.sub("…/", HOME.sub("~", text.replace(f"{Path.cwd()}{os.sep}", "")))


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
