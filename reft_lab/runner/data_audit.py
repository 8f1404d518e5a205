"""The data of an experiment as its run would see it, looked at before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from reft_lab.analysis.data_audit import DataAudit, Lengths, TooLong, alike, answers_of
from reft_lab.config.schema import Config
from reft_lab.methods import method_of
from reft_lab.programs import ProgramRunner
from reft_lab.runner.gold import changed_by
from reft_lab.runner.setup import reading


def audit_data(config: Config) -> DataAudit:
    """Load the data and the tokenizer of an experiment, and look at them. No weights are loaded.

    Raises:
        BadInput: the model's tokenizer or the data cannot be had.
    """
    with ProgramRunner(config.programs) as programs:
        splits, form, codec = reading(config, programs)
    prompts = [form.prompt(problem, "sft") for problem in splits.train]
    completions = [form.completion(problem, "sft") for problem in splits.train]
    prompt_ids, completion_ids = codec.prompts(prompts), codec.completions(prompts, completions)
    changed = changed_by(completions, codec.read(prompt_ids, completion_ids), config.cot)
    asked = {
        split: list(map(len, codec.prompts([form.prompt(problem, "rl") for problem in problems])))
        for split, problems in (("train", splits.train), ("dev", splits.dev), ("test", splits.test))
    }
    reasoning = list(map(len, completion_ids))
    total = [len(prompt) + length for prompt, length in zip(prompt_ids, reasoning, strict=True)]
    lengths = [Lengths(f"{split} prompts", each) for split, each in asked.items() if each]
    lengths += [Lengths("train reasoning", reasoning), Lengths("train, both", total)]
    duplicates, pairs = alike(splits)
    return DataAudit(
        config.data.name,
        config.model.path or config.model.name,
        splits.report.lines(),
        lengths,
        _too_long(config, asked["train"], reasoning, total),
        [f"{splits.train[place].source}: {completions[place]!r}" for place in changed],
        answers_of(splits),
        duplicates,
        pairs,
    )


def _too_long(config: Config, prompts: Sequence[int], reasoning: Sequence[int], total: Sequence[int]) -> list[TooLong]:
    """What of the training problems does not fit in the stages of the method."""
    done = "cut at their end" if config.cot.too_long == "cut" else "left out"
    found = []
    for kind in method_of(vars(config)).stages:
        section = getattr(config, kind.section)
        for what, name, each, becomes in (
            (f"examples of {kind.label}", "max_tokens", total, done),
            (f"prompts of {kind.label}", "max_prompt_tokens", prompts, done),
            (f"gold responses of {kind.label}", "max_new_tokens", reasoning, "longer than a response can be"),
        ):
            limit = getattr(section, name, None)
            if limit is not None:
                longer = sum(length > limit for length in each)
                found.append(TooLong(what, f"{kind.section}.{name}={limit}", longer, len(each), becomes))
    return found
