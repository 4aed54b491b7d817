"""`python -m harness` is the command `crosscast`."""

from harness.commands.cli import main

main()
