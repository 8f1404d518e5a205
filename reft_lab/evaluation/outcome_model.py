"""The outcome model of a method=reranker run: how likely it is that a response is right (paper, section 4, reranking).

It is a policy's trunk with a value head that reads the state after the last token of a response; the sigmoid of that is
P(right), an outcome-supervised reward model as of Cobbe et al. (2110.14168).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reft_lab.errors import LOADING, BadInput, Missing, phase
from reft_lab.ranks import ALONE, Ranks
from reft_lab.text import not_there

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from reft_lab.policy.model import Policy
    from reft_lab.policy.packing import Packed, Sequences

RERANKER = "reranker"  # the stage that makes one, as evaluation.json names it
OPTION = "decode.reranker"  # what names the one that reranks
Ids = Sequence[int]


def find(path: str | Path, option: str) -> Path:
    """The folder of the outcome model at `path`: itself, or the best checkpoint of the run directory that it is.

    Reads no weights, so that what is wrong is said before anything is loaded.

    Args:
        option: what gave the path, for the sentence.

    Raises:
        Missing: there is none.
    """
    given = Path(path).expanduser()
    best = given / "checkpoints" / "best"
    folder = best if best.is_dir() else given
    to_do = "give the run directory of a finished method=reranker run, or its checkpoints/best."
    if not folder.is_dir():
        raise Missing(not_there(option, path).rstrip("."), to_do)
    from reft_lab.policy.saving import facts

    if facts(folder).get("stage") != RERANKER:
        raise Missing(f"{option}={path} is no outcome model", to_do)
    return folder


def load(
    path: str | Path,
    option: str,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    fast_path: bool = True,
    tokens_per_micro_batch: int = 8192,
    ranks: Ranks = ALONE,
) -> OutcomeModel:
    """The outcome model at `path`, frozen.

    Args:
        path, option: as for `find`.
        device: where it computes.
        precision: fp32 or bf16.
        fast_path: as for `Policy`.
        tokens_per_micro_batch: token budget of one forward pass.
        ranks: the processes that share what it is asked.

    Raises:
        BadInput: there is none, or it cannot be loaded.
    """
    from reft_lab.policy import loading, saving
    from reft_lab.policy.model import Policy
    from reft_lab.policy.settings import ModelConfig

    folder = find(path, option)
    source = ModelConfig(path=str(folder.absolute()))
    tokenizer = loading.load_tokenizer(source, ())
    with phase(LOADING):
        lm = loading.load_model(source, tokenizer, 0)
        policy = Policy(lm, precision=precision, fast_path=fast_path, ranks=ranks)
        saving.load_values(policy, folder)
        policy = policy.to(device).requires_grad_(False).eval()
    return OutcomeModel(policy, tokenizer, tokens_per_micro_batch, f"{option}={path}")


class OutcomeModel:
    """P(right) of responses.

    Attributes:
        policy: trunk and value head.
        tokenizer: what its ids mean.
    """

    def __init__(self, policy: Policy, tokenizer: PreTrainedTokenizerBase, tokens_per_micro_batch: int, origin: str):
        """`origin` is where it came from, for sentences."""
        self.policy = policy
        self.tokenizer = tokenizer
        self._budget = tokens_per_micro_batch
        self._origin = origin

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raise BadInput where ids of `tokenizer`, the policy's, mean something else to the model."""
        check_same_tokens(self.tokenizer, tokenizer, self._origin)

    def scores(
        self,
        prompts: Sequence[Ids],
        responses: Sequence[Ids],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[float]:
        """P(right) of each response.

        Args:
            prompts: ids of what was asked.
            responses: ids of what was answered, with the end-of-sequence token where there is one.
            on_progress: called with the number of responses done so far.
        """
        return probabilities(self.policy, prompts, responses, self._budget, on_progress)


def check_same_tokens(ours: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase, origin: str) -> None:
    """Raise BadInput where ids of the tokenizer `other`, the policy's, mean something else to the model of `origin`."""
    if ours.get_vocab() != other.get_vocab():
        raise BadInput(
            f"the outcome model of {origin} reads other tokens than the policy writes, because their tokenizers "
            "differ; train it from the same model on the same data (method=reranker)."
        )


def probabilities(
    policy: Policy,
    prompts: Sequence[Ids],
    responses: Sequence[Ids],
    tokens_per_micro_batch: int,
    on_progress: Callable[[int], None] | None = None,
) -> list[float]:
    """P(right) of each response by the trunk and value head of `policy`, in evaluation mode, without gradients.

    The policy's ranks share the responses.
    """
    import torch

    from reft_lab.policy.packing import own_micro_batches

    if not prompts:
        return []
    policy.eval()
    sequences = whole_sequences(policy, prompts, responses)
    found: dict[int, float] = {}
    groups = own_micro_batches(policy.ranks, sequences.lengths.tolist(), tokens_per_micro_batch)
    own, done = sum(map(len, groups.values())), 0
    shortest = int(sequences.lengths.argmin())
    with torch.no_grad():
        for number, chosen in policy.in_step(groups, shortest):
            logits = outcome_logits(policy, sequences.packed(chosen, policy.device))
            if number is None:
                continue
            # In double precision: in single, the sigmoid of two good responses is 1 for both.
            for i, probability in zip(chosen, logits.double().sigmoid().tolist(), strict=True):
                found[i] = probability
            done += len(chosen)
            if on_progress is not None:
                on_progress(round(done / own * len(sequences)))
    found = policy.ranks.merge(found)
    return [found[i] for i in range(len(sequences))]


def whole_sequences(policy: Policy, prompts: Sequence[Ids], responses: Sequence[Ids]) -> Sequences:
    """Prompts and responses as the model reads them: to the last token, whose state is asked for.

    Of a sequence longer than the model's positions, the end is read.
    """
    from reft_lab.policy.packing import Sequences

    room = policy.positions or 0
    whole = [[*prompt, *response][-room:] for prompt, response in zip(prompts, responses, strict=True)]
    # Whatever would be predicted next is never looked at, so any token stands for it.
    return Sequences(whole, [[0]] * len(whole), pad_id=0)


def outcome_logits(policy: Policy, batch: Packed) -> Tensor:
    """The value head after the last token of each of `whole_sequences`, in the order of the batch (B,)."""
    return policy.in_one_pass(lambda: policy.values(policy.response_states(batch)))
