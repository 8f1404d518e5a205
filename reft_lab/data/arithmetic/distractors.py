"""Sentences with a number that has nothing to do with the question."""

from __future__ import annotations

from reft_lab.data.arithmetic.draws import Draws

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
