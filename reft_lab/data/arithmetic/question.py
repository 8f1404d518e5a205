"""Questions: the story of a template with its words and distractors filled in, and numbers that suit it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reft_lab.data.arithmetic.templates import BY_LENGTH, HIGHEST, LOWEST, Step, Template
from reft_lab.randomness import KeyPart, generator

WOMEN = (
    "Anna", "Carla", "Emma", "Grace", "Iris", "Julia", "Kate", "Mia", "Olivia", "Rosa", "Tina", "Wendy",
)  # fmt: skip
MEN = (
    "Adam", "Ben", "David", "Frank", "Henry", "Jack", "Leo", "Noah", "Oscar", "Paul", "Sam", "Victor",
)  # fmt: skip
PEOPLE = WOMEN + MEN

THINGS = (
    "apples", "badges", "balls", "beads", "books", "buttons", "cards", "coins", "cookies", "crayons", "cups", "dolls",
    "eggs", "flowers", "marbles", "oranges", "pencils", "shells", "stamps", "stickers", "stones", "toys",
)  # fmt: skip

CONTAINERS = (
    ("bags", "bag"),
    ("baskets", "basket"),
    ("boxes", "box"),
    ("drawers", "drawer"),
    ("jars", "jar"),
    ("packets", "packet"),
)

# (past, infinitive) of ways to come by things and to part with them.
GAINS = (("bought", "buy"), ("collected", "collect"), ("found", "find"), ("got", "get"), ("won", "win"))
LOSSES = (("gave away", "give away"), ("lost", "lose"), ("sold", "sell"), ("used", "use"))


T = TypeVar("T")

_BLOCK = 64


class Draws:
    """Choices drawn one after the other from the generator of a key.

    Uniform numbers are taken from the generator in blocks: a scalar draw from numpy costs as much as a whole block.
    """

    def __init__(self, *key_parts: KeyPart):
        self._generator = generator(*key_parts)
        self._block: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`, each as likely as the others."""
        return items[int(self.uniform() * len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` of `items`, no position twice, in random order."""
        pool = list(items)
        return [pool.pop(int(self.uniform() * len(pool))) for _ in range(count)]


# {aside} is the number, {d} somebody who is not in the story, {others} things that are not in the story.
_ABOUT_OTHER_THINGS = (
    "{a} has {aside} {others}.",
    "{a} is {aside} years old.",
    "{d} has {aside} {others}.",
    "{d} is {aside} years old.",
    "{d} {gained} {aside} {others}.",
    "There are {aside} {others} on the table.",
    "There are {aside} chairs in the room.",
)
_ABOUT_OTHER_PEOPLE = (
    "{d} has {aside} {things}.",
    "{d} {parted} {aside} {things}.",
)

_FIRST, _SECOND = 0.40, 0.15
"""Probability of a distractor, and of a second one after the first."""


def draw_distractors(question_sentence: str, draws: Draws) -> list[str]:
    """None, one or two sentences with `aside0` and `aside1` for the number, `others0`, `d0`, and so on.

    People outside the story may have the things that the question asks for only where the question names whose
    things it means.
    """
    count = 0 if not draws.chance(_FIRST) else 2 if draws.chance(_SECOND) else 1
    names_people = "{a}" in question_sentence or "{b}" in question_sentence
    asks_for_their_things = names_people and "{box" not in question_sentence
    forms = _ABOUT_OTHER_THINGS + _ABOUT_OTHER_PEOPLE if asks_for_their_things else _ABOUT_OTHER_THINGS
    return [
        form.replace("{aside}", f"{{aside{i}}}").replace("{d}", f"{{d{i}}}").replace("{others}", f"{{others{i}}}")
        for i, form in enumerate(draws.sample(forms, count))
    ]


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
        """The text with every number masked: two questions share it where only their numbers differ."""
        return _ROLE.sub("#", self.text)


def draw_question(draws: Draws) -> Question:
    """A random question: 45 % one step, 40 % two, 15 % three; templates of one length are equally likely."""
    roll = draws.uniform()
    steps = 1 if roll < _ONE_STEP_SHARE else 2 if roll < _ONE_STEP_SHARE + _TWO_STEPS_SHARE else 3
    template = draws.choice(BY_LENGTH[steps])
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
    """The sentence with a name in place of its first pronoun, which a distractor before it would make ambiguous."""
    return sentence.replace("{He}" if "{He}" in sentence else "{he}", "{a}", 1)


def draw_numbers(template: Template, roles: Iterable[str], draws: Draws) -> dict[str, int]:
    """A number for each of `roles`, all different, with which every step gives a whole number above 0."""
    highest = [template.largest.get(role, HIGHEST) for role in roles]
    while True:
        numbers = {role: draws.integer(LOWEST, high) for role, high in zip(roles, highest, strict=True)}
        if len(set(numbers.values())) < len(numbers):
            continue
        if any(numbers[more] <= numbers[less] for more, less in template.larger):
            continue
        if compute(template.steps, numbers) is not None:
            return numbers


def compute(steps: Iterable[Step], numbers: Mapping[str, int]) -> dict[str, int] | None:
    """The numbers together with the result of each step, or None where a result is not a whole number above 0."""
    values = dict(numbers)
    for step in steps:
        left, right = (int(o) if o.isdecimal() else values[o] for o in (step.left, step.right))
        if step.operator == "/":
            value, rest = divmod(left, right)
            if rest:
                return None
        else:
            value = {"+": left + right, "-": left - right, "*": left * right}[step.operator]
        if value <= 0:
            return None
        values[step.result] = value
    return values
