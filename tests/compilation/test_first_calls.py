"""What is made of the first calls of shapes: epochs without them, and one line of a compiler's error."""

import pytest

from harness.runners.first_calls import meaningful_line, with_first_calls
from tests.analysis.made_records import make_epoch, make_stage


def test_steps_of_all_stages_find_their_epochs():
    epochs = (make_epoch(step_s=(9.0, 1.0)), make_epoch(step_s=(1.0, 8.0)))
    stages = (make_stage(*epochs), make_stage(epochs[0]))
    marked = with_first_calls(stages, (0, 3, 4))
    assert [[epoch.first_calls for epoch in stage.epochs] for stage in marked] == [[(0,), (1,)], [(0,)]]


def test_an_epoch_without_its_compilation():
    epoch = make_epoch(step_s=(9.0, 1.0, 2.0, 3.0), data_s=(0.0,) * 4).model_copy(update={"first_calls": (0,)})
    assert epoch.compile_s == 9.0 - 2.0
    assert make_epoch().compile_s == 0.0
    assert epoch.model_copy(update={"first_calls": (0, 1, 2, 3)}).compile_s is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("backend='inductor' raised:\nLoweringException: no rule\n", "RuntimeError: LoweringException: no rule"),
        (
            "C++ compile error\n\nCommand:\ng++ a.cpp\n\nOutput:\na.cpp:1:10: fatal error: Python.h: No such file\n",
            "RuntimeError: a.cpp:1:10: fatal error: Python.h: No such file",
        ),
        ("\n------\n- C++ Call Stack:\n------\nUnsupported statement", "RuntimeError: Unsupported statement"),
        ("only:", "RuntimeError: only:"),
        ("", "RuntimeError: no message"),
    ],
)
def test_the_line_that_says_what_went_wrong(text, line):
    assert meaningful_line(RuntimeError(text)) == line
