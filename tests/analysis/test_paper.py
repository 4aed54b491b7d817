"""`crosscast paper`: a folder that LaTeX compiles, whose captions and methods say what the records say."""

import contextlib
import io
import re
import zlib

import pytest
import yaml
from made_records import (
    ResultsFolder,
    make_environment,
    make_measurements,
    make_record,
    make_scenario,
    make_window,
)
from made_study import add_launch
from matplotlib.figure import Figure
from reports import add_pair
from rich.console import Console

from harness.analysis.figures.names import people, unit
from harness.analysis.paper import write_paper
from harness.analysis.paper.citation import bibtex
from harness.analysis.paper.document import PlacedFigure, document
from harness.analysis.paper.methods import methods
from harness.analysis.selection import load_chosen
from harness.analysis.tables.latex import to_latex
from harness.analysis.tables.table import Data, Section, Table
from harness.data.config import Splits
from harness.errors import UserError
from harness.results.record import Accelerator, Device, Energy, Phase, PhaseEnergy, ScopeEnergy
from harness.scenario.schema import OptimiserConfig, Stage, TrainingConfig
from tests.shared import REPOSITORY
from tests.typesetting import BIBTEX, LATEX, overfull, typeset


def paper(results, *, columns=2, suite=None, output=None):
    """The text of paper.tex."""
    console = Console(file=io.StringIO(), width=200)
    write_paper(results.path, suite=suite, baseline=None, output=output, columns=columns, console=console)
    return ((output or results.path / "smoke" / "paper") / "paper.tex").read_text()


