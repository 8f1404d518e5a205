"""Everything an experiment needs before its first training step, made from the config."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.answers.outcome import Outcome
from reft_lab.config.running import AUTO, BATCHES, FSDP, TrainerConfig
from reft_lab.config.schema import Config
from reft_lab.cot import CotFormat, Prompts, make_format, task
from reft_lab.data import Problem, Splits, load
from reft_lab.errors import LOADING, BadInput, OutOfMemory, phase
from reft_lab.evaluation.asking import Lengths
from reft_lab.memory.heap import keep_freed_memory
from reft_lab.methods import method_of
from reft_lab.methods.base import Method
from reft_lab.methods.sft import WARMUP
from reft_lab.methods.stages import eight_bit
from reft_lab.methods.stages.asking import Asking
from reft_lab.methods.stages.supervised import Example
from reft_lab.policy import loading
from reft_lab.policy.chat import chat_of
from reft_lab.policy.tokenizer import Codec
from reft_lab.programs import ProgramRunner
from reft_lab.randomness import torch_seed
from reft_lab.ranks import ALONE, Ranks
from reft_lab.rewards import Reward, choose, scoring
from reft_lab.runner.failure import too_large
from reft_lab.runner.given import Given, check_reranker, given_of
from reft_lab.runner.gold import encode_gold
from reft_lab.text import counted

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy

SMALL = 5_000_000  # weights; the settings of model=tiny are for fewer
CHANGED = "whose reasoning the tokenizer does not give back as it was written"


@dataclass(frozen=True)
class Setup:
    """What the stages work with.

    Attributes:
        config: the experiment, in the precision that was chosen where it leaves that open.
        form: how prompts are written and answers read.
        codec: text to ids and back.
        gold: prompt and gold reasoning of each training problem, as ids.
        policy: the policy before any training.
        reward: the terminal reward.
        notes: sentences for the user on how questions are put and on what was left out.
        given: where the policy comes from, for a method that trains nothing.
        computing: a sentence on how it computes, where that was measured.
        ranks: the processes that share the work.
    """

    config: Config
    device: str
    splits: Splits
    form: CotFormat
    codec: Codec
    gold: list[Example]
    policy: Policy
    reward: Reward
    notes: list[str]
    given: Given = field(default_factory=Given)
    computing: str | None = None
    ranks: Ranks = ALONE

    @property
    def method(self) -> Method:
        """What trains the policy, under the run's own label."""
        return method_of(vars(self.config))

    def examples(self, max_tokens: int) -> list[Example]:
        """Prompt and gold reasoning of the training problems that fit, as ids.

        Raises:
            BadInput: none of them fits in `max_tokens`.
        """
        return self.solved(max_tokens)[1]

    def solved(self, max_tokens: int) -> tuple[list[Problem], list[Example]]:
        """The training problems that fit with their gold reasoning, and these examples; raises as `examples`."""
        limit, reason = self._limit(max_tokens, "max_tokens", 0)
        pairs = self.gold
        if self._cuts:
            self._note("cut", sum(len(example) > limit for example in pairs), f"examples longer than {reason}")
            pairs = [Example(e.prompt, e.completion[: max(0, limit - len(e.prompt))]) for e in pairs]
        fits = [i for i, example in enumerate(pairs) if len(example) <= limit and example.completion]
        what = "prompts that alone are" if self._cuts else "examples"
        self._note("left out", len(pairs) - len(fits), f"{what} longer than {reason}")
        if not fits:
            shortest = min(len(e) for e in self.gold)
            raise BadInput(
                f"every training example is longer than {reason} (the shortest has {shortest} tokens); raise "
                "warmup.max_tokens and sft.max_tokens, or take a model with more positions."
            )
        return [self.splits.train[i] for i in fits], [pairs[i] for i in fits]

    def gold_reasoning(self, problems: Sequence[Problem]) -> list[list[int]]:
        """Ids of the gold reasoning that follows the prompts of `questions`, for some of these problems."""
        prompts = [self.form.prompt(problem, "rl") for problem in problems]
        return self.codec.completions(prompts, [self.form.completion(problem, "rl") for problem in problems])

    def questions(self) -> tuple[list[Problem], list[list[int]]]:
        """The training problems whose prompt fits, and those prompts as ids.

        Raises:
            BadInput: no prompt fits in ppo.max_prompt_tokens.
        """
        ppo = self.config.ppo
        reserved = ppo.max_new_tokens if ppo.total_tokens is None else 1
        limit, reason = self._limit(ppo.max_prompt_tokens, "ppo.max_prompt_tokens", reserved)
        problems = self.splits.train
        prompts = self.codec.prompts([self.form.prompt(p, "rl") for p in problems])
        if self._cuts and limit > 0:
            self._note("cut", sum(len(prompt) > limit for prompt in prompts), f"prompts longer than {reason}")
            prompts = [prompt[:limit] for prompt in prompts]
        fits = [i for i, prompt in enumerate(prompts) if len(prompt) <= limit]
        self._note("left out", len(prompts) - len(fits), f"prompts longer than {reason}")
        if not fits:
            shortest = min(len(p) for p in prompts)
            raise BadInput(
                f"every prompt is longer than {reason} (the shortest has {shortest} tokens); raise "
                "ppo.max_prompt_tokens, lower ppo.max_new_tokens, or take a model with more positions."
            )
        return [problems[i] for i in fits], [prompts[i] for i in fits]

    def asking(self, problems: Sequence[Problem], prompts: Sequence[list[int]]) -> Asking:
        """How these problems are put to a policy by these prompts, judged and rewarded."""

        def judge(questions: Sequence[int], responses: Sequence[Sequence[int]]) -> list[Outcome]:
            texts = self.codec.read([prompts[q] for q in questions], responses)
            return self.form.judge([problems[q] for q in questions], texts)

        return Asking(
            prompts,
            [problem.id for problem in problems],
            judge,
            scoring(self.reward, problems, prompts, self.codec.read),
            self.config.ppo,
            seed=self.config.seed,
            eos_id=self.codec.end_ids,
            pad_id=self.codec.pad_id,
            decode_batch=self.config.trainer.decode_batch,
        )

    def lengths(self, prompts: Prompts) -> Lengths:
        """Length caps under which a policy is asked with prompts of this kind, outside of its training."""
        config = self.config
        return Lengths(
            max_new_tokens=config.eval.max_new_tokens or config.ppo.max_new_tokens,
            total_tokens=config.ppo.total_tokens if prompts == "rl" else config.eval.sft_total_tokens,
            cut_prompts_at=self._longest_prompt(prompts) if self._cuts else None,
        )

    def _longest_prompt(self, prompts: Prompts) -> int:
        if prompts == "rl":
            return self.config.ppo.max_prompt_tokens
        first = next((kind for kind in self.method.stages if kind.is_trained and kind.prompts == prompts), WARMUP)
        return int(getattr(self.config, first.section).max_tokens)

    @property
    def _cuts(self) -> bool:
        return self.config.cot.too_long == "cut"

    def _limit(self, configured: int, name: str, reserved: int) -> tuple[int, str]:
        """The longest sequence that fits the config and, with `reserved` tokens to come, the model; and which it is."""
        room = self.policy.positions
        if room is None or room - reserved >= configured:
            return configured, f"{name}={configured}"
        spared = f" less {reserved} for the response" if reserved else ""
        return room - reserved, f"the model's {room} positions{spared}"

    def _note(self, done: str, count: int, what: str) -> None:
        sentence = f"{done} {count} of {len(self.splits.train)} training problems: {what}."
        if count and sentence not in self.notes:
            self.notes.append(sentence)


