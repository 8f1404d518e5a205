"""Questions that are the same but for how they are written, and but for numbers and names."""

import pytest

from reft_lab.data.likeness import Seen, duplicates, families, masked, normalised
from reft_lab.data.problem import Problem


def problem(question, options=()):
    return Problem(question, question, "1", None, "made up", options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann has 27 pens.", "ann has 27.0 pens ."),
        ("It costs $1,027.50, doesn't it?", "it costs $ 1027.5 , does n't it ?"),
        ("Half a mile: .5 miles", "half a mile 0.50 miles"),
        ("the t-shirt shop's 6-digit code", "The t - shirt shop 's 6 - digit code!"),
        ("“How many”, he said", '"how many" , he said'),
        ("what is 3 × 4 ?", "What is 3*4?"),
        ("５ pens", "5 pens"),
    ],
)
def test_case_blanks_punctuation_and_number_format_do_not_count(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann has 27 pens.", "Ann has 2.7 pens."),
        ("if x + 3 = 5", "if x - 3 = 5"),
        ("the numbers 1 2", "the number s 12"),
        ("sold for 10 %", "sold for 10"),
        ("sold for $10", "sold for ¥10"),
        ("Ann has 27 pens.", "Ben has 27 pens."),
        ("1,27 and 5", "127 and 5"),
    ],
)
def test_what_makes_another_question_counts(one, other):
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann has 3 pens and buys 4.5 more.", "Ben has 12 pens and buys 1,000 more."),
        ("Joan gave 27 apples to Melanie. How many has she?", "Mr. Green gave 3 apples to Mary Ann. How many has he?"),
        ("After lunch Ann's dog ate 3.", "After lunch Dr. Lee's dog ate 4."),
        # A capital letter or the beginning of a sentence: both spellings of SVAMP's training problems.
        ("Ned had 15 games but 6 didn't work.", "mike had 9 games but 7 did n't work ."),
        ("paco had 97 . he ate 15 . how many has paco left ?", "kim had 9 . she ate 1 . how many has kim left ?"),
        ("Three builders need ten days.", "3 builders need 10 days."),
        ("Twenty five men eat 3 loaves.", "7 men eat 12 loaves."),
        ("IN ALL, ANN HAS 3.", "in all, ann has 4."),
    ],
)  # fmt: skip
def test_numbers_and_names_are_masked(one, other):
    assert masked(one) == masked(other)
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How many pens has Ann?", "How many books has Ann?"),
        ("If there are 3 pens, how many are red?", "When there are 3 pens, how many are red?"),
        ("There are 4 boys. He eats 2.", "There are 4 boys. They eat 2."),
        ("what is 3 + 4 ?", "what is 3 * 4 ?"),
        ("Tickets cost 3. How many tickets are there?", "Coins cost 3. How many coins are there?"),
    ],
)
def test_other_words_are_not_masked(one, other):
    assert masked(one) != masked(other)


def test_options_and_questions_without_a_word():
    assert (
        families([problem("how far ?\na ) 1 , b ) 2", ("1", "2")), problem("How far?")], "normalised") == ["howfar"] * 2
    )
    assert len(set(families([problem("??"), problem("!!")], "masked"))) == 2


def test_copies_are_of_one_family_although_case_hides_a_name():
    """`melanie` in small letters is no name by itself; the copy in capitals says that it is."""
    texts = (
        "now 3 pens went to melanie",
        "Now 3 pens went to Melanie.",
        "Now 4 pens went to Sue.",
        "Now 4 hats to Sue.",
    )
    items = [problem(text) for text in texts]
    first, second, third, fourth = families(items, "masked")
    assert first == second == third != fourth
    assert sorted(families(items[::-1], "masked")) == sorted((first, second, third, fourth))
    assert len(set(families(items, "normalised"))) == 3


def test_a_question_is_held_in_every_weaker_degree():
    seen = Seen([problem("Now 3 pens went to Melanie.")])
    copy, other = problem("now 3.0 pens went to melanie"), problem("Now 4 pens went to Sue.")
    assert [seen.holds(copy, likeness) for likeness in ("exact", "normalised", "masked")] == [False, True, True]
    assert [seen.holds(other, likeness) for likeness in ("exact", "normalised", "masked")] == [False, False, True]


def test_duplicates_are_counted_within_and_across_splits():
    train = [problem(text) for text in ("Ann has 3.", "ann  has 3.", "Ann has 3.0 .", "Ben has 4.", "It has 3.")]
    test = [problem(text) for text in ("Ann has 3.", "Sue has 9.", "Sue has 9.", "They have 1.")]
    found = duplicates({"train": train, "dev": [], "test": test})
    nothing = {"dev": 0, "train/dev": 0, "dev/test": 0}
    assert found == {
        "exact": {"train": 1, "test": 1, "train/test": 1, **nothing},
        "normalised": {"train": 2, "test": 1, "train/test": 1, **nothing},
        "masked": {"train": 3, "test": 2, "train/test": 3, **nothing},
    }
