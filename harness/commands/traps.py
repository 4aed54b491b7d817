"""`crosscast traps`."""

import click

LIMIT_S = 300.0


@click.command()
@click.argument("factory")
def traps(factory: str) -> None:
    """Where a MindSpore network is not what the same lines mean in PyTorch, and the fix.

    FACTORY is `package.module:factory` from the current folder, a callable that returns a mindspore.nn.Cell, or a
    cell and its optimiser. Known traps are found by rule: defaults, names that mean something else, operators that are
    wrong. The exit status is 2 where there is one.
    """
    from harness.errors import UserError
    from harness.own_code import refuse_absent
    from harness.porting.traps.facts import NetworkFacts
    from harness.porting.traps.rules import findings
    from harness.processes import ask_child
    from harness.terminal import say

    refuse_absent(factory)
    said = ask_child("harness.porting.traps.mindspore", factory, timeout_s=LIMIT_S)
    if reason := said.get("mistake") or said.get("reason"):
        raise UserError(str(reason))
    facts = NetworkFacts.model_validate(said)
    found = findings(facts)
    for finding in found:
        say(f"{finding.place}: {finding.here} [{finding.rule}]")
        say(f"    PyTorch: {finding.pytorch}")
        say(f"    write: {finding.fix}")
    if found:
        raise UserError(f"{factory}: {len(found)} traps in {len(facts.cells)} cells; a rule does not know your intent")
    say(f"{factory}: no known trap in {len(facts.cells)} cells, MindSpore {facts.version}")