def prepare(
    config: Config,
    programs: ProgramRunner,
    threads: int | None = None,
    tokenizer_of: Path | None = None,
    ranks: Ranks = ALONE,
) -> Setup:
    """Load data and model. What can fail on the user's input fails here, the cheap checks first.

    Args:
        config: the experiment.
        programs: runs the programs of gold reasoning.
        threads: the CPU threads, where the config leaves them open and an earlier part of the run has chosen them.
        tokenizer_of: a folder whose tokenizer a model made from scratch has, rather than one made for these data.
        ranks: the processes that share the work; each loads for itself.

    Raises:
        BadInput: the reward, the model, the data or the device cannot be had.
        RunFailed: the model does not fit into memory.
    """
    reward = choose(config.reward)
    given = given_of(config)
    device = choose_device(config, ranks)
    if config.trainer.optimizer == eight_bit.NAME:
        eight_bit.try_on(device)
    splits, form, codec = reading(config, programs, tokenizer_of)
    if codec.chat is not None:
        end = codec.tokenizer.convert_ids_to_tokens(codec.eos_id)
        given.notes.append(f"questions are put in the model's chat template, where {end} ends a response.")
    check_reranker(config, codec)
    gold = encode_gold(splits.train, form, codec, config.cot)
    if gold.left_out:
        splits = replace(splits, train=gold.problems, report=splits.report.leaving_out(gold.left_out, CHANGED))

    examples = gold.examples
    if config.overfit is not None:
        splits, examples = splits.by_heart(config.overfit), examples[: config.overfit]

    import scipy.stats  # noqa: F401  # intervals take it later; a run that has run short of memory could not load it
    import torch

    from reft_lab.policy.model import Policy
    from reft_lab.runner.arithmetic import arithmetic

    try:
        with phase(LOADING):
            lm = loading.load_model(config.model, codec.tokenizer, config.seed, codec.end_ids)
            policy = Policy(
                lm,
                critic=method_of(vars(config)).has_critic(config),
                value_grad_to_trunk=config.ppo.value_grad_to_trunk,
                value_seed=torch_seed(config.seed, "value head") if config.ppo.value_init == "random" else None,
                fast_path=config.trainer.fast_path,
                ranks=ranks,
            ).to(device)
            found = arithmetic(policy, config.trainer, threads)  # by all at once, as they will compute
            chosen = ranks.agreed(lambda: found)
            policy.precision = chosen.precision
    except OutOfMemory as error:
        raise too_large(error) from error
    config = replace(config, trainer=replace(config.trainer, precision=chosen.precision))
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    if ranks.size > 1:
        ranks.keeps_order = _keeps_order(config.trainer, policy)
    reward.load(
        codec,
        device,
        precision=chosen.precision,
        fast_path=config.trainer.fast_path,
        tokens_per_micro_batch=config.trainer.tokens_per_micro_batch,
    )
    notes, note = [*given.notes, *_of_another_size(config, policy)], chosen.note
    return Setup(
        config, device, splits, form, codec, examples, policy, reward, notes, given, computing=note, ranks=ranks
    )


