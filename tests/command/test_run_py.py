"""run.py as a user meets it: a real process, from another folder, with its exit code and what it leaves on disk."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


class Shell:
    """Runs Python programs in an empty folder."""

    def __init__(self, folder: Path, repo: Path):
        self.folder, self.repo = folder, repo

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.repo)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def run_py(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.python(str(self.repo / "run.py"), *words)

    def launch(self, body: str, *words: str, resumed: str = "pass") -> subprocess.CompletedProcess[str]:
        """A stand-in for run.py whose experiment is `body`, and which goes on with a run by `resumed`."""
        (self.folder / "experiment.py").write_text(
            "from reft_lab.command.launch import launch\n"
            "from reft_lab.errors import BadInput, Interrupted, RunFailed\n"
            "def experiment(cfg, directory):\n"
            f"    {body}\n"
            "def resume(config, directory, changes):\n"
            f"    {resumed}\n"
            "launch(experiment, resume)\n"
        )
        return self.python("experiment.py", *words)


@pytest.fixture
def shell(tmp_path: Path, repo: Path) -> Shell:
    return Shell(tmp_path, repo)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ppo.lamda=0.9"], "error: ppo.lamda is not an option; did you mean ppo.lam?"),
        (["ppo.lam=1.5"], "error: ppo.lam=1.5 is not possible: it must be a number from 0 to 1."),
        (["+anything=1"], "error: anything is not an option; docs/configuration.md lists all of them."),
        (["-m", "seed=0,1", "ppo.clip=0"], "error: ppo.clip=0.0 is not possible: it must be a number above 0."),
        (["resum=auto"], "error: resum is not an option; did you mean resume?"),
        (
            ["resume=auto", "-m"],
            "error: resume=auto goes on with one run, and -m starts several; leave one of them out.",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(words: list[str], sentence: str, shell: Shell) -> None:
    ended = shell.run_py(*words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"{sentence}\n")
    assert list(shell.folder.iterdir()) == []


def test_bad_input_is_found_without_loading_anything_heavy(repo: Path, shell: Shell) -> None:
    (shell.folder / "watch.py").write_text(
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print([name for name in ('torch', 'transformers', 'datasets', 'wandb', 'optuna', 'pandas')"
        " if name in sys.modules], end.code)\n"
    )
    for words, code in ((["ppo.lam=1.5"], 2), (["--help"], 0)):
        ended = shell.python("watch.py", str(repo / "run.py"), *words)
        assert ended.stdout.splitlines()[-1] == f"[] {code}", ended.stderr


def test_help(shell: Shell) -> None:
    started = time.perf_counter()
    ended = shell.run_py("--help")
    assert time.perf_counter() - started < 10  # under 1.5 s on a quiet machine
    assert ended.returncode == 0
    assert "docs/configuration.md" in ended.stdout
    for choice in ("tiny", "codellama", "gsm8k", "natural", "proximity", "paper/svamp_natural_galactica", "quick"):
        assert choice in ended.stdout
    assert "Dr. GRPO (2503.20783): GRPO without its two biases\n" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 140
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize("words", ["--help", "--cfg job"])
def test_a_reader_that_leaves_is_no_error(words: str, repo: Path, shell: Shell) -> None:
    command = shlex.join([sys.executable, str(repo / "run.py"), *words.split()])
    line = f"{command} | head -c 1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", line], cwd=shell.folder, capture_output=True, text=True, timeout=120)
    assert ended.stderr == ""
    assert ended.stdout.endswith("0\n")


def test_cfg_job_prints_the_experiment(shell: Shell) -> None:
    from omegaconf import OmegaConf

    ended = shell.run_py("--cfg", "job", "--resolve", "model=codellama", "data=svamp", "seed=7")
    assert ended.returncode == 0, ended.stderr
    printed = OmegaConf.create(ended.stdout)
    assert (printed.seed, printed.name, printed.ppo.lr) == (7, "codellama-svamp-program-reft", 3e-7)
    assert list(shell.folder.iterdir()) == []


def test_a_run_gets_a_folder_of_its_name_below_the_current_one(shell: Shell) -> None:
    ended = shell.launch("print(cfg.seed)", "seed=5", "name=mine")
    assert (ended.returncode, ended.stdout) == (0, "5\n")
    (folder,) = shell.folder.glob("outputs/*/*-mine")
    assert sorted(path.name for path in folder.iterdir()) == [".hydra"]


def test_a_multirun_gets_a_folder_a_run(shell: Shell) -> None:
    ended = shell.launch("print('seed', cfg.seed)", "-m", "seed=5,6")
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("seed")] == ["seed 5", "seed 6"]
    assert sorted(path.name for path in shell.folder.glob("multirun/*/*/[0-9]")) == ["0", "1"]


def test_a_launcher_of_hydra_starts_the_runs_of_a_multirun(shell: Shell) -> None:
    ended = shell.launch(
        "(directory / 'seed.txt').write_text(str(cfg.seed))", "-m", "seed=5,6", "hydra/launcher=joblib"
    )
    assert ended.returncode == 0, ended.stderr
    assert {path.read_text() for path in shell.folder.glob("multirun/*/*/[01]/seed.txt")} == {"5", "6"}


CALLBACK = """
class Told:
    def __getattr__(self, event):
        if not event.startswith("on_"):
            raise AttributeError(event)
        return lambda **facts: print(event, *sorted(facts))
