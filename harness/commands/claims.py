"""`crosscast claims`."""

from pathlib import Path

import click

from harness.commands.options import refuse_unusable, results_option


@click.command()
@click.option(
    "--ledger",
    default="2510.17852",
    show_default=True,
    help="Claims to test: a name in scenarios/claims or a YAML file.",
)
@click.option("--details", is_flag=True, help="Print the evidence of each claim as well, and all that is missing.")
@results_option
def claims(ledger: str, details: bool, results: Path) -> None:
    """What the records say of each claim of a study: confirmed, refuted, undecided, not measured."""
    from harness.analysis.claims.writing import write_claims
    from harness.console import PlainConsole

    refuse_unusable(write_claims(results, ledger, PlainConsole(), details=details))
