"""A launch of which nothing is kept, before the first of a cell on a device.

The first use of an operator on an accelerator may compile it and fill caches that stay on the machine, which no later
launch pays for again. Shapes that appear only in later epochs of a training are compiled where they appear; records
tell those steps apart.
"""

import contextlib
import os
import shutil
from pathlib import Path
from uuid import uuid4

from harness.errors import UserError
from harness.launch import leftovers
from harness.launch.ending import Ending
from harness.launch.made import is_made
from harness.launch.nodes.other_nodes import other_nodes
from harness.launch.plan import LaunchPlan, PowerPlan
from harness.launch.supervisor import Watcher
from harness.launch.turns import turn
from harness.launch.worker_process import run_worker
from harness.processes import worker_environment
from harness.results.record import Environment
from harness.scenario.chips import ChipConfig
from harness.scenario.schema import Bounds

SHORT = Bounds(epochs=1, max_steps_per_epoch=2, lead_steps=1, skill=False)
FEW_STEPS = {"min_steps": 1, "max_steps": 2}


def needs_warm_up(chip: ChipConfig) -> bool:
    """Whether launches on a chip have one: those on a CPU compile nothing that stays."""
    return chip.device_nodes is not None


def shortened(plan: LaunchPlan) -> LaunchPlan:
    """The plan with two training steps of each stage, two inference steps and no forecast, and a name of its own."""
    scenario = plan.scenario
    inference = SHORT.inference(scenario.inference).model_copy(update=FEW_STEPS)
    changes = {"training": SHORT.training(scenario.training), "inference": inference, "idle_s": 0.0}
    return plan.model_copy(
        update={
            "scenario": scenario.model_copy(update=changes),
            "attempt": uuid4().hex[:8],
            "profile": False,
            "power": PowerPlan(),
        }
    )


def warm_up(plan: LaunchPlan, results: Path, captured: Environment, watcher: Watcher, *, fresh: bool) -> Ending | None:
    """Make the short launch of a plan, when it is its turn on the device, and remove all that it leaves.

    None where another bench has made the launch itself in the meantime and `fresh` does not ask for another. Raises
    UserError where the folder cannot be written, and KeyboardInterrupt where the user interrupts.
    """
    with turn(plan.devices, plan.chip.title, watcher.say):
        if not fresh and is_made(plan, results, captured):
            return None
        watcher.begin(plan)
        short = shortened(plan).model_copy(update={"owner": leftovers.this_process()})
        folder = short.folder(results)
        try:
            folder.mkdir(parents=True)
            return run_worker(
                short,
                folder,
                worker_environment(os.environ),
                lambda text, fraction: watcher.update(f"warm-up, {text}", 0.0),
                other_nodes(short, folder, captured, results),
            )
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be written: {error.strerror}; free space or choose other RESULTS="
            ) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()
