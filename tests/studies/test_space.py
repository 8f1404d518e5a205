"""What one writes for a search space is what is searched, and each value comes back as it was."""

from __future__ import annotations

import random

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from reft_lab.compose.conf import Conf, register_schema
from reft_lab.compose.words import as_text, parse
from reft_lab.errors import BadInput
from reft_lab.studies.parameter import Parameter
from reft_lab.studies.search_space import check_values, from_entry, from_override, zipped


@pytest.fixture(scope="module")
def conf() -> Conf:
    register_schema()
    return Conf()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ppo.lam=interval(0.9,1)", Parameter("ppo.lam", "float", 0.9, 1.0)),
        ("ppo.kl_coef=tag(log,interval(1e-4,1e-1))", Parameter("ppo.kl_coef", "float", 1e-4, 0.1, log=True)),
        ("warmup.epochs=interval(1,5)", Parameter("warmup.epochs", "int", 1, 5)),
        ("warmup.epochs=int(interval(1,5))", Parameter("warmup.epochs", "int", 1, 5)),
        ("warmup.epochs=tag(log,interval(1,40))", Parameter("warmup.epochs", "int", 1, 40, log=True)),
        ("warmup.epochs=tag(log,range(1,41))", Parameter("warmup.epochs", "int", 1, 40, log=True)),
        ("seed=range(0,5)", Parameter("seed", "int", 0, 4, step=1)),
        ("seed=range(10,0,-3)", Parameter("seed", "int", 1, 10, step=3)),
        ("ppo.lam=range(0.8,1.01,0.1)", Parameter("ppo.lam", "float", 0.8, 1.0, step=0.1)),
        ("ppo.lam=range(0,1)", Parameter("ppo.lam", "float", 0.0, 0.0, step=1)),
        ("reward=choice(exact,partial)", Parameter("reward", "choice", choices=("exact", "partial"))),
        ("reward=exact,partial", Parameter("reward", "choice", choices=("exact", "partial"))),
        ("reward=exact,my_rewards.strict", Parameter("reward", "choice", choices=("exact", "my_rewards.strict"))),
        ("reward=glob(p*)", Parameter("reward", "choice", choices=("partial", "proximity"))),
        ("ppo.kl_coef=0,0.01", Parameter("ppo.kl_coef", "choice", choices=(0.0, 0.01))),
        ("ppo.value_clip=null,0.2", Parameter("ppo.value_clip", "choice", choices=(None, 0.2))),
        ("ppo.whiten=true,false", Parameter("ppo.whiten", "choice", choices=(True, False))),
        ("tracker.tags=[a],[b,'c d']", Parameter("tracker.tags", "choice", choices=(["a"], ["b", "c d"]))),
        ("model.path='a, b','c'", Parameter("model.path", "choice", choices=("a, b", "c"))),
        ("seed=shuffle(choice(1,2,3))", Parameter("seed", "choice", choices=(1, 2, 3))),
    ],
)
def test_hydras_syntax(conf, word, expected):
    assert from_override(parse([word], conf)[0], conf) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("interval(0.9, 1)", Parameter("ppo.lam", "float", 0.9, 1.0)),
        ("0.9, 0.95", Parameter("ppo.lam", "choice", choices=(0.9, 0.95))),
        ({"low": 0.9, "high": 1}, Parameter("ppo.lam", "float", 0.9, 1.0)),
        ({"low": 1e-4, "high": 1, "log": True}, Parameter("ppo.lam", "float", 1e-4, 1.0, log=True)),
        ({"low": 0.8, "high": 1, "step": 0.05}, Parameter("ppo.lam", "float", 0.8, 1.0, step=0.05)),
        ({"low": 0, "high": 1, "step": 0.3}, Parameter("ppo.lam", "float", 0.0, 0.9, step=0.3)),
        ({"range": [0, 1, 0.25]}, Parameter("ppo.lam", "float", 0.0, 0.75, step=0.25)),
        ({"choices": [0, 0.5]}, Parameter("ppo.lam", "choice", choices=(0.0, 0.5))),
        ([0, 0.5], Parameter("ppo.lam", "choice", choices=(0.0, 0.5))),
    ],
)
def test_entries_of_a_file(conf, entry, expected):
    assert from_entry("ppo.lam", entry, conf) == expected


