import pytest
from made_records import make_environment, make_failure, make_measurements, make_record, make_scenario

from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.comparison.differences import differences
from harness.data.config import ArchiveConfig
from harness.errors import UserError
from harness.results.record import Fingerprints
from harness.scenario.schema import OptimiserConfig, Stage, TrainingConfig


def mindspore(**changes):
    return make_scenario("mindspore", "graph", **changes)


def fingerprinted(launch, **changes):
    content = {"data": "d" * 64, "initial_weights": f"{launch:064x}", "architecture": "a" * 64} | changes
    return make_measurements(fingerprints=Fingerprints(**content))


def cells_of(results, *records):
    results.add(*records)
    return {cell.label: cell for cell in load_results(results.path).cells}


def differences_to_pytorch(results, *records):
    cells = cells_of(results, *[make_record("pytorch", launch) for launch in range(2)], *records)
    return differences(cells["mindspore graph"], cells["pytorch eager"])


def test_framework_execution_and_chip_may_differ(results):
    scenario = mindspore(chip="a100", device="cuda", data_root="elsewhere", time_limit_s=1.0)
    assert differences_to_pytorch(results, *[make_record("mindspore", n, scenario=scenario) for n in range(2)]) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"training": TrainingConfig(batch_size=16, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))},
            "training.batch_size: 16 here, 8 in the baseline",
        ),
        (
            {
                "training": TrainingConfig(
                    batch_size=8,
                    optimiser=OptimiserConfig(name="adamw", weight_decay=0.1),
                    stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),),
                )
            },
            "training.optimiser.weight_decay: 0.1 here, 0.0 in the baseline",
        ),
        (
            {"training": TrainingConfig(batch_size=8, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-2),))},
            "training.stages[0].learning_rate: 0.01 here, 0.001 in the baseline",
        ),
        ({"grid": (16, 32)}, "grid: [16, 32] here, [32, 64] in the baseline"),
        ({"seed": 5}, "seed: 5 here, 100 in the baseline"),
    ],
)
def test_unequal_settings_are_named(results, changes, expected):
    found = differences_to_pytorch(results, make_record("mindspore", 0, scenario=mindspore(**changes)))
    assert expected in found


def test_networks_agree_by_their_fingerprints_and_not_by_the_text_of_their_hyperparameters(results):
    other_text = mindspore(architecture="lab.afno", network={"patch_size": 4, "depth": 2, "spectral": "fft"})
    assert differences_to_pytorch(results, make_record("mindspore", 0, scenario=other_text)) == ()


@pytest.mark.parametrize("fingerprint", ["f" * 64, None])
def test_the_hyperparameters_of_networks_that_are_not_known_to_be_the_same_are_named(results, fingerprint):
    measured = fingerprinted(0, architecture=fingerprint) if fingerprint else make_measurements(fingerprints=None)
    scenario = mindspore(network={"patch_size": 8, "depth": 2})
    found = differences_to_pytorch(results, make_record("mindspore", 0, scenario=scenario, measurements=measured))
    assert "network.patch_size: 8 here, 4 in the baseline" in found
    why = "differ" if fingerprint else "not recorded"
    assert any(line.startswith("architecture: ") and why in line for line in found)


@pytest.mark.parametrize("name", ["data", "architecture", "initial_weights"])
def test_unequal_fingerprints_are_named_by_launch(results, name):
    found = differences_to_pytorch(
        results,
        make_record("mindspore", 0),
        make_record("mindspore", 1, measurements=fingerprinted(1, **{name: "f" * 64})),
    )
    assert found == (f"{name.replace('_', ' ')}: fingerprints differ (launches 1)",)


ARCHIVE = ArchiveConfig(kind="archive", files="*.nc", channels=({"name": "u", "variable": "u", "units": "1"},))
OF_TODAY, OLDER = f"xxh3:{'d' * 64}", "d" * 64


@pytest.mark.parametrize(
    ("here", "baseline", "expected"),
    [
        (OF_TODAY, OLDER, "data: fingerprinted in two ways, the older in the baseline"),
        (OLDER, OF_TODAY, "data: fingerprinted in two ways, the older here"),
        (OF_TODAY, f"{OF_TODAY[:-1]}e", "data: fingerprints differ"),
        (OLDER, "e" * 64, "data: fingerprints differ"),
    ],
    ids=["older baseline", "older here", "both of today", "both older"],
)
def test_fingerprints_of_two_kinds_do_not_say_that_data_differ(results, here, baseline, expected):
    cells = cells_of(
        results,
        *[
            make_record(
                framework,
                0,
                scenario=make_scenario(framework, execution, data=ARCHIVE, data_digest=data),
                measurements=fingerprinted(0, data=data),
            )
            for framework, execution, data in (("mindspore", "graph", here), ("pytorch", "eager", baseline))
        ],
    )
    (found,) = differences(cells["mindspore graph"], cells["pytorch eager"])
    assert found.startswith(expected)
    assert ("must run again" in found) == ("two ways" in expected)
    assert found.endswith("(launches 0)")