class Broken:
    def on_job_start(self, **facts):
        raise ValueError("a bug of the callback")
"""


def test_callbacks_of_hydra_are_called(shell: Shell) -> None:
    (shell.folder / "callbacks.py").write_text(CALLBACK)
    words = ("+hydra.callbacks.told._target_=callbacks.Told", "+hydra.callbacks.broken._target_=callbacks.Broken")
    job = ["on_job_start config task_function", "work", "on_job_end config job_return"]
    ended = shell.launch("print('work')", *words)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "on_run_start config config_name",
        *job,
        "on_run_end config config_name job_return",
    ]
    assert "a bug of the callback" in ended.stderr
    ended = shell.launch("print('work')", "-m", "seed=0,1", *words)
    assert [line for line in ended.stdout.splitlines() if line.startswith(("on_", "work"))] == [
        "on_multirun_start config config_name",
        *job,
        *job,
        "on_multirun_end config config_name",
    ]


def test_hydra_keeps_what_was_composed(shell: Shell) -> None:
    from omegaconf import OmegaConf

    ended = shell.launch("pass", "seed=5", "ppo.lam=0.9", "+hydra.job.env_set.A=1", "hydra.run.dir=mine")
    assert ended.returncode == 0, ended.stderr
    kept = shell.folder / "mine" / ".hydra"
    assert sorted(file.name for file in kept.iterdir()) == ["config.yaml", "hydra.yaml", "overrides.yaml"]
    assert OmegaConf.load(kept / "overrides.yaml") == ["seed=5", "ppo.lam=0.9"]
    hydra = OmegaConf.load(kept / "hydra.yaml").hydra
    assert hydra.overrides.hydra == ["+hydra.job.env_set.A=1", "hydra.run.dir=mine", "hydra.mode=RUN"]
    assert (hydra.job.name, hydra.job.config_name, hydra.mode) == ("run", "config", "RUN")
    assert (hydra.runtime.output_dir, hydra.runtime.cwd) == (str(shell.folder / "mine"), str(shell.folder))
    assert OmegaConf.load(kept / "config.yaml").ppo.lam == 0.9


def test_a_main_file_of_ones_own(shell: Shell) -> None:
    (shell.folder / "own" / "experiment").mkdir(parents=True)
    (shell.folder / "own" / "mine.yaml").write_text("defaults: [config, _self_]\nseed: 7\n")
    (shell.folder / "own" / "experiment" / "low.yaml").write_text("# @package _global_\nppo:\n  lam: 0.9\n")
    words = ("--config-dir=own", "--config-name=mine", "experiment=low")
    ended = shell.launch("print(cfg.seed, cfg.ppo.lam)", *words)
    assert (ended.returncode, ended.stdout) == (0, "7 0.9\n"), ended.stderr
    ended = shell.launch("print('got', cfg.seed, cfg.ppo.lam)", "-m", "ppo.gamma=0.9,1", *words)
    assert ended.stdout.count("got 7 0.9\n") == 2, ended.stderr


def test_bad_input_in_the_middle_of_a_run_is_one_sentence(shell: Shell) -> None:
    ended = shell.launch("raise BadInput('the file is empty.')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "error: the file is empty.\n")


def test_bad_input_in_the_middle_of_a_multirun_names_the_run(shell: Shell) -> None:
    ended = shell.launch("if cfg.seed: raise BadInput('the file is empty.')", "-m", "seed=0,1")
    assert ended.returncode == 2
    assert "seed=1" in ended.stderr
    assert ended.stderr.endswith("error: the file is empty.\n")


def test_full_error_adds_the_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    ended = shell.launch("raise BadInput('the file is empty.')")
    assert ended.returncode == 2
    assert "Traceback" in ended.stderr
    assert ended.stderr.endswith("error: the file is empty.\n")


def test_any_other_error_ends_with_1_and_a_traceback(shell: Shell) -> None:
    ended = shell.launch("1 / 0")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "ZeroDivisionError" in ended.stderr


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize(
    ("raised", "code"), [("KeyboardInterrupt", 130), ("Interrupted(2)", 130), ("Interrupted(15)", 143)]
)
def test_interruption_ends_with_the_code_of_its_signal(raised: str, code: int, flags: list[str], shell: Shell) -> None:
    ended = shell.launch(f"raise {raised}", *flags)
    assert (ended.returncode, ended.stderr) == (code, "interrupted\n")
    assert not list(shell.folder.rglob(".hydra"))  # nothing of a run that had not begun


def test_a_failed_run_is_one_sentence(shell: Shell) -> None:
    ended = shell.launch("raise RunFailed('the disk is full.')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "error: the disk is full.\n")
    ended = shell.launch("if cfg.seed: raise RunFailed('the disk is full.')", "-m", "seed=0,1")
    assert ended.returncode == 1
    assert "seed=1" in ended.stderr
    assert ended.stderr.endswith("error: the disk is full.\n")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0, 0.2, 0.4, 0.8, 1.6])
def test_a_signal_during_start_up_is_quiet(number: signal.Signals, delay: float, shell: Shell) -> None:
    command = [sys.executable, str(shell.repo / "run.py"), "tracker=none"]
    with subprocess.Popen(command, cwd=shell.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not _hears_sigterm(process.pid):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, b"interrupted\n")
    begun = {file.parent for file in shell.folder.glob("outputs/*/*/config.yaml")}
    assert set(shell.folder.glob("outputs/*/*")) == begun


def _hears_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


# Going on with a run. Which one, and with which config, is in test_resume.py.

BEGIN = (
    "from pathlib import Path; from reft_lab.run_dir.directory import RunDirectory; "
    "run = RunDirectory(directory); run.write_config(cfg); "
    "run.write_passport({'folder': str(Path.cwd())}); print('new', cfg.seed)"
)
GO_ON = "print(directory, config.seed, config.ppo.iterations, config.tracker.wandb, changes)"


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.name != "experiment.py"}


def test_resume_goes_on_in_the_directory_of_the_run(shell: Shell) -> None:
    shell.launch(BEGIN, "seed=5", "ppo.iterations=7", "hydra.run.dir='my run'")
    before = contents(shell.folder)
    ended = shell.launch(BEGIN, "resume=my run", "ppo.iterations=9", "tracker=none", resumed=GO_ON)
    changes = ["ppo.iterations: 7 -> 9", "tracker.wandb: auto -> disabled"]
    assert (ended.returncode, ended.stdout) == (0, f"my run 5 9 disabled {changes}\n"), ended.stderr
    assert contents(shell.folder) == before


def test_resume_refuses_another_experiment(shell: Shell) -> None:
    shell.launch(BEGIN, "hydra.run.dir=mine")
    ended = shell.run_py("resume=mine", "seed=1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: the run in mine cannot go on as another experiment (seed: 0 -> 1)")
    assert ended.stderr.count("\n") == 1


def test_resume_prints_what_would_run(shell: Shell) -> None:
    from omegaconf import OmegaConf

    shell.launch(BEGIN, "seed=5", "hydra.run.dir=mine")
    before = contents(shell.folder)
    ended = shell.run_py("--cfg", "job", "resume=mine", "ppo.iterations=9")
    assert ended.returncode == 0, ended.stderr
    printed = OmegaConf.create(ended.stdout)
    assert (printed.seed, printed.ppo.iterations, printed.resume) == (5, 9, None)
    assert contents(shell.folder) == before


def test_resume_says_that_a_run_is_finished(shell: Shell) -> None:
    shell.launch(f"{BEGIN}; run.write_result({{'status': 'finished'}})", "hydra.run.dir=mine")
    ended = shell.run_py("resume=mine")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("the run in mine is finished")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        ("Interrupted(15)", 143, "interrupted"),
        ("RunFailed('the disk is full.')", 1, "error: the disk is full."),
        ("BadInput('it is in use.')", 2, "error: it is in use."),
    ],
)
def test_a_run_that_goes_on_ends_as_a_new_one(raised: str, code: int, line: str, shell: Shell) -> None:
    shell.launch(BEGIN, "hydra.run.dir=mine")
    ended = shell.launch("pass", "resume=mine", resumed=f"raise {raised}")
    assert (ended.returncode, ended.stderr) == (code, f"{line}\n")


def test_resume_auto_is_the_same_command_each_time(shell: Shell) -> None:
    words = ("resume=auto", "seed=3", "tracker=none")
    ended = shell.launch(BEGIN, *words, resumed=GO_ON)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "no unfinished run of this experiment; a new one begins.\nnew 3\n"
    (folder,) = shell.folder.glob("outputs/*/*")
    assert "resume" not in (folder / ".hydra" / "overrides.yaml").read_text()
    ended = shell.launch(BEGIN, *words, resumed=GO_ON)
    assert (ended.returncode, ended.stdout) == (0, f"{folder.relative_to(shell.folder)} 3 60 disabled []\n")
    ended = shell.launch(BEGIN, "resume=auto", "seed=4", resumed=GO_ON)
    assert ended.stdout.endswith("new 4\n")


def test_resume_finds_the_reward_that_is_beside_where_the_run_was_started(shell: Shell, tmp_path: Path) -> None:
    (shell.folder / "my_module.py").write_text("def my_function(outcome):\n    return 1.0\n")
    shell.launch(BEGIN, "reward=my_module.my_function", "hydra.run.dir=mine")
    elsewhere = Shell(tmp_path / "elsewhere", shell.repo)
    elsewhere.folder.mkdir()
    ended = elsewhere.launch(
        "pass",
        f"resume={shell.folder / 'mine'}",
        resumed="from reft_lab.rewards import choose; print(choose(config.reward).function(None))",
    )
    assert (ended.returncode, ended.stdout) == (0, "1.0\n"), ended.stderr


def test_a_reward_of_ones_own(shell: Shell) -> None:
    (shell.folder / "my_module.py").write_text("def my_function(outcome):\n    return 1.0\n")
    ended = shell.launch("print(cfg.reward.function)", "reward=my_module.my_function")
    assert (ended.returncode, ended.stdout) == (0, "my_module.my_function\n"), ended.stderr
    ended = shell.launch("print('with', cfg.reward.function)", "-m", "reward=exact,my_module.my_function")
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("with")] == [
        "with exact",
        "with my_module.my_function",
    ]
    ended = shell.run_py("reward=my_module.other")
    assert ended.returncode == 2
    assert "other" in ended.stderr
