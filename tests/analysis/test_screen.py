"""The one screen at the end of a bench: what stands on it, and that it is one screen."""

import io
import json
from math import inf

import pytest
from made_records import (
    make_environment,
    make_epoch,
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
    make_skill,
    make_stage,
    make_window,
)
from reports import STEPS_S, add_pair
from rich.console import Console

from harness.analysis.number_format import MISSING
from harness.analysis.tables.screen import LONGEST
from harness.analysis.tables.writing import write_tables
from harness.results.record import Energy, Phase, PhaseEnergy
from harness.scenario.execution import EAGER, GRAPH
from harness.scenario.scenario import Absent, Variant
from harness.scenario.schema import Stage, TrainingConfig

LINES, WIDTH = 30, 100


def screen(results, width=WIDTH):
    """The lines that are printed."""
    console = Console(file=io.StringIO(), width=width)
    write_tables(results.path, suite=None, baseline=None, console=console, brief=True)
    return console.file.getvalue().splitlines()


def row(lines, label):
    """The columns of a cell."""
    [line] = [line for line in lines if line.strip().startswith(label) and "warning" not in line]
    return line.removeprefix(f"  {label}").split()


def test_medians_and_the_ratio_of_an_epoch_by_hand(results):
    """Epochs take two steps; steps of 0.49 to 0.53 s with the median 0.51, the others 1.5 times as long."""
    add_pair(results)
    results.certify()
    lines = screen(results)
    assert " ".join(row(lines, "pytorch eager")) == f"510 ms 1.22 s 51 ms 512 MiB baseline {MISSING} 1/1"
    step, infer = ("765", "ms"), ("76.5", "ms")
    assert row(lines, "mindspore graph")[:8] == [*step, "1.73", "s", *infer, "512", "MiB"]
    assert row(lines, "mindspore graph")[8:] == ["1.42", "[1.42,", "1.42]", "slower", "1/1", "1/1"]


def test_what_was_not_scored_is_neither_the_same_nor_refused(results):
    add_pair(results, skill=None)
    assert row(screen(results), "mindspore graph")[-2:] == [MISSING, MISSING]


@pytest.mark.parametrize("blown_up", ["pytorch", "mindspore"])
@pytest.mark.parametrize(("variables", "said"), [("u", "0/1"), ("uz", "1/2")])
def test_a_variable_that_blew_up_is_not_the_same(results, blown_up, variables, said):
    for launch in range(5):
        for framework in ("pytorch", "mindspore"):
            u = make_skill(inf if (framework, launch) == (blown_up, 1) else 1.0)
            z = make_skill(1.0, variable="z").scores if "z" in variables else ()
            measured = make_measurements(launch=launch, skill=u.model_copy(update={"scores": u.scores + z}))
            results.add(make_record(framework, launch, measurements=measured))
    assert row(screen(results), "mindspore graph")[-2] == said


def test_a_variable_that_the_baseline_lacks_is_not_the_same(results):
    for launch in range(5):
        for framework, variables in (("pytorch", "u"), ("mindspore", "uz")):
            scores = [make_skill(1.0, variable=each).scores for each in variables]
            skill = make_skill(1.0).model_copy(update={"scores": sum(scores, ())})
            results.add(make_record(framework, launch, measurements=make_measurements(launch=launch, skill=skill)))
    assert row(screen(results), "mindspore graph")[-2] == "1/2"


def test_another_way_of_running_is_compared_with_the_base_of_its_framework(results):
    """Epochs take two steps and 0.2 s: 1.73 s of the base in the middle, 3.26 s of the other way."""
    add_pair(results)
    way = Variant(design="one_at_a_time", position=1, name="accumulation: 2")
    for launch in range(5):
        scenario = make_scenario("mindspore", execution=GRAPH.model_copy(update={"accumulation": 2}), variant=way)
        measured = make_measurements(launch=launch, step_s=3 * STEPS_S[launch])
        results.add(make_record("mindspore", launch, scenario=scenario, measurements=measured))
    lines = screen(results)
    assert row(lines, "mindspore graph, accumulation 2")[8] == "1.88"
    assert "each other way of running a network is compared with the first one of its framework" in lines


