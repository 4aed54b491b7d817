"""`python -m harness` is the command `crosscast`."""

from harness.cli import main

main()
