"""Every figure of several made studies: nothing clipped, nothing overlaps, fonts embedded, data beside it."""

import dataclasses
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from drawn_text import clipped, drawn_texts, overlapping
from made_records import (
    ResultsFolder,
    make_epoch,
    make_measurements,
    make_record,
    make_scenario,
    make_skill,
    make_stage,
)
from made_study import add_launch, add_study, made_errors, made_spectra, make_forecast
from matplotlib.figure import Figure

from harness.analysis.cells import load_results
from harness.analysis.comparison.baseline import BaselineName
from harness.analysis.figures import (
    STYLE,
    batch_size,
    forecast,
    illustrations,
    rendered,
    rmse_maps,
    skill,
    spectra,
    speed,
    write,
)
from harness.analysis.figures.subject import Illustration
from harness.scenario.schema import Stage, TrainingConfig

LONG = "a-model-of-the-whole-earth-system-with-a-long-name"


def several_machines(results):
    add_study(results, chips=("a100", "cpu"), launches=2)
    for size in (2, 32):
        add_launch(results, "a100", "pytorch", 0, 0.3 * size, batch_size=size)
    for path in results.path.rglob("record.json"):
        made_spectra(0.5).save(path.with_name("spectra.npz"))
        made_errors(2.0).save(path.with_name("error-maps.npz"))


def long_variables(results):
    """WeatherBench 2's names, at lead times that crowd at the beginning, and batch sizes that crowd at the end."""
    parts = [
        make_skill(lead_h * scale, variable=variable, lead_h=lead_h)
        for variable, scale in (
            ("u_component_of_wind_850", 0.1),
            ("total_precipitation_6hr, southern extratropics", 1e-6),
        )
        for lead_h in (6.0, 12.0, 24.0, 48.0, 72.0, 96.0, 120.0, 240.0)
    ]
    scores = parts[0].model_copy(update={"scores": tuple(score for part in parts for score in part.scores)})
    path = results.add(make_record(measurements=make_measurements(skill=scores)))
    for size in (1, 2, *range(10, 20)):
        training = TrainingConfig(batch_size=size, stages=(Stage(name="pretrain", epochs=3, learning_rate=1e-3),))
        measured = make_measurements(step_s=0.1 * size, skill=None)
        results.add(make_record(scenario=make_scenario(training=training), attempt=f"{size}", measurements=measured))
    names = {
        "channels": ("geopotential_500", "total_precipitation_6hr", "mean_sea_level_pressure"),
        "units": ("m**2 s**-2", "kg m**-2 s**-1", "Pa"),
    }
    dataclasses.replace(make_forecast(), **names).save(path.with_name("forecast.npz"))
    kept = made_spectra(0.5, rows=np.array([32] * 3), **names)
    thrice = {name: np.repeat(getattr(kept, name), 3, axis=1) for name in ("forecast", "truth")}
    dataclasses.replace(kept, **thrice).save(path.with_name("spectra.npz"))
    errors = made_errors(2.0, **names)
    thrice = np.repeat(errors.squared_error, 3, axis=1)
    dataclasses.replace(errors, squared_error=thrice).save(path.with_name("error-maps.npz"))


def one_launch(results):
    results.add(make_record("pytorch"))


def long_names(results):
    names = {"model": LONG, "chip": "ascend910b-of-a-cluster", "data_name": "era5_graphcast37"}
    for host in ("aaaabbbbcccc", "ddddeeeeffff"):
        for framework in ("pytorch", "mindspore"):
            scenario = make_scenario(framework, **names)
            results.add(make_record(scenario=scenario, host=host, attempt=f"{framework}-{host}"))
    results.add_absent(**names | {"chip": "dcu"}, reason="a reason without an end " * 20)


def stages(results):
    trained = (make_stage(*[make_epoch()] * 30), make_stage(*[make_epoch((0.9, 0.9))] * 10, name="finetune"))
    for framework in ("pytorch", "mindspore"):
        results.add(make_record(framework, measurements=make_measurements(training=trained)))


def odd_names(results):
    names = {"model": "$a_$ 模型", "chip": "昇腾"}
    for host in ("abcdef000000", "abcdef111111"):
        for framework in ("pytorch", "mindspore"):
            results.add(
                make_record(scenario=make_scenario(framework, **names), host=host, attempt=f"{framework}-{host}")
            )
    results.add_absent(**names | {"chip": "海光"}, reason="disk $SCRATCH full, $HOME full: 二 " * 3)