def test_a_network_that_is_not_certified_is_marked(results):
    add_pair(results)
    lines = screen(results)
    assert "slower†" in row(lines, "mindspore graph")
    assert "† no certificate says that the networks are the same: crosscast parity --results " in "\n".join(lines)


def test_another_forecast_and_one_that_loses_to_persistence(results):
    """An RMSE of 3 against one of 1, where persistence has 2."""
    for launch in range(5):
        for framework, rmse in (("pytorch", 1.0), ("mindspore", 3.0)):
            measured = make_measurements(launch=launch, skill=make_skill(rmse + launch / 1000))
            results.add(make_record(framework, launch, measurements=measured))
    lines = screen(results)
    assert row(lines, "pytorch eager")[-1] == "1/1"
    assert row(lines, "mindspore graph")[-2:] == ["0/1", "0/1"]


def test_why_there_is_no_energy_and_what_did_not_run(results):
    add_pair(results)
    results.add_absent(execution="eager", reason="mindspore not installed")
    lines = screen(results)
    assert "energy: none: no sensor: rapl: no powercap tree" in lines
    assert "mindspore eager did not run: mindspore not installed" in lines


def test_one_model_on_two_hosts_is_told_apart(results):
    for host, headings in (("nodeA", ["fourcastnet tiny on rossby"]), ("nodeB", ["host nodeA", "host nodeB"])):
        environment = make_environment(host=host, cpu_name=f"CPU of {host}")
        for launch in range(3):
            results.add(make_record("pytorch", launch, environment=environment, attempt=f"{host}{launch}"))
        told = [line for line in screen(results) if line.startswith("fourcastnet")]
        assert [line.rpartition(", ")[2] for line in told] == headings


def test_many_models_and_warnings_fit_one_screen(results):
    for model in ("fourcastnet", "graphcast", "aigoms"):
        for execution in ("eager", "graph"):
            for framework in ("pytorch", "mindspore"):
                scenario = make_scenario(framework, execution, model=model)
                results.add(make_record(framework, 0, scenario=scenario, attempt=f"{framework}{execution}"))
    lines = screen(results)
    assert len(lines) <= LINES
    assert max(len(line) for line in lines if "crosscast" not in line) <= WIDTH
    first, *others = [line for line in lines if line.startswith("warning: ")]
    assert first == "warning: all models, all cells: 1 of the 3 launches that an interval needs"
    assert len(others) <= 2


def test_a_warning_names_all_that_it_is_true_of_and_of_many_the_rest_are_counted(results):
    for model in ("fourcastnet", "graphcast", "aigoms"):
        for launch in range(3):
            unclean = model == "graphcast" and launch in (0, 2)
            environment = make_environment(git_dirty=unclean, cpu_mhz_max=2e3 + launch, container=f"c{launch}")
            measured = make_measurements(launch=launch)
            scenario = make_scenario(model=model)
            foreign = model != "aigoms" and launch == 1
            results.add(
                make_record(
                    launch=launch, scenario=scenario, environment=environment, measurements=measured, foreign=foreign
                )
            )
    lines = screen(results)
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert warnings[:2] == [
        "warning: all models, pytorch eager: container differs between its launches: c0 or c1 or c2",
        "warning: fourcastnet, graphcast, pytorch eager: other work ran beside launch 1",
    ]
    assert len(warnings) == 3
    assert f"1 more warning: crosscast tables --results {results.path}" in lines


