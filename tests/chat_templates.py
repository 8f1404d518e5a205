"""Chat templates of the kinds that models come with, and tokenizers that have their special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.small_models import make_tokenizer

TEXTS = ("def solution():\n    pens = 3\n    return pens\n", "There are 3 pens. Therefore, the answer is: 3") * 4

TURN = "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
OPENED = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

# As SmolLM2's and Qwen2.5's: a system message of its own where none is given.
CHATML = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    f"{{% for message in messages %}}{TURN}{{% endfor %}}{OPENED}"
)
# As Qwen3's: an empty block of thoughts before the last answer, which the prompt has where thinking is switched off.
THINKING = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if loop.last and message['role'] == 'assistant' %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    f"{OPENED}"
    "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
# As Llama 3.2's: begin of sequence, the day of the run, blanks around what is said stripped.
DATED = (
    "{{ bos_token }}\n"
    "  {%- set day = date_string if date_string is defined else strftime_now('%d %b %Y') %}\n"
    "{{ '<|head|>system<|/head|>\n\nToday Date: ' + day + '<|eot_id|>' }}\n"
    "  {%- for message in messages %}"
    "{{ '<|head|>' + message['role'] + '<|/head|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
# As Gemma's: begin of sequence, no system messages, the assistant is called the model.
ROLES = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
# As Llama 2's: nothing asks for an answer, a blank stands on either side of one, and end of sequence ends it.
BRACKETS = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + message['content'] | trim + ' [/INST]' }}{% else %}"
    "{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
# As GPT-OSS's: what the prompt leaves open, an answer goes through.
CHANNELS = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|channel|>final<|message|>' + message['content'] + '<|return|>' }}"
    "{% else %}{{ '<|message|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"
)
# As Phi-3's: end of sequence after the last end of turn.
TWO_ENDS = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


@dataclass(frozen=True)
class Kind:
    """A template with what its tokenizer has; `end` ends an answer."""

    template: str
    special: tuple[str, ...]
    end: str
    begins: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def tokenizer(self, texts: Sequence[str] = TEXTS) -> PreTrainedTokenizerFast:
        """Small, learned from `texts`, with an end of sequence that most ends of turns are not."""
        names = {"eos_token": "</s>", "pad_token": "<pad>", "bos_token": "<s>"}
        tokenizer = make_tokenizer(list(texts), 600, ["<pad>", "<s>", "</s>", *self.special], **names)
        if self.begins:
            tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
                single="<s> $A", special_tokens=[("<s>", 1)]
            )
        tokenizer.chat_template = self.template
        return tokenizer


KINDS = {
    "ChatML": Kind(CHATML, ("<|im_start|>", "<|im_end|>"), "<|im_end|>"),
    "thinking": Kind(THINKING, ("<|im_start|>", "<|im_end|>"), "<|im_end|>", options={"enable_thinking": False}),
    "dated": Kind(
        DATED, ("<|head|>", "<|/head|>", "<|eot_id|>"), "<|eot_id|>", True, options={"date_string": "26 Jul 2024"}
    ),
    "roles": Kind(ROLES, ("<start_of_turn>", "<end_of_turn>"), "<end_of_turn>", True),
    "brackets": Kind(BRACKETS, (), "</s>", True),
    "channels": Kind(CHANNELS, ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>"), "<|return|>"),
    "two ends": Kind(TWO_ENDS, ("<|user|>", "<|assistant|>", "<|end|>"), "<|end|>"),
}
