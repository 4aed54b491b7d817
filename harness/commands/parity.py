"""`crosscast parity`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.commands.options import SEED, PathName

if TYPE_CHECKING:
    from harness.scenario.execution import Autocast


@click.command()
@click.argument("model", required=False)
@click.option("--preset", help="Preset of the model; default: the smoke suite's.")
@click.option("--framework", default="mindspore", show_default=True, help="Framework of the port.")
@click.option(
    "--execution",
    type=click.Choice(["eager", "graph", "both"]),
    default="both",
    show_default=True,
    help="How the port runs.",
)
@click.option("--chip", default="cpu", show_default=True, help="Chip: a name in scenarios/chips or a YAML file.")
@click.option("--port", help="A port of your own, module[:name], with build and loss; default: the harness's.")
@click.option("--seed", type=SEED, default=2026, show_default=True, help="Of the weights and batches.")
@click.option("--batch-size", type=click.IntRange(min=1), default=3, show_default=True, help="Samples of a batch.")
@click.option("--steps", type=click.IntRange(min=1), default=12, show_default=True, help="Training steps compared.")
@click.option(
    "--autocast",
    type=click.Choice(["none", "bf16", "fp16", "native-bf16", "native-fp16"]),
    default="none",
    show_default=True,
    help="As precision.autocast of an execution: by kinds of layers, or native: the framework's own list.",
)
@click.option("--no-operators", is_flag=True, help="Leave out the level of single operators.")
@click.option(
    "--results",
    type=PathName(file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder in which the certificates are kept, in parity/.",
)
def parity(
    model: str | None,
    preset: str | None,
    framework: str,
    execution: str,
    chip: str,
    port: str | None,
    seed: int,
    batch_size: int,
    steps: int,
    autocast: "Autocast",
    no_operators: bool,
    results: Path,
) -> None:
    """Certify that a port is the same network: operators, layers, gradients, training.

    MODEL is a name in scenarios/models or a YAML file; without it, all models of the smoke suite. Certificates go
    to the results as JSON and Markdown, from where tables take them. The exit status is 2 where a port departs or does
    not run in one of the executions.
    """
    from harness.commands.options import refuse_unwritable
    from harness.console import PlainConsole
    from harness.errors import refuse
    from harness.files import write_atomically
    from harness.own_code import refuse_absent
    from harness.porting.parity.certificate import save
    from harness.porting.parity.check import Settings, certify, scenarios_of
    from harness.porting.parity.rendering import markdown, remarks, table
    from harness.scenario import catalogue
    from harness.scenario.execution import Compilation, Execution, Precision
    from harness.scenario.labels import label
    from harness.terminal import say

    modes: tuple[Literal["eager", "graph"], ...] = ("eager", "graph")
    chosen = tuple(
        Execution(compilation=Compilation(mode=mode), precision=Precision(autocast=autocast))
        for mode in modes
        if execution in (mode, "both")
    )
    refuse_unwritable(results)
    if port is not None:
        refuse_absent(port)
    pythons = {str(name): entry.python for name, entry in catalogue.chip(chip).frameworks.items() if entry.python}
    settings = Settings(seed, batch_size, steps, port, not no_operators, pythons)
    console, departed = PlainConsole(), []
    refused: list[str] = []
    for scenario in scenarios_of(model, preset, framework, chip):
        for certificate in certify(scenario, chosen, settings, partial(say, err=True), refused):
            path = save(certificate, results)
            write_atomically(path.with_suffix(".md"), markdown(certificate))
            console.print(table(certificate))
            for line in remarks(certificate):
                console.print(line)
            say(path)
            departed += [certificate] if certificate.verdict == "departs" else []
    if departed:
        first = departed[0]
        reason = first.diagnosis or next(level.reason for level in first.levels if level.verdict == "failed")
        refused.insert(0, f"{first.model} in {first.framework} {label(first.execution)} departs: {reason}")
    refuse(refused)