def test_the_command_of_a_warning_is_whole_and_on_one_line(results):
    for framework, execution in (("pytorch", "eager"), ("mindspore", "graph")):
        for launch in range(3):
            results.add(make_record(framework, launch, scenario=make_scenario(framework, execution)))
    (said,) = [line for line in screen(results) if "has no parity certificate" in line]
    assert len(said) > LONGEST
    assert said.endswith(
        "; make one: crosscast parity fourcastnet --preset tiny --framework mindspore --execution graph --chip cpu "
        f"--results {results.path}"
    )


def test_cells_that_do_not_fit_are_counted(results):
    for number in range(20):
        scenario = make_scenario(model=f"model{number}")
        results.add(make_record(scenario=scenario, attempt=f"a{number}"))
    lines = screen(results)
    assert f"6 more cells: crosscast tables --results {results.path} shows all" in lines


def test_joules_of_an_epoch_have_a_column_where_there_are_any(results):
    """100 J in each valid epoch but the first of a stage."""
    phases = tuple(
        Phase(name=name, t0_ns=0, t1_ns=10**10, steps=2, samples=16)
        for name in ("train pretrain 0", "train pretrain 1", "train pretrain 2", "training")
    )
    entries = tuple(
        PhaseEnergy(phase=phase.name, window=make_window(joules), net_energy_j=None)
        for phase, joules in zip(phases, (900.0, 90.0, 110.0, 1100.0), strict=True)
    )
    for launch in range(3):
        measured = make_measurements(launch=launch, phases=phases)
        energy = Energy(collector="nvml", reason=None, phases=entries)
        results.add(make_record("pytorch", launch, measurements=measured, energy=energy))
    lines = screen(results)
    assert lines[2].split()[4] == "J/epoch"
    assert " ".join(row(lines, "pytorch eager")).endswith(f"512 MiB 100 J baseline {MISSING} 1/1")
    assert not any(line.startswith("energy: none") for line in lines)


STAGES = tuple(Stage(name=name, epochs=2, learning_rate=1e-3) for name in ("pretrain", "finetune"))
OF_STAGES = tuple(
    Phase(name=f"train {stage.name} {epoch}", t0_ns=0, t1_ns=10**10, steps=2, samples=16)
    for stage in STAGES
    for epoch in range(2)
)


def add_stages(results, framework, joules):
    """Launches of two stages: 1000 J in an epoch of the first, `joules` in one of the second, None where invalid."""
    scenario = make_scenario(framework, training=TrainingConfig(batch_size=8, stages=STAGES))
    trained = (make_stage(*[make_epoch((5.0, 5.0))] * 2), make_stage(*[make_epoch((0.1, 0.1))] * 2, name="finetune"))
    entries = []
    for phase in OF_STAGES:
        found = joules if "finetune" in phase.name else 1000.0
        window = make_window(found, 10.0, reasons=() if found else ("too short",))
        entries.append(PhaseEnergy(phase=phase.name, window=window, net_energy_j=None))
    for launch in range(3):
        measured = make_measurements(launch=launch, training=trained, phases=OF_STAGES)
        energy = Energy(collector="nvml", reason=None, phases=tuple(entries))
        results.add(make_record(framework, launch, scenario=scenario, measurements=measured, energy=energy))


def test_joules_are_of_the_stage_whose_times_stand_beside_them(results):
    """An epoch of the second stage takes two steps and twice 0.1 s of data; the first takes 1000 J."""
    add_stages(results, "pytorch", 20.0)
    add_stages(results, "mindspore", None)
    lines = screen(results)
    assert " ".join(row(lines, "pytorch eager")).startswith("100 ms 400 ms 50 ms 512 MiB 20 J")
    assert row(lines, "mindspore eager")[8] == MISSING
    assert "energy of an epoch: none of mindspore eager: training finetune: too short" in lines


def test_joules_of_another_stage_are_none_and_the_reason_is_told(results):
    add_stages(results, "pytorch", None)
    lines = screen(results)
    assert "J/epoch" not in lines[2]
    assert "energy of an epoch: none: training finetune: too short" in lines


