"""Whatever is wrong on a command line, the answer is one sentence that helps."""

from pathlib import Path

import pytest

from reft_lab.command.launch import check_command
from reft_lab.compose.conf import register_schema
from tests.command.said import complaint


@pytest.fixture(autouse=True)
def _schema() -> None:
    register_schema()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # names
        ("ppo.lamda=0.9", "ppo.lamda is not an option; did you mean ppo.lam?"),
        ("lam=0.9", "did you mean ppo.lam?"),
        ("checkpoint.warmup=x", "did you mean checkpoint.warmups?"),
        ("lr=1", "did you mean warmup.lr, sft.lr, ppo.lr, offline_st.lr, online_st.lr or reranker.lr?"),
        ("modle=tiny", "modle is not an option; did you mean model?"),
        ("ppo.lam.x=1", "ppo.lam is one value, a number from 0 to 1"),
        ("ppo={lamda: 1}", "did you mean ppo.lam?"),
        ("data@other=svamp", "write data without @"),
        # values
        ("ppo.lam=1.5", "ppo.lam=1.5 is not possible: it must be a number from 0 to 1."),
        ("ppo.lam=abc", "ppo.lam=abc is not possible: it must be a number from 0 to 1."),
        ("ppo.lam=null", "ppo.lam=null is not possible"),
        ("ppo.clip=nan", "a number above 0"),
        ("ppo.value_clip=-1", "a number above 0, or null"),
        ("ppo={lam: 2}", "ppo.lam=2"),
        ("ppo=3", "ppo is a section"),
        ("seed=1.5", "a whole number at least 0"),
        ("seed=true", "a whole number at least 0"),
        ("ppo.whiten=maybe", "true or false"),
        ("baseline=stf", "it must be sft, or null; did you mean sft?"),
        ("ppo.loss_average=tokens", "did you mean token?"),
        ("tracker.tags={a: 1}", "a list of texts"),
        ("seed=${nothing}", "seed has no value"),
        ("name=a/b", "it names a folder"),
        # choices
        ("model=codelama", "did you mean codellama?"),
        ("model=null", "model=null is not a choice"),
        ("model=[tiny,codellama]", "is not a choice"),
        ("preset=null", "preset=null is not a choice"),
        ("experiment=paper/gsm8k_program_codelama", "did you mean paper/gsm8k_program_codellama?"),
        ("reward=exat", "did you mean exact?"),
        ("reward=no_such_module.function", "no_such_module"),
        ("hydra/launcher=nothing", "there is basic"),
        # form
        ("+anything=1", "anything is not an option"),
        ("++anything=1", "anything is not an option"),
        ("+seed=1", "write it without +"),
        ("++ppo.lam=0.9", "write it without +"),
        ("~ppo", "nothing can be taken out"),
        ("~seed", "nothing can be taken out"),
        ("ppo.lam=[", "cannot be read"),
        ("ppo.lam=choice(0.9", "( and ) do not match; close what is open, and put all of it in quotes"),
        ("ppo.lam=chioce(0.9,1)", "there is no chioce(); did you mean choice?"),
        ("ppo.lam=uniform(0,1)", "there is no uniform(); write 'ppo.lam=interval(0.9, 1)'."),
        ("ppo.kl_coef=loguniform(1e-4,1)", "write 'ppo.kl_coef=tag(log, interval(1e-4, 1))'."),
        ("ppo.lam=interval(0.9)", "interval is written as in 'ppo.lam=interval(0.9, 1)'."),
        ("ppo.lam=choice()", "choice is written as in 'ppo.lam=choice(a, b)'."),
        ("ppo.lam=(0.9,1)", "several values are written 'ppo.lam=choice(0.9,1)', with -m."),
        ("ppo.lam=0.9..1", "to search between two values, write 'ppo.lam=interval(0.9, 1)' with -m sweeps=optuna."),
        ("ppo.lam=0.9-1", "write 'ppo.lam=interval(0.9, 1)' with -m sweeps=optuna."),
        ("ppo.lam=0.9:1", "write 'ppo.lam=interval(0.9, 1)' with -m sweeps=optuna."),
        ("ppo.lam=[0.9,1]", "to try several values, write 'ppo.lam=choice(0.9, 1)' with -m."),
        ("ppo.value_clip=None", "a number above 0, or null; did you mean null?"),
        ("ppo.lam=None", "it must be a number from 0 to 1."),
        ("ppo.lam=choice(0.9,1)", "asks for several runs; add -m for that, or give one value to ppo.lam."),
        ("ppo.value_clip=choice(null,0.2)", "asks for several runs; add -m for that, or give one value"),
        (
            "ppo.lam=interval(0.9,1)",
            "is a range, which asks for several runs; add -m sweeps=optuna for that, or give one",
        ),
        ("name=a,b", "or quote it if it is one value: 'name=\"a,b\"'."),
        ("tracker.tags=a,b", "or write one list in brackets: 'tracker.tags=[a,b]'."),
        ("model=choice(tiny,codellama)", "add -m for that, or give one value to model."),
        ("ppo.lam=", "ppo.lam= has no value"),
        ("ppo.lam", "ppo.lam is not OPTION=VALUE"),
        ("=3", "=3 is not OPTION=VALUE"),
        ("ppo.lam=0.9,0.95", "add -m"),
        ("model=tiny,codellama", "add -m"),
        ("--model=tiny", "options are written without dashes, model=tiny"),
        ("--frobnicate", "--frobnicate"),
        ("--config-name=nothing", "nothing"),
        ("--config-dir=no/such/folder", "no/such/folder is not a folder"),
        ("--resolve", "--resolve goes with --cfg"),
    ],
)
def test_one_word(word: str, expected: str) -> None:
    assert expected in complaint(word)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ppo.lam=0.9", "ppo.lam=0.8"], "ppo.lam is given twice"),
        (["model=tiny", "model=codellama"], "model is given twice"),
        (["method=sft", "baseline=sft"], "baseline=sft goes with method=reft"),
        (["ppo.rollouts=16", "ppo.mini_batch=32"], "ppo.mini_batch=32 is more than ppo.rollouts=16"),
        (["ppo.rollouts=128", "ppo.samples_per_problem=3"], "must be a multiple of ppo.samples_per_problem=3"),
        (
            ["ppo.credit=group"],
            "ppo.credit=group compares the responses to a question with each other, and ppo.samples_",
        ),
        (["method=grpo", "ppo.samples_per_problem=1"], "leaves nothing to compare; raise it to 2 or more."),
        (
            ["method=grpo", "ppo.critic_warmup=5"],
            "ppo.critic_warmup=5 trains a value model, and ppo.credit=group has none",
        ),
        (["ppo.loss_length=100"], "ppo.loss_length=100 is for ppo.loss_average=constant, and it is sequence"),
        (["ppo.dual_clip=1"], "ppo.dual_clip=1.0 is not possible: it must be a number above 1"),
        (["method=grop"], "did you mean grpo?"),
        (["method=evaluate"], "method=evaluate needs a policy to evaluate; name a run directory"),
        (["method=evaluate", "model.path=some/model", "baseline=sft"], "trains nothing, so leave out baseline=sft"),
        (["decode=vots"], "decode=vots is not a choice: there is greedy, pass, rerank, vote; did you mean vote?"),
        (["decode=[vote,pas]"], "decode=pas is not a choice: there is greedy, pass, rerank, vote; did you mean pass?"),
        (["decode=vote", "decode.k=0"], "decode.k=0 is not possible: it must be a whole number at least 1"),
        (["decode=rerank"], "decode=rerank needs an outcome reward model; name one that method=reranker has trained"),
        (["pool.top_p=0"], "pool.top_p=0.0 is not possible: it must be a number above 0 and at most 1"),
        (["model.scratch.hidden_size=64", "model.scratch.heads=5"], "(1, 2, 4, 8, 16, 32 do)"),
        (["model.scratch.heads=64"], "even parts"),
        (["model.scratch.max_positions=400"], "warmup.max_tokens=1024 is more than"),
        (["ppo.max_new_tokens=900"], "model.scratch.max_positions=1024"),
        (["eval.max_new_tokens=900"], "model.scratch.max_positions=1024"),
        (["warmup.epochs=0"], "warmup.epochs=0 needs a trained model"),
        (["method=sft", "sft.epochs=0"], "sft.epochs=0 needs a trained model"),
        (["warmup.schedule_epochs=10"], "less than warmup.epochs=20"),
        (["cot=natural", "cot.number_slots=true"], "cot.number_slots=true goes with cot=program"),
        (["data=svamp", "data.annotation=clean"], "goes with data=arithmetic only"),
        (["data=svamp", "data.path=no/such/file"], "data.path=no/such/file does not exist"),
        (["data=svamp", "data.test=no/such/file"], "data.test=no/such/file does not exist"),
        (["data.path=."], "does not go with data=arithmetic"),
        (["--cfg", "job", "ppo.lam=3"], "a number from 0 to 1"),
        (["--cfg", "job", "-m"], "only one of"),
        (["-m", "seed=0,1", "ppo.lam=0.9,1.5"], "ppo.lam=1.5 is not possible"),
        (["-m", "reward=exact,partal"], "did you mean partial?"),
        (["-m", "ppo.lam=choice(null,0.9)"], "ppo.lam=null is not possible: it must be a number from 0 to 1."),
        (["-m", "reward=choice(exact,null)"], "reward=null is not a choice"),
        (["-m", "sweeps=kl", "ppo.lam=choice(0.9,null)"], "ppo.lam=null, which cannot be"),
        (["-m", "sweeps=kl", "ppo.lam=[0.9,1]"], "write 'ppo.lam=choice(0.9, 1)' with -m."),
        (["-m", "sweeps=kl", "ppo.value_clip=choice(None,0.2)"], "or null; did you mean null?"),
        (["-m", "ppo.lam=interval(0.9,1)"], "a range to search"),
        (["-m", "ppo.lamda=0.9,1"], "did you mean ppo.lam?"),
        (["-m", "method=reft,sft", "baseline=sft"], "baseline=sft goes with method=reft"),
    ],
)
def test_several_words(words: list[str], expected: str) -> None:
    assert expected in complaint(*words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["seed=3", "ppo.lam=1", "name=2024", "tracker.tags=[a,b]"],
        ["warmup.epochs=0", "model.path=somewhere"],
        ["warmup.epochs=${ppo.epochs}"],
        ["ppo={lam: 0.9, gamma: 0.99}"],
        ["hydra.run.dir=elsewhere", "+hydra.job.env_set.A=1"],
        ["-m", "reward=exact,partial", "ppo.kl_coef=0,0.01,0.05"],
        ["-m", "seed=range(2)", "data=glob(*)"],
        ["-m", "ppo.value_clip=choice(null,0.2)"],
        ["-m", "sweeps=kl", "ppo.value_clip=choice( null , 0.2 )", "baseline=choice(sft,NULL)"],
        ["-m", "sweeps=optuna", "ppo.whiten=choice(true,false)", "ppo.loss_average=choice(token,sequence)"],
        ["-m", "sweeps=optuna", "tracker.group=choice('a, b',null,\"c)\")"],
        ["--cfg", "job", "--resolve"],
    ],
)
def test_good_command_lines_pass(words: list[str]) -> None:
    check_command(words)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("ppo:\n  lamda: 1\n", "in conf/experiment/mine.yaml: ppo.lamda is not an option; did you mean ppo.lam?"),
        ("ppo:\n  lam: high\n", "in conf/experiment/mine.yaml: ppo.lam=high is not possible"),
        ("ppo:\n  lam: 7\n", "ppo.lam=7.0 is not possible"),
        ("ppo: [\n", "mine.yaml"),
        ("defaults:\n  - override /model: codelama\n", "model/codelama"),
    ],
)
def test_a_broken_file_of_ones_own(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}")
    assert expected in complaint(f"--config-dir={tmp_path}", "experiment=mine")


def test_a_folder_of_ones_own_adds_choices(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nppo:\n  lam: 0.9\n")
    check_command([f"--config-dir={tmp_path}", "experiment=mine"])
    check_command([f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"])
