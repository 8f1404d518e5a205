"""run.py as a user meets it: a real process, from another folder, with its exit code and what it leaves on disk."""

import os
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

    def launch(self, body: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A stand-in for run.py whose experiment is `body`."""
        (self.folder / "experiment.py").write_text(
            "import hydra\n"
            "from reft_lab.config.launch import bad_input_exits, launch\n"
            "from reft_lab.errors import BadInput\n"
            f"@hydra.main(version_base='1.3', config_path={str(self.repo / 'conf')!r}, config_name='config')\n"
            "def experiment(cfg):\n"
            "    with bad_input_exits():\n"
            f"        {body}\n"
            "launch(experiment)\n"
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
    assert max(map(len, ended.stdout.splitlines())) <= 140
    assert list(shell.folder.iterdir()) == []


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


def test_interruption_ends_with_130(shell: Shell) -> None:
    ended = shell.launch("raise KeyboardInterrupt")
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr


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
