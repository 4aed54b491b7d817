"""Scores that are infinite or NaN: written, read alike by both decoders, and named wherever scores are shown."""

import json
import re
from math import inf, isnan, nan

import msgspec
import numpy as np
import pytest
from drawing import one
from made_records import make_epoch, make_measurements, make_record, make_scenario, make_skill, make_stage
from reports import read, run

from harness.analysis import decoding
from harness.analysis.figures import forecast, loss, skill
from harness.analysis.figures.subject import Illustration
from harness.analysis.reading import read_records
from harness.errors import UserError
from harness.results.forecast import Forecast
from harness.results.record import WorkerMeasurements, load


def scored(rmse, **changes):
    """A launch in which u has this RMSE and z one of 1.2."""
    u, z = make_skill(rmse, **changes), make_skill(1.2, variable="z")
    return make_measurements(skill=u.model_copy(update={"scores": u.scores + z.scores}))


def add(results, *values, framework="pytorch"):
    for launch, rmse in enumerate(values):
        results.add(make_record(framework, launch, measurements=scored(rmse)))


@pytest.mark.parametrize(("rmse", "text"), [(inf, "Infinity"), (nan, "NaN")])
def test_a_record_that_was_written_is_read_alike_by_both_decoders(results, rmse, text):
    path = results.add(make_record(measurements=scored(rmse)))
    assert json.loads(path.read_text())["measurements"]["skill"]["scores"][0]["rmse"] == text
    by_both = [decoding.load(path), load(path)]
    for record in by_both:
        first, *_, other = record.measurements.skill.scores
        assert isnan(first.rmse) if isnan(rmse) else first.rmse == rmse
        assert (other.rmse, record.measurements.training[0].epochs[0].epoch_s) == (3.0, 9.7)
    assert not isinstance(read_records([path])[0], UserError)


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "1e400", "-1e400", '"-Infinity"', "1e300", "-1.0", "null", '"x"']
)
def test_other_forms_are_read_or_named_alike(results, literal):
    path = results.add(make_record(measurements=scored(1.5)))
    path.write_text(path.read_text().replace('"rmse": 1.5', f'"rmse": {literal}'))
    (found,) = read_records([path])
    readable = literal in ("NaN", "Infinity", "1e400")
    assert isinstance(found, UserError) != readable
    if not readable:
        assert f"{path}: damaged" in str(found)


def test_what_a_worker_leaves_is_read(results):
    """A validation loss that overflows while the training goes on."""
    stage = make_stage(make_epoch(validation_loss=inf), make_epoch(validation_loss=nan, loss=(inf, 0.2)))
    written = make_measurements(training=(stage,)).model_dump_json()
    epochs = WorkerMeasurements.model_validate_json(written).training[0].epochs
    assert (epochs[0].validation_loss, epochs[1].loss) == (inf, (inf, 0.2))
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode('{"x": NaN}')


class TestTables:
    def test_name_launch_variable_and_lead_time_and_keep_the_other_numbers(self, results):
        add(results, 1.0, inf, nan)
        add(results, 1.0, 1.1, 1.2, framework="mindspore")
        output = run(results, width=200)
        rows = read(results, "skill")[0].query("forecaster == 'model'").set_index("variable", append=True)
        ours = rows.loc[("pytorch eager", "u")]
        assert np.isnan(ours["rmse"])
        assert ours["reason"] == "RMSE infinite in launch 1; NaN in launch 2; 1.000 * in the other"
        assert ours["launches_better_than_persistence"] == 1
        assert rows.loc[("pytorch eager", "z"), "rmse"] == 1.2
        port = rows.loc[("mindspore graph", "u")]
        assert (port["rmse"], np.isnan(port["rmse_deviation_fraction"])) == (1.1, True)
        assert rows.loc[("mindspore graph", "z"), "rmse_deviation_fraction"] == 0
        expected = "pytorch eager: the forecast of u blew up: RMSE not finite at 6 h in launches 1, 2"
        assert f"warning: {expected}" in output
        assert read(results, "speed")[0].loc["pytorch eager", "epoch_s_launches"] == 3

    @pytest.mark.parametrize(
        ("ours", "theirs", "why"),
        [
            (1.0, inf, "baseline blew up"),
            (nan, 1.0, "blew up"),
            (nan, inf, "blew up"),
            (1.0, 0.0, "baseline's RMSE is 0"),
        ],
    )
    def test_say_why_there_is_no_deviation(self, results, ours, theirs, why):
        add(results, theirs, 1.0)
        add(results, ours, 1.0, framework="mindspore")
        run(results)
        data, markdown = read(results, "skill")
        rows = data.query("forecaster == 'model'").set_index("variable", append=True)["rmse_deviation_missing"]
        assert rows["mindspore graph", "u"] == why
        assert np.isnan(rows["mindspore graph", "z"])
        deviations = markdown.partition("## Deviation of mindspore graph")[2]
        assert f"| u        | 6       | 0 | {why}" in deviations

    @pytest.mark.parametrize("rmse", [inf, nan])
    def test_have_no_score_of_the_launches_that_survived(self, results, rmse):
        """Bias and all else of the launch that blew up are not recorded; those of the others would flatter it."""
        further = {"bias": 0.5, "mae": 0.7, "activity": 0.9}
        for launch in range(4):
            measured = scored(rmse if launch == 1 else 1.0, acc=None if launch == 1 else 0.9)
            skill = measured.skill
            scores = [
                each.model_copy(update=further) if each.forecaster == "model" and each.acc is not None else each
                for each in skill.scores
            ]
            measured = measured.model_copy(update={"skill": skill.model_copy(update={"scores": tuple(scores)})})
            results.add(make_record(launch=launch, measurements=measured))
            results.add(make_record("mindspore", launch))
        run(results)
        rows = read(results, "skill")[0].query("forecaster == 'model'").set_index("variable", append=True)
        ours, others = rows.loc[("pytorch eager", "u")], rows.loc[("pytorch eager", "z")]
        names = ["rmse", "acc", "bias", "mae", "activity"]
        assert ours[names].isna().all()
        assert others[names].tolist() == [1.2, 0.9, 0.5, 0.7, 0.9]
        assert np.isnan(rows.loc[("mindspore graph", "u"), "acc_difference"])

    def test_large_numbers_are_short(self, results):
        add(results, 1.0, 1e20, 6e38)
        run(results)
        markdown = read(results, "skill")[1]
        assert "1e+20" in markdown
        assert all(len(word) < 40 for line in markdown.splitlines() if line.startswith("| u") for word in line.split())


