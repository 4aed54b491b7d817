"""Executions that an architecture cannot run, and settings that were a network's before."""

import linear
import pytest

from harness.errors import UserError
from harness.models import aigoms, fourcastnet, graphcast
from harness.models.executing import blocks_of, check_execution
from harness.results.upgrade import moved_to_execution
from harness.scenario.execution import Execution, Operators, Recompute


def ranges(number):
    return Execution(recompute=Recompute(unit="ranges", ranges=number))


def test_more_ranges_than_points_are_refused_with_both_numbers():
    with pytest.raises(UserError, match=r"ranges 2,049 is more than the 2,048 points of the grid 32x64; lower it$"):
        check_execution(graphcast, (32, 64), ranges(2049), 4)
    check_execution(graphcast, (32, 64), ranges(2048), 4)


@pytest.mark.parametrize("package", [fourcastnet, aigoms, linear])
def test_ranges_are_refused_where_a_network_has_none(package):
    name = package.__name__.rpartition(".")[2]
    with pytest.raises(UserError, match=rf"unit ranges: {name} does not work through ranges.*; use unit: blocks$"):
        check_execution(package, (32, 64), ranges(2), 4)


@pytest.mark.parametrize(("parts", "batch"), [(3, 8), (8, 4), (2, 1)])
def test_a_batch_that_micro_batches_do_not_divide_is_refused_with_what_would(parts, batch):
    valid = ", ".join(str(number) for number in (1, 2, 4, 8) if number <= batch)
    message = rf"accumulation {parts} does not divide training.batch_size {batch}; numbers that do: {valid}$"
    with pytest.raises(UserError, match=message):
        check_execution(fourcastnet, (32, 64), Execution(accumulation=parts), batch)
    check_execution(fourcastnet, (32, 64), Execution(accumulation=batch), batch)


def test_blocks_are_refused_where_a_port_names_none():
    class Port:
        pass

    with pytest.raises(UserError, match=r"^recompute.unit blocks: Port has no function blocks\(network\)"):
        blocks_of(Port(), None)
    Port.blocks = staticmethod(lambda network: [network])
    assert blocks_of(Port(), 3) == [3]


@pytest.mark.parametrize(
    ("before", "settings"),
    [
        ({}, Execution()),
        ({"spectral": "auto", "pieces": 1}, Execution()),
        ({"spectral": "fft"}, Execution(operators=Operators(spectral="fft"))),
        (
            {"segment_sum": "gathered", "pieces": 32},
            Execution(operators=Operators(segment_sum="gathered"), recompute=Recompute(unit="ranges", ranges=32)),
        ),
    ],
)
def test_what_a_record_has_of_the_execution_in_its_network_moves_there(before, settings):
    network = {"variant": "deepmind", "mesh_refinement": 2, **before}
    kept, found = moved_to_execution(network)
    assert kept == {"variant": "deepmind", "mesh_refinement": 2}
    assert found == settings.settings()
    assert moved_to_execution(kept) == (kept, {})
    assert network == {"variant": "deepmind", "mesh_refinement": 2, **before}
