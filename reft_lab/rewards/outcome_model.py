"""The probability that a response is right, by an outcome model, as the reward."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reft_lab.errors import BadInput
from reft_lab.evaluation import outcome_model
from reft_lab.rewards.base import Judged, Reward

if TYPE_CHECKING:
    from reft_lab.policy.tokenizer import Codec

OPTION = "reward.reranker"


class OfModel(Reward):
    """P(right) of a response by the outcome model of a method=reranker run; the outcome is not looked at."""

    def __init__(self, path: str | None):
        """Raises:
        BadInput: there is no outcome model at `path`.
        """
        if path is None:
            raise BadInput(
                f"reward=outcome_model needs {OPTION}=RUN_DIR, the run directory of a finished method=reranker run."
            )
        outcome_model.find(path, OPTION)
        self.path = path
        self._model: outcome_model.OutcomeModel | None = None

    def load(self, codec: Codec, device: str, *, precision: str, fast_path: bool, tokens_per_micro_batch: int) -> None:
        self._model = outcome_model.load(
            self.path,
            OPTION,
            device=device,
            precision=precision,
            fast_path=fast_path,
            tokens_per_micro_batch=tokens_per_micro_batch,
        )
        self._model.check_tokenizer(codec.tokenizer)

    @property
    def held(self) -> int:
        return 0 if self._model is None else sum(weight.nbytes for weight in self._model.policy.parameters())

    def scores(self, batch: Judged) -> list[float]:
        assert self._model is not None
        found = self._model.scores(batch.prompts, batch.responses)
        if not all(map(math.isfinite, found)):  # bf16 overflowed, say
            raise FloatingPointError(f"the outcome model of {OPTION}={self.path} gave a reward that is not finite")
        return found