class TestFigures:
    def test_skill_says_where_nothing_is_drawn(self, results):
        add(results, 1.0, inf)
        drawn = one(results, skill)
        assert "Without a point, as it is not finite: u at 6 h of pytorch eager, infinite in launch 1" in drawn.caption
        texts = [text.get_text() for axes in drawn.figure.axes for text in axes.texts]
        assert any("not finite at 6" in " ".join(text.split()) for text in texts)
        assert drawn.data.query("cell == 'pytorch eager' and variable == 'z'")["rmse"].tolist() == [1.2]

    def test_skill_says_it_once_for_all_that_blew_up_alike(self, results):
        """As a network in too few bits does: all variables from a lead time on, in the same launches."""
        for launch in range(2):
            parts = [
                make_skill(inf if launch and lead_h > limit else 1.0, variable=variable, lead_h=lead_h)
                for variable, limit in (("u", 6.0), ("v", 6.0), ("z", 12.0))
                for lead_h in (6.0, 12.0, 24.0)
            ]
            scores = parts[0].model_copy(update={"scores": tuple(score for part in parts for score in part.scores)})
            for width in range(6):
                scenario = make_scenario(network={"patch_size": 4, "depth": 2 + width})
                measured = make_measurements(launch=launch, skill=scores)
                results.add(
                    make_record(launch=launch, scenario=scenario, attempt=f"{width}.{launch}", measurements=measured)
                )
        drawn = one(results, skill)
        said = drawn.caption.partition("not finite: ")[2].partition(".")[0].split("; ")
        assert len(said) == 6
        assert all(
            re.fullmatch(r"u and v at 12, 24 h, z at 24 h of pytorch eager \w{8}, infinite in launch 1", each)
            for each in said
        )
        (note,) = [text.get_text() for axes in drawn.figure.axes[:1] for text in axes.texts]
        assert note.count("not finite") == 4
        assert note.endswith("and 2 more cells")

    def test_loss(self, results):
        stage = make_stage(make_epoch(), make_epoch(validation_loss=inf))
        results.add(make_record(measurements=make_measurements(training=(stage,))))
        assert "not finite: the loss of pytorch eager in launch 0" in one(results, loss).caption

    def test_loss_without_validation(self, results):
        stage = make_stage(make_epoch(validation_loss=None), make_epoch(validation_loss=None))
        results.add(make_record(measurements=make_measurements(training=(stage,))))
        drawn = one(results, loss)
        assert drawn.data["validation_loss_median"].isna().all()
        labels = [text.get_text() for legend in drawn.figure.legends for text in legend.get_texts()]
        assert labels == ["PyTorch eager (n = 1)", "training"]

    @pytest.mark.filterwarnings("error")
    def test_forecast(self, results):
        path = results.add(make_record())
        fields = np.ones((1, 3, 4), dtype=np.float32)
        blown = fields.copy()
        blown[0, 0, :3] = inf, nan, 3e38
        Forecast(
            ("u",), ("m/s",), np.array([50.0, 40, 30]), np.arange(4.0), 6.0, "2020-01-01", 1, blown, fields * -1e29
        ).save(path.with_name("forecast.npz"))
        drawn = one(results, forecast)
        assert isinstance(drawn, Illustration)
        assert drawn.caption.endswith("Grey in the forecast of u: infinite or NaN.")
        assert drawn.data["difference"].iloc[2] == pytest.approx(3e38)
