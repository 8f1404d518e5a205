"""One look at an experiment before it runs: does it fit, how long will it take, what do its data look like."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, OutOfMemory
from reft_lab.memory.advice import changes
from reft_lab.memory.experiment import supposed, works
from reft_lab.memory.phases import largest
from reft_lab.memory.process import Room, give_back, held, room, sharers
from reft_lab.memory.setting import FP32
from reft_lab.memory.shape import Shape
from reft_lab.metrics import SAMPLED
from reft_lab.numbers import memory
from reft_lab.policy import loading
from reft_lab.preflight.sampled import one_response
from reft_lab.preflight.seconds import RunTime
from reft_lab.preflight.shown import show_changes, show_lengths, show_memory, show_sample, show_time
from reft_lab.preflight.trying import try_out
from reft_lab.programs import ProgramRunner
from reft_lab.run_dir import preflights
from reft_lab.runner.data_audit import lengths_of as lengths_of_data
from reft_lab.runner.disk_space import bytes_needed, check_space, free_near
from reft_lab.runner.estimates import Expected, expected, lengths_of
from reft_lab.runner.setup import Setup, choose_device, prepare

LIBRARIES = "libraries, data"
CONTEXT = 500 * 2**20  # of one more process on a GPU

say = partial(print, flush=True)


def preflight(config: Config, directory: Path) -> None:
    """Print what a run of `config` in `directory` would take, and keep the estimate for that run.

    Nothing else is written. Where the model does not even fit by itself, it is not loaded.

    Raises:
        BadInput: the run does not fit, into memory or on the disk, after saying what to change; or something that the
            user gave cannot be used.
    """
    device = choose_device(config)
    loading.check_source(config.model)
    _check_weights(config, device)
    with ProgramRunner(config.programs) as programs:
        say("loading data and model")
        setup = prepare(config, programs)
        _show_data(setup)
        found = expected(setup)
        sampled = one_response(setup)
        show_sample(sampled)
        there = room(setup.device).shared(sharers(setup.device, config.trainer.devices))
        beside = _beside(setup, found)
        show_memory(found.likely, found.most, beside, there)
        left = there.size - sum(beside.values())
        tight = _tight(found, left)
        time = None
        if "in all" not in tight:
            time = _try(setup, found)
        if time is not None:
            show_time(time)
            _keep(config, setup, found, time)
        for sentence in setup.notes:
            say(sentence)
        if (devices := config.trainer.devices) > 1:
            say(
                f"memory is that of each of the {devices} processes, time that of one process by itself; they share "
                "its work (docs/scale.md)."
            )
        if config.fork is not None:
            say("the time is that of all stages; fork= saves what the other run had done.")
        _check_gold(sampled.gold.outcome.kind, sampled.gold.reward)
        _check_disk(setup, directory)
        _conclude(found, there, left)


def _check_weights(config: Config, device: str) -> None:
    """Refuse a model whose weights alone are too large, before they are loaded."""
    shape = Shape.of(loading.outline(config.model))
    there = room(device).shared(sharers(device, config.trainer.devices))
    if FP32 * shape.weights <= there.size:
        return
    if config.model.lora.rank is not None:
        shape = shape.with_adapter(config.model.lora.rank)
    ppo = config.ppo
    loads = works(config, [(ppo.max_prompt_tokens, ppo.max_new_tokens)], None)
    precision = "bf16" if config.trainer.precision != "fp32" else "fp32"
    guess = Expected.of(supposed(config, shape, device, precision, config.trainer.decode_batch), loads)
    show_memory(guess.likely, guess.most, {} if device == "cuda" else {LIBRARIES: held()}, there)
    raise BadInput(
        f"the weights of {config.model.path or config.model.name} take {memory(FP32 * shape.weights)} in fp32, and "
        f"{there.where} has {memory(there.size)}; take a smaller model, or a machine with more memory."
    )


def _beside(setup: Setup, found: Expected) -> dict[str, int]:
    """What is held beside what the phases take, by what it is."""
    on_gpu = setup.device == "cuda"
    give_back()
    libraries = 0 if on_gpu else held() - found.setting.loaded
    beside = {} if on_gpu else {LIBRARIES: libraries}
    if setup.config.baseline is not None:
        beside["baseline"] = found.beside + (CONTEXT if on_gpu else libraries)
    return beside


def _show_data(setup: Setup) -> None:
    for line in setup.splits.report.lines():
        say(line)
    print()
    show_lengths(*lengths_of_data(setup.config, setup.splits, setup.form, setup.codec, lengths_of(setup)))


def _try(setup: Setup, found: Expected) -> RunTime | None:
    """What the run takes by a few steps; None where not even these fit."""
    try:
        passing = max(phase.passing for phase in found.likely)
        trial = try_out(setup, found.works, lengths_of(setup), passing, say)
    except OutOfMemory as error:
        say(f"not even a few sequences can be tried: {error}")
        return None
    for note in trial.notes:
        say(note)
    print()
    return trial.time


def _tight(found: Expected, room: int) -> list[str]:
    """What does not fit: `in all` and `at most`, or the latter alone; nothing where all does."""
    sizes = {"in all": largest(found.likely).size, "at most": largest(found.most).size}
    return [name for name, size in sizes.items() if size > room]


def _keep(config: Config, setup: Setup, found: Expected, time: RunTime) -> None:
    """For the run, which compares it with what it takes."""
    told: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": time.seconds,
        "speed": {
            stage.count.kind.name: {
                "steps": stage.count.steps,
                **({SAMPLED: stage.sampled} if stage.sampled else {}),
                **stage.parts,
                "eval": stage.evaluation,
            }
            for stage in time.stages
        },
        "others": time.others,
        "memory": largest(found.likely).size,
    }
    if (file := preflights.keep(config, told)) is not None:
        say(f"kept for the run, which will compare: {file}")


def _check_gold(kind: str, reward: float) -> None:
    if kind != "correct":
        raise BadInput(
            f"the gold reasoning above is judged {kind.replace('_', ' ')}, so nothing could be learned; see what is "
            "wrong with it, or with the settings of cot and answers."
        )
    if reward != 1:
        say(f"the gold response earns {reward:g}: under this reward, right reasoning is not worth 1.")


def _check_disk(setup: Setup, directory: Path) -> None:
    needed, (place, free) = bytes_needed(setup.config, setup.policy), free_near(directory)
    say(f"checkpoints take up to {decimal(needed)}; {place} has {decimal(free)} free.")
    check_space(setup.config, setup.policy, directory)


def _conclude(found: Expected, there: Room, left: int) -> None:
    """Whether it fits, where the phases have `left` bytes.

    Raises:
        BadInput: it does not.
    """
    tight, always = _tight(found, left), there.size - left
    needs = largest(found.likely if "in all" in tight else found.most)
    told = f"{needs.stage}, {needs.name}, takes {memory(always + needs.size)}"
    if not tight:
        say(f"it fits: {told} at most, and {there.where} has {memory(there.size)}.")
        return
    proposed = changes(found.setting, found.works, left, at_most="in all" not in tight)
    show_changes(proposed, there, always)
    words = " ".join(each.words for each in proposed)
    is_enough = bool(proposed) and proposed[-1].size <= left
    advice = f"with {words} it fits" if is_enough else "take a smaller model, or a machine with more memory"
    if "in all" in tight:
        raise BadInput(f"this run does not fit: {told}, and {there.where} has {memory(there.size)}; {advice}.")
    say(
        f"it fits as long as responses are about as long as gold ones; if all became as long as they may be, {told}, "
        f"and {there.where} has {memory(there.size)}: {advice}."
    )
