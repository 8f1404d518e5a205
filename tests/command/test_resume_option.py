"""resume=RUN_DIR: with which config a run goes on, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reft_lab.command.resume import Resumption, continued, split_resume
from reft_lab.compose.conf import register_schema
from reft_lab.config.options import options, sections
from reft_lab.errors import BadInput
from reft_lab.run_dir.changes import MAY_CHANGE, STAYS
from reft_lab.run_dir.reading import is_finished
from reft_lab.run_dir.saved import read
from tests.command.begun import begun


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_schema()
    monkeypatch.chdir(tmp_path)


def going_on(directory: Path, *words: str) -> Resumption:
    found = continued(directory, words)
    assert isinstance(found, Resumption)
    return found


def complaint(directory: Path, *words: str) -> str:
    with pytest.raises(BadInput) as caught:
        continued(directory, words)
    text = str(caught.value)
    assert "\n" not in text
    return text


# Which config


def test_a_run_goes_on_from_its_own_config(tmp_path: Path) -> None:
    directory = begun("run", "data=svamp", "seed=3", "ppo.iterations=7", "+hydra.job.env_set.A=1")
    found = going_on(directory)
    own = OmegaConf.load(directory / "config.yaml")
    own.pool.folder = str(Path.cwd() / own.pool.folder)  # the pools of the run, wherever it goes on from
    assert asdict(found.config) == OmegaConf.to_container(own)
    assert (found.directory, found.changes) == (directory, [])


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("ppo.iterations=80", "ppo.iterations: 60 -> 80"),
        ("ppo={iterations: 80}", "ppo.iterations: 60 -> 80"),
        ("ppo.iterations=null", "ppo.iterations: 60 -> null"),
        ("ppo.data_epochs=400", "ppo.data_epochs: 300.0 -> 400.0"),
        ("ppo.eval_every=5", "ppo.eval_every: 10 -> 5"),
        ("warmup.eval_every=2", "warmup.eval_every: 1 -> 2"),
        ("checkpoint.every=10min", "checkpoint.every: null -> 10min"),
        ("checkpoint.keep=3", "checkpoint.keep: 2 -> 3"),
        ("tracker.tags=[a,b]", "tracker.tags: [] -> [a, b]"),
        ("tracker=none", "tracker.wandb: auto -> disabled"),
        ("trainer=cpu", "trainer.device: auto -> cpu"),
        ("trainer.tokens_per_micro_batch=512", "trainer.tokens_per_micro_batch: 8192 -> 512"),
        ("programs.workers=2", "programs.workers: 1 -> 2"),
        ("model.gradient_checkpointing=true", "model.gradient_checkpointing: false -> true"),
        ("alarms.patience=9", "alarms.patience: 3 -> 9"),
        ("decode=vote", "decode.vote: false -> true"),
        ("decode=[greedy,pass]", "decode.pass_at_k: false -> true"),
        ("decode.k=7", "decode.k: 100 -> 7"),
    ],
)
def test_what_does_not_change_the_experiment_may_change(word: str, change: str) -> None:
    directory = begun("run")
    found = going_on(directory, word)
    assert found.changes == [change]
    before = read(directory).experiment
    differs = [key for key in options() if OmegaConf.select(before, key) != _value(found.config, key)]
    assert differs == [change.partition(":")[0]]


def _value(config: object, key: str) -> object:
    for part in key.split("."):
        config = getattr(config, part)
    return config


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["ppo.kl_coef=0.05"], "(ppo.kl_coef: 0.01 -> 0.05); leave it out"),
        (["ppo.kl_coef=0.05", "seed=1"], "(seed: 0 -> 1, ppo.kl_coef: 0.01 -> 0.05); leave them out"),
        (["ppo.iterations=80", "seed=1"], "(seed: 0 -> 1); leave it out"),
        (["trainer=gpu_bf16"], "(trainer.precision: fp32 -> bf16)"),
        (["preset=paper_text"], "ppo.lam: 0.95 -> 1.0"),
        (["reward=exact"], "(reward.function: partial -> exact)"),
        (["data.train_size=10"], "(data.train_size: 700 -> 10)"),
        (["programs.timeout=2"], "(programs.timeout: 1.0 -> 2.0)"),
        (["eval.dev_limit=10"], "(eval.dev_limit: null -> 10)"),
        (["name=other"], "(name: tiny-arithmetic-program-reft -> other)"),
    ],
)
def test_what_changes_the_experiment_is_refused_with_the_difference(words: list[str], listed: str) -> None:
    text = complaint(begun("run"), *words)
    assert listed in text
    assert text.endswith("or leave out resume= to start a new one.")


def test_the_value_that_the_run_has_is_no_change() -> None:
    directory = begun("run", "ppo.lam=0.9", "reward=exact", "tracker=none")
    assert going_on(directory, "ppo.lam=0.9", "reward=exact", "tracker=none", "seed=0").changes == []


def test_an_override_goes_before_what_conf_says_today(tmp_path: Path) -> None:
    """conf/ says ppo.kl_coef=0.01 and ppo.eval_every=10 today, the run was made when it said otherwise."""
    directory = begun("run")
    saved = OmegaConf.load(directory / "config.yaml")
    saved.ppo.kl_coef, saved.ppo.eval_every = 0.05, 4
    OmegaConf.save(saved, directory / "config.yaml")
    assert going_on(directory).config.ppo.kl_coef == 0.05
    assert going_on(directory, "ppo.eval_every=10").changes == ["ppo.eval_every: 4 -> 10"]
    assert "ppo.kl_coef: 0.05 -> 0.01" in complaint(directory, "ppo.kl_coef=0.01")
    # A choice changes what it says, and nothing that merely differs between then and now.
    assert going_on(directory, "tracker=none").changes == ["tracker.wandb: auto -> disabled"]


def test_a_choice_counts_though_an_earlier_resumption_had_changed_it() -> None:
    directory = begun("run")
    saved = OmegaConf.load(directory / "config.yaml")
    saved.tracker.wandb = "disabled"  # by an earlier resume=run tracker=none
    OmegaConf.save(saved, directory / "config.yaml")
    assert going_on(directory, "ppo.iterations=61").config.tracker.wandb == "disabled"
    assert going_on(directory, "tracker=wandb").changes == ["tracker.wandb: disabled -> auto"]
    assert going_on(directory, "reward=partial", "trainer=auto").changes == []


def test_what_the_run_found_out_at_its_start_is_not_left_open_again() -> None:
    directory = begun("run")
    for word in ("trainer=auto", "trainer=cpu", "trainer.precision=auto"):
        assert going_on(directory, word).config.trainer.precision == "fp32"
    assert "(trainer.precision: fp32 -> bf16)" in complaint(directory, "trainer.precision=bf16")
    assert "(trainer.optimizer: adamw -> adamw_8bit)" in complaint(directory, "trainer.optimizer=adamw_8bit")


def test_where_conf_has_changed_options_are_set_directly() -> None:
    directory = begun("run")
    hydra = OmegaConf.load(directory / ".hydra" / "hydra.yaml")
    hydra.hydra.overrides.task = ["model=gone"]
    OmegaConf.save(hydra, directory / ".hydra" / "hydra.yaml")
    found = going_on(directory, "ppo.iterations=80", "tracker={samples: 3}", "ppo.eval_every=${warmup.batch_size}")
    assert found.changes == ["ppo.iterations: 60 -> 80", "ppo.eval_every: 10 -> 16", "tracker.samples: 8 -> 3"]
    text = complaint(directory, "tracker=none")
    assert "tracker=none cannot be combined" in text
    assert "model" in text
    assert "set options one by one" in text
    assert "ppo.iterations=abc" in complaint(directory, "ppo.iterations=abc")
    shutil.rmtree(directory / ".hydra")
    assert going_on(directory, "ppo.iterations=80").changes == ["ppo.iterations: 60 -> 80"]
    assert "its command line is not known" in complaint(directory, "tracker=none")


def test_a_run_with_a_folder_of_choices_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "mine.yaml").write_text("# @package _global_\nppo:\n  lam: 0.9\n")
    directory = begun("run", "experiment=mine", f"hydra.searchpath=[file://{tmp_path / 'mine'}]")
    assert going_on(directory, "tracker=none").changes == ["tracker.wandb: auto -> disabled"]


def test_an_option_that_the_run_did_not_know_has_its_default() -> None:
    directory = begun("run")
    saved = OmegaConf.load(directory / "config.yaml")
    del saved["checkpoint"], saved["resume"]
    OmegaConf.save(saved, directory / "config.yaml")
    assert going_on(directory).config.checkpoint.keep == 2


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("ppo.lamda=0.9", "ppo.lamda is not an option; did you mean ppo.lam?"),
        ("ppo.eval_every=0", "ppo.eval_every=0 is not possible"),
        ("checkpoint.every=soon", "checkpoint.every=soon is not possible: it must be a number of steps (50)"),
        ("tracker=non", "did you mean none?"),
        ("+ppo.iterations=80", "write it without +"),
        ("ppo.iterations=80,90", "asks for several runs"),
        ("hydra.run.dir=elsewhere", "hydra.run.dir=elsewhere does not go with resume="),
        ("hydra/launcher=basic", "hydra/launcher=basic does not go with resume="),
    ],
)
def test_an_override_is_checked_as_ever(word: str, sentence: str) -> None:
    assert sentence in complaint(begun("run"), word)


def test_every_name_in_the_lists_exists() -> None:
    assert all(name in options() or name in sections() for name in (*MAY_CHANGE, *STAYS))


# Length


def test_the_warm_up_may_change_while_it_is_at_work_and_its_rate_does_not_depend_on_it() -> None:
    directory = begun("run", "warmup.lr_warmup_fraction=0")
    assert going_on(directory, "warmup.epochs=25").changes == ["warmup.epochs: 20 -> 25"]
    (directory / "checkpoints" / "warmup").mkdir(parents=True)
    assert "warmup.epochs: 20 -> 25 (the warm-up is over)" in complaint(directory, "warmup.epochs=25")


@pytest.mark.parametrize(
    ("started", "sentence"),
    [
        (["sft.schedule=linear"], "sft.epochs: 40 -> 50 (the learning rate is laid out for 40 epochs)"),
        (["sft.schedule=constant"], "(the learning rate is laid out for 40 epochs)"),
        (["sft.schedule=constant", "sft.lr_warmup_fraction=0"], None),
        (["sft.schedule=linear", "sft.schedule_epochs=60"], None),
        (["sft.schedule=linear", "sft.schedule_epochs=45"], "sft.schedule_epochs=45 is less than sft.epochs=50"),
    ],
)
def test_sft_is_longer_only_where_its_rate_does_not_depend_on_it(started: list[str], sentence: str | None) -> None:
    directory = begun("run", "method=sft", *started)
    if sentence is None:
        assert going_on(directory, "sft.epochs=50").config.sft.epochs == 50
    else:
        assert sentence in complaint(directory, "sft.epochs=50")


# A finished run


def test_a_finished_run_says_so() -> None:
    directory = begun("run", status="finished")
    for words in ([], ["ppo.iterations=60"], ["ppo.iterations=20"], ["tracker=none"]):
        found = continued(directory, words)
        assert isinstance(found, str)
        assert "run is finished (dev 65.2 %, test 65.2 %; run/result.json)" in found
        assert "\n" not in found


@pytest.mark.parametrize(
    ("started", "word"),
    [
        ([], "ppo.iterations=61"),
        ([], "ppo.iterations=null"),
        (["ppo.iterations=null"], "ppo.data_epochs=301"),
        (["method=sft", "sft.schedule_epochs=50"], "sft.epochs=41"),
    ],
)
def test_a_finished_run_goes_on_where_it_is_made_longer(started: list[str], word: str) -> None:
    assert len(going_on(begun("run", *started, status="finished"), word).changes) == 1


def test_a_finished_run_is_not_made_another() -> None:
    assert "seed: 0 -> 1" in complaint(begun("run", status="finished"), "seed=1")


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_run_that_ended_otherwise_goes_on(status: str) -> None:
    assert going_on(begun("run", status=status)).changes == []


def test_a_damaged_result_is_no_result() -> None:
    directory = begun("run", status="finished")
    (directory / "result.json").write_bytes(b"\xff\x00")
    assert not is_finished(directory)
    assert going_on(directory).changes == []


# Places


def test_what_is_not_a_run_directory_is_one_sentence(tmp_path: Path) -> None:
    directory = begun("runs/day/run")
    assert "resume=nowhere does not exist (seen from" in complaint(Path("nowhere"))
    (tmp_path / "other").mkdir()
    assert complaint(Path("other")) == "other is not a run directory."
    (tmp_path / "stopped" / ".hydra").mkdir(parents=True)
    for folder in ("stopped/.hydra", "other"):
        shutil.copy(directory / "config.yaml", folder)
    assert complaint(Path("other")) == "other is not a run directory."
    assert "was stopped before it began" in complaint(Path("stopped"))
    for folder in ("runs", "runs/day"):
        text = complaint(Path(folder))
        assert text.endswith("holds run directories and is none; name one of them, such as resume=runs/day/run.")
    (directory / "checkpoints" / "last").mkdir(parents=True)
    shutil.copy(directory / "config.yaml", directory / ".hydra")
    for part in ("checkpoints", "checkpoints/last", "config.yaml", ".hydra"):
        text = complaint(directory / part)
        assert text.endswith(f"is part of a run directory; name the whole: resume={directory.absolute()}.")
    begun(directory / "baseline_sft", "method=sft")
    text = complaint(directory / "baseline_sft")
    assert text.endswith(f"is the SFT baseline of a run and goes on with it: resume={directory.absolute()}.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it holds no options"),
        ("- a\n", "it holds no options"),
        ("ppo: [\n", "parsing"),
        ("ppo:\n  lamda: 1\n", "ppo.lamda is not an option; did you mean ppo.lam?"),
        ("ppo:\n  lam: high\n", "ppo.lam=high is not possible"),
        ("\x00\x01", ""),
    ],
)
def test_a_damaged_config_is_one_sentence(content: str, reason: str) -> None:
    directory = begun("run")
    (directory / "config.yaml").write_text(content)
    text = complaint(directory)
    assert text.startswith("run/config.yaml is damaged or of another version (")
    assert reason in text


def test_data_is_seen_from_where_the_run_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "start" / "my data").mkdir(parents=True)
    (tmp_path / "elsewhere" / "my data").mkdir(parents=True)
    monkeypatch.chdir("start")
    directory = begun(tmp_path / "run", "data=svamp", "data.path='my data'")
    for place in ("../elsewhere", "../start"):
        monkeypatch.chdir(place)
        found = going_on(directory, "data.path='my data'") if place == "../start" else going_on(directory)
        assert (found.config.data.path, found.changes) == (str(tmp_path / "start" / "my data"), [])
    monkeypatch.chdir("../elsewhere")
    assert f"-> {tmp_path}/elsewhere/my data" in complaint(directory, "data.path='my data'")
    shutil.move(tmp_path / "start", tmp_path / "moved")
    assert going_on(directory).config.data.path == "my data"  # the user has moved, and the data too
    monkeypatch.chdir(tmp_path)
    assert complaint(directory).startswith(f"data.path={tmp_path}/start/my data does not exist")


# The word resume=


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, [])),
        (["seed=1", "resume=null"], (None, ["seed=1", "resume=null"])),
        (["resume=runs/a, b (1)=x", "seed=1"], ("runs/a, b (1)=x", ["seed=1"])),
        (["resume='my run'"], ("my run", [])),
        (["--cfg", "job", "resume=auto"], ("auto", ["--cfg", "job"])),
        (["--help", "resume=x"], (None, ["--help", "resume=x"])),
    ],
)
def test_the_word(words: list[str], expected: tuple[str | None, list[str]]) -> None:
    assert split_resume(words) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["resume="], "resume= has no value"),
        (["resume=''"], "resume= has no value"),
        (["resume=a", "resume=b"], "resume is given twice (resume=a and resume=b)"),
        (["-m", "resume=a"], "resume=a goes on with one run, and -m starts several"),
        (["--info", "all", "resume=a"], "resume=a goes with --cfg job"),
        (["--cfg", "hydra", "resume=a"], "resume=a goes with --cfg job"),
    ],
)
def test_the_word_used_wrongly(words: list[str], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        split_resume(words)
    assert sentence in str(caught.value)
