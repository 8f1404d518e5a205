"""How reasoning is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.errors import BadInput
from reft_lab.fields import STRICT, OneOf, doc


@dataclass
class CotConfig:
    """How reasoning is written: natural language or a program."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("natural language (N-CoT) or a Python program (P-CoT)"), OneOf("natural", "program")] = (
        "program"
    )
    prompt: Annotated[
        str,
        doc(
            "how a question is put: plain, as in the paper's scripts, or chat, in the tokenizer's own chat template, "
            "whose end of turn then ends a response (docs/models.md)"
        ),
        OneOf("plain", "chat"),
    ] = "plain"
    system: Annotated[Optional[str], doc("chat: the system message; null: what the template puts there by itself")] = (
        None
    )
    number_slots: Annotated[
        bool,
        doc("programs: write the question's numbers as x0, x1, ... with their values in the program's signature"),
    ] = False
    sft_trigger: Annotated[
        bool, doc("programs: the SFT prompt ends with `def solution():` and the question as its docstring")
    ] = True
    rl_trigger: Annotated[
        bool, doc("programs: the RL prompt ends with `def solution():` and the question as its docstring")
    ] = True
    cut_at_blank_line: Annotated[bool, doc("programs: cut at the first blank line, as the released code does")] = False
    begin_of_sequence: Annotated[
        bool,
        doc(
            "prompts begin with the tokenizer's begin-of-sequence token, where it adds one; a chat template keeps its "
            "own, and none stands twice"
        ),
    ] = True
    round_trip: Annotated[
        str,
        doc(
            "gold reasoning that the tokenizer does not reproduce exactly: exact stops the run, blanks accepts it if "
            "only blanks differ (natural language only), drop leaves the problem out"
        ),
        OneOf("exact", "blanks", "drop"),
    ] = "exact"
    too_long: Annotated[
        str,
        doc(
            "training examples longer than max_tokens and prompts longer than ppo.max_prompt_tokens are left out and "
            "counted (leave_out), or cut at their end, prompts in evaluation too (cut: a prompt may lose its trigger)"
        ),
        OneOf("leave_out", "cut"),
    ] = "leave_out"

    def check(self) -> None:
        """Check rules that concern several options.

        Raises:
            BadInput: two options do not go together.
        """
        if self.number_slots and self.name != "program":
            raise BadInput(f"cot.number_slots=true goes with cot=program only, and this is cot={self.name}.")
        if self.system is not None and self.prompt != "chat":
            raise BadInput(f"cot.system goes with cot.prompt=chat only, and this is cot.prompt={self.prompt}.")
        if self.round_trip == "blanks" and self.name == "program":
            raise BadInput(
                "cot.round_trip=blanks goes with cot=natural only, since blanks have a meaning in programs; "
                "cot.round_trip=drop leaves out what does not survive."
            )
