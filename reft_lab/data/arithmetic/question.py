"""Questions: the story of a template with its words and distractors filled in, the numbers still open."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reft_lab.data.arithmetic.distractors import draw_distractors
from reft_lab.data.arithmetic.draws import Draws
from reft_lab.data.arithmetic.one_step import ONE_STEP
from reft_lab.data.arithmetic.template import Template
from reft_lab.data.arithmetic.three_steps import THREE_STEPS
from reft_lab.data.arithmetic.two_steps import TWO_STEPS
from reft_lab.data.arithmetic.words import CONTAINERS, GAINS, LOSSES, PEOPLE, THINGS, WOMEN

TEMPLATES: tuple[Template, ...] = ONE_STEP + TWO_STEPS + THREE_STEPS

_ONE_STEP_SHARE, _TWO_STEPS_SHARE = 0.45, 0.40
_ROLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose numbers are not chosen yet.

    Attributes:
        template: the computation it asks for.
        text: the question with each number as its role in braces: "Anna had {start} apples. ..."
        things: what is counted, plural.
    """

    template: Template
    text: str
    things: str

    @property
    def roles(self) -> list[str]:
        """Roles of the numbers in the order of the text, distractors included."""
        return _ROLE.findall(self.text)

    @property
    def wording(self) -> str:
        """The text with all numbers made alike: two questions share it where only their numbers differ."""
        return _ROLE.sub("#", self.text)


def draw_question(draws: Draws) -> Question:
    """A random question: 45 % one step, 40 % two, 15 % three, and templates of one length equally often."""
    template = draws.choice(_templates_of_one_length(draws.uniform()))
    words = _draw_words(draws)
    sentences = list(template.sentences)
    distractors = draw_distractors(sentences[-1], draws)
    for distractor in distractors:
        sentences.insert(draws.integer(0, len(sentences) - 1), distractor)
    story = [
        _with_name(sentence) if i and sentences[i - 1] in distractors else sentence
        for i, sentence in enumerate(sentences)
    ]
    text = _ROLE.sub(lambda match: words.get(match[1], match[0]), " ".join(story))
    return Question(template, text, words["things"])


def _templates_of_one_length(roll: float) -> tuple[Template, ...]:
    if roll < _ONE_STEP_SHARE:
        return ONE_STEP
    return TWO_STEPS if roll < _ONE_STEP_SHARE + _TWO_STEPS_SHARE else THREE_STEPS


def _draw_words(draws: Draws) -> dict[str, str]:
    a, b, c, d0, d1 = draws.sample(PEOPLE, 5)
    things, others0, others1 = draws.sample(THINGS, 3)
    (boxes, box), (bags, bag) = draws.sample(CONTAINERS, 2)
    gained, gain = draws.choice(GAINS)
    parted, part_with = draws.choice(LOSSES)
    he = "she" if a in WOMEN else "he"
    return {
        "a": a, "b": b, "c": c, "d0": d0, "d1": d1, "He": he.capitalize(), "he": he,
        "things": things, "others0": others0, "others1": others1, "boxes": boxes, "box": box, "bags": bags, "bag": bag,
        "gained": gained, "gain": gain, "parted": parted, "part_with": part_with,
    }  # fmt: skip


def _with_name(sentence: str) -> str:
    """The sentence with a name for its first pronoun, which a distractor before it would make ambiguous."""
    return sentence.replace("{He}" if "{He}" in sentence else "{he}", "{a}", 1)
