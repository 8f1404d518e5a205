"""Models that other runs have made: a policy that is evaluated as it is given, and an outcome model that reranks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.config.wording import shown
from reft_lab.cot import Prompts
from reft_lab.errors import BadInput
from reft_lab.evaluation import outcome_model
from reft_lab.methods import METHODS
from reft_lab.policy import loading, saving
from reft_lab.policy.settings import ModelConfig
from reft_lab.policy.tokenizer import Codec
from reft_lab.run_dir.given import given_run
from reft_lab.text import leaves

# What decides how a policy is asked, and how its answers are read.
ASKED_BY = ("cot.", "answers.")


@dataclass(frozen=True)
class Given:
    """A policy that was given.

    Attributes:
        prompts: the kind of prompts that it knows.
        when: which policy of its run it is: `iteration 40`.
        notes: sentences for the user.
        result: what result.json says of it; None where nothing was given.
    """

    prompts: Prompts = "rl"
    when: str = "as given"
    notes: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None


def given_of(config: Config) -> Given:
    """What is known of the policy that a method without training evaluates.

    Raises:
        BadInput: it is no policy.
    """
    if METHODS[config.method].trains or config.model.path is None:
        return Given()
    known = saving.facts(Path(config.model.path).expanduser())
    if known.get("stage") == outcome_model.RERANKER:
        raise BadInput(
            f"model.path={config.model.path} is an outcome model, which answers nothing itself; name a policy there, "
            f"and this one as {outcome_model.OPTION}=RUN_DIR with decode=rerank."
        )
    trained = known.get("prompts")
    prompts: Prompts = "sft" if (config.eval.prompts or trained) == "sft" else "rl"
    run = given_run(config.model.path)
    notes = []
    if run is not None:
        asked = dict(leaves(asdict(config)))
        apart = [
            f"{key} was {shown(run.options[key])} and is {shown(value)}"
            for key, value in asked.items()
            if key.startswith(ASKED_BY) and run.options.get(key, value) != value
        ]
        if trained not in (None, prompts):
            apart.append(f"its prompts were those of {trained} and are those of {prompts}")
        if apart:
            notes.append(f"the policy is not asked as in the run {run.directory}: {'; '.join(apart)}.")
    result = {
        "path": config.model.path,
        "run": None if run is None else str(run.directory),
        "name": None if run is None else run.options.get("name"),
        "method": None if run is None else run.options.get("label") or run.options.get("method"),
        "seed": None if run is None else run.options.get("seed"),
        "chosen": known.get("when"),
        "prompts": prompts,
    }
    return Given(prompts, known.get("when") or "as given", notes, result)


def check_reranker(config: Config, codec: Codec) -> None:
    """Read no weights, so that what is wrong with decode.reranker is said before anything is trained.

    Raises:
        BadInput: there is no outcome model, or it reads other tokens than the policy writes.
    """
    if not config.decode.rerank:
        return
    assert config.decode.reranker is not None
    folder = outcome_model.find(config.decode.reranker, outcome_model.OPTION)
    tokenizer = loading.load_tokenizer(ModelConfig(path=str(folder)), ())
    outcome_model.check_same_tokens(tokenizer, codec.tokenizer, f"{outcome_model.OPTION}={config.decode.reranker}")