@pytest.mark.parametrize(
    ("key", "entry", "expected"),
    [
        ("ppo.lam", "interval(1,0.9)", "is empty: 1.0 is more than 0.9"),
        ("ppo.lam", {"low": 1, "high": 0}, "is empty"),
        ("ppo.lam", {"range": [1, 1]}, "is empty"),
        ("ppo.lam", {"choices": []}, "is empty"),
        ("ppo.lam", [], "is empty"),
        ("seed", "range(5,1)", "is empty"),
        ("ppo.lam", "range(0,1,0)", "step must not be 0"),
        ("ppo.lam", {"low": 0, "high": 1, "step": -1}, "step must be more than 0"),
        ("ppo.lam", "tag(log,interval(0,1))", "starts above 0"),
        ("ppo.lam", {"low": -1, "high": 1, "log": True}, "starts above 0"),
        ("ppo.lam", {"low": 0.1, "high": 1, "log": True, "step": 0.1}, "has no step"),
        ("ppo.lam", "tag(lgo,interval(0.1,1))", "the only tag is log; did you mean log?"),
        ("ppo.lam", "tag(log,choice(0.1,1))", "a tag means nothing"),
        ("ppo.lam", "interval(0,inf)", "high must be a number"),
        ("ppo.lam", "interval(a,b)", "cannot be read"),
        ("ppo.lam", 0.9, "is a single value, not a range"),
        ("ppo.lam", None, "is a single value"),
        ("ppo.lam", {"low": 0.9}, "write {low: 0.9, high: 1}"),
        ("ppo.lam", {"low": 0.9, "hihg": 1}, "hihg is not part of a range; did you mean high?"),
        ("ppo.lam", {"low": "a", "high": 1}, "low must be a number"),
        ("ppo.lam", {"low": 0, "high": True}, "high must be a number"),
        ("ppo.lam", {"low": 0, "high": 1, "log": 3}, "log must be true or false"),
        ("ppo.lam", [0.5, 0.5], "lists 0.5 twice"),
        ("ppo.lam", [0, 0.0], "lists 0.0 twice"),
        ("warmup.epochs", "interval(1.5,3)", "warmup.epochs takes whole numbers, and 1.5 is not one"),
        ("warmup.epochs", {"low": 1, "high": 9, "step": 0.5}, "takes whole numbers"),
        ("ppo.loss_average", "interval(0,1)", "ppo.loss_average takes sequence, token, constant, so it has no range"),
        ("reward", "range(0,3)", "reward is a choice of files"),
        ("reward", ["exact", "partail"], "did you mean partial?"),
        ("ppo.lamda", "interval(0,1)", "did you mean ppo.lam?"),
        ("ppo", "choice(a,b)", "search an option in it, such as ppo."),
        ("study.trial", "1,2", "cannot be searched"),
        ("sweeps/sampler", "tpe,gp", "cannot be searched"),
    ],
)
def test_bad_spaces_are_one_sentence(conf, key, entry, expected):
    with pytest.raises(BadInput) as caught:
        from_entry(key, entry, conf)
    assert expected in str(caught.value)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def suggested(parameter, value):
    trial = FixedTrial({"a": value})
    assert parameter.suggest(trial) == value
    return trial.distributions["a"]


