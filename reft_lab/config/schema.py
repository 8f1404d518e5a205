"""The whole experiment, typed. conf/ fills it in, `check` verifies it, and the runner uses it as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Optional

from reft_lab.answers.settings import AnswersConfig
from reft_lab.config.alarms import AlarmsConfig
from reft_lab.config.running import BudgetConfig, CheckpointConfig, TrackerConfig, TrainerConfig
from reft_lab.config.sweeps import StudyConfig, SweepsConfig
from reft_lab.cot.settings import CotConfig
from reft_lab.data.settings import DataConfig
from reft_lab.evaluation.settings import AuditConfig, DecodeConfig, EvalConfig, PoolConfig
from reft_lab.fields import STRICT, OneOf, doc
from reft_lab.methods import METHODS
from reft_lab.methods.settings import OfflineSTConfig, OnlineSTConfig, PPOConfig, RerankerConfig, SFTConfig
from reft_lab.policy.settings import ModelConfig
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.rewards.settings import RewardConfig


@dataclass
class Config:
    """One experiment."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("what the run is called, in its folder and in W&B", min_length=1)] = "run"
    seed: Annotated[int, doc("seed of everything random but the splits", ge=0)] = 0
    method: Annotated[
        str,
        doc(
            "reft: warm-up, then reinforcement as `ppo` says. sft: supervised fine-tuning alone. offline_st and "
            "online_st: warm-up, then self-training on right samples. reranker: warm-up, then an outcome model of its "
            "responses. evaluate: no training, model.path as it is (docs/methods.md)"
        ),
        OneOf(*METHODS),
    ] = "reft"
    label: Annotated[
        Optional[str], doc("what the method is called where people read of it; null: its own name", min_length=1)
    ] = None
    baseline: Annotated[
        Optional[str],
        doc("train this baseline beside the run and put it in the same table"),
        OneOf(*(method.name for method in METHODS.values() if method.is_baseline)),
    ] = None
    selection: Annotated[
        str,
        doc("split that picks the best checkpoint; test repeats the paper's protocol, and the result says so"),
        OneOf("dev", "test"),
    ] = "dev"
    resume: Annotated[
        Optional[str],
        doc(
            "command line only: go on with a run from its last checkpoint; its run directory, or auto for the newest "
            "unfinished run of the same experiment"
        ),
    ] = None
    preflight: Annotated[
        bool,
        doc(
            "command line only: run nothing, but say in a minute whether the run fits into memory, how long it would "
            "take and what its data look like (docs/preflight.md)"
        ),
    ] = False
    fork: Annotated[
        Optional[str],
        doc(
            "RUN_DIR or RUN_DIR@STEP: begin where that run stood, with its options but for those given "
            "(docs/forks.md). STEP: last, best, warmup, or the step of a full state that it keeps"
        ),
    ] = None
    debug: Annotated[
        Optional[str],
        doc("the file of conf/debug/ that made a trial of the run, whose accuracies mean nothing; null: none did"),
    ] = None
    overfit: Annotated[
        Optional[int],
        doc(
            "learn the first so many training problems by heart, which are then dev and test, too, and end with exit "
            "code 1 and the reason where that does not come (debug=overfit); null: train as usual",
            unit="problems",
            ge=1,
        ),
    ] = None
    model: Annotated[ModelConfig, doc("the base model")] = field(default_factory=ModelConfig)
    data: Annotated[DataConfig, doc("the questions")] = field(default_factory=DataConfig)
    cot: Annotated[CotConfig, doc("how reasoning is written")] = field(default_factory=CotConfig)
    answers: Annotated[AnswersConfig, doc("when an answer counts as right")] = field(default_factory=AnswersConfig)
    reward: Annotated[RewardConfig, doc("the terminal reward")] = field(default_factory=RewardConfig)
    programs: Annotated[ProgramsConfig, doc("the program sandbox")] = field(default_factory=ProgramsConfig)
    warmup: Annotated[SFTConfig, doc("stage 1 of method=reft")] = field(default_factory=SFTConfig)
    sft: Annotated[SFTConfig, doc("method=sft and baseline=sft")] = field(default_factory=lambda: SFTConfig(epochs=40))
    ppo: Annotated[PPOConfig, doc("stage 2 of method=reft: reinforcement")] = field(default_factory=PPOConfig)
    offline_st: Annotated[OfflineSTConfig, doc("stage 2 of method=offline_st: training from the base model")] = field(
        default_factory=OfflineSTConfig
    )
    online_st: Annotated[OnlineSTConfig, doc("stage 2 of method=online_st")] = field(default_factory=OnlineSTConfig)
    reranker: Annotated[RerankerConfig, doc("method=reranker: the outcome model")] = field(
        default_factory=RerankerConfig
    )
    budget: Annotated[BudgetConfig, doc("what training may take in all")] = field(default_factory=BudgetConfig)
    eval: Annotated[EvalConfig, doc("evaluation")] = field(default_factory=EvalConfig)
    decode: Annotated[DecodeConfig, doc("answers from several samples of each test problem")] = field(
        default_factory=DecodeConfig
    )
    pool: Annotated[PoolConfig, doc("sampled responses that are kept on disk")] = field(default_factory=PoolConfig)
    audit: Annotated[AuditConfig, doc("audits of what training leans on")] = field(default_factory=AuditConfig)
    alarms: Annotated[AlarmsConfig, doc("alarms while ReFT trains (docs/alarms.md)")] = field(
        default_factory=AlarmsConfig
    )
    trainer: Annotated[TrainerConfig, doc("device, precision, threads")] = field(default_factory=TrainerConfig)
    tracker: Annotated[TrackerConfig, doc("what is recorded")] = field(default_factory=TrackerConfig)
    checkpoint: Annotated[CheckpointConfig, doc("what is saved")] = field(default_factory=CheckpointConfig)
    study: Annotated[StudyConfig, doc("the study that the run is a trial of")] = field(default_factory=StudyConfig)


@dataclass
class BaseConfig(Config):
    """What conf/ and sweeps/ compose to: the experiment, and with -m sweeps=NAME the study that varies it."""

    sweeps: Optional[SweepsConfig] = None
