"""`crosscast project` from records to files: what it says, refuses and writes."""

import csv
import re

import click
import matplotlib.colors
import pytest
from click.testing import CliRunner

from harness.commands.cli import cli
from harness.data.opening import open_source
from harness.data.windows import Windows
from harness.errors import UserError
from harness.models import fourcastnet
from harness.projection import figures
from harness.projection.ceilings import Ceilings, HostCeilings, HostLink, link_of_host, of_host
from harness.projection.domains import domain_of
from harness.projection.projecting import Point
from harness.projection.work import prediction_work
from harness.scenario import catalogue
from harness.scenario.execution import EAGER
from tests.projection.planted import CEILINGS, HOST, LAUNCH_S, PLANTED, plant, planted_record, scenario_of, works_of

OWN_CHIP = """
title: Our card
vendor: we
power_collectors: [nvml]
memory_gib: {value: 0.05, source: ours}
bandwidth_gb_s: {value: 2000, source: ours}
power_cap_w: {value: 400, source: ours}
idle_power_w: {value: 50, source: ours}
launch_us: {value: 5, source: ours}
peak_tflops: {fp32: {value: 20, source: ours}}
frameworks: {pytorch: {device: cuda, packages: [torch]}}
verified: nothing
"""


def run(results, *options):
    found = CliRunner().invoke(cli, ["project", *options, "--results", str(results.path)])
    if isinstance(found.exception, UserError):
        return None, str(found.exception)
    assert isinstance(found.exception, (type(None), click.ClickException)), found.exc_info
    return found.output, None


def rows(results, chip):
    with (results.path / "projection" / chip / "projection.csv").open() as file:
        return {row["quantity"]: row for row in csv.DictReader(file)}


