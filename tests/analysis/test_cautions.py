from itertools import product

import pytest
from made_records import (
    make_environment,
    make_measurements,
    make_record,
    make_scenario,
)
from reports import add_pair, read, run

from collectors.accounting.device_use import DeviceUse
from harness.data.reading import DataReading, FieldConversion
from harness.results.record import DeviceProcesses, Energy, Latency, Load, Node, OtherProcess


def make_load(*others, reason=None):
    """The load of a launch with these processes of others on its device."""
    devices = DeviceProcesses(
        tool="nvml", looks_before=1, looks_during=4, looks_after=1, others=tuple(others), reason=reason
    )
    return Load(load_average_1min=0.1, cpu_count=2, foreign_cores=0.0, foreign=False, cores=2, devices=devices)


def make_energy(*utilisation, collector="nvml"):
    """Energy of a launch on devices that were busy for these parts of the training."""
    uses = tuple(DeviceUse(device=number, utilisation=share) for number, share in enumerate(utilisation))
    return Energy(collector=collector, reason=None, device_uses=uses)


def make_other(pid=4242, processes=1, memory_bytes=20 * 2**30):
    return OtherProcess(device=0, pid=pid, processes=processes, memory_bytes=memory_bytes, seen=("before", "during"))


class TestWarnings:
    def test_none_without_cause(self, results):
        add_pair(results)
        results.certify()
        assert "warning" not in run(results)
        assert "## Warnings" not in read(results, "speed")[1]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"foreign": True}, "mindspore graph: other work ran beside launch 1"),
            (
                {"load": make_load(make_other())},
                "mindspore graph: 1 process of another job with 20 GiB on the device beside launch 1: its times are "
                "those of a shared device",
            ),
            (
                {"load": make_load(make_other(), make_other(pid=None, processes=2, memory_bytes=None))},
                "mindspore graph: 3 processes of another job with 20 GiB on the device beside launch 1: its times "
                "are those of a shared device",
            ),
            (
                {"load": make_load(reason="npu-smi is not on PATH")},
                "mindspore graph: whether others used the device beside launch 1 is not known: npu-smi is not on PATH",
            ),
            (
                {
                    "nodes": (
                        Node(node=0, environment=None),
                        Node(node=1, environment=None, differences=("cpu_name: b",)),
                    )
                },
                "mindspore graph: its nodes are unlike in launch 1: node 1: cpu_name: b",
            ),
            (
                {"energy": make_energy(0.314, 0.2, 0.5)},
                "mindspore graph: devices 0, 1 busy 20 to 31 % of the training in launch 1 (median by nvml): the host, "
                "not the chip, set the pace",
            ),
            (
                {"energy": make_energy(0.12, collector="dcmi")},
                "mindspore graph: device 0 busy 12 % of the training in launch 1 (median by dcmi, AI cores alone): the "
                "host, or work beside the AI cores, set the pace",
            ),
            (
                {"environment": make_environment(git_dirty=True)},
                "mindspore graph: made from a checkout with uncommitted changes: launch 1",
            ),
            (
                {"environment": make_environment(git_commit="e" * 40)},
                "mindspore graph: git commit differs between its launches: cccccccccccc... or eeeeeeeeeeee...",
            ),
            (
                {"environment": make_environment(threads={"OMP_NUM_THREADS": "1"})},
                "mindspore graph: threads: not set or OMP_NUM_THREADS=1 here, not set in the baseline",
            ),
            (
                {
                    "measurements": make_measurements(
                        launch=1,
                        inference=Latency(batch_size=1, first_step_s=1.0, warmup_steps=9, steady=False, step_s=(0.1,)),
                    )
                },
                "mindspore graph: the step time of inference never settled in launch 1",
            ),
        ],
    )
    def test_cause_is_named(self, results, changes, expected):
        results.add(*[make_record("pytorch", launch) for launch in range(3)])
        results.add(make_record("mindspore", 0), make_record("mindspore", 1, **changes), make_record("mindspore", 2))
        assert f"warning: {expected}" in run(results)
        for name in ("speed", "skill", "energy"):
            assert f"- {expected}" in read(results, name)[1]

    def test_what_is_true_of_all_cells_is_said_once(self, results):
        for framework in ("pytorch", "mindspore"):
            for launch in range(3):
                environment = make_environment(git_dirty=launch == 2)
                results.add(make_record(framework, launch, environment=environment))
        results.certify()
        run(results)
        lines = read(results, "speed")[1]
        assert lines.count("uncommitted changes") == 1
        assert "all cells: made from a checkout with uncommitted changes: launch 2" in lines

    def test_of_what_is_true_of_most_cells_the_others_are_named(self, results):
        for framework, execution in product(("pytorch", "mindspore"), ("eager", "graph")):
            for launch in range(3):
                clean = (framework, execution) == ("pytorch", "graph")
                scenario, environment = make_scenario(framework, execution), make_environment(git_dirty=not clean)
                results.add(make_record(framework, launch, scenario=scenario, environment=environment))
        run(results)
        told = "made from a checkout with uncommitted changes: launches 0, 1, 2"
        assert f"- all cells but pytorch graph: {told}" in read(results, "speed")[1]

    def test_what_the_files_of_the_data_do_not_state_is_said_once(self, results):
        converted = FieldConversion(
            field="t2m", stated="degC", wanted="K", factor=1, offset=273.15, files=1, of_files=1, first_file="a.nc"
        )
        reading = DataReading(
            conversions=(converted,), cautions=("units not stated in the files, assumed: u10 (m s-1)",)
        )
        for framework in ("pytorch", "mindspore"):
            results.add(
                *[
                    make_record(framework, launch, measurements=make_measurements(launch=launch, data=reading))
                    for launch in range(3)
                ]
            )
        line = "data rossby: units not stated in the files, assumed: u10 (m s-1)"
        assert run(results).count(f"warning: {line}") == 1
        for name in ("speed", "skill", "energy"):
            assert read(results, name)[1].count(f"- {line}") == 1

    def test_a_device_that_was_looked_at_and_free_is_no_cause(self, results):
        results.add(*[make_record("pytorch", launch, load=make_load()) for launch in range(3)])
        results.add(*[make_record("mindspore", launch) for launch in range(3)])
        results.certify()
        assert "warning" not in run(results)

    def test_a_damaged_record_is_named_and_the_rest_reported(self, results):
        add_pair(results, launches=range(4))
        damaged = results.add(make_record("pytorch", 4))
        damaged.write_text('{"schema_version": 1, "scen')
        output = run(results)
        assert f"warning: {damaged}: damaged" in output
        assert str(damaged) in read(results, "speed")[1]
        assert read(results, "speed")[0].loc["pytorch eager", "launches"] == 4