def unpacked(pdf):
    """A PDF with the content of its compressed streams, among which its objects may be."""
    found = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        with contextlib.suppress(zlib.error):
            found.append(zlib.decompressobj().decompress(stream))
    return b"".join(found)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The paper of two cells in two columns: its folder and its text."""
    results = ResultsFolder(tmp_path_factory.mktemp("study") / "results")
    add_pair(results, launches=range(3))
    return results.path / "smoke" / "paper", paper(results)


def test_it_compiles_without_an_undefined_reference_and_with_all_fonts_in_it(study):
    folder, _ = study
    log = typeset(folder, LATEX, BIBTEX, LATEX, LATEX)
    assert "undefined" not in log
    assert "Warning: Citation" not in log
    assert max(overfull(log), default=0.0) < 20
    content = unpacked((folder / "paper.pdf").read_bytes())
    assert content.count(b"/FontFile") > 3
    assert b"/Type3" not in content


def test_every_file_that_it_names_is_there(study):
    folder, text = study
    named = re.findall(r"\\(?:input|includegraphics\[[^]]*\]){([^}]*)}", text)
    assert len(named) >= 6
    assert [name for name in named if not (folder / name).is_file()] == []


def test_captions_state_launches_intervals_and_machine(study):
    folder, text = study
    captions = re.findall(r"\\caption{(.*)}\n", text)
    assert len(captions) == text.count(r"\includegraphics")
    speed = next(each for each in captions if each.startswith("Time of FourCastNet tiny"))
    assert "95 \\% interval" in speed
    assert speed.endswith("n = 3 launches a cell; on some CPU (2 CPUs).")
    table = re.findall(r"\\caption{(.*)}\n", (folder / "tables" / "speed.tex").read_text())[0]
    assert "n = 3 launches a cell; on some CPU (2 CPUs)" in table


@pytest.mark.parametrize(
    ("columns", "inches", "environment", "width"),
    [
        (2, 6.9, "figure*", r"\textwidth"),
        (2, 3.35, "figure", r"\linewidth"),
        (1, 6.9, "figure", r"\linewidth"),
        (1, 3.35, "figure", "3.35in"),
    ],
)
def test_figures_are_as_wide_as_they_were_drawn_for(columns, inches, environment, width):
    text = document("T", (), (), [PlacedFigure("a.pdf", "fig:a", "A.", inches)], (), columns)
    assert rf"\begin{{{environment}}}" in text
    assert rf"\includegraphics[width={width},height=0.7\textheight,keepaspectratio]{{a.pdf}}" in text
    assert ("twocolumn" in text) == (columns == 2)


def test_many_tables_and_a_tall_figure_have_room(tmp_path):
    """LaTeX stops at more than 52 floats that wait, and cuts off what is taller than a page."""
    sections = [Section(f"Part {number}", ("a",), (("b",),)) for number in range(60)]
    notes = tuple(f"{number}: {'of many words that fill the whole of a line and more, ' * 3}" for number in range(40))
    sections.append(Section("Long", ("a",), tuple((f"row {number}",) for number in range(39)), notes))
    table = Table("made", "Made", tuple(sections), Data)
    tall = Figure((3.35, 20))
    tall.savefig(tmp_path / "tall.pdf")
    (tmp_path / "made.tex").write_text(to_latex(table, ()))
    placed = PlacedFigure("tall.pdf", "fig:tall", "A tall one.", 3.35)
    (tmp_path / "paper.tex").write_text(document("T", (), [("made.tex", table)], [placed], (), 1))
    assert "too large for page" not in typeset(tmp_path, LATEX, LATEX)


def test_captions_name_the_launches_and_machines_of_their_own_table_and_figure(results):
    for chip, launches in (("a100", 2), ("cpu", 3)):
        for launch in range(launches):
            add_launch(results, chip, "pytorch", launch, 0.5)
    text = paper(results)
    on_chip, on_cpu = ("some CPU (2 CPUs) with a100.", "some CPU (2 CPUs).")
    for name in ("speed", "skill", "energy"):
        tables = (results.path / "smoke" / "paper" / "tables" / f"{name}.tex").read_text()
        captions = [each for each in re.findall(r"\\caption{(.*)}\n", tables) if "(continued)" not in each]
        assert {"chip a100" in each for each in captions} == {True, False}
        for each in captions:
            said = (
                f"n = 2 launches a cell; on {on_chip}" if "chip a100" in each else f"n = 3 launches a cell; on {on_cpu}"
            )
            assert each.endswith(said)
    captions = re.findall(r"\\caption{(.*)}\n", text)
    of_one = [each for each in captions if each.startswith(("Power of", "Forecast of"))]
    assert [each.rpartition(" On ")[2] for each in of_one] == [on_chip, on_chip, on_cpu]
    assert not any("launches a cell" in each for each in of_one)


def test_methods_say_what_the_records_say_and_no_more(results):
    training = TrainingConfig(
        batch_size=4,
        optimiser=OptimiserConfig(name="adamw", weight_decay=0.05),
        stages=(Stage(name="a", epochs=7, learning_rate=2e-3), Stage(name="b", epochs=0, learning_rate=1e-3)),
    )
    accelerator = Accelerator(devices=(Device(index=0, name="Chip X"), Device(index=1, name="Chip X")))
    environment = make_environment(cpu_name="Fast CPU", cpu_count=64, accelerator=accelerator, memory_bytes=2**36)
    scenario = make_scenario("pytorch", training=training, set_values={"training.batch_size": 4})
    for launch in range(2):
        measured = make_measurements(launch=launch)
        results.add(make_record(launch=launch, scenario=scenario, measurements=measured, environment=environment))
    said = " ".join(methods(load_chosen(results.path, None).cells))
    for sentence in (
        "FourCastNet tiny ran on data rossby of 32 x 64 points with 2 channels.",
        "Data rossby: training on 70 % of the time steps, validation on 15 % of the time steps, scores on 15 % of the "
        "time steps, in this order.",
        "trained with AdamW (beta 0.9 and 0.999, weight decay 0.05), 4 samples a step on each device, for 7 epochs "
        "with a cosine learning rate from 0.002.",
        "PyTorch 2.9 ran as eager in 2 threads on cpu.",
        "keep 24 bits",
        "Fast CPU, 64 CPUs, 64 GiB of memory, 2 x Chip X, Linux.",
        "Each launch began anew, n = 2 for each cell. Crosscast",
        "Set apart from the files of FourCastNet tiny: batch size 4.",
        "Energy of PyTorch on cpu was not measured: no sensor: rapl: no powercap tree.",
        "2026-01-01",
    ):
        assert sentence in said
    assert "driver" not in said
    assert "MindSpore" not in said


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (
            {"train": ("1979", "2015"), "validation": ("2016", "2017"), "test": ("2018", "2018")},
            "Data rossby: training on 1979 to 2015, validation on 2016 to 2017, scores on 2018.",
        ),
        (
            {"train": ("1979", "2015"), "validation": 0, "test": ("2018-02", "2018-03-31")},
            "Data rossby: training on 1979 to 2015, scores on 2018-02 to 2018-03-31.",
        ),
        (
            {"train": 0.875, "validation": 0, "test": 0.125},
            "Data rossby: training on 87.5 % of the time steps, scores on 12.5 % of the time steps, in this order.",
        ),
    ],
)
def test_what_trained_and_what_was_scored_is_said(results, splits, said):
    scenario = make_scenario("pytorch")
    data = scenario.data.model_copy(update={"splits": Splits(**splits)})
    results.add(make_record(scenario=scenario.model_copy(update={"data": data})))
    assert said in methods(load_chosen(results.path, None).cells)


def test_a_machine_has_the_devices_of_the_launch_that_used_most(results):
    for framework, launch, number in (("mindspore", 0, 1), ("pytorch", 0, 2), ("pytorch", 1, 1)):
        devices = tuple(Device(index=index, name="Chip X") for index in range(number))
        environment = make_environment(accelerator=Accelerator(devices=devices))
        results.add(make_record(framework, launch, environment=environment))
    said = [line for line in methods(load_chosen(results.path, None).cells) if line.startswith("Host ")]
    assert [line.count("2 x Chip X") for line in said] == [1]


def of_energy(results, **energy):
    """What is said of the energy of one cell."""
    measured = make_measurements(phases=(Phase(name="training", t0_ns=0, t1_ns=10**10, steps=2, samples=16),))
    results.add(make_record(measurements=measured, energy=Energy(reason=None, **energy)))
    return next(line for line in methods(load_chosen(results.path, None).cells) if line.startswith("Energy"))


def test_the_energy_of_windows_that_do_not_count_was_not_measured(results):
    entry = PhaseEnergy(phase="training", window=make_window(reasons=("the sampler died",)))
    assert of_energy(results, collector="nvml", phases=(entry,)) == (
        "Energy of PyTorch on cpu was not measured: the sampler died."
    )


def test_the_energy_of_the_host_alone_is_that_of_its_scopes(results):
    window = make_window(scopes=("cpu_package",))
    beside = ScopeEnergy(collector="rapl", scope="cpu_package", phases=(PhaseEnergy(phase="training", window=window),))
    assert of_energy(results, collector=None, hosts=(beside,)) == "Energy of PyTorch on cpu is that of: cpu package."


@pytest.mark.parametrize(("other", "alike"), [("w0", True), ("w1", False)])
def test_launches_began_alike_where_their_fingerprints_say_so(results, other, alike):
    for framework, weights in (("pytorch", "w0"), ("mindspore", other)):
        measured = make_measurements()
        fingerprints = measured.fingerprints.model_copy(update={"initial_weights": weights})
        measured = measured.model_copy(update={"fingerprints": fingerprints})
        results.add(make_record(framework, measurements=measured))
    said = " ".join(methods(load_chosen(results.path, None).cells))
    assert ("launch k of all cells of a network began with the same weights" in said) == alike


def test_the_citation_is_that_of_the_repository():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    entry = bibtex(["0.2.0", "0.1.0", "0.2.0"])
    assert f"title = {{{{{citation['title']}}}}}" in entry
    assert "note = {Versions 0.1.0, 0.2.0}" in entry
    assert entry.count("@misc{") == 1 + len(citation["references"])


def test_one_folder_takes_one_suite(results, tmp_path):
    for suite in ("smoke", "other"):
        results.add(make_record(scenario=make_scenario(suite=suite), attempt=suite))
    with pytest.raises(UserError, match="takes the paper of one suite, and there are other, smoke; choose one"):
        paper(results, output=tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_without_a_launch_there_is_nothing_to_write_about(results):
    results.add_absent()
    with pytest.raises(UserError, match="suite smoke: no completed launch"):
        paper(results)
    assert not (results.path / "smoke" / "paper").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fourcastnet tiny: mindspore graph, aigoms, graphcast.",
            "FourCastNet tiny: MindSpore graph, AI-GOMS, GraphCast.",
        ),
        ("mine/fourcastnet.yaml pytorch-eager fourcastnet2", "mine/fourcastnet.yaml pytorch-eager fourcastnet2"),
        ("of mindspore: crosscast parity fourcastnet", "of MindSpore: crosscast parity fourcastnet"),
    ],
)
def test_names_are_as_people_write_them_and_commands_stay(text, said):
    assert people(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [("m s-1", "m s⁻¹"), ("m/s", "m s⁻¹"), ("m**2 s**-2", "m² s⁻²"), ("kg m^-2", "kg m⁻²"), ("W/m2", "W m⁻²")]
    + [(same, same) for same in ("K", "psu", "1e-3", "", "(0 - 1)")]
    + [("degC", "°C")],
)
def test_units_have_superscripts(text, said):
    assert unit(text) == said
