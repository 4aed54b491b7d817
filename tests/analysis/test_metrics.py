import pytest
from made_records import (
    make_environment,
    make_epoch,
    make_failure,
    make_measurements,
    make_record,
    make_scenario,
    make_stage,
    make_window,
)

from collectors.accounting.device_use import DeviceUse
from collectors.accounting.idle import IdlePower
from harness.analysis.quantities.metrics import energy_uses, launch_metrics, steady_state_problems
from harness.analysis.summaries import summarise_record
from harness.frameworks.base import Compile
from harness.launch.nodes.together import energy_of_all
from harness.results.record import Energy, Idle, Latency, Memory, Phase, PhaseEnergy
from harness.scenario.execution import Execution, World


def metrics_of(**changes):
    return {metric.name: metric for metric in launch_metrics(make_record(measurements=make_measurements(**changes)))}


def values_of(**changes):
    return {name: metric.value for name, metric in metrics_of(**changes).items()}


EPOCHS = (
    make_epoch(step_s=(20.0, 1.0), data_s=(1.0, 1.0)),
    make_epoch(step_s=(2.0, 4.0), data_s=(0.5, 0.5)),
    make_epoch(step_s=(3.0, 4.0), data_s=(1.0, 1.0)),
    make_epoch(step_s=(8.0, 9.0), data_s=(1.0, 2.0)),
)


class TestTraining:
    def test_the_first_epoch_with_the_compilation_is_left_out(self):
        assert values_of(training=(make_stage(*EPOCHS),))["epoch_s"] == 9.0

    def test_a_single_epoch_counts(self):
        assert values_of(training=(make_stage(EPOCHS[0]),))["epoch_s"] == 23.0

    def test_the_total_holds_every_epoch(self):
        assert values_of(training=(make_stage(*EPOCHS),))["training_s"] == 23.0 + 7.0 + 9.0 + 20.0

    def test_steps_of_the_steady_state(self):
        values = values_of(training=(make_stage(*EPOCHS, steady_from_step=3),))
        assert values["train_step_s"] == 4.0
        assert values["train_step_iqr_s"] == 8.0 - 4.0
        assert values["first_step_s"] == 20.0

    def test_a_compilation_in_a_later_epoch_is_told_apart(self):
        first = EPOCHS[0].model_copy(update={"first_calls": (0,)})
        inside = make_epoch(step_s=(30.0, 3.0, 3.0), data_s=(1.0,) * 3, loss=(0.4,) * 3).model_copy(
            update={"first_calls": (0,)}
        )
        compiles = tuple(Compile(what="train_step", shape="8", s=s, warm=False) for s in (20.0, 30.0))
        stage = make_stage(first, inside, EPOCHS[1], steady_from_step=1)
        values = values_of(training=(stage,), compiles=compiles)
        assert values["epoch_s"] == (12.0 + 7.0) / 2
        assert values["train_step_s"] == 3.0
        assert (values["training_s"], values["training_compile_s"]) == (23.0 + 39.0 + 7.0, 19.0 + 27.0)
        assert values["training_run_s"] == 23.0 + 39.0 + 7.0 - 46.0

    def test_eager_compiles_nothing_and_older_records_of_graphs_do_not_say(self):
        eager = metrics_of(training=(make_stage(*EPOCHS),))
        assert (eager["training_compile_s"].value, eager["training_run_s"].value) == (0.0, 59.0)
        description = make_measurements().framework.model_copy(update={"execution": "compiled"})
        older = metrics_of(training=(make_stage(*EPOCHS),), framework=description)["training_compile_s"]
        assert (older.value, older.reason) == (None, "not told apart")

    def test_what_a_compilation_took_is_not_known_where_no_step_is_left_to_tell_it(self):
        alone = make_epoch(step_s=(20.0,), data_s=(1.0,), loss=(0.4,)).model_copy(update={"first_calls": (0,)})
        compiles = (Compile(what="train_step", shape="8", s=20.0, warm=False),)
        first = EPOCHS[0].model_copy(update={"first_calls": (0,)})
        values = values_of(training=(make_stage(first, alone),), compiles=compiles)
        assert (values["training_s"], values["training_compile_s"], values["training_run_s"]) == (44.0, None, None)

    def test_no_steady_state_is_no_value(self):
        metric = metrics_of(training=(make_stage(*EPOCHS, steady_from_step=None),))["train_step_s"]
        assert (metric.value, metric.reason) == (None, "steady state never reached")

    def test_data_share_and_rate_are_ratios_of_sums(self):
        values = values_of(training=(make_stage(*EPOCHS),))
        assert values["data_share_fraction"] == pytest.approx((1 + 2 + 3) / (7 + 9 + 20))
        assert values["train_rate_samples_per_s"] == pytest.approx(3 * 16 / 36)
        harmonic = 3 / sum(epoch_s / 16 for epoch_s in (7, 9, 20))
        assert values["train_rate_samples_per_s"] == pytest.approx(harmonic)

    def test_stages_stand_apart(self):
        values = values_of(training=(make_stage(*EPOCHS[:2]), make_stage(*EPOCHS[2:], name="finetune")))
        assert (values["epoch_pretrain_s"], values["epoch_finetune_s"]) == (7.0, 20.0)
        assert (values["first_step_pretrain_s"], values["first_step_finetune_s"]) == (20.0, 3.0)
        assert values["training_s"] == 59.0
        assert "epoch_s" not in values

    def test_what_a_launch_did_not_reach_is_none_with_a_reason(self):
        metrics = {metric.name: metric for metric in launch_metrics(make_failure())}
        for name in ("epoch_s", "training_s", "train_step_s", "inference_step_s", "process_rss_bytes"):
            assert metrics[name].value is None
            assert metrics[name].reason


