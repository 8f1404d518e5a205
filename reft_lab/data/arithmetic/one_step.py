"""The one-step templates: change, combine, compare and equal groups, with each quantity unknown in turn."""

from __future__ import annotations

from reft_lab.data.arithmetic.template import Template, steps

ONE_STEP = (
    Template(
        "gain",
        steps("total = start + got"),
        (
            "{a} had {start} {things}.",
            "{He} {gained} {got} more {things}.",
            "How many {things} does {a} have now?",
        ),
    ),
    Template(
        "loss",
        steps("left = start - gone"),
        (
            "{a} had {start} {things}.",
            "{He} {parted} {gone} {things}.",
            "How many {things} does {a} have left?",
        ),
    ),
    Template(
        "gain_change_unknown",
        steps("got = end - start"),
        (
            "{a} had {start} {things}.",
            "{He} {gained} some more {things} and now has {end} {things}.",
            "How many {things} did {a} {gain}?",
        ),
    ),
    Template(
        "loss_change_unknown",
        steps("gone = start - end"),
        (
            "{a} had {start} {things}.",
            "{He} {parted} some {things} and now has {end} {things}.",
            "How many {things} did {a} {part_with}?",
        ),
    ),
    Template(
        "gain_start_unknown",
        steps("start = end - got"),
        (
            "{a} {gained} {got} more {things}.",
            "Now {he} has {end} {things}.",
            "How many {things} did {a} have at first?",
        ),
    ),
    Template(
        "loss_start_unknown",
        steps("start = end + gone"),
        (
            "{a} {parted} {gone} {things}.",
            "Now {he} has {end} {things}.",
            "How many {things} did {a} have at first?",
        ),
    ),
    Template(
        "combine",
        steps("total = first + second"),
        (
            "{a} has {first} {things}.",
            "{b} has {second} {things}.",
            "How many {things} do {a} and {b} have together?",
        ),
    ),
    Template(
        "difference",
        steps("more = first - second"),
        (
            "{a} has {first} {things}.",
            "{b} has {second} {things}.",
            "How many more {things} does {a} have than {b}?",
        ),
    ),
    Template(
        "compare_up",
        steps("other = first + more"),
        (
            "{a} has {first} {things}.",
            "{b} has {more} more {things} than {a}.",
            "How many {things} does {b} have?",
        ),
    ),
    Template(
        "compare_down",
        steps("other = first - more"),
        (
            "{a} has {first} {things}.",
            "{He} has {more} more {things} than {b}.",
            "How many {things} does {b} have?",
        ),
    ),
    Template(
        "groups",
        steps("packed = groups * each"),
        (
            "{a} has {groups} {boxes}.",
            "There are {each} {things} in each {box}.",
            "How many {things} are in the {boxes}?",
        ),
        largest={"groups": 12, "each": 12},
    ),
    Template(
        "share",
        steps("part = whole / groups"),
        (
            "{a} put {whole} {things} into {groups} {boxes}.",
            "Each {box} holds the same number of {things}.",
            "How many {things} are in each {box}?",
        ),
    ),
)
