"""One night from its commits to its verdict; every step is noted, so that a night that was cut off goes on."""

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from collectors import children
from harness import stopping
from harness.errors import UserError, nearest
from harness.files import write_atomically
from harness.history.statuses import DID_NOT_RUN, MEANING, REGRESSED
from harness.launch.folder_lock import sole_lock
from harness.launch.schedulers import CANCELLED, NoAnswer, Task, scheduler_of
from harness.launch.submission.blocks import (
    Demand,
    demand_of,
    largest_world,
    with_absolute_files,
    with_pythons,
    yaml_of,
)
from harness.nightly import copies, endings, listing
from harness.nightly.checkouts import Checkout, check_out, commit_of, environment_of, has_uncommitted
from harness.nightly.commands import run
from harness.nightly.kept import Night, nights_in, read_night
from harness.nightly.pruning import prune
from harness.nightly.rounds import Rounds, Side, SideName
from harness.scenario import catalogue
from harness.scenario.bounded_yaml import build, root_node
from harness.scenario.names import BASELINE_MOVES
from harness.scenario.scenario import Selection
from harness.scenario.sites import SiteConfig

SIDES: tuple[SideName, SideName] = ("baseline", "candidate")
JOB, MAPPINGS = "job", "mappings"
GATE = "gate"
POLL_S = {"slurm": 15.0, "local": 1.0}
FUNCTION = "harness.nightly.rounds:run_night"
CALL_BACK = "harness.nightly.night:called_back"
GATE_COMMAND = children.python_module("harness", "gate")
REPORT_COMMAND = children.python_module("harness", "report")
HISTORY_COMMAND = children.python_module("harness", "history")
VERDICT = "gate.json"
"""What the gate writes when it has judged; without it, its exit status says that it could not."""

BUSY = "another `crosscast nightly` is at work in this folder: wait for it"
STATE, HISTORY = "gate-state.json", "history.html"
CANCEL_S = 180.0
ANSWER_S = 1800.0
"""What a scheduler may take until it answers again, when it is started anew or is busy."""


Say = Callable[[str], None]


