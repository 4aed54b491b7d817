"""Cells of made records that are run in other ways than the two that scenarios of the tests have words for."""

from dataclasses import replace

from made_records import make_environment, make_record, make_scenario

from harness.analysis.cells import Cell, Group, load_results


def add_cell(
    results, name, *, framework="pytorch", chip="cpu", host="aaaabbbbcccc", launches=range(3), made=None, **changes
):
    """Launches of a cell of its own, whose attempts begin with `name`; `made` gives what of record n is not usual."""
    cells = len(list(results.path.glob("*/*")))
    scenario = make_scenario(framework, chip=chip, **changes)
    inference = scenario.inference.model_copy(update={"max_steps": scenario.inference.max_steps + cells})
    scenario = scenario.model_copy(update={"inference": inference})
    first = 100 * cells
    for launch in launches:
        environment = make_environment(host=host, cpu_name=f"CPU of {host}")
        usual = {"environment": environment, "order": first + launch, "attempt": f"{name}.{launch}"}
        record = usual | (made(launch) if made else {})
        results.add(make_record(framework, launch, scenario=scenario, **record))


def cells_run_as(results, executions) -> dict[str, Cell]:
    """The cells by the names that `add_cell` gave them, each with its execution; eager without one."""
    found = {cell.records[0].attempt.partition(".")[0]: cell for cell in load_results(results.path).cells}
    return {
        name: replace(cell, scenario=cell.scenario.model_copy(update={"execution": executions[name]}))
        if name in executions
        else cell
        for name, cell in found.items()
    }


def group_of(cells, absent=()):
    """The cells of one model, preset and data on one chip and host, in one group."""
    first = next(iter(cells.values()))
    scenario = first.scenario
    return Group(
        scenario.model, scenario.preset, scenario.chip, scenario.data_name, first.host, tuple(cells.values()), absent
    )
