"""What is done where a training step is counted to need more memory than a chip has."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.errors import UserError
from harness.launch import bench
from harness.launch.fitting import fitted, warnings_of, with_memory
from harness.launch.requirements import domain_of
from harness.launch.survey import survey
from harness.machine import memory
from harness.models import architecture
from harness.models.memory import GIB, RANGES, step_memory
from harness.results.devices import Accelerator, Device
from harness.scenario import catalogue
from harness.scenario.chips import Figure
from harness.scenario.execution import EAGER, GRAPH, Execution, Precision, Recompute, World
from harness.scenario.scenario import Selection
from tests.analysis.made_records import make_environment


@pytest.fixture(scope="module")
def found():
    return survey(Selection(model="graphcast", framework="pytorch"))


def chip_of(gib):
    return catalogue.chip("a100").model_copy(update={"memory_gib": Figure(value=gib, source="test")})


def needed_gib(found, scenario):
    package = architecture(scenario.architecture)
    network = package.Network.model_validate(scenario.network)
    domain = domain_of(found.archives.get(scenario.data_name) or source_of(scenario))
    return step_memory(package, network, domain, scenario.training, scenario.execution).total / GIB


def source_of(scenario):
    from harness.data.opening import open_source

    return open_source(scenario.data, grid=scenario.grid)


def test_what_fits_stays_as_it_is(found):
    (cell,) = found.matrix.cells
    assert fitted(found.matrix, found.archives, chip_of(80.0)) == found.matrix
    assert warnings_of(found.matrix, found.archives, chip_of(80.0)) == ()
    assert cell.execution == EAGER


def test_what_does_not_fit_is_warned_of_and_made_to_fit(found):
    (cell,) = found.matrix.cells
    small = chip_of(0.5 * needed_gib(found, cell))
    (warning,) = warnings_of(found.matrix, found.archives, small)
    assert "graphcast tiny pytorch: a training step is counted to take" in warning
    matrix = fitted(found.matrix, found.archives, small)
    (changed,) = matrix.cells
    assert changed.execution.settings().keys() <= {"accumulation", "recompute.unit", "recompute.ranges"}
    assert changed.execution != EAGER
    assert needed_gib(found, changed) <= 0.9 * small.memory_gib.value < needed_gib(found, cell)
    assert changed.cell != cell.cell
    assert matrix.remarks[-1].startswith("graphcast tiny pytorch runs as: eager, ")
    assert warnings_of(matrix, found.archives, small) == ()


def test_what_cannot_fit_is_refused_with_its_name(found):
    with pytest.raises(UserError, match=r"graphcast tiny pytorch: a training step takes at least .* GiB"):
        fitted(found.matrix, found.archives, chip_of(1e-4))


def test_nothing_is_chosen_that_the_framework_cannot_run(found):
    """In a graph of torch.compile nothing that is cast to bf16 is computed anew, which a graph in float32 is."""
    (cell,) = found.matrix.cells

    def fitted_to(precision, share):
        execution = GRAPH.model_copy(update={"precision": precision})
        matrix = replace(found.matrix, cells=(cell.model_copy(update={"execution": execution}),))
        return fitted(matrix, found.archives, chip_of(share * needed_gib(found, matrix.cells[0]))).cells[0].execution

    assert fitted_to(Precision(), 0.2).recompute.unit != "none"
    with pytest.raises(UserError, match="graphcast tiny pytorch: a training step takes at least"):
        fitted_to(Precision(autocast="bf16"), 0.2)
    assert fitted_to(Precision(autocast="bf16"), 0.9) == Execution(
        compilation=GRAPH.compilation, precision=Precision(autocast="bf16"), accumulation=2
    )


def test_devices_are_added_where_one_is_not_enough(found):
    (cell,) = found.matrix.cells

    def least_gib(world):
        parts = [n for n in range(1, cell.training.batch_size + 1) if cell.training.batch_size % n == 0]
        units = [Recompute(unit="blocks"), *(Recompute(unit="ranges", ranges=number) for number in RANGES)]
        executions = [Execution(recompute=unit, accumulation=n, world=world) for unit in units for n in parts]
        return min(needed_gib(found, cell.model_copy(update={"execution": each})) for each in executions)

    one, two = least_gib(World()), least_gib(World(devices=2, parallel="sharded_optimiser"))
    small = chip_of((one + two) / 2 / 0.9)
    with pytest.raises(UserError, match="takes at least"):
        fitted(found.matrix, found.archives, small)
    (changed,) = fitted(found.matrix, found.archives, small, devices=8).cells
    assert changed.execution.world.devices == 2
    (kept,) = fitted(found.matrix, found.archives, chip_of(80.0), devices=8).cells
    assert kept.execution == EAGER


def test_a_chip_without_memory_in_its_file_is_refused(found):
    with pytest.raises(UserError, match="its file gives no memory_gib"):
        fitted(found.matrix, found.archives, catalogue.chip("dcu-z100l"))


def test_the_cpu_has_the_memory_that_this_process_may_use():
    chip = with_memory(catalogue.chip("cpu"))
    assert chip.memory_gib.value == memory.limit_bytes() / GIB
    assert with_memory(catalogue.chip("dcu-z100l")).memory_gib.value is None


def test_ranks_share_the_memory_of_their_own_node_alone(found):
    """Of two ranks, each on a node, each has all of one; both on one node have half of it each."""
    (cell,) = found.matrix.cells
    enough = chip_of(1.5 * needed_gib(found, cell))
    for nodes, warned in ((2, 0), (1, 1)):
        world = Execution(world=World(devices=2, nodes=nodes))
        two = replace(found.matrix, cells=(cell.model_copy(update={"execution": world}),))
        assert len(warnings_of(two, found.archives, enough)) == warned


def test_what_the_user_set_stays_and_cells_that_become_the_same_are_one(found):
    (cell,) = found.matrix.cells
    blocks = cell.model_copy(update={"execution": Execution(recompute=Recompute(unit="blocks"))})
    parts = cell.model_copy(update={"execution": Execution(accumulation=2)})
    whole = replace(found.matrix, cells=(cell, parts, blocks))
    assert fitted(whole, found.archives, chip_of(80.0)) == whole
    needs = [needed_gib(found, each) for each in (cell, parts, blocks)]
    assert needs[1] < needs[0]
    matrix = fitted(whole, found.archives, chip_of(1.01 / 0.9 * needs[1]))
    assert [each.execution for each in matrix.cells] == [parts.execution, blocks.execution]


def test_a_bench_offers_the_devices_that_are_alike(monkeypatch, tmp_path):
    """Of three boards that the job sees the last is of another kind: its memory does not count, either."""
    offered = []

    def remember(matrix, archives, chip, devices):
        offered.append((chip.memory_gib.value, devices))
        raise UserError("enough")

    boards = (("NVIDIA A100", 80), ("NVIDIA A100", 79), ("Quadro P400", 2))
    devices = tuple(Device(index=k, name=name, memory_bytes=size << 30) for k, (name, size) in enumerate(boards))
    seen = make_environment(accelerator=Accelerator(vendor="nvidia", devices=devices))
    monkeypatch.setattr(bench.environment, "capture", lambda variable: seen)
    monkeypatch.setattr(bench, "fitted", remember)
    with pytest.raises(UserError, match="enough"):
        bench.bench(Selection(framework="pytorch"), tmp_path / "results", Console(file=io.StringIO()), fit=True)
    assert offered == [(79.0, 2)]


def test_what_is_not_trained_is_left_alone(found):
    (cell,) = found.matrix.cells
    stage = cell.training.stages[0].model_copy(update={"epochs": 0})
    scored = cell.model_copy(update={"training": cell.training.model_copy(update={"stages": (stage,)})})
    matrix = replace(found.matrix, cells=(scored,))
    assert fitted(matrix, found.archives, chip_of(1e-4)) == matrix


def test_fields_that_nobody_could_hold_are_one_line_with_and_without_fit(write_suite, crosscast):
    suite = write_suite(preset={"grid": [2**20, 2**21]})
    for more in ((), ("--fit",)):
        done = crosscast("bench", "--suite", suite, *more)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "one sample of 4 channels on 1048576 x 2097152 points takes 64.0 TiB" in done.stderr