class TestInference:
    LATENCY = Latency(batch_size=4, first_step_s=3.0, warmup_steps=1, steady=True, step_s=(0.1, 0.2, 0.9))

    def test_values(self):
        values = values_of(inference=self.LATENCY)
        assert values["inference_step_s"] == 0.2
        assert values["inference_first_step_s"] == 3.0
        assert values["inference_rate_samples_per_s"] == pytest.approx(12 / 1.2)

    def test_the_rate_is_that_of_all_devices(self):
        scenario = make_scenario(execution=Execution(world=World(devices=3)))
        record = make_record(scenario=scenario, measurements=make_measurements(inference=self.LATENCY))
        rates = [metric.value for metric in launch_metrics(record) if metric.name == "inference_rate_samples_per_s"]
        assert rates == [pytest.approx(3 * 12 / 1.2)]

    def test_never_steady_is_told(self):
        unsteady = self.LATENCY.model_copy(update={"steady": False})
        measured = make_measurements(inference=unsteady, training=(make_stage(*EPOCHS, steady_from_step=None),))
        assert steady_state_problems(make_record(measurements=measured)) == ("training pretrain", "inference")
        assert steady_state_problems(make_record()) == ()


def test_uncounted_device_memory_is_none_and_not_0():
    metric = metrics_of(memory=Memory(process_rss_bytes=5, device_bytes=None))["device_bytes"]
    assert (metric.value, metric.reason) == (None, "the framework keeps no count")
    assert values_of(memory=Memory(process_rss_bytes=5, device_bytes=7))["device_bytes"] == 7
    metric = metrics_of(memory=Memory(process_rss_bytes=None, device_bytes=7))["process_rss_bytes"]
    assert (metric.value, metric.reason) == (None, "the kernel does not count it from when data are ready")


GIB = 2**30
TOLD = {"collector": "nvml", "reason": None}


@pytest.mark.parametrize(
    ("energy", "value", "reason"),
    [
        ({**TOLD, "device_uses": (DeviceUse(device=0, memory_bytes=9 * GIB),)}, 9 * GIB, None),
        ({**TOLD, "device_uses": (DeviceUse(device=0, memory_fraction=0.25),)}, 8 * GIB, None),
        ({**TOLD, "device_uses": (DeviceUse(device=0, utilisation=0.9),)}, None, "nvml does not tell it"),
        ({**TOLD, "device_uses": (DeviceUse(device=0, memory_bytes=GIB, memory_fraction=0.25),)}, GIB, None),
        (TOLD, None, "nvml does not tell it"),
        ({"collector": None, "reason": "no sensor: nvml"}, None, "no sensor: nvml"),
    ],
)
def test_memory_of_a_device_is_told_by_three_who_count_it(energy, value, reason):
    measured = make_measurements(memory=Memory(process_rss_bytes=5, device_bytes=7, device_reserved_bytes=8))
    framework = measured.framework.model_copy(update={"device": "cuda"})
    accelerator = {"devices": [{"index": 0, "memory_bytes": 32 * GIB}]}
    record = make_record(
        measurements=measured.model_copy(update={"framework": framework}),
        environment=make_environment(accelerator=accelerator),
        energy=Energy(**energy),
    )
    metrics = {metric.name: metric for metric in launch_metrics(record)}
    assert (metrics["device_bytes"].value, metrics["device_reserved_bytes"].value) == (7, 8)
    taken = metrics["device_taken_bytes"]
    assert (taken.value, taken.reason, taken.kind) == (value, reason, "size")