class Nights:
    """The folder of all nights of a site, with the checkouts that they share."""

    def __init__(self, root: Path, site: SiteConfig, site_name: str, repository: Path, say: Say) -> None:
        self._root, self._site, self._site_name = root.absolute(), site, site_name
        self._repository, self._say = repository.absolute(), say
        self._said: set[str] = set()
        self._seen: set[str] = set()
        self._alarms = False

    def run(self, baseline: str, candidate: str, suite: str, options: tuple[str, ...], *, wait: bool) -> int:
        """Measure and judge two commits, or go on where a night of the same was cut off; the gate's exit status.

        `options` are words for each bench; with others than those of the unfinished night a new one begins.
        Without `wait` the block is only handed in; a later call goes on. An earlier night that has been measured and
        not judged is judged first, and its alarm is this call's. Raises UserError for what does not exist, while
        another process is at it, and where the scheduler refuses the block.
        """
        commits = {
            "baseline": commit_of(self._repository, baseline),
            "candidate": commit_of(self._repository, candidate),
        }
        if candidate != commits["candidate"] and has_uncommitted(self._repository, commits["candidate"]):
            self._say(f"{self._repository} has changes that are not committed: {candidate} is measured without them")
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with sole_lock(self._root / ".lock", BUSY):
                folder = self._folder_of(commits, suite, options)
                night = read_night(folder) or self._begin(folder, commits, suite, options)
                status = self._go_on(night, folder, wait=wait)
                return REGRESSED if self._alarms else status
        except OSError as error:
            raise UserError(f"{self._root}: cannot be written: {error.strerror}; choose another --folder") from None

    def _folder_of(self, commits: dict[str, str], suite: str, options: tuple[str, ...]) -> Path:
        """The folder of the unfinished night of the same, or of a new one; others that are unfinished end here."""
        unfinished = [
            (folder, night)
            for folder in nights_in(self._root)
            if (night := read_night(folder)) is not None and not night.is_over
        ]
        for folder, night in unfinished:
            of_night = (night.baseline, night.candidate, night.suite, night.options)
            if of_night == (*commits.values(), suite, options) and folder == unfinished[-1][0]:
                self._say(f"night {night.name} goes on")
                return folder
            self._cancel(night)
            if night.step == "measured" or endings.is_over(folder / JOB):
                self._say(f"night {night.name} has been measured and is judged before a newer begins")
                self._alarms |= self._judged(night, folder).verdict == REGRESSED
                continue
            self._say(
                f"night {night.name}, of {night.baseline[:8]} and {night.candidate[:8]}, is given up: a newer begins"
            )
            night.model_copy(update={"step": "given up"}).write(folder)
        evening = (datetime.now() - timedelta(hours=12)).date().isoformat()
        wanted = f"{evening}-{commits['candidate'][:8]}"
        taken = {folder.name for folder in nights_in(self._root)}
        names = [wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))]
        return self._root / next(name for name in names if name not in taken)

    def _cancel(self, night: Night) -> None:
        """End the block of a night, so that its checkouts can be moved, and first the job that would go on with it."""
        scheduler = scheduler_of(self._site)
        if night.judge is not None:
            scheduler.cancel([night.judge])
        scheduler.cancel(night.jobs)
        deadline_s = time.monotonic() + CANCEL_S
        while self._is_active(night):
            if time.monotonic() > deadline_s:
                raise UserError(f"night {night.name} does not end: see to its job {night.jobs[-1]}, then begin again")
            time.sleep(1)

    def _begin(self, folder: Path, commits: dict[str, str], suite: str, options: tuple[str, ...]) -> Night:
        """Move the checkouts, bring the environments up to date and write what the block's job needs.

        Nothing of the night is written before its suite is known to exist in both commits and to fit the site.
        """
        scheduler_of(self._site).refuse_unusable(folder)
        accelerator, visible = self._chip_facts()
        places = {name: self._root / "checkouts" / name for name in SIDES}
        for name, place in places.items():
            check_out(self._repository, commits[name], place)
            self._say(f"{name}: {commits[name][:12]} in {place}")
        own, demand = self._suite(suite, places, accelerator=accelerator)
        copies.refuse_unusable(own, options)
        wheels = self._root / "wheels"
        made = [environment_of(place, self._site, accelerator=accelerator, wheels=wheels) for place in places.values()]
        (folder / JOB).mkdir(parents=True, exist_ok=True)
        baseline, candidate = (self._side(name, each, folder) for name, each in zip(SIDES, made, strict=True))
        if own is not None:
            suite_file = folder / JOB / Path(suite).name
            write_atomically(suite_file, yaml_of(copies.of_suite(own, folder / JOB / MAPPINGS)))
        rounds = Rounds(
            sides=(baseline, candidate),
            suite=suite if own is None else str(suite_file),
            launches=self._site.night.launches,
            scheduler=self._site.scheduler,
            options=copies.of_options(options, folder / JOB / MAPPINGS),
            devices=demand.devices,
            nodes=demand.nodes,
            container=self._site.container,
            visible_devices=visible,
            variables=self._site.variables,
            writes=self._site.results,
        )
        rounds.write(folder / JOB)
        night = Night(
            name=folder.name,
            site=self._site_name,
            suite=suite,
            baseline=commits["baseline"],
            candidate=commits["candidate"],
            options=options,
            command=self._command(commits, suite, options),
            directory=str(Path.cwd()),
            repository=str(self._repository),
            begun_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        night.write(folder)
        return night

    def _suite(self, suite: str, places: Mapping[SideName, Path], *, accelerator: bool) -> tuple[Any, Demand]:
        """The content of a suite that is a file, None of one that each checkout has; what its launches take.

        Raises UserError where a checkout has none of the name, and where it does not fit the site.
        """
        if suite.endswith((".yaml", ".yml")):
            catalogue.suite(suite)
            content = with_absolute_files(build(Path(suite), root_node(Path(suite))))
            return content, self._demand(content, suite, f"suite {Path(suite).stem!r}", accelerator=accelerator)
        demands = []
        for name, place in places.items():
            there = {path.stem: path for path in (place / "scenarios" / "suites").glob("*.yaml")}
            if suite not in there:
                raise UserError(f"suite {suite!r} is not in the commit of the {name}; {nearest(suite, there)}")
            content = build(there[suite], root_node(there[suite]))
            what = f"suite {suite!r} of the {name}"
            demands.append(self._demand(content, str(there[suite]), what, accelerator=accelerator))
        return None, Demand(*map(max, zip(*demands, strict=True)))

    def _demand(self, content: Any, path: str, what: str, *, accelerator: bool) -> Demand:
        """What `demand_of` finds; of several nodes only where the suite is one for this crosscast, too."""
        if largest_world(content, "nodes") > 1:
            catalogue.suite(path)
        return demand_of(content, what, self._site, Selection(), accelerator=accelerator)

    def _chip_facts(self) -> tuple[bool, str | None]:
        chip = catalogue.chip(self._site.chip)
        return chip.device_nodes is not None, chip.visible_devices

    def _side(self, name: SideName, made: Checkout, folder: Path) -> Side:
        """A side, whose chip is a file of its own where the site has Pythons of its own."""
        chip = chip_name = self._site.chip
        if self._site.pythons or chip.endswith((".yaml", ".yml")):
            path = (
                Path(chip) if chip.endswith((".yaml", ".yml")) else made.folder / "scenarios" / "chips" / f"{chip}.yaml"
            )
            content: Any = with_pythons(build(path, root_node(path)), self._site)
            own = folder / JOB / name / f"{path.stem}.yaml"
            own.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(own, yaml_of(content))
            chip_name = str(own)
        results = folder / name
        results.mkdir(exist_ok=True)
        return Side(name=name, checkout=str(made.folder), python=made.python, chip=chip_name, results=str(results))

    def _go_on(self, night: Night, folder: Path, *, wait: bool) -> int:
        while night.step in ("prepared", "submitted"):
            night = self._submitted(night, folder, wait=wait)
            if night.step == "submitted":
                if not wait:
                    return 0
                time.sleep(POLL_S[self._site.scheduler])
        if night.step == "measured":
            night = self._judged(night, folder)
        return DID_NOT_RUN if night.verdict is None else night.verdict

    def _submitted(self, night: Night, folder: Path, *, wait: bool) -> Night:
        """The night with its block handed in again where launches are missing, or measured where that is all."""
        scheduler = scheduler_of(self._site)
        if night.jobs and self._is_active(night):
            self._seen.add(night.jobs[-1])
            return night if wait else self._with_judge(night, folder)
        if self._seen.intersection(night.jobs[-1:]) and (cancelled := _why_cancelled(self._site, night)):
            raise UserError(cancelled)
        if night.jobs and (told := endings.last_words(folder / JOB, night.jobs[-1])):
            self._say(f"night {night.name}: {told}")
        if endings.is_over(folder / JOB) or len(night.jobs) >= self._site.night.jobs:
            changed = night.model_copy(update={"step": "measured"})
            changed.write(folder)
            return changed
        rounds = Rounds.read(folder / JOB)
        with stopping.held():
            task, name = Task(FUNCTION, folder / JOB), f"crosscast {night.name}"
            jobs = scheduler.submit([task], folder / JOB, name, rounds.devices, rounds.nodes)
            changed = night.model_copy(update={"step": "submitted", "jobs": (*night.jobs, *jobs), "judge": None})
            try:
                changed.write(folder)
            except UserError:
                scheduler.cancel(jobs)
                raise
        self._say(f"night {night.name}: job {jobs[0]}")
        return changed if wait else self._with_judge(changed, folder)

    def _is_active(self, night: Night) -> bool:
        """Whether a job of a night waits or runs; why one waits is said once.

        A scheduler that does not answer is asked again for ANSWER_S: a night must not end because a controller is
        started again. Raises UserError where it cannot be asked.
        """
        deadline_s = time.monotonic() + ANSWER_S
        while True:
            try:
                states = scheduler_of(self._site).states(night.jobs)
                break
            except NoAnswer as error:
                if time.monotonic() > deadline_s:
                    raise
                self._say_once(f"night {night.name}: {error}; it is asked again")
                time.sleep(POLL_S[self._site.scheduler])
        for job, state in states.items():
            if state.phase == "waiting" and state.why:
                self._say_once(f"night {night.name}: job {job} waits: {state.why}")
        return any(state.is_active for state in states.values())

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _with_judge(self, night: Night, folder: Path) -> Night:
        """The night with a job that goes on with it when its block has ended, where the scheduler has such jobs."""
        if self._site.scheduler == "local":
            self._say("the same command goes on when it has ended")
            return night
        scheduler = scheduler_of(self._site)
        if night.judge is not None and scheduler.states([night.judge])[night.judge].is_active:
            return night
        task = Task(CALL_BACK, folder / JOB)
        with stopping.held():
            name = f"crosscast {night.name} gate"
            job = scheduler.submit_after(night.jobs[-1:], task, folder / JOB, name)
            changed = night.model_copy(update={"judge": job})
            changed.write(folder)
        self._say(f"night {night.name}: job {job} judges when it has ended")
        return changed

    def _command(self, commits: dict[str, str], suite: str, options: tuple[str, ...]) -> tuple[str, ...]:
        places = ("--repository", str(self._repository), "--folder", str(self._root))
        sides = (word for name, commit in commits.items() for word in (f"--{name}", commit))
        return ("nightly", "--site", self._site_name, *sides, *places, "--suite", suite, *options, "--no-wait")

    def _judged(self, night: Night, folder: Path) -> Night:
        """Have the gate judge, and report and history written, list the night and prune older ones."""
        words = [*GATE_COMMAND, "--baseline", str(folder / "baseline"), "--candidate", str(folder / "candidate")]
        words += ["--state", str(self._root / STATE), "--output", str(folder / GATE), "--night", night.name]
        rounds = Rounds.read(folder / JOB)
        words += ["--launches", str(rounds.launches), "--suite", rounds.suite_name]
        if lacking := endings.unfinished(folder / JOB):
            words += ["--unfinished", lacking]
        told = folder / GATE / VERDICT
        told.unlink(missing_ok=True)
        said = run([*words, "--repository", night.repository]).status
        verdict = said if said in MEANING and told.exists() else DID_NOT_RUN
        page, moves = str(self._root / HISTORY), Path(night.repository) / BASELINE_MOVES
        given = (("--state", self._root / STATE), ("--baseline-file", moves))
        known = [word for name, path in given if path.is_file() for word in (name, str(path))]
        for what, command in (
            ("report", [*REPORT_COMMAND, "--results", str(folder / "candidate")]),
            ("history", [*HISTORY_COMMAND, "--results", str(self._root), "--page", page, *known]),
        ):
            if run(command, silent=True).status:
                self._say(f"night {night.name}: there is no {what}, as said above")
        changed = night.model_copy(update={"step": "judged", "verdict": verdict})
        changed.write(folder)
        every = nights_in(self._root)
        listing.write(self._root, [(each, found) for each in every if (found := read_night(each)) is not None])
        if pruned := prune(every, self._site.night.keep_raw):
            self._say(f"the raw series of {pruned} launches of older nights are removed")
        return changed


def _why_cancelled(site: SiteConfig, night: Night) -> str | None:
    """That somebody has cancelled the last job of a night; None where it ended otherwise, or that is not known."""
    job = night.jobs[-1]
    with contextlib.suppress(NoAnswer):
        if scheduler_of(site).states([job])[job].word == CANCELLED:
            return f"night {night.name}: job {job} was cancelled, and is not handed in again; the same command goes on"
    return None


def called_back(folder: Path) -> int:
    """The job that goes on with the night whose block's folder this is.

    Its exit status is that of the gate, or 0 where the night is over already. Raises UserError where the block's job
    was cancelled.
    """
    night = read_night(folder.parent)
    if night is None:
        raise UserError(f"{folder.parent}: there is no night")
    if night.is_over:
        print(f"night {night.name} is over: {night.step}", flush=True)
        return 0
    if cancelled := _why_cancelled(catalogue.site(night.site), night):
        raise UserError(cancelled)
    return run(children.python_module("harness", *night.command), cwd=night.directory, ask_s=CANCEL_S).status