def test_what_did_not_run_names_its_chip_where_there_are_several(results):
    for chip in ("a100", "cpu"):
        results.add(make_record("pytorch", scenario=make_scenario("pytorch", chip=chip)))
    results.add(make_failure("mindspore", scenario=make_scenario("mindspore", "graph", chip="cpu")))
    results.add_absent(chip="a100", execution="eager", reason="no MindSpore for CUDA")
    assert [line for line in screen(results) if " did not run: " in line] == [
        "mindspore graph on cpu did not run: out of memory: killed: out of memory",
        "mindspore eager on a100 did not run: no MindSpore for CUDA",
    ]


def test_what_did_not_run_names_its_model_unless_it_is_said_of_all(results):
    for model in ("aigoms", "fourcastnet", "graphcast"):
        results.add(make_record("pytorch", scenario=make_scenario("pytorch", model=model)))
    failed = make_scenario("mindspore", "graph", model="graphcast")
    results.add(make_failure("mindspore", scenario=failed))
    absent = [
        Absent(**{name: getattr(failed, name) for name in ("preset", "framework", "chip", "data_name")}, **of)
        for of in (
            *(
                {"model": model, "execution": EAGER, "reason": "no graph"}
                for model in ("aigoms", "fourcastnet", "graphcast")
            ),
            {"model": "aigoms", "execution": GRAPH, "reason": "no operator"},
        )
    ]
    path = results.path / "smoke" / "absent.json"
    path.write_text(json.dumps([entry.model_dump(mode="json") for entry in absent]))
    assert [line for line in screen(results) if " did not run: " in line] == [
        "graphcast: mindspore graph did not run: out of memory: killed: out of memory",
        "mindspore eager did not run: no graph",
        "aigoms: mindspore graph did not run: no operator",
    ]


def of_joules(joules):
    """What a record has whose second epoch took so many."""
    phase = Phase(name="train pretrain 1", t0_ns=0, t1_ns=10**10, steps=2, samples=16)
    entry = PhaseEnergy(phase=phase.name, window=make_window(joules))
    energy = Energy(collector="nvml", reason=None, phases=(entry,))
    return {"measurements": make_measurements(phases=(phase,)), "energy": energy}


def test_a_cell_without_joules_is_not_taken_for_that_of_another_chip_or_host(results):
    results.add(make_record(scenario=make_scenario(chip="a100"), **of_joules(100.0)))
    for host in ("bbbb33334444", "cccc55556666"):
        results.add(make_record(attempt=host, environment=make_environment(host=host, cpu_name=host)))
    lines = screen(results, width=200)
    (told,) = [line for line in lines if line.startswith("energy of an epoch: ")]
    without = ", ".join(f"pytorch eager on cpu, host {host}" for host in ("bbbb33334444", "cccc55556666"))
    assert told == f"energy of an epoch: none of {without}: no sensor: rapl: no powercap tree"


@pytest.mark.parametrize(("joules", "text"), [(1748.0, "1750"), (123456.0, "123000"), (0.5, "0.5")])
def test_joules_have_three_digits_and_no_power_of_ten(results, joules, text):
    results.add(make_record(**of_joules(joules)))
    assert f"512 MiB {text} J baseline" in " ".join(row(screen(results), "pytorch eager"))


def test_a_warning_names_the_chip_and_the_host_that_it_is_of(results):
    for chip, host, launches in (("a100", "a", 3), ("cpu", "b", 3), ("cpu", "c", 2)):
        environment = make_environment(host=host, cpu_name=host)
        for launch in range(launches):
            scenario = make_scenario(chip=chip)
            attempt = f"{chip}-{host}-{launch}"
            results.add(make_record(launch=launch, scenario=scenario, attempt=attempt, environment=environment))
    (warned,) = [line for line in screen(results) if line.startswith("warning: ")]
    assert warned == "warning: fourcastnet on cpu, host c, pytorch eager: 2 of the 3 launches that an interval needs"