@pytest.fixture
def own_chip(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(OWN_CHIP)
    return path


def test_a_preset_of_the_same_chip_is_projected_to_what_was_planted(results):
    """The sixth size is left out of the records, and its planted time and memory lie in the intervals."""
    plant(results, numbers=range(5))
    model = results.path.parent / "sizes.yaml"
    grid, width, depth = scenario_of(5).grid, 256, 2
    model.write_text(
        f"""
title: t
architecture: fourcastnet
source: s
presets:
  own:
    grid: {list(grid)}
    network: {{patch_size: 4, embed_dim: {width}, depth: {depth}}}
    training: {{batch_size: 4, stages: [{{name: train, epochs: 2, learning_rate: 1.0e-3}}]}}
"""
    )
    output, refusal = run(results, "--chip", "cpu", "--model", str(model), "--preset", "own", "--data", "rossby")
    assert refusal is None
    found = rows(results, "cpu")
    seconds = PLANTED.step_s(works_of(scenario_of(5))[0], CEILINGS, LAUNCH_S)
    step = found["training step"]
    assert float(step["projected"]) == pytest.approx(seconds, rel=0.1)
    assert float(step["projected_low"]) < seconds < float(step["projected_high"])
    data = catalogue.data("rossby")
    batches = len(Windows(open_source(data, grid=grid), data.splits).starts("train")) // 4
    assert float(found["epoch"]["projected"]) == pytest.approx(batches * float(step["projected"]))
    assert "idle_power_w" in found["energy, training step"]["words"]
    assert "PROJECTED, NOT MEASURED" in output
    assert re.search(r"size0, training step: projected .* measured .*%", output)


def test_another_chip_has_bounds_that_no_chip_passes_and_energy_between_rest_and_cap(results, own_chip):
    plant(results)
    output, refusal = run(results, "--chip", str(own_chip), "--model", "fourcastnet", "--preset", "small")
    assert refusal is None
    found = rows(results, "ours")
    step, energy = found["training step (pretrain)"], found["energy, training step (pretrain)"]
    low, high = float(step["projected_low"]), float(step["projected_high"])
    assert low < float(step["projected"]) < high
    assert energy["projected"] == ""
    assert float(energy["projected_low"]) == pytest.approx(50 * low)
    assert float(energy["projected_high"]) == pytest.approx(400 * high)
    assert "records of one chip alone" in output


def test_what_does_not_fit_says_what_would(results, own_chip):
    plant(results)
    output, _ = run(results, "--chip", str(own_chip), "--model", "fourcastnet", "--preset", "tiny")
    (fits,) = re.findall(r"fits: (.+)", output)
    assert fits.startswith("yes: ")
    own_chip.write_text(OWN_CHIP.replace("0.05", "0.01"))
    output, _ = run(results, "--chip", str(own_chip), "--model", "fourcastnet", "--preset", "tiny")
    (fits,) = re.findall(r"fits: (.+)", output)
    assert re.match(r"(no|perhaps): .* GiB of 0.01; by the count it fits as: .*accumulation", fits)


def test_null_figures_refuse_by_name_with_the_place_to_fill_in(results):
    plant(results)
    output, refusal = run(results, "--chip", "ascend910b", "--variant", "910B3", "--model", "fourcastnet")
    assert output is None
    assert (
        "Huawei Ascend 910B3 cannot be projected: scenarios/chips/ascend910b.yaml gives no peak_tflops.fp32" in refusal
    )
    assert "no launch_us (looked for:" in refusal
    assert "fill them in there with their sources, or give a file of your own" in refusal
    assert "bandwidth_gb_s" not in refusal
    assert "\n" not in refusal
    assert not (results.path / "projection" / "ascend910b").exists()


@pytest.mark.parametrize(
    ("chip", "options", "said"),
    [
        (
            "a100",
            ("--framework", "mindspore"),
            "mindspore on NVIDIA A100 cannot be projected: MindSpore 2.10 has no CUDA back end",
        ),
        (
            "a100",
            ("--devices", "2", "--execution", "world.parallel=sharded", "--execution", "compilation=graph"),
            "pytorch on NVIDIA A100 cannot be projected: world.parallel: sharded",
        ),
        (
            "cpu",
            ("--execution", "precision.matmul=tf32"),
            "pytorch on CPU of this machine cannot be projected: precision.matmul: tf32 is for pytorch on cuda",
        ),
    ],
)
def test_what_cannot_run_on_a_chip_has_no_time_there(results, chip, options, said):
    plant(results)
    output, refusal = run(results, "--chip", chip, "--model", "fourcastnet", *options)
    assert output is None
    assert refusal.startswith(said)


def test_a_chip_whose_variants_differ_asks_for_one(results):
    plant(results)
    _, refusal = run(results, "--chip", "h100", "--model", "fourcastnet", "--preset", "tiny")
    assert refusal.endswith("; or name a variant: --variant 'NVIDIA H100 SXM5 80GB'")
    _, refusal = run(results, "--chip", "ascend910b", "--variant", "910B3", "--model", "fourcastnet")
    assert refusal.endswith("or give a file of your own: --chip my.yaml")


def test_several_devices_need_a_link_and_take_longer_by_what_they_send(results, own_chip):
    plant(results)
    options = ("--model", "fourcastnet", "--preset", "small")
    run(results, "--chip", str(own_chip), *options)
    alone = float(rows(results, "ours")["training step (pretrain)"]["projected"])
    _, refusal = run(results, "--chip", str(own_chip), "--devices", "4", *options)
    assert "no link_gb_s" in refusal
    own_chip.write_text(f"{OWN_CHIP}link_gb_s: {{value: 10, source: ours}}\n")
    run(results, "--chip", str(own_chip), "--devices", "4", *options)
    found = rows(results, "ours")
    preset = catalogue.preset("fourcastnet", "small").preset
    domain = domain_of(catalogue.data("rossby"), preset.grid)
    number = sum(each.size for each in fourcastnet.parameters(preset.network, domain))
    together = float(found["training step (pretrain)"]["projected"])
    sent_s = 2 * 3 / 4 * 4 * number / 10e9
    messages = 6 * (2 + 1)
    assert together - alone == pytest.approx(sent_s + messages * 5e-6, rel=1e-6)
    scaling = found["scaling, training step (pretrain)"]
    assert float(scaling["projected"]) == pytest.approx(alone / together)
    assert float(scaling["projected_low"]) < alone / together < float(scaling["projected_high"]) < 1


def test_the_link_of_a_node_is_not_taken_for_that_between_nodes(results, own_chip):
    """A file gives what devices of one node send; of several nodes nothing is projected, whatever the chip."""
    plant(results)
    own_chip.write_text(f"{OWN_CHIP}link_gb_s: {{value: 10, source: ours}}\n")
    options = ("--model", "fourcastnet", "--preset", "tiny", "--devices", "16")
    output, _ = run(results, "--chip", str(own_chip), *options)
    (said,) = re.findall(r"link: (.+)", output)
    assert said.startswith("16 devices of one node are taken for granted, of which each sends 10 GB/s; ")
    for chip in (str(own_chip), "cpu"):
        output, refusal = run(results, "--chip", chip, *options, "--execution", "world.nodes=2")
        assert output is None
        assert "cannot be projected onto 16 devices of 2 nodes: what nodes send to one another stands in no" in refusal


def test_ranks_of_one_cpu_divide_its_cores_and_its_bandwidth_and_take_its_power_once(results, tmp_path):
    """Two ranks of a CPU compute as one does on a CPU of half its rates, and then send."""
    plant(results)
    options = ("--model", "fourcastnet", "--preset", "tiny")
    whole, half = tmp_path / "whole.yaml", tmp_path / "half.yaml"
    of_cpu = OWN_CHIP.replace("device: cuda", "device: cpu") + "link_gb_s: {value: 10, source: ours}\n"
    whole.write_text(of_cpu)
    half.write_text(of_cpu.replace("value: 20,", "value: 10,").replace("value: 2000,", "value: 1000,"))
    run(results, "--chip", str(half), *options)
    of_half = float(rows(results, "half")["training step"]["projected"])
    run(results, "--chip", str(whole), *options)
    alone = float(rows(results, "whole")["training step"]["projected"])
    run(results, "--chip", str(whole), "--devices", "2", *options)
    found = rows(results, "whole")
    step = found["training step"]
    preset = catalogue.preset("fourcastnet", "tiny").preset
    domain = domain_of(catalogue.data("rossby"), preset.grid)
    sent_s = 4 * sum(each.size for each in fourcastnet.parameters(preset.network, domain)) / 10e9 + 4 * 5e-6
    assert float(step["projected"]) == pytest.approx(of_half + sent_s, rel=1e-6)
    assert float(found["scaling, training step"]["projected"]) == pytest.approx(alone / float(step["projected"]))
    energy = found["energy, training step"]
    assert float(energy["projected_low"]) == pytest.approx(50 * float(step["projected_low"]))
    assert float(energy["projected_high"]) == pytest.approx(400 * float(step["projected_high"]))


TWO_RANKS = ("--chip", "cpu", "--model", "fourcastnet", "--preset", "tiny", "--devices", "2")


def test_ranks_of_another_host_need_a_link(results):
    """Their exchange is measured on that host, or given."""
    plant(results)
    _, refusal = run(results, *TWO_RANKS)
    assert "\n" not in refusal
    assert f"run crosscast project --devices 2 once on that host, which measures it into {results.path}" in refusal
    assert refusal.endswith("or fill in link_gb_s in the file of that chip")


def test_ranks_of_a_cpu_send_by_the_link_that_was_measured(results):
    """Two messages for each of the two arrays that tiny averages, and its gradients once."""
    plant(results)
    path = results.path / "projection" / f"ceilings-{HOST}.json"
    step_s = []
    for link in ({"gb_s": 1e6, "latency_us": 0}, {"gb_s": 2, "latency_us": 1000}):
        kept = HostCeilings.model_validate_json(path.read_text()).model_copy(update={"links": {2: HostLink(**link)}})
        path.write_text(kept.model_dump_json())
        assert run(results, *TWO_RANKS)[1] is None
        step_s.append(float(rows(results, "cpu")["training step"]["projected"]))
    preset = catalogue.preset("fourcastnet", "tiny").preset
    domain = domain_of(catalogue.data("rossby"), preset.grid)
    sent_s = 4 * sum(each.size for each in fourcastnet.parameters(preset.network, domain)) / 2e9
    assert step_s[1] - step_s[0] == pytest.approx(sent_s + 4 * 1e-3, rel=1e-3)


def test_the_link_of_ranks_is_measured_where_they_run_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.launch.room.cores", lambda: 2)
    host = HostCeilings(host=HOST, fp32_tflops=1, bandwidth_gb_s=1)
    path = tmp_path / f"ceilings-{HOST}.json"
    path.write_text(host.model_dump_json())
    found = link_of_host(tmp_path, HOST, 2, is_here=True)
    assert found.bandwidth > 0
    assert found.latency_s > 0
    kept = HostCeilings.model_validate_json(path.read_text())
    assert kept.model_copy(update={"links": {}}) == host
    assert link_of_host(tmp_path, HOST, 2, is_here=False) == kept.links[2].link()
    with pytest.raises(UserError, match=r"100000 ranks cannot be measured on this host: it has 2 cores"):
        link_of_host(tmp_path, HOST, 100_000, is_here=True)


def test_without_enough_records_nothing_is_projected(results):
    plant(results, numbers=range(3))
    _, refusal = run(results, "--chip", "a100", "--model", "fourcastnet")
    assert refusal.startswith("no validation, no projection: 4 presets at least")
    assert not (results.path / "projection" / "a100").exists()


def test_what_inference_was_off_by_says_nothing_of_training(results, own_chip):
    """Of five records one has trained: its step alone is no validation of training, however well it fits."""
    plant(results, numbers=(0,))
    for number in range(1, 5):
        record = planted_record(number)
        results.add(record.model_copy(update={"measurements": record.measurements.model_copy(update={"training": ()})}))
    run(results, "--chip", str(own_chip), "--model", "fourcastnet", "--preset", "tiny")
    found = rows(results, "ours")
    assert found["training step"]["words"] == (
        "no validation, no projection: 1 preset with training steps could be predicted from others, and 4 must be"
    )
    assert found["training step"]["projected"] == ""
    assert not {"epoch", "energy, training step"} & found.keys()
    assert float(found["inference step"]["projected"]) > 0
    assert float(found["memory, training"]["projected"]) > 0


def test_a_step_that_is_larger_than_any_measured_one_says_by_how_much(results, own_chip):
    """Tiny, of the sizes that were measured, does not; the published network on 720 x 1440 points does."""
    plant(results)
    options = ("--chip", str(own_chip), "--model", "fourcastnet")
    run(results, *options, "--preset", "tiny")
    assert not any(name.startswith("beyond") for name in rows(results, "ours"))
    run(results, *options, "--preset", "paper")
    found = rows(results, "ours")["beyond the records, inference step"]["words"]
    preset = catalogue.preset("fourcastnet", "paper").preset
    domain = domain_of(catalogue.data("rossby"), preset.grid)
    work = prediction_work(fourcastnet, preset.network, domain, preset.inference.batch_size, EAGER)
    of_measured = [works_of(scenario_of(number))[1] for number in range(6)]
    flops = work.total.flops / max(each.total.flops for each in of_measured)
    most = [max(each.operation.bytes for each in every.operations) for every in (work, *of_measured)]
    assert found.startswith(
        f"{flops:,.0f} times the operations and {most[0] / max(most[1:]):,.0f} times the bytes of the largest operator "
        "of any measured inference step: "
    )
    assert "beyond the records, training step (finetune)" in rows(results, "ours")


def test_records_of_another_mode_validate_nothing(results):
    plant(results)
    _, refusal = run(results, "--chip", "a100", "--model", "fourcastnet", "--execution", "compilation=graph")
    assert "there are 0 (none)" in refusal


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--execution", "bf16"], "give a setting and its value"),
        (["--execution", "precision.autocast=bf17"], "'bf17' is not one of them"),
        (["--variant", "A100 SXM9"], "no variant is called 'A100 SXM9'"),
        (["--execution", "accumulation=²"], "not '²'"),
        (["--execution", "accumulation=٢"], "not '٢'"),
        (["--preset", "tinny"], "did you mean 'tiny'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(results, options, said):
    plant(results)
    _, refusal = run(results, "--chip", "a100", "--model", "fourcastnet", *options)
    assert said in refusal


def test_the_files_of_a_table_are_marked_as_projections(results, own_chip):
    plant(results)
    run(results, "--chip", str(own_chip), "--model", "fourcastnet", "--preset", "tiny")
    folder = results.path / "projection" / "ours"
    latex = (folder / "projection.tex").read_text()
    assert "PROJECTED, NOT MEASURED" in latex
    assert r"\color{violet}\itshape" in latex
    assert latex.count(r"\begin{table*}") == latex.count(r"\end{table*}") == 1
    for line in latex.splitlines():
        assert line.startswith("%") or len(re.findall(r"(?<!\\)[{]", line)) == len(re.findall(r"(?<!\\)[}]", line)), (
            line
        )
    assert "PROJECTED, NOT MEASURED" in (folder / "projection.md").read_text()
    assert {path.suffix for path in folder.iterdir()} == {".md", ".csv", ".tex", ".pdf", ".png"}


def test_measured_points_are_filled_and_projected_ones_hollow():
    figure, data = figures.roofline(
        "a chip",
        {"a chip": Ceilings({"fp32": 1e12}, 1e11)},
        [Point("m", "training step", 10.0, 2e11)],
        [Point("p", "training step", 20.0, 3e11, 2e11, 4e11)],
    )
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    (measured,) = [line for line in marks if line.get_xdata()[0] == 10.0]
    (projected,) = [line for line in marks if line.get_xdata()[0] == 20.0]
    assert measured.get_markerfacecolor() != "none"
    assert projected.get_markerfacecolor() == "none"
    assert matplotlib.colors.to_hex(measured.get_color()) != matplotlib.colors.to_hex(projected.get_color())
    roof = axes.lines[0]
    assert max(roof.get_ydata()) == pytest.approx(1000)
    assert list(data["provenance"]) == ["measured", "projected"]
    assert data["projected_flops_per_s"].isna().tolist() == [True, False]


def test_ceilings_of_a_host_are_measured_there_alone(tmp_path):
    with pytest.raises(UserError, match="run crosscast project once on that host"):
        of_host(tmp_path, HOST, is_here=False)
    found = of_host(tmp_path, HOST, is_here=True)
    assert found.bandwidth > 1e8
    kept = HostCeilings.model_validate_json((tmp_path / f"ceilings-{HOST}.json").read_text())
    assert of_host(tmp_path, HOST, is_here=False) == kept.ceilings() == found
    (tmp_path / f"ceilings-{HOST}.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        of_host(tmp_path, HOST, is_here=True)