def _keeps_order(trainer: TrainerConfig, policy: Policy) -> bool:
    """Whether processes share whole batches: a small model's gradients cost next to nothing to tell each other."""
    if trainer.strategy == FSDP or trainer.deal != AUTO:
        return trainer.deal == BATCHES
    return sum(parameter.numel() for parameter in policy.trained_parameters()) < SMALL


def _of_another_size(config: Config, policy: Policy) -> list[str]:
    """A sentence where a model that was trained before gets what is made for a tiny one with random weights."""
    weights = sum(parameter.numel() for parameter in policy.lm.parameters())
    if config.model.path is None or config.model.name != "tiny" or not method_of(vars(config)).trains:
        return []
    if weights < SMALL:
        return []
    return [
        f"{config.model.path} has {weights / 1e6:,.0f} million weights and is trained with the settings of model=tiny, "
        f"which are for random ones (warmup.lr={config.warmup.lr:g}); model=NAME with a model near it in size has "
        "others (docs/models.md)."
    ]


def reading(
    config: Config, programs: ProgramRunner, tokenizer_of: Path | None = None
) -> tuple[Splits, CotFormat, Codec]:
    """The problems, how they are put and answered as text, and that text as tokens. No weights are loaded.

    Args:
        tokenizer_of: a folder with the tokenizer to take where it is to be made on the spot and would be another one.

    Raises:
        BadInput: the model's tokenizer or the data cannot be had, or the tokenizer has no chat template that fits.
    """
    loading.check_source(config.model)
    if config.cot.prompt == "plain":
        splits = load(config.data, config.cot.name, programs)
        form = make_format(config.cot, config.answers, programs)
        tokenizer = loading.load_tokenizer(config.model, training_texts(splits.train, form))
        if config.model.path is None and tokenizer_of is not None:
            kept = loading.load_tokenizer(replace(config.model, path=str(tokenizer_of)), ())
            tokenizer = tokenizer if tokenizer.get_vocab() == kept.get_vocab() else kept
        ends, chat = loading.end_ids(config.model, tokenizer), None
    else:  # whose template says how questions are put
        tokenizer = loading.load_tokenizer(config.model, ())
        made = chat_of(tokenizer, str(config.model.path), system=config.cot.system, task=task(config.cot))
        ends, chat = (made.end_id, *loading.end_ids(config.model, tokenizer)), made.frame
        loading.check_ids(config.model, [*ends, *Codec(tokenizer, chat=chat).prompts([chat.prompt("")])[0]])
        splits = load(config.data, config.cot.name, programs)
        form = make_format(config.cot, config.answers, programs, chat)
    begin = config.cot.begin_of_sequence
    return splits, form, Codec(tokenizer, begin_of_sequence=begin, end_ids=tuple(dict.fromkeys(ends)), chat=chat)


def choose_device(config: Config, ranks: Ranks = ALONE) -> str:
    """The torch device that config.trainer.device stands for; sets the number of CPU threads on the way.

    Raises:
        BadInput: a device was asked for that is not there, or fewer GPUs than processes are.
    """
    # Some virtual machines offer AMX instructions that they do not let through; bf16 on a CPU would end in SIGILL.
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    # oneDNN keeps what it has compiled for every size of a micro-batch, at megabytes each; no two are of one size.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    # Micro-batches of many sizes would leave holes in a GPU's memory that nothing fits in.
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    import torch

    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    asked = config.trainer.device
    if asked == "auto":
        asked = "cuda" if available["cuda"] else "cpu"
    if not available[asked]:
        raise BadInput(f"trainer.device={asked} is not available on this machine; use trainer.device=auto.")
    if ranks.size > 1 and asked != "cpu":
        gpu = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid) if asked == "cuda" else asked
        if (gpus := len(set(ranks.gather((platform.node(), gpu))))) < ranks.size:
            raise BadInput(
                f"each of trainer.devices={ranks.size} processes needs a GPU of its own, and they see "
                f"{counted(gpus, 'GPU')}; ask for as many, or share the CPU's cores with trainer.device=cpu."
            )
    if asked == "cpu":
        keep_freed_memory()
    return asked


def training_texts(problems: Sequence[Problem], form: CotFormat) -> list[str]:
    texts: list[str] = []
    for problem in problems:
        texts += {form.prompt(problem, "sft"), form.prompt(problem, "rl")}
        texts.append(form.completion(problem, "sft"))
    return texts