def test_what_optuna_gets():
    assert suggested(Parameter("a", "float", 0.1, 1.0, log=True), 0.5) == FloatDistribution(0.1, 1.0, log=True)
    assert suggested(Parameter("a", "float", 0.0, 0.9, step=0.3), 0.3) == FloatDistribution(0.0, 0.9, step=0.3)
    assert suggested(Parameter("a", "int", 1, 9, step=2), 3) == IntDistribution(1, 9, step=2)
    assert suggested(Parameter("a", "int", 1, 9, log=True), 3) == IntDistribution(1, 9, log=True)
    lists = suggested(Parameter("a", "choice", choices=(["x"], None)), "[x]")
    assert lists == CategoricalDistribution(["[x]", None])


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (Parameter("a", "int", 0, 4, step=2), (0, 2, 4)),
        (Parameter("a", "int", 1, 3), (1, 2, 3)),
        (Parameter("a", "float", 0.7, 1.0, step=0.1), (0.7, 0.8, 0.9, 1.0)),
        (Parameter("a", "choice", choices=("b", 1)), ("b", 1)),
    ],
)
def test_grids(parameter, expected):
    assert parameter.grid() == expected
    assert all(parameter.takes(value) for value in parameter.grid())


NASTY = (
    *(None, True, False, 0, -3, 10**12, 0.0, -0.5, 1e-05, 1e22, 0.1 + 0.2, 5e-324),
    *("word", "a/b.c", "two words", "a,b", "it's", '"quoted"', "back\\slash", "ends with \\", "\\'", "${nothing}"),
    *(
        "null",
        "True",
        "nan",
        "inf",
        "1",
        "1e-3",
        "=",
        "a=b",
        "[x]",
        "{x: 1}",
        "interval(0,1)",
        "größer",
        " padded ",
        "",
    ),
    *("(", "#", "tab\there", "$HOME", "%", "a:b", "~x", "+x", "@"),
)


@pytest.mark.parametrize("value", [*NASTY, [], [1, "a, b", None, [True]], {"a": 1, "b": ["x y", None]}], ids=repr)
def test_a_value_survives_the_command_line(value):
    parameter = Parameter("key", "choice", choices=(value, "another"))
    known = parameter.grid()[0]
    back = OverridesParser.create().parse_overrides(list(parameter.overrides(known)))[0].value()
    assert back == value
    assert type(back) is type(value)


def test_random_values_survive_the_command_line():
    draw = random.Random(0)
    parser = OverridesParser.create()
    for _ in range(300):
        text = "".join(draw.choices("ab1 ,'\"\\=[]{}()$:.-_/#", k=draw.randint(1, 8)))
        number = draw.uniform(-1, 1) * 10.0 ** draw.randint(-12, 12)
        for value in (text, number, [text, number]):
            assert parser.parse_overrides([f"key={as_text(value)}"])[0].value() == value


def test_values_to_begin_with():
    space = (
        Parameter("a", "float", 0.0, 1.0),
        Parameter("b", "int", 1, 5),
        Parameter("c", "choice", choices=("x", 1.0)),
    )
    assert check_values({"a": 1, "b": 2, "c": 1}, space, "first") == {"a": 1.0, "b": 2, "c": 1.0}
    for wrong in ({"a": 1.1}, {"a": "x"}, {"a": True}, {"b": 2.5}, {"c": "y"}, {"c": True}, {"d": 1}):
        with pytest.raises(BadInput, match="first has"):
            check_values(wrong, space, "first")


def test_options_are_walked_together():
    lr, kl = (
        Parameter("ppo.lr", "choice", choices=(1e-4, 2e-4)),
        Parameter("ppo.kl_coef", "choice", choices=(0.1, 0.2)),
    )
    lam = Parameter("ppo.lam", "choice", choices=(0.9, 1.0))
    pair, alone = zipped({each.key: each for each in (lr, lam, kl)}, [["ppo.kl_coef", "ppo.lr"]])[::-1]
    assert alone is lam
    assert pair.key == "ppo.kl_coef & ppo.lr"
    assert pair.size == 2
    words = [pair.overrides(value) for value in pair.grid()]
    assert words == [("ppo.kl_coef=0.1", "ppo.lr=0.0001"), ("ppo.kl_coef=0.2", "ppo.lr=0.0002")]
    first = check_values({"ppo.lr": 2e-4, "ppo.kl_coef": 0.2, "ppo.lam": 1.0}, (pair, alone), "sweeps.first")
    assert first == {"ppo.kl_coef & ppo.lr": pair.grid()[1], "ppo.lam": 1.0}