@pytest.mark.parametrize(
    ("taken_gib", "sizes_gib", "value"),
    [
        (({"memory_bytes": 9 * GIB}, {"memory_bytes": 11 * GIB}), (32, 32), 11 * GIB),
        (({"memory_bytes": 9 * GIB},), (32, 32), None),
        (({"memory_bytes": 9 * GIB}, {"utilisation": 0.5}), (32, 32), None),
        (({"memory_fraction": 0.25}, {"memory_fraction": 0.5}), (32, 32), 16 * GIB),
        (({"memory_fraction": 0.25}, {"memory_fraction": 0.5}), (32, 64), None),
    ],
)
def test_of_several_devices_the_fullest_counts_where_all_are_told(taken_gib, sizes_gib, value):
    measured = make_measurements()
    record = make_record(
        scenario=make_scenario(execution=Execution(world=World(devices=2))),
        measurements=measured.model_copy(
            update={"framework": measured.framework.model_copy(update={"device": "cuda"})}
        ),
        environment=make_environment(
            accelerator={"devices": [{"index": n, "memory_bytes": size * GIB} for n, size in enumerate(sizes_gib)]}
        ),
        energy=Energy(**TOLD, device_uses=tuple(DeviceUse(device=n, **use) for n, use in enumerate(taken_gib))),
    )
    assert {metric.name: metric.value for metric in launch_metrics(record)}["device_taken_bytes"] == value


def test_nothing_is_said_of_a_device_on_the_cpu():
    assert not {"device_reserved_bytes", "device_taken_bytes"} & metrics_of().keys()


class TestEnergy:
    @staticmethod
    def window(energy_j, duration_s, reasons=()):
        return make_window(energy_j, duration_s, reasons=reasons)

    def record(self, *windows, inference):
        names = [f"train pretrain {number}" for number in range(len(windows))]
        phases = [Phase(name=name, t0_ns=0, t1_ns=1, steps=2, samples=16) for name in names]
        phases.append(Phase(name="inference", t0_ns=0, t1_ns=1, steps=50, samples=50))
        entries = [PhaseEnergy(phase=name, window=window) for name, window in zip(names, windows, strict=True)]
        entries.append(PhaseEnergy(phase="inference", window=inference))
        epochs = [make_epoch() for _ in windows]
        return make_record(
            measurements=make_measurements(training=(make_stage(*epochs),), phases=tuple(phases)),
            energy=Energy(collector="nvml", reason=None, phases=tuple(entries)),
        )

    def test_energy_of_an_epoch_and_a_step_from_valid_windows(self):
        record = self.record(
            self.window(9000.0, 10.0),
            self.window(100.0, 10.0),
            self.window(300.0, 20.0),
            self.window(5.0, 1.0, ["nvml0: window of 1 s: too short"]),
            inference=self.window(25.0, 5.0),
        )
        training, inference = energy_uses(record)
        assert (training.energy_j, training.mean_power_w) == (200.0, pytest.approx(400 / 30))
        assert (training.windows, training.valid_windows, training.unit) == (3, 2, "epoch")
        assert training.peak_power_w == pytest.approx(45)
        assert training.sample_energy_j == pytest.approx(400 / 32)
        assert training.samples_per_j == pytest.approx(32 / 400)
        assert training.reasons == ("nvml0: window of 1 s: too short",)
        assert (inference.energy_j, inference.mean_power_w, inference.unit) == (0.5, 5.0, "step")

    def test_no_valid_window_is_no_value(self):
        bad = self.window(None, 1.0, ["the sampler died"])
        for use in energy_uses(self.record(bad, bad, inference=bad)):
            assert (use.energy_j, use.mean_power_w, use.valid_windows) == (None, None, 0)
            assert use.reasons == ("the sampler died",)

    def test_a_phase_without_a_step_has_a_reason(self):
        window = self.window(10.0, 1.0)
        record = self.record(window, window, inference=window)
        phases = [phase.model_copy(update={"steps": 0}) for phase in record.measurements.phases]
        measured = record.measurements.model_copy(update={"phases": tuple(phases)})
        for use in energy_uses(record.model_copy(update={"measurements": measured})):
            assert use.valid_windows == 0
            assert use.reasons[0].endswith(": a phase without a step")

    def test_the_whole_training_is_one_run_however_many_its_steps(self):
        record = make_record(
            measurements=make_measurements(phases=(Phase(name="training", t0_ns=0, t1_ns=1, steps=6, samples=48),)),
            energy=Energy(
                collector="nvml", reason=None, phases=(PhaseEnergy(phase="training", window=self.window(960.0, 30.0)),)
            ),
        )
        (use,) = energy_uses(record)
        assert (use.unit, use.energy_j, use.step_energy_j, use.sample_energy_j) == ("run", 960.0, 160.0, 20.0)

    def test_the_net_energy_is_the_median_of_epochs_and_none_without_a_power_at_rest(self):
        def with_rest(power_w, reasons=()):
            idle = IdlePower(power_w, power_w, power_w, reasons)
            windows = [self.window(energy_j, 10.0) for energy_j in (9000.0, 1500.0, 1600.0, 5000.0)]
            made = self.record(*windows, inference=self.window(2000.0, 10.0))
            entries = tuple(
                each.model_copy(update={"net_energy_j": idle.net_energy_j(each.window)}) for each in made.energy.phases
            )
            energy = made.energy.model_copy(update={"idle": Idle(**idle.to_dict()), "phases": entries})
            return energy_uses(made.model_copy(update={"energy": energy}))

        training, inference = with_rest(100.0)
        assert (training.energy_j, training.net_energy_j, inference.net_energy_j) == (1600.0, 600.0, 1000.0 / 50)
        for use in with_rest(None, ("no idle window after",)):
            assert use.net_energy_j is None
            assert use.reasons == ("no net energy: no idle window after",)

    def test_an_energy_below_0_in_any_epoch_is_refused(self):
        windows = [self.window(energy_j, 10.0) for energy_j in (100.0, 200.0, -5.0, 300.0)]
        with pytest.raises(ValueError, match="energy of training pretrain of -5 J"):
            energy_uses(self.record(*windows, inference=self.window(2000.0, 10.0)))

    def test_no_sensor(self):
        assert energy_uses(make_record()) == ()


