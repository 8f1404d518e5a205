"""One experiment from start to end: data -> policy -> warm-up -> ReFT -> evaluation -> result."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.algorithms.reft import ReFT
from reft_lab.algorithms.sft import SFT
from reft_lab.config.schema import Config
from reft_lab.config.training import SFTConfig
from reft_lab.data import Problem
from reft_lab.evaluation.greedy import Evaluation
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.programs import ProgramRunner
from reft_lab.runner.baseline import SFTBaseline
from reft_lab.runner.setup import Setup, prepare
from reft_lab.runner.stages import Best, Stages
from reft_lab.tracking.display import Display
from reft_lab.tracking.passport import hash_problems, hash_text, passport
from reft_lab.tracking.result_table import result_table
from reft_lab.tracking.run_directory import RunDirectory
from reft_lab.tracking.tracker import Tracker


def run(config: Config, directory: Path, display: Display | None = None) -> float:
    """Run `config` in `directory`, and leave everything of docs/run-directory.md there.

    Args:
        config: the experiment, checked.
        directory: the run directory; made if it does not exist.
        display: where progress is shown; the terminal if not given.

    Returns:
        Accuracy of the chosen checkpoint on the selection split, which is what a search maximises.

    Raises:
        BadInput: something the user gave cannot be used.
    """
    display = display or Display()
    started = time.monotonic()
    with ProgramRunner(config.programs) as programs:
        # Until here nothing is written; a bad data path or model leaves no half-filled run directory.
        setup = prepare(config, programs)
        run_directory = RunDirectory(directory)
        tracker, baseline = None, None
        result: dict[str, Any] = {"name": config.name, "method": config.method, "seed": config.seed}
        result |= {"selection": config.selection, "warmup": None, "final": None, "baseline_sft": None, "seconds": {}}
        try:
            _introduce(setup, run_directory, display)
            tracker = Tracker(config, run_directory, display)
            if config.baseline == "sft":
                baseline = SFTBaseline(config, directory)
                baseline.start()
            result |= _train(setup, tracker, baseline)
            if refused := programs.what_would_help():
                display.note(refused)
                result["notes"].append(refused)
            status, reason = "finished", None
        except KeyboardInterrupt:
            status, reason = "interrupted", "interrupted from the keyboard"
            raise
        except BaseException as error:
            status, reason = "failed", f"{type(error).__name__}: {error}"
            raise
        finally:
            if baseline is not None:
                baseline.stop()
            result["seconds"]["total"] = time.monotonic() - started
            result = {"status": status, "reason": reason} | result
            if tracker is not None:
                tracker.finish(_summary(result), exit_code=0 if status == "finished" else 1)
            run_directory.write_result(result)
    display.show(result_table(result))
    display.note(f"run directory: {directory}")
    return float(result["final"][config.selection]["accuracy"])


def _introduce(setup: Setup, run_directory: RunDirectory, display: Display) -> None:
    """Config and passport on disk, what the data came to on the terminal."""
    config, splits = setup.config, setup.splits
    run_directory.write_config(config)
    tokenizer_hash = hash_text(str(sorted(setup.codec.tokenizer.get_vocab().items())))
    data_hash = hash_problems(splits.train, splits.dev, splits.test)
    run_directory.write_passport(passport(config.seed, setup.device, data_hash, tokenizer_hash))
    for line in splits.report.lines():
        display.note(line)


@dataclass(frozen=True)
class _Trained:
    """What a method leaves behind: its best checkpoint, and the policy after warm-up with its last evaluation."""

    best: Best
    warmup: Evaluation | None = None
    reference: Policy | None = None


def _train(setup: Setup, tracker: Tracker, baseline: SFTBaseline | None) -> dict[str, Any]:
    stages = Stages(setup, tracker)
    trained = _reft(setup, stages) if setup.config.method == "reft" else _sft(setup, stages)
    for note in setup.notes:
        tracker.display.note(note)

    saving.load_weights(setup.policy, tracker.directory.checkpoints / "best")
    final, final_scores = _final(stages, setup.policy, trained.best.evaluation)
    warmup, warmup_scores = None, None
    if trained.reference is not None:
        warmup, warmup_scores = _final(stages, trained.reference, trained.warmup)
    tracker.directory.write_predictions(_predictions(final, warmup))
    result: dict[str, Any] = {
        "warmup": warmup_scores,
        "final": final_scores,
        "chosen": trained.best.when,
        "outcomes": dict(Counter(outcome.kind for outcome in final.outcomes)),
        "seconds": dict(stages.seconds),
        "data": {"counts": setup.splits.report.counts, "dropped": setup.splits.report.dropped},
        "notes": [*setup.splits.report.notes, *setup.notes],
    }
    if baseline is not None:
        before = time.monotonic()
        other = baseline.wait()
        result["seconds"]["waiting_for_baseline"] = time.monotonic() - before
        result["baseline_sft"] = other.get("final")
        if other["status"] != "finished":
            tracker.display.note(f"the SFT baseline did not finish: {other['reason']}")
    return result


def _reft(setup: Setup, stages: Stages) -> _Trained:
    config = setup.config
    problems, prompts = setup.questions()
    if config.warmup.epochs:
        warmup = stages.supervise(_sft_stage(setup, "warmup", config.warmup), best=None)
    else:
        warmup = stages.evaluate(setup.policy, stages.selection)
    best = Best(warmup, "warm-up")
    for name in ("warmup", "best"):
        saving.save(setup.policy, setup.codec.tokenizer, stages.tracker.directory.checkpoints / name)
    reference = setup.policy.reference()

    def judge(questions: Any, responses: Any) -> Any:
        return setup.form.judge([problems[q] for q in questions], setup.codec.read(responses))

    stage = ReFT(
        setup.policy,
        reference,
        prompts,
        [problem.id for problem in problems],
        judge,
        setup.reward,
        config.ppo,
        seed=config.seed,
        eos_id=setup.codec.eos_id,
        pad_id=setup.codec.pad_id,
        decode_batch=config.trainer.decode_batch,
        tokens_per_micro_batch=config.trainer.tokens_per_micro_batch,
    )
    stages.reinforce(stage, problems, best)
    return _Trained(best, warmup, reference)


def _sft(setup: Setup, stages: Stages) -> _Trained:
    best = Best()
    stages.supervise(_sft_stage(setup, "sft", setup.config.sft), best)
    return _Trained(best)


def _sft_stage(setup: Setup, name: str, config: SFTConfig) -> SFT:
    return SFT(
        setup.policy,
        setup.examples(config.max_tokens),
        config,
        stage=name,
        seed=setup.config.seed,
        pad_id=setup.codec.pad_id,
        tokens_per_micro_batch=setup.config.trainer.tokens_per_micro_batch,
    )


def _final(
    stages: Stages, policy: Policy, selection: Evaluation | None
) -> tuple[Evaluation, dict[str, dict[str, object]]]:
    """The one reading of the test set, and the scores on both splits; `selection` is what is known already."""
    config, splits = stages.setup.config, stages.setup.splits
    by_split = {config.selection: selection}
    limited = (("dev", splits.dev[: config.eval.dev_limit]), ("test", splits.test[: config.eval.test_limit]))
    for split, problems in limited:
        if by_split.get(split) is None:
            by_split[split] = stages.evaluate(policy, problems, title=split)
    dev, test = by_split["dev"], by_split["test"]
    assert dev is not None
    assert test is not None
    return test, {"dev": dev.score.as_json(), "test": test.score.as_json()}


def _predictions(final: Evaluation, warmup: Evaluation | None) -> list[dict[str, Any]]:
    records = []
    for i, problem in enumerate(final.problems):
        records.append(_prediction(problem, final, i))
        if warmup is not None:
            records[-1]["warmup"] = {"answer": warmup.outcomes[i].answer, "outcome": warmup.outcomes[i].kind}
    return records


def _prediction(problem: Problem, evaluation: Evaluation, i: int) -> dict[str, Any]:
    outcome = evaluation.outcomes[i]
    return {
        "id": problem.id,
        "question": problem.question,
        "response": evaluation.responses[i],
        "answer": outcome.answer,
        "gold": problem.answer,
        "outcome": outcome.kind,
        "detail": outcome.detail,
    }


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """What W&B shows of a finished run beside its curves."""
    summary: dict[str, Any] = {"status": result["status"], "chosen": result.get("chosen")}
    for key in ("warmup", "final", "baseline_sft"):
        for split in ("dev", "test"):
            scores = result.get(key) or {}
            if scores.get(split):
                summary[f"result/{key}/{split}_accuracy"] = scores[split]["accuracy"]
    return summary
