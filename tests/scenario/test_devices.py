"""Numbers of devices of a suite and of a bench: the same batch on each device, or the same on all together."""

import pytest
from pydantic import ValidationError

from harness.commands.options import Counts
from harness.errors import UserError
from harness.launch.survey import matrix_of
from harness.scenario.scenario import Selection
from tests.launch.conftest import write_micro


def found(tmp_path, of_bench=(), **suite):
    """Devices and batch of each cell, and what cannot be."""
    path = write_micro(tmp_path, **suite)
    matrix = matrix_of(Selection(suite=str(path), devices=of_bench))
    cells = [(cell.execution.world.devices, cell.training.batch_size, cell.whole_batch_size) for cell in matrix.cells]
    return cells, [absent.reason for absent in matrix.absent], matrix


def test_devices_of_a_bench_take_the_place_of_those_of_the_suite(tmp_path):
    assert found(tmp_path)[0] == [(1, 8, 8)]
    assert found(tmp_path, (1, 2, 4, 2))[0] == [(1, 8, 8), (2, 8, 16), (4, 8, 32)]
    assert found(tmp_path, (2,), execution={"world": {"devices": 4}})[0] == [(2, 8, 16)]


def test_a_suite_scales_weakly_and_strongly(tmp_path):
    cells, absent, _ = found(tmp_path, scaling=["weak", "strong"])
    assert (cells, absent) == ([(1, 8, 8)], [])
    cells, absent, matrix = found(tmp_path, scaling=["weak", "strong"], devices=[1, 2, 3])
    assert cells == [(1, 8, 8), (2, 8, 16), (2, 4, 8), (3, 8, 24)]
    assert absent == ["scaling: strong: training.batch_size 8 cannot be divided among 3 devices"]
    assert len({cell.cell for cell in matrix.cells}) == 4


def test_micro_batches_that_a_device_cannot_make_of_its_part_leave_out_that_cell_alone(tmp_path):
    """Of 8 samples each of 4 devices has 2, which are no 4 micro-batches; in weak scaling each has all 8."""
    cells, absent, _ = found(tmp_path, scaling=["weak", "strong"], devices=[1, 2, 4], execution={"accumulation": 4})
    assert cells == [(1, 8, 8), (2, 8, 16), (2, 4, 8), (4, 8, 32)]
    assert absent == [
        "scaling: strong: training.batch_size 8 leaves 2 to each of 4 devices, which accumulation 4 does not divide"
    ]


def test_one_device_has_the_name_that_it_always_had(tmp_path):
    _, _, before = found(tmp_path)
    _, _, now = found(tmp_path, (1, 2))
    assert now.cells[0].cell == before.cells[0].cell


def test_what_is_divided_among_devices_is_whole_on_one(tmp_path):
    execution = {"world": {"devices": 2, "parallel": "sharded_optimiser"}}
    _, _, matrix = found(tmp_path, (1, 2), execution=execution)
    assert [cell.execution.world.parallel for cell in matrix.cells] == ["data", "sharded_optimiser"]


def test_devices_of_a_bench_beside_an_axis_over_them_plan_each_cell_once(tmp_path):
    """An axis over devices yields to those of the bench; on one device all ways to divide a network are one cell."""
    over_devices = {"design": "one_at_a_time", "axes": {"world.devices": [1, 2, 4]}}
    assert found(tmp_path, (1, 2), **over_devices)[0] == [(1, 8, 8), (2, 8, 16)]
    over_parallel = {"design": "full", "axes": {"world.parallel": ["data", "sharded_optimiser"]}}
    _, _, matrix = found(tmp_path, (1, 2), execution={"world": {"devices": 2}}, **over_parallel)
    worlds = [(cell.execution.world.devices, cell.execution.world.parallel) for cell in matrix.cells]
    assert worlds == [(1, "data"), (2, "data"), (2, "sharded_optimiser")]


def test_devices_are_divided_among_nodes_but_one_alone(tmp_path):
    suite = str(write_micro(tmp_path))
    matrix = matrix_of(Selection(suite=suite, devices=(1, 2, 4), nodes=2))
    worlds = [cell.execution.world for cell in matrix.cells]
    assert [(world.devices, world.nodes) for world in worlds] == [(1, 1), (2, 2), (4, 2)]
    assert len({cell.cell for cell in matrix.cells}) == 3
    of_suite = str(write_micro(tmp_path, execution={"world": {"devices": 4, "nodes": 2}}))
    assert [cell.execution.world.nodes for cell in matrix_of(Selection(suite=of_suite)).cells] == [2]
    assert [cell.execution.world.nodes for cell in matrix_of(Selection(suite=of_suite, nodes=1)).cells] == [1]
    with pytest.raises(UserError, match="3 devices cannot be divided among 2 nodes"):
        matrix_of(Selection(suite=suite, devices=(3,), nodes=2))


@pytest.mark.parametrize(("text", "numbers"), [("2", (2,)), ("1,2, 4", (1, 2, 4))])
def test_numbers_of_devices_are_read(text, numbers):
    assert Counts().convert(text, None, None) == numbers


@pytest.mark.parametrize("text", ["", "0", "1,", "-2", "two", "1.5", "4097", "9" * 400, "²"])
def test_what_is_no_number_of_devices_is_refused(text):
    import click

    with pytest.raises(click.BadParameter, match="no list of numbers from 1 to 4096"):
        Counts().convert(text, None, None)


def test_a_suite_with_no_device_is_refused(tmp_path):
    from harness.scenario.schema import SuiteConfig

    with pytest.raises(ValidationError):
        SuiteConfig.model_validate({"models": [], "devices": [0]})