class TestEnergyOfSeveralNodes:
    @staticmethod
    def record(*nodes, idle_w=100.0):
        """Of nodes that each rest at `idle_w` and draw so many watts in epochs of 10 s."""
        names = [f"train pretrain {number}" for number in range(len(nodes[0]))]
        phases = tuple(Phase(name=name, t0_ns=0, t1_ns=10**10, steps=2, samples=16) for name in names)
        idle = IdlePower(idle_w, idle_w, idle_w, ())
        energies = {}
        for number, powers_w in enumerate(nodes):
            windows = [make_window(10.0 * power_w, 10.0) for power_w in powers_w]
            entries = tuple(
                PhaseEnergy(
                    phase=name, window=each, net_energy_j=idle.net_energy_j(each), net_reason=idle.why_no_net(each)
                )
                for name, each in zip(names, windows, strict=True)
            )
            energies[f"node {number}"] = Energy(
                collector="nvml", reason=None, idle=Idle(**idle.to_dict()), phases=entries
            )
        epochs = [make_epoch() for _ in names]
        return make_record(
            measurements=make_measurements(training=(make_stage(*epochs),), phases=phases),
            energy=energy_of_all(energies, 1),
        )

    def test_a_peak_that_is_not_told_costs_no_other_number(self):
        (use,) = summarise_record(self.record((500.0, 300.0, 320.0), (500.0, 200.0, 220.0))).energy_uses
        assert (use.valid_windows, use.energy_j, use.net_energy_j) == (2, 5200.0, 3200.0)
        assert (use.mean_power_w, use.peak_power_w, use.reasons) == (520.0, None, ())

    def test_a_node_at_rest_above_its_work_leaves_no_net_energy_of_all(self):
        """At rest 200 W; 395, 395 and 600 W: the median of the third alone would be above the gross median."""
        (use,) = energy_uses(self.record((500.0, 300.0, 300.0, 300.0), (500.0, 95.0, 95.0, 300.0)))
        assert (use.energy_j, use.net_energy_j) == (3950.0, None)
        assert use.reasons == (
            "no net energy: 2 of 3 windows have none "
            "(node 1: the power at rest of 100 W is above the 95 W of the work)",
        )
