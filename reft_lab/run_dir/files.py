"""The names of what is in a run directory; docs/run-directory.md says what each of them is."""

from pathlib import Path

CONFIG = "config.yaml"
PASSPORT = "passport.json"
METRICS = "metrics.jsonl"
SAMPLES = "samples.jsonl"
PREDICTIONS = "predictions.jsonl"
CRITIC_AUDIT = "critic_audit.json"
AUDIT = "audit.json"
RESULT = "result.json"
REPORT = "report.html"
LOG = "log.txt"
CHECKPOINTS = "checkpoints"
BASELINE = "baseline_sft"  # the folder of the SFT baseline, and its key in result.json
WANDB, TENSORBOARD = "wandb", "tensorboard"
PROFILE, OPERATIONS = "profile", "operations.txt"  # the folder of traces, and the table in it
HYDRA = ".hydra"
# In CHECKPOINTS: full states (LAST, and STEP with the number of its step) and policies, and the files of a full state.
LAST, STEP, BEST, WARMUP, MERGED = "last", "step-", "best", "warmup", "merged"
STATE_TENSORS, STATE = "state.safetensors", "state.json"
STATE_PARTS = "shard-*.safetensors"  # in place of STATE_TENSORS where weights are in parts; torch names them
LOCK, RESERVE, PROGRESS = ".lock", ".reserve", "progress.json"  # while a process works in the directory


def tensor_files(state: Path) -> list[Path]:
    """The files with the tensors of a full state; none where it has a policy alone."""
    return sorted([*state.glob(STATE_TENSORS), *state.glob(STATE_PARTS)])


def looks_like_a_run(names: set[str]) -> bool:
    """Whether a folder with these entries is a run directory, a damaged one included."""
    return (CONFIG in names and HYDRA in names) or len(names & {CONFIG, PASSPORT, RESULT, METRICS}) > 1