def test_weights_are_compared_launch_by_launch(results):
    swapped = [make_record("mindspore", n, measurements=fingerprinted(1 - n)) for n in range(2)]
    assert differences_to_pytorch(results, *swapped) == ("initial weights: fingerprints differ (launches 0, 1)",)


def test_an_unknown_fingerprint_is_no_equality(results):
    unknown = make_record("mindspore", 0, measurements=make_measurements(fingerprints=None))
    assert "data: fingerprint not recorded (launches 0)" in differences_to_pytorch(results, unknown)


def test_no_common_launch(results):
    assert differences_to_pytorch(results, make_record("mindspore", 5)) == ("no launch number completed in both",)


class TestBaseline:
    def test_on_the_same_chip_and_host(self, results):
        results.add(*[make_record(name, 0, host=host) for name in ("pytorch", "mindspore") for host in ("a", "b")])
        cells = load_results(results.path).cells
        for cell in cells:
            comparison = BaselineName("pytorch").compare(cell, cells)
            assert comparison.baseline.host == cell.host
            assert comparison.is_baseline == (cell.label == "pytorch eager")
            assert comparison.fair == (cell.label == "mindspore graph")

    def test_not_on_another_host_unless_a_chip_is_named(self, results):
        other_kind = make_environment(host="a", cpu_name="another CPU")
        cells = cells_of(
            results, make_record("pytorch", 0, environment=other_kind), make_record("mindspore", 0, host="b")
        )
        ours = cells["mindspore graph"]
        assert BaselineName("pytorch").compare(ours, cells.values()).baseline is None
        assert BaselineName("pytorch", chip="cpu").compare(ours, cells.values()).baseline is cells["pytorch eager"]

    def test_on_another_chip(self, results):
        a100 = make_scenario(chip="a100", device="cuda")
        cells = cells_of(results, make_record("pytorch", 0, scenario=a100, host="b"), make_record("mindspore", 0))
        name = BaselineName.parse("a100/pytorch", list(cells.values()))
        comparison = name.compare(cells["mindspore graph"], cells.values())
        assert comparison.baseline is cells["pytorch eager"]
        assert comparison.fair

    def test_the_least_different_cell_is_chosen(self, results):
        batch_16 = {
            "training": TrainingConfig(batch_size=16, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))
        }
        results.add(
            make_record("pytorch", 0),
            make_record("pytorch", 0, scenario=make_scenario(**batch_16)),
            make_record("mindspore", 0, scenario=mindspore(**batch_16)),
        )
        cells = load_results(results.path).cells
        for cell in cells:
            comparison = BaselineName("pytorch").compare(cell, cells)
            assert comparison.refusal == ()
            assert comparison.baseline.scenario.training == cell.scenario.training

    def test_eager_goes_before_compiled(self, results):
        cells = cells_of(
            results,
            make_record("pytorch", 0, scenario=make_scenario(execution="graph")),
            make_record("pytorch", 0),
        )
        for cell in cells.values():
            assert BaselineName("pytorch").compare(cell, cells.values()).baseline is cells["pytorch eager"]
        graph = BaselineName.parse("pytorch-graph", list(cells.values()))
        assert graph.compare(cells["pytorch eager"], cells.values()).baseline is cells["pytorch graph"]

    def test_none_to_be_found(self, results):
        cells = cells_of(results, make_record("mindspore", 0))
        comparison = BaselineName("pytorch").compare(cells["mindspore graph"], cells.values())
        assert comparison.baseline is None
        assert comparison.refusal

    def test_one_that_never_completed(self, results):
        cells = cells_of(results, make_record("mindspore", 0), make_failure("pytorch", 0))
        comparison = BaselineName("pytorch").compare(cells["mindspore graph"], cells.values())
        assert comparison.refusal == ("no launch number completed in both",)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("pytorc", "unknown framework 'pytorc'; did you mean 'pytorch'"),
            ("pytorch-eeger", "unknown execution 'eeger'; did you mean 'eager'"),
            ("a100/pytorch", "no records of chip 'a100'; choose from: cpu"),
            ("cpu/mindspore", "no records of such a cell; (did you mean 'cpu/pytorch-eager'|choose from)"),
        ],
    )
    def test_bad_names(self, results, text, expected):
        cells = cells_of(results, make_record("pytorch", 0))
        with pytest.raises(UserError, match=expected):
            BaselineName.parse(text, list(cells.values()))


@pytest.mark.parametrize(
    ("threads", "device", "expected"),
    [
        (1, "cpu", ("threads of the framework: 1 here, 2 in the baseline",)),
        (2, "cpu", ()),
        (None, "cpu", ()),
        (1, "cuda", ()),
    ],
)
def test_frameworks_on_a_cpu_have_the_same_number_of_threads(results, threads, device, expected):
    for launch in range(2):
        for name in ("pytorch", "mindspore"):
            measured = make_measurements(launch=launch)
            if name == "mindspore":
                ran = measured.framework.model_copy(update={"threads": threads})
                measured = measured.model_copy(update={"framework": ran})
            scenario = make_scenario(name, device=device)
            results.add(make_record(name, launch, scenario=scenario, measurements=measured))
    cells = {cell.scenario.framework: cell for cell in load_results(results.path).cells}
    assert differences(cells["mindspore"], cells["pytorch"]) == expected
