"""Cells of made records that are run in other ways than the two that scenarios of the tests have words for."""

from made_records import make_environment, make_record, make_scenario

from harness.analysis.cells import Cell, Group, load_results
from harness.results import record as records


def add_cell(
    results,
    name,
    *,
    framework="pytorch",
    execution="eager",
    chip="cpu",
    host="aaaabbbbcccc",
    launches=range(3),
    made=None,
    **changes,
):
    """Launches of a cell of its own, whose attempts begin with `name`; `made` gives what of record n is not usual."""
    scenario = own(results, make_scenario(framework, execution, chip=chip, **changes), host)
    first = 100 * len(list(results.path.rglob(records.FILE_NAME)))
    for launch in launches:
        environment = make_environment(host=host, cpu_name=f"CPU of {host}")
        usual = {"environment": environment, "order": first + launch, "attempt": f"{name}.{launch}"}
        record = usual | (made(launch) if made else {})
        results.add(make_record(framework, launch, scenario=scenario, **record))


def own(results, scenario, host):
    """The scenario, with room for more inference steps as long as the host has launches of the same cell."""
    while any(results.path.glob(f"*/{scenario.cell}/*-{host}")):
        inference = scenario.inference.model_copy(update={"max_steps": scenario.inference.max_steps + 1})
        scenario = scenario.model_copy(update={"inference": inference})
    return scenario


def cells_of(results) -> dict[str, Cell]:
    """The cells by the names that `add_cell` gave them."""
    return {cell.records[0].attempt.partition(".")[0]: cell for cell in load_results(results.path).cells}


def group_of(cells, absent=()):
    """The cells of one model, preset and data on one chip and host, in one group."""
    first = next(iter(cells.values()))
    scenario = first.scenario
    return Group(
        scenario.model, scenario.preset, scenario.chip, scenario.data_name, first.host, tuple(cells.values()), absent
    )
