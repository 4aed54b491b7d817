"""Which hosts stand together in tables: the same kind, where no one of them has everything."""

import json
import shutil

import pytest
from made_records import make_environment, make_failure, make_record, make_scenario
from reports import read, run

from harness.analysis.cells import load_results
from harness.machine import identity as machine
from harness.results.record import Accelerator, Device
from tests.made_machine import IN_A_CONTAINER, UUID, make_machine
from tests.shared import shared_path

A, B = "a" * 12, "b" * 12


def boards(*names, driver=None):
    """NVIDIA boards of these names."""
    devices = tuple(Device(index=index, name=name) for index, name in enumerate(names))
    return Accelerator(vendor="nvidia", driver=driver, devices=devices)


def launches_of(results):
    return {
        (cell.label, cell.host): [record.launch for record in cell.launches]
        for cell in load_results(results.path).cells
    }


def test_launches_of_a_cell_on_two_hosts_of_one_kind_are_pooled(results):
    results.add(make_record("pytorch", 0, host=A), make_record("pytorch", 1, host=B), make_record("pytorch", 2, host=B))
    assert launches_of(results) == {("pytorch eager", f"{A}, {B}"): [0, 1, 2]}
    expected = f"pytorch eager: pooled from 2 hosts of the same kind: launch 0 on {A}; launches 1, 2 on {B}"
    assert f"warning: {expected}" in run(results)


def test_frameworks_on_two_hosts_of_one_kind_are_compared(results):
    results.add(*[make_record("pytorch", n, host=A) for n in range(3)])
    results.add(*[make_record("mindspore", n, host=B) for n in range(3)])
    output = run(results)
    assert read(results, "speed")[0].loc["mindspore graph", "epoch_s_ratio_pairs"] == 3
    assert "mindspore graph: launches 0, 1, 2 ran on another host of the same kind than in the baseline" in output


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu_name": "another CPU"},
        {"cpu_count": 3},
        {"accelerator": boards("A100")},
        {"accelerator": boards("A100", "A100")},
    ],
)
def test_hosts_of_other_kinds_stay_apart(results, changes):
    results.add(
        make_record("pytorch", 0, environment=make_environment(host=A, accelerator=boards("H200"))),
        make_record("pytorch", 1, environment=make_environment(host=B, **{"accelerator": boards("H200")} | changes)),
    )
    assert launches_of(results) == {("pytorch eager", A): [0], ("pytorch eager", B): [1]}


def test_clocks_and_drivers_make_no_other_kind(results):
    results.add(
        make_record("pytorch", 0, environment=make_environment(host=A, accelerator=boards("A", driver="1"))),
        make_record("pytorch", 1, environment=make_environment(host=B, accelerator=boards("A", driver="2"))),
    )
    assert launches_of(results) == {("pytorch eager", f"{A}, {B}"): [0, 1]}


def test_hosts_that_each_have_everything_stay_apart_and_one_that_lacks_a_cell_does_not(results):
    results.add(*[make_record("pytorch", n, host=host) for host in (A, B) for n in range(2)])
    assert launches_of(results) == {("pytorch eager", A): [0, 1], ("pytorch eager", B): [0, 1]}
    results.add(*[make_record("mindspore", n, host=B) for n in range(2)])
    assert launches_of(results) == {
        ("pytorch eager", f"{A}, {B}"): [0, 1],
        ("mindspore graph", f"{A}, {B}"): [0, 1],
    }


def test_other_data_and_suites_do_not_matter(results):
    results.add(make_record("pytorch", 0, host=A), make_record("pytorch", 0, host=B))
    results.add(make_record("pytorch", 0, host=A, scenario=make_scenario(data_name="ocean")))
    results.add(make_record("pytorch", 0, host=A, scenario=make_scenario(suite="other")))
    assert {host for _, host in launches_of(results)} == {A, B}


def test_a_host_with_failures_alone_is_pooled(results):
    results.add(make_record("mindspore", 0, host=A), make_failure("mindspore", 1, environment=make_environment(host=B)))
    (cell,) = load_results(results.path).cells
    assert [record.launch for record in cell.failed_launches] == [1]


def test_a_host_that_changed_stays_one_host(results):
    results.add(*[make_record("pytorch", n, environment=make_environment(cpu_name=f"CPU {n}")) for n in range(2)])
    assert list(launches_of(results).values()) == [[0, 1]]


