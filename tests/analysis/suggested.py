"""Commands that outputs suggest: found in text, and read by the real command line without running."""

import re
import shlex

import click

from harness.commands.cli import COMMANDS, cli

COMMAND = re.compile(rf"crosscast ({'|'.join(map(re.escape, COMMANDS))})\b((?:(?!crosscast )[^;`|\n])*)")


def suggested(text):
    """The commands in a text, each as its words after `crosscast`: as far as it could still be one."""
    found = [longest_command([match[1], *words(match[2])]) for match in COMMAND.finditer(text)]
    return list(dict.fromkeys(map(tuple, found)))


def words(text):
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def longest_command(given):
    """Words up to where running text goes on: options with their values, and arguments that are paths or names."""
    taken = [given[0]]
    place = 1
    while place < len(given) and (given[place].startswith("--") or given[place].endswith((".yaml", ".yml"))):
        option = parameter(given[0], given[place])
        size = 1 if option is None or option.is_flag else 2
        taken += given[place : place + size]
        place += size
    return taken


def parameter(name, word):
    """The option of a command; None for an argument. An unknown one fails the test."""
    if not word.startswith("--"):
        return None
    options = {name: each for each in command_of(name).params for name in each.opts + each.secondary_opts}
    assert word in options, f"crosscast {name} has no option {word}"
    return options[word]


def command_of(name):
    return cli.get_command(click.Context(cli), name)


def parse(given):
    """The parameters as the command would get them; click raises where it would refuse them."""
    return command_of(given[0]).make_context(given[0], list(given[1:])).params
