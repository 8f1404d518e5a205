"""One experiment, begun or gone on with: data -> policy -> the stages of its method -> evaluation -> result."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.config.running import FSDP
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, Interrupted, Pruned, RunFailed
from reft_lab.phases import watched_by
from reft_lab.programs import ProgramRunner
from reft_lab.ranks import ALONE, Ranks
from reft_lab.run_dir.directory import Bystander, RunDirectory
from reft_lab.run_dir.files import CONFIG
from reft_lab.run_dir.passport import hash_problems, hash_text, passport, resumption
from reft_lab.runner import ending, failure
from reft_lab.runner.baseline import Baseline, follow
from reft_lab.runner.checkpoint import BEST, LAST, Checkpoints
from reft_lab.runner.critic import audit_critic, merged
from reft_lab.runner.disk_space import check_space
from reft_lab.runner.estimates import Estimates
from reft_lab.runner.final import conclude
from reft_lab.runner.fits import check_fits
from reft_lab.runner.fork import Fork, tokenizer_in
from reft_lab.runner.interruption import Interruption
from reft_lab.runner.lab import Lab
from reft_lab.runner.loop import Loop
from reft_lab.runner.overfit import Overfit, judge_run
from reft_lab.runner.pool import Pools
from reft_lab.runner.progress import Best, Progress
from reft_lab.runner.selection import Selection
from reft_lab.runner.setup import Setup, prepare
from reft_lab.runner.warmups import Warmups
from reft_lab.tracking.critic_table import critic_table
from reft_lab.tracking.display import Display, Silence
from reft_lab.tracking.recorders import check_recorders
from reft_lab.tracking.result_table import decoding_table, result_table
from reft_lab.tracking.tracker import Tracker

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy

MEANS_NOTHING = "debug={debug} is for trying things out; its accuracies mean nothing."

Report = Callable[[int, dict[str, float]], bool]


def run(
    config: Config,
    directory: Path,
    display: Display | None = None,
    report: Report | None = None,
    ranks: Ranks = ALONE,
) -> float:
    """Run `config` in `directory`, and leave everything of docs/run-directory.md there.

    Args:
        config: the experiment, checked.
        directory: the run directory; made if it does not exist.
        display: where progress is shown; the terminal if not given.
        report: told the metrics of each evaluation of the stage that makes the final policy, and its steps so far;
            the run stops where it says so. None: nobody is told.
        ranks: the processes that share the run. All of them are in here; the one that leads writes and shows.

    Returns:
        Accuracy of the chosen checkpoint on the selection split, which is what a search maximises; of a run that its
        study stopped, the best so far.

    Raises:
        BadInput: something the user gave cannot be used.
        RunFailed: the run cannot go on, for a reason that may be mended.
        Interrupted: a signal stopped it.
    """
    config, display = _as_seen_by(ranks, config, display)
    check_recorders(config)
    estimates = Estimates(config)
    with ProgramRunner(config.programs) as programs, watched_by(estimates.peaks):
        # Nothing has been written yet, so a bad data path or model leaves no half-filled run directory.
        fork = Fork.of(config)
        threads, tokenizer = (None, None) if fork is None else (fork.threads, fork.tokenizer)
        setup = prepare(config, programs, threads, tokenizer, ranks)
        config = setup.config
        if ranks.leads:
            check_space(config, setup.policy, directory)
        said = _check_memory(estimates, setup) if ranks.leads else []
        hashes = _hashes(setup)
        warmups = Warmups(setup, hashes)
        if fork is not None:
            fork.check_inputs(*hashes)
        # Only from here on: packages that are being imported catch what a signal raises, and raise another error.
        with (
            Interruption(display.note, is_deaf=not ranks.leads) as interruption,
            closing(RunDirectory(directory) if ranks.leads else Bystander(directory)) as run_directory,
            display.kept_in(run_directory.log, run_directory.progress),
        ):
            with interruption.unbroken():
                known = {} if fork is None else {"fork": fork.lineage()}
                origin = passport(config.seed, setup.device, config.trainer.precision, *hashes)
                run_directory.write_passport(origin | known)
                run_directory.write_config(config)
                start = ranks.agreed(lambda: _begin(run_directory, config, fork or warmups))
            for note in [*said, *start.notes]:
                display.note(note)
            return _go(setup, programs, run_directory, display, interruption, start, warmups, estimates, report)


def resume(
    config: Config,
    directory: Path,
    changes: Sequence[str] = (),
    display: Display | None = None,
    report: Report | None = None,
    ranks: Ranks = ALONE,
) -> float:
    """Go on with the run in `directory` where its last checkpoint stands, or from its start where there is none.

    Args:
        config: the run's own config, in which only what may change has changed.
        directory: its run directory.
        changes: what has changed, for the record, as `ppo.iterations: 60 -> 80`.
        display, report, ranks: as for `run`, and so is what comes back. There may be more ranks than before, or fewer.

    Raises:
        BadInput: another process is at work in `directory`, or data or tokenizer are not those it started with.
        RunFailed, Interrupted: as `run`.
    """
    config, display = _as_seen_by(ranks, config, display)
    check_recorders(config)
    estimates = Estimates(config)
    with (
        # From here on nobody else can touch it.
        closing(RunDirectory(directory, resume=True) if ranks.leads else Bystander(directory)) as run_directory,
        display.kept_in(run_directory.log, run_directory.progress),
        ProgramRunner(config.programs) as programs,
        watched_by(estimates.peaks),
    ):
        began = run_directory.passport()
        fork, tokenizer = None, None
        if config.fork is not None:  # its data need not be those that its tokenizer was made for
            tokenizer = ranks.agreed(lambda: tokenizer_in(run_directory.checkpoints))
            checkpoints = Checkpoints(run_directory.checkpoints, config.checkpoint.keep)
            if ranks.agreed(lambda: checkpoints.find()[0] is None):
                fork = Fork.of(config)
                tokenizer = None if fork is None else fork.tokenizer
        setup = prepare(config, programs, began.get("hardware", {}).get("threads"), tokenizer, ranks)
        config = setup.config
        hashes = _hashes(setup)
        _check_same_inputs(began.get("hashes"), hashes, directory)
        said = _check_memory(estimates, setup) if ranks.leads else []
        warmups = Warmups(setup, hashes)
        if fork is not None:
            fork.check_inputs(*hashes)
        with Interruption(display.note, is_deaf=not ranks.leads) as interruption:
            with interruption.unbroken():
                start = ranks.agreed(lambda: _find_start(run_directory, config))
                notes = [*start.notes, *run_directory.rewind(start.step)]
                if start.state is None:
                    start = ranks.agreed(lambda: _begin(run_directory, config, fork or warmups))
                    notes += start.notes
                run_directory.write_config(config)
                changed = dict(change.split(": ", 1) for change in changes)
                run_directory.add_resumption(resumption(began, start.step, changed))
            for note in [*said, *notes]:
                display.note(note)
            display.note(f"going on with {directory} after step {start.step}")
            return _go(setup, programs, run_directory, display, interruption, start, warmups, estimates, report)


def _as_seen_by(ranks: Ranks, config: Config, display: Display | None) -> tuple[Config, Display]:
    """The experiment and the display of this rank: one that does not lead shows and records nothing."""
    if ranks.leads:
        return config, display or Display()
    return replace(config, tracker=replace(config.tracker.directory_alone(), profile=0)), Silence()


def _check_memory(estimates: Estimates, setup: Setup) -> list[str]:
    """Sentences on what the run takes.

    Raises:
        BadInput: it is beyond this machine's memory.
    """
    said = estimates.expect(setup)
    if estimates.memory is None:
        return said
    tests = len(setup.splits.test[: setup.config.eval.test_limit])
    return [*said, *check_fits(estimates.memory, setup.config, setup.device, tests)]


def _beside(config: Config, directory: Path) -> float:
    """What a baseline does in its own process."""
    return (resume if (directory / CONFIG).exists() else run)(config, directory, display=Silence())


@dataclass(frozen=True)
class _Start:
    """Where a run begins: at its beginning, or at a state on disk, with notes on those that cannot be used."""

    state: Path | None = None
    progress: Progress = field(default_factory=Progress)
    step: int = 0
    elapsed: float = 0.0  # wall seconds
    notes: list[str] = field(default_factory=list)


def _begin(run_directory: RunDirectory, config: Config, earlier: Warmups | Fork) -> _Start:
    """Where a run with nothing on disk begins: after its warm-up where that is kept, or where it forks from another."""
    if (said := earlier.begin(run_directory)) is None:
        return _Start()
    start = _find_start(run_directory, config)
    start.notes.append(said)
    return start


def _find_start(run_directory: RunDirectory, config: Config) -> _Start:
    checkpoints = Checkpoints(run_directory.checkpoints, config.checkpoint.keep)
    state, notes = checkpoints.find()
    facts = {} if state is None else checkpoints.facts(state)
    state, problem = checkpoints.go_back_to(state)
    if state is None:
        return _Start(notes=notes)
    progress = Progress.from_json(facts)
    if problem:
        notes.append(f"the best policy so far cannot be used: {problem}; the next evaluation picks a new one.")
        progress.best, progress.chosen, progress.candidates = Best(), {}, 0
    return _Start(state, progress, facts["tracker_step"], facts["elapsed"], notes)


def _go(
    setup: Setup,
    programs: ProgramRunner,
    run_directory: RunDirectory,
    display: Display,
    interruption: Interruption,
    start: _Start,
    warmups: Warmups,
    estimates: Estimates,
    report: Report | None,
) -> float:
    """From `start` to the result; however it ends, result.json says how."""
    config, directory, ranks = setup.config, run_directory.path, setup.ranks
    began = time.monotonic()
    estimates.begin(setup, start.progress)
    tracker, baseline, sentence = None, None, None
    status = "interrupted"
    reason: str | None = "stopped while it was ending"  # unless it gets to say so itself
    result = ending.nothing_yet(config, setup.method.label)
    try:
        interruption.check()  # a signal may have come before there was anything to stop
        if config.trainer.strategy == FSDP and ranks.size > 1:
            setup.policy.shard()
        for line in setup.splits.report.lines():
            display.note(line)
        if setup.computing:
            display.note(setup.computing)
        tracker = Tracker(config, run_directory, display, step=start.step, seconds=start.elapsed, device=setup.device)
        checkpoints = Checkpoints(run_directory.checkpoints, config.checkpoint.keep)
        if config.baseline and ranks.leads:
            baseline = Baseline(config, directory, _beside)
            baseline.start()
            display.beside = baseline.doing
        if start.state is not None and ranks.leads:
            programs.go_on_from(start.progress.refused)
        selection = Selection(setup, start.progress, tracker)
        overfit = Overfit.of(setup)
        loop = Loop(selection, checkpoints, interruption, programs, report, overfit)
        pools = Pools(setup, start.progress, display, interruption, directory)
        warmed_up = setup.method.train(Lab(setup, setup.method, loop, pools, warmups, start.state))
        for note in setup.notes:
            display.note(note)
        if config.audit.critic and setup.policy.value_head is not None:
            result["critic"] = _audit_critic(selection, checkpoints, warmed_up)
        result |= conclude(selection, checkpoints, pools, warmed_up) | {"budget": loop.budget.ended}
        programs.go_on_from(
            programs.refused_with(each for refused in ranks.gather(programs.refused)[1:] for each in refused)
        )
        if baseline is not None:
            result["baseline_sft"] = _wait_for(baseline, start.progress, display)
        result |= _spent(start.progress) | estimates.as_json(start.progress)
        if refused := programs.what_would_help():
            display.note(refused)
            result["notes"].append(refused)
        if config.debug is not None:
            result["notes"].append(MEANS_NOTHING.format(debug=config.debug))
        if overfit.problems:
            verdict = judge_run(overfit, setup, run_directory, display.note)
            result["overfit"] = verdict.numbers
            if not verdict.is_reached:
                raise RunFailed(verdict.sentence)
        status, reason = "finished", None
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        status, reason = "interrupted", f"stopped by {signal.Signals(number).name}"
        sentence = f"interrupted; go on with: {failure.resume_command(directory)}"
        raise Interrupted(number) from None
    except Pruned as stopped:
        result |= _spent(start.progress) | estimates.as_json(start.progress)
        status, reason = "pruned", str(stopped)
        sentence = f"{reason}; go on with it nevertheless: {failure.resume_command(directory)}"
    except Exception as error:
        explained = failure.explain(error, config, directory)
        status, reason = "failed", str(explained or f"{type(error).__name__}: {error}")
        if explained is None or explained is error:
            raise
        raise explained from error
    finally:
        with interruption.unbroken():
            result["seconds"]["total"] = start.elapsed + time.monotonic() - began
            result = {"status": status, "reason": reason} | result
            try:
                display.beside = None
                if baseline is not None:
                    baseline.stop()
                if tracker is not None:
                    uploaded = config.tracker.artifact and status == "finished"
                    best = run_directory.checkpoints / BEST if uploaded and setup.method.trains else None
                    tracker.finish(ending.summary(result), 0 if status in ("finished", "pruned") else 1, best)
            finally:  # also where a second signal breaks off the waiting
                run_directory.write_result(result)
                if status == "finished":
                    display.show(result_table(result))
                    if (decoded := decoding_table(result)) is not None:
                        display.show(decoded)
                    if config.debug is not None:
                        display.note(MEANS_NOTHING.format(debug=config.debug))
                elif sentence:
                    display.note(sentence)
            if ranks.leads:
                ending.write_audit(directory, programs, display.note, is_finished=status == "finished")
            if status == "finished":
                display.note(f"run directory: {directory}")
            if config.tracker.report:
                ending.write_report(directory, display.note, is_finished=status == "finished")
    if status == "pruned":
        return start.progress.best.accuracy
    return float(result["final"][config.selection]["accuracy"])


def _spent(progress: Progress) -> dict[str, Any]:
    return {"seconds": dict(progress.seconds), "cost": progress.cost_as_json()}


def _audit_critic(selection: Selection, checkpoints: Checkpoints, warmed_up: Policy | None) -> dict[str, Any]:
    """Whether the critic that training ended with is any good; writes critic_audit.json."""
    setup, tracker = selection.setup, selection.tracker
    before = time.monotonic()
    when = f"iteration {checkpoints.facts(checkpoints.folder / LAST)['counters']['step']}"
    audit = audit_critic(setup, setup.policy, warmed_up, tracker.display, checkpoint=LAST, when=when)
    tracker.directory.write_critic_audit(merged(tracker.directory.path, [audit]))
    tracker.display.show(critic_table(audit))
    tracker.display.note(audit["sentence"])
    selection.progress.add_seconds("critic_audit", time.monotonic() - before)
    return {key: audit[key] for key in ("when", "overall", "interval", "within_response", "sentence")}


def _wait_for(baseline: Baseline, progress: Progress, display: Display) -> dict[str, Any] | None:
    before = time.monotonic()
    display.beside = None
    follow(baseline, display)
    other = baseline.wait()
    progress.add_seconds("waiting_for_baseline", time.monotonic() - before)
    if other["status"] != "finished":
        display.note(f"the {baseline.method.label} baseline did not finish: {other['reason']}")
    scores: dict[str, Any] | None = other.get("final")
    return scores


def _hashes(setup: Setup) -> tuple[str, str]:
    """Of the data and of the tokenizer."""
    splits = setup.splits
    vocabulary = str(sorted(setup.codec.tokenizer.get_vocab().items()))
    chat = f"{setup.codec.chat} {setup.codec.eos_id}" if setup.codec.chat is not None else ""
    return hash_problems(splits.train, splits.dev, splits.test), hash_text(vocabulary + chat)


def _check_same_inputs(hashes: dict[str, str] | None, found: tuple[str, str], directory: Path) -> None:
    if hashes is None:  # killed before it wrote its passport
        return
    for name, now in zip(("data", "tokenizer"), found, strict=True):
        if hashes.get(name) != now:
            raise BadInput(
                f"the {name} is not what the run in {directory} started with (its hash was {hashes.get(name)} and is "
                f"{now}); bring the old files back, or start a new run without resume=."
            )
