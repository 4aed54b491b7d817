"""Losses by epoch are what pandas says of the same numbers."""

from math import inf, nan

import pandas as pd
from made_records import make_epoch, make_measurements, make_record, make_stage

from harness.analysis.cells import load_results
from harness.analysis.quantities.losses import losses_of, not_finite

EPOCHS = ("training_loss", "validation_loss")
LOSSES = {
    0: [("first", 0.5, 0.6), ("first", 0.4, None), ("second", 0.3, 0.31)],
    1: [("first", 0.7, 0.2), ("first", nan, None), ("second", inf, nan)],
    3: [("first", 0.1, 0.9), ("first", nan, None)],
    2: [("first", 0.2, 0.3)],
}
"""Of each launch: stage, training and validation loss of its epochs."""


def stages(epochs):
    """The stages of a launch whose epochs have these losses."""
    made: dict[str, list] = {}
    for stage, training, validation in epochs:
        made.setdefault(stage, []).append(make_epoch(loss=(training, training), validation_loss=validation))
    return tuple(make_stage(*of, name=stage) for stage, of in made.items())


def test_losses_by_epoch(results):
    rows = []
    for launch, epochs in LOSSES.items():
        results.add(make_record(launch=launch, measurements=make_measurements(training=stages(epochs))))
        rows += [(launch, stage, number, *losses) for number, (stage, *losses) in enumerate(epochs, start=1)]
    frame = pd.DataFrame(rows, columns=["launch", "stage", "epoch", *EPOCHS]).sort_values("launch", kind="stable")
    expected = frame.groupby(["stage", "epoch"], sort=False).agg(
        launches=("launch", "nunique"),
        launch_numbers=("launch", lambda numbers: " ".join(map(str, numbers))),
        **{f"{name}_{way}": (name, way) for name in EPOCHS for way in ("median", "min", "max")},
    )
    (cell,) = load_results(results.path).cells
    pd.testing.assert_frame_equal(losses_of(cell), expected.reset_index(), check_exact=True)


def test_losses_that_are_not_finite_are_told_by_launch(results):
    for launch, loss in enumerate((0.5, inf, nan, None)):
        epochs = [("first", 0.4, loss)]
        results.add(make_record(launch=launch, measurements=make_measurements(training=stages(epochs))))
    (cell,) = load_results(results.path).cells
    assert not_finite(cell) == (1, 2)
