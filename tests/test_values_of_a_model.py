"""`crosscast list --model`: the order of its values."""

from harness.commands.one_of_the_list import preset_tables


def test_a_second_stage_that_the_first_preset_lacks_stands_after_the_first_stage():
    _, values = preset_tables("fourcastnet", ())
    paths = list(values.columns[0].cells)
    stages = [path for path in paths if path.startswith("training.stages")]
    names = ["name", "epochs", "learning_rate", "schedule", "warmup_steps", "rollout_steps"]
    assert stages == [f"training.stages[{stage}].{name}" for stage in (0, 1) for name in names]
    first = paths.index(stages[0])
    assert paths[first : first + len(stages)] == stages
    assert len(paths) == len(set(paths))
    groups = [path.partition(".")[0] for path in paths]
    assert list(dict.fromkeys(groups)) == ["training", "inference", "network", "execution"]
    assert groups == sorted(groups, key=["training", "inference", "network", "execution"].index)
