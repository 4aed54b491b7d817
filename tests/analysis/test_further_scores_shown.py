"""Bias, mean absolute error and activity in the table of skill."""

import numpy as np
import reports
from made_records import ResultsFolder, make_measurements, make_record, make_skill


def test_the_table_has_medians_over_launches_and_older_records_have_no_section(tmp_path):
    old, new = ResultsFolder(tmp_path / "old"), ResultsFolder(tmp_path / "new")
    for launch, bias in enumerate((-0.5, 0.25, -0.125)):
        skill = make_skill(1.0 + launch)
        further = {"bias": bias, "mae": 0.5 + launch, "activity": 0.9}
        scored = [score.model_copy(update=further if score.forecaster == "model" else {}) for score in skill.scores]
        for folder, values in ((old, skill), (new, skill.model_copy(update={"scores": tuple(scored)}))):
            folder.add(make_record(launch=launch, measurements=make_measurements(launch=launch, skill=values)))

    reports.run(old)
    assert "Bias" not in (old.path / "smoke/tables/skill.md").read_text()
    reports.run(new)
    data, shown = reports.read(new, "skill")
    assert "Bias, MAE and activity of pytorch eager" in shown
    row = data[data.forecaster == "model"].iloc[0]
    assert (row.bias, row.mae, row.activity) == (-0.125, 1.5, 0.9)
    assert np.isnan(data[data.forecaster == "persistence"].iloc[0].bias)
