"""Pools of a small policy with random weights, whose answers are the lengths of its responses."""

from __future__ import annotations

from pathlib import Path

from reft_lab.config.running import TrainerConfig
from reft_lab.config.schema import Config
from reft_lab.data import Problem, Splits
from reft_lab.data.report import DataReport
from reft_lab.evaluation.samples import Sample
from reft_lab.evaluation.settings import DecodeConfig, EvalConfig, PoolConfig
from reft_lab.methods.settings import PPOConfig
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec
from reft_lab.rewards import partial
from reft_lab.runner.interruption import Interruption
from reft_lab.runner.pool import SAMPLES, Pools
from reft_lab.runner.progress import Progress
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Silence
from tests.evaluation.forms import LengthForm
from tests.small_models import make_model, make_tokenizer

PROBLEMS = [
    Problem(id=f"q{i}", question="How many? " * (1 + i % 5) + str(i), answer="9", cot=None, source="here")
    for i in range(12)
]


def make_codec() -> Codec:
    texts = [problem.question for problem in PROBLEMS]
    return Codec(make_tokenizer(texts, 300, ["<pad>", "<eos>"], pad_token="<pad>", eos_token="<eos>"))


def make_policy(codec: Codec, seed: int = 0, *, critic: bool = False) -> Policy:
    return Policy(make_model("llama", len(codec.tokenizer), seed), critic=critic)


class Lot:
    """The pools in one folder."""

    def __init__(self, codec: Codec, policy: Policy, home: Path):
        self.codec, self.policy, self.home = codec, policy, home

    def setup(self, batch: int = 8, seed: int = 0, decode: DecodeConfig | None = None, **pool: float) -> Setup:
        config = Config(
            seed=seed,
            pool=PoolConfig(folder=str(self.home), **pool),
            decode=decode or DecodeConfig(),
            eval=EvalConfig(max_new_tokens=12),
            ppo=PPOConfig(max_prompt_tokens=300),
            trainer=TrainerConfig(decode_batch=batch),
        )
        splits = Splits(PROBLEMS, [], [], DataReport("here", {}, 8))
        return Setup(config, "cpu", splits, LengthForm(), self.codec, [], self.policy, partial, [])

    def samples(self, count: int, problems=PROBLEMS, policy=None, stop=None, **settings) -> list[list[Sample]]:
        return self.pools(self.setup(**settings), stop).samples(
            policy or self.policy, problems, count, prompts="rl", title="sampling"
        )

    @property
    def files(self) -> list[Path]:
        return sorted(self.home.glob(f"*/{SAMPLES}"))

    def pools(self, setup: Setup, stop: Interruption | None = None) -> Pools:
        return Pools(setup, Progress(), Silence(), stop or Interruption(lambda text: None), self.home)