class TestContainersOfOneMachine:
    """The record of a launch in a container, with the host that this program or an older one gives it."""

    @pytest.fixture
    def launch_in(self, results, tmp_path, monkeypatch):
        root = make_machine(tmp_path / "machine", uuid=UUID, mounts=IN_A_CONTAINER)

        def launch(framework, number, name, *, now):
            monkeypatch.setattr("socket.gethostname", lambda: name)
            known = [*machine.identities(root, {})][0 if now else -1]
            place = make_environment(host=known.digest, host_identity=known.kind, container=name)
            path = results.add(make_record(framework, number, environment=place))
            if not now:
                content = json.loads(path.read_text())
                del content["environment"]["host_identity"]
                path.write_text(json.dumps(content))

        return launch

    def test_are_one_host_and_compared_as_such(self, results, launch_in):
        for number in range(3):
            launch_in("pytorch", number, "f3a9", now=True)
            launch_in("mindspore", number, "07bc", now=True)
        assert len({host for _, host in launches_of(results)}) == 1
        output = run(results)
        assert read(results, "speed")[0].loc["mindspore graph", "epoch_s_ratio_pairs"] == 3
        assert "host of the same kind" not in output
        assert "container: 07bc here, f3a9 in the baseline" in output

    @pytest.mark.parametrize("old", ["pytorch", "mindspore"])
    def test_compare_with_records_of_an_older_program_as_hosts_of_one_kind(self, results, launch_in, old):
        for number in range(3):
            launch_in("pytorch", number, "f3a9", now=old != "pytorch")
            launch_in("mindspore", number, "07bc", now=old != "mindspore")
        output = run(results)
        assert read(results, "speed")[0].loc["mindspore graph", "epoch_s_ratio_pairs"] == 3
        assert "launches 0, 1, 2 ran on another host of the same kind than in the baseline" in output

    def test_fill_up_a_cell_that_an_older_program_began(self, results, launch_in):
        launch_in("pytorch", 0, "f3a9", now=False)
        launch_in("pytorch", 1, "07bc", now=True)
        launch_in("pytorch", 2, "22d1", now=True)
        assert list(launches_of(results).values()) == [[0, 1, 2]]
        assert "pooled from 2 hosts of the same kind: launch 0 on" in run(results)


class TestNoBaseline:
    def refusal(self, results):
        run(results)
        return read(results, "speed")[0].loc["mindspore graph", "refusal"]

    def test_names_the_one_on_another_host_and_the_option_that_works(self, results):
        results.add(*[make_record("pytorch", n, environment=make_environment(host=A, cpu_count=8)) for n in range(3)])
        results.add(*[make_record("mindspore", n, host=B) for n in range(3)])
        option = f"crosscast tables --suite smoke --baseline cpu/pytorch --results {results.path}"
        assert self.refusal(results) == (
            f"no baseline pytorch with the same model, preset and data on host {B}, but one on host {A}, a host of "
            f"another kind: {option} compares with it"
        )
        run(results, baseline="cpu/pytorch")
        ratios = read(results, "speed")[0]["epoch_s_ratio_pairs"].dropna()
        assert list(ratios) == [3]

    def test_names_the_one_on_another_chip(self, results):
        a100 = make_scenario(chip="a100", device="cuda")
        results.add(*[make_record("pytorch", n, scenario=a100, host=A) for n in range(3)])
        results.add(*[make_record("mindspore", n, host=B) for n in range(3)])
        assert f"one on chip a100, host {A}: crosscast tables --suite smoke --baseline a100/pytorch" in self.refusal(
            results
        )

    def test_names_nothing_where_there_is_none(self, results):
        results.add(make_record("mindspore", 0))
        assert self.refusal(results) == "no baseline pytorch with the same model, preset and data"


@pytest.mark.parametrize("case", ["two-hosts-by-framework", "one-cell-on-two-hosts"])
def test_shared_cases_have_a_ratio_of_three_pairs(case, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(shared_path(f"cases/records/{case}"), folder)
    cells = load_results(folder).cells
    assert [[record.launch for record in cell.launches] for cell in cells] == [[0, 1, 2]] * 2
    assert len({cell.host for cell in cells}) == 1
