"""The names of what is in a run directory; docs/run-directory.md says what each of them is."""

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
WANDB = "wandb"
HYDRA = ".hydra"
LOCK, RESERVE = ".lock", ".reserve"  # while a process works in the directory


def looks_like_a_run(names: set[str]) -> bool:
    """Whether a folder with these entries is a run directory, a damaged one included."""
    return (CONFIG in names and HYDRA in names) or len(names & {CONFIG, PASSPORT, RESULT, METRICS}) > 1