STUDIES = {function.__name__: function for function in (several_machines, one_launch, long_names, stages, odd_names)}


@pytest.fixture(scope="module", params=STUDIES)
def drawn(request, tmp_path_factory):
    results = ResultsFolder(tmp_path_factory.mktemp(request.param) / "results")
    STUDIES[request.param](results)
    loaded = load_results(results.path)
    found = illustrations(loaded.groups(), comparisons=BaselineName("pytorch").compare_all(loaded.cells))
    return [item for item in found if isinstance(item, Illustration)]


@pytest.fixture(scope="module")
def files(drawn, tmp_path_factory):
    """The PDF, PNG and CSV file of every figure of `drawn`."""
    folder = tmp_path_factory.mktemp("figures")
    return [write(item, folder) for item in drawn]


@pytest.mark.filterwarnings("error:constrained_layout")
def test_no_text_is_clipped_or_covers_another(drawn):
    for item in drawn:
        texts = drawn_texts(item.figure)
        assert not [name for name, _ in texts if "mathdefault" in name]
        assert (item.name, clipped(item.figure, texts), overlapping(texts)) == (item.name, [], [])


@pytest.mark.filterwarnings("error:constrained_layout")
def test_long_names_of_variables_and_crowded_ticks_fit(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    long_variables(results)
    kinds = (skill, batch_size, spectra, rmse_maps, forecast)
    groups = load_results(results.path).groups()
    found = [
        item for item in illustrations(groups, [kind.illustrate for kind in kinds]) if isinstance(item, Illustration)
    ]
    assert len(found) == len(kinds)
    for item in found:
        texts = drawn_texts(item.figure)
        assert (item.name, clipped(item.figure, texts), overlapping(texts)) == (item.name, [], [])
        assert {"6", "240"} <= {text for text, _ in texts} or item.name.partition("-")[0] != "skill"


def test_every_figure_is_as_wide_as_one_column_or_two(drawn):
    assert {item.figure.get_figwidth() for item in drawn} <= {3.35, 6.9}
    assert all(item.figure.get_figheight() < 9.2 for item in drawn)


def test_no_axes_are_left_empty(drawn):
    shown = [axes for item in drawn for axes in item.figure.axes if axes.get_visible()]
    assert all(axes.has_data() for axes in shown)


def test_the_caption_says_what_the_title_says(drawn):
    for item in drawn:
        assert item.caption.endswith(".")
        assert item.cells


def test_fonts_are_embedded_as_truetype(files):
    for path, _, _ in files:
        pdf = path.read_bytes()
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf


def test_the_svg_is_whole_and_needs_nothing_from_elsewhere(drawn):
    for item in drawn:
        svg = rendered(item.figure, "svg").decode()
        root = ElementTree.fromstring(svg)
        references = [
            value for element in root.iter() for name, value in element.attrib.items() if name.endswith("href")
        ]
        assert all(value.startswith(("#", "data:image/png;base64,")) for value in references)
        assert "@import" not in svg


def test_the_same_records_give_the_same_bytes(tmp_path):
    results = ResultsFolder(tmp_path / "results")
    one_launch(results)

    def files():
        (item,) = illustrations(load_results(results.path).groups(), (speed.illustrate,))
        return [rendered(item.figure, file_format) for file_format in ("pdf", "svg", "png")]

    assert files() == files()


def test_the_data_of_each_figure_is_written_beside_it(drawn, files):
    for item, (pdf, png, csv) in zip(drawn, files, strict=True):
        assert pdf.read_bytes().startswith(b"%PDF")
        assert png.read_bytes().startswith(b"\x89PNG")
        assert len(pd.read_csv(csv)) == len(item.data)
        assert re.fullmatch(r"[\w.-]+\.csv", csv.name)


def test_the_test_of_the_layout_can_fail():
    figure = Figure(figsize=(2, 2))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, "one")
    figure.text(0.5, 0.5, "other")
    figure.text(0.9, 0.1, "over the edge")
    texts = drawn_texts(figure)
    assert clipped(figure, texts) == ["over the edge"]
    assert overlapping(texts) == [("one", "other")]
    assert len(texts) == 3


def test_colours_are_those_that_everyone_can_tell_apart():
    from harness.analysis.figures import OKABE_ITO

    published = {(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)}
    ours = {tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5)) for colour in OKABE_ITO}
    assert ours == published | {(0, 0, 0), (240, 228, 66)}
    assert STYLE["pdf.fonttype"] == 42
    assert json.dumps(STYLE["svg.fonttype"]) == '"path"'
