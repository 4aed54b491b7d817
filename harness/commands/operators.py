"""`crosscast operators`."""

from functools import partial
from pathlib import Path

import click

from harness.commands.options import SEED, PathName

TARGETS = ("cpu", "ascend", "gpu")


@click.command()
@click.argument("network")
@click.option("--preset", help="Preset of the model; default: the smoke suite's.")
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="cpu",
    show_default=True,
    help="cpu: run here; the others: what MindSpore's documentation says, nothing is run.",
)
@click.option(
    "--execution",
    type=click.Choice(["eager", "graph"]),
    default="graph",
    show_default=True,
    help="How MindSpore runs.",
)
@click.option("--seed", type=SEED, default=2026, show_default=True, help="Of weights, batch and inputs.")
@click.option("--json", "target_file", type=PathName(dir_okay=False), help="Write the report here too.")
def operators(
    network: str, preset: str | None, target: str, execution: str, seed: int, target_file: Path | None
) -> None:
    """Which operators a network needs, what MindSpore has for each, and whether that computes the same.

    NETWORK is a model in scenarios/models, or `package.module:factory` of your own, which returns a torch.nn.Module
    and a tuple of example inputs. Forward and backward of one batch are traced; every operator is run in both
    frameworks on the same random inputs, compared with float64 and timed. `time` is MindSpore's over PyTorch's.
    """
    from harness.commands.options import refuse_unwritable
    from harness.console import PlainConsole
    from harness.errors import UserError
    from harness.files import write_atomically
    from harness.launch.survey import matrix_of
    from harness.own_code import refuse_absent
    from harness.porting.operators.calls import Request
    from harness.porting.operators.rendering import remarks, table, totals
    from harness.porting.operators.survey import documented, run
    from harness.scenario.execution import EAGER, GRAPH
    from harness.scenario.scenario import Selection
    from harness.terminal import say

    if target_file:
        refuse_unwritable(target_file.parent, must_exist=True)
    if ":" in network:
        if preset:
            raise UserError(f"--preset goes with a model, not with {network}")
        refuse_absent(network)
        scenario = None
    else:
        matrix = matrix_of(Selection(model=network, framework="mindspore", preset=preset))
        if not matrix.cells:
            raise UserError(f"mindspore: {matrix.absent[0].reason}")
        scenario = matrix.cells[0]
    name = network if scenario is None else f"{scenario.model} {scenario.preset}"
    request = Request(
        scenario=scenario,
        factory=network if scenario is None else None,
        seed=seed,
        execution=GRAPH if execution == "graph" else EAGER,
    )

    progress = partial(say, err=True)
    if target == "cpu":
        report = run(name, request, progress)
    else:
        report = documented(name, request, "Ascend" if target == "ascend" else "GPU", progress)
    if target_file:
        write_atomically(target_file, report.model_dump_json(indent=1) + "\n")
    console = PlainConsole()
    console.print(table(report))
    for line in remarks(report):
        console.print(line)
    say(totals(report))
    if target_file:
        say(target_file)
    if report.counted("differs") + report.counted("fails"):
        raise UserError(f"{name}: {totals(report)}")
