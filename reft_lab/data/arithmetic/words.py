"""The words that stories are filled with. Few, so that the vocabulary of a tiny model stays small."""

from __future__ import annotations

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
