"""Chats: what a tokenizer's own template writes around a question, and the token that ends an answer in it.

Both are read off the template itself, by what it makes of a question without and with an answer. So it may be any
template, as long as it puts both there as they are written and the same around each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reft_lab.cot.format import Frame
from reft_lab.errors import BadInput, first_sentence, foreign_errors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Questions and answers that a template is tried with: prose and a program, of one line and of several.
TRIED = (
    (
        "Tom has 3 pens and 4 cups. How many things does he have in total?",
        "Tom has 3 + 4 = 7 things.\n\nTherefore, the answer is: 7",
    ),
    (
        "What is 20% of $1,250?\na) 25 b) 250 c) 500",
        'def solution():\n    """What is 20% of {it}?"""\n    share = 20 / 100\n    return 1250 * share',
    ),
)
# Templates may print the day of the run, which would then be another experiment tomorrow. This is the day that Llama
# 3's falls back to.
DAY = datetime(2024, 7, 26)
DIRECTIVES = ("%A", "%a", "%B", "%b", "%d", "%-d", "%e", "%m", "%-m", "%Y", "%y", "%F", "%H", "%I", "%M", "%S", "%p")


@dataclass(frozen=True)
class Chat:
    """How a question is put to a model that chats.

    Attributes:
        frame: what stands around the question.
        end_id: the token that ends an answer.
    """

    frame: Frame
    end_id: int


def chat_of(tokenizer: PreTrainedTokenizerBase, source: str, *, system: str | None, task: str) -> Chat:
    """The chat of a tokenizer's template in which the user asks one question and the assistant answers.

    A prompt is all that the template writes up to the answer: what it adds to ask for one, and what it then puts before
    it, such as an empty block of thoughts. Templates that know `enable_thinking` get false, since gold reasoning is the
    answer itself.

    Args:
        tokenizer: with an end-of-sequence token.
        source: what the user calls the model.
        system: the system message; None leaves it to the template.
        task: what the user asks for, below the question.

    Raises:
        BadInput: there is no template, or it fails, or does not fit.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput(
            f"the tokenizer of {source} has no chat template, so its questions cannot be put as a chat; take an "
            "instruct model, or leave out cot.prompt=chat."
        )
    chats = {_chat(tokenizer, source, system, task, question, answer) for question, answer in TRIED}
    if len(chats) > 1:
        raise _does_not_fit(source, "write the same around every question and answer")
    return chats.pop()


def _chat(
    tokenizer: PreTrainedTokenizerBase, source: str, system: str | None, task: str, question: str, answer: str
) -> Chat:
    said = [] if system is None else [{"role": "system", "content": system}]
    said.append({"role": "user", "content": f"{question}\n\n{task}"})
    way_out = "leave out cot.prompt=chat" if system is None else "leave out cot.system or cot.prompt=chat"
    with foreign_errors(
        lambda error: f"the chat template of {source} cannot be used ({first_sentence(error)}); {way_out}."
    ):
        asked = _rendered(tokenizer, said, add_generation_prompt=True)
        answered = _rendered(tokenizer, [*said, {"role": "assistant", "content": answer}], add_generation_prompt=False)
    if asked.count(question) != 1:
        raise _does_not_fit(source, "put a question there once and as it is written")
    if not answered.startswith(asked):
        raise _does_not_fit(source, "begin an answered question with the prompt")
    between, found, after = answered[len(asked) :].partition(answer)
    if not found:
        raise _does_not_fit(source, "put an answer there as it is written")
    before, _, rest = asked.partition(question)
    fixed = between.rstrip(" ")
    return Chat(Frame(before, rest + fixed, between[len(fixed) :]), _end(tokenizer, source, after))


def _rendered(tokenizer: PreTrainedTokenizerBase, said: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
    options: dict[str, Any] = {"enable_thinking": False}
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        options["chat_template"] = f"{_fixed_day()}\n{template}"  # the line end after a tag is the tag's
    text: Any = tokenizer.apply_chat_template(
        said, tokenize=False, add_generation_prompt=add_generation_prompt, **options
    )
    return str(text)


def _fixed_day() -> str:
    """A macro in the place of the function by which templates ask for the time; no function can be handed to them."""
    filled = " | ".join(["form", *(f"replace('{each}', '{DAY.strftime(each)}')" for each in DIRECTIVES)])
    return f"{{% macro strftime_now(form) %}}{{{{ {filled} }}}}{{% endmacro %}}"


def _end(tokenizer: PreTrainedTokenizerBase, source: str, after: str) -> int:
    """The token that ends an answer by what a template writes after it; end-of-sequence where that is nothing."""
    special = {token.content: id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    special[str(tokenizer.eos_token)] = int(tokenizer.eos_token_id)
    text = after.lstrip()
    if not text:
        return special[str(tokenizer.eos_token)]
    names = [name for name in special if text.startswith(name)]
    if not names:
        raise BadInput(
            f"the chat template of {source} ends an answer with {text[:30]!r}, which is no special token of its "
            "tokenizer, so an end could not be told from text; leave out cot.prompt=chat."
        )
    return special[max(names, key=len)]


def _does_not_fit(source: str, what: str) -> BadInput:
    return BadInput(
        f"the chat template of {source} does not {what}, so a policy cannot be trained on gold reasoning in it; leave "
        "out cot.prompt=chat."
    )
