"""The card of a checkpoint that leaves its run: README.md beside the weights, as model cards on the hub are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.cot import Prompts
from reft_lab.installed import command
from reft_lab.methods import method_of, result_labels
from reft_lab.numbers import interval, per_cent
from reft_lab.policy import adapter_files
from reft_lab.report.facts import config_sections
from reft_lab.run_dir.files import PASSPORT
from reft_lab.run_dir.forked import FACTS
from reft_lab.run_dir.reading import read_object

CARD = "README.md"
# Sections that say how the run was made, not what the policy is.
LEFT_OUT = ("tracker", "checkpoint", "study", "trainer", "pool", "alarms", "audit")
LOAD = {
    False: ("from transformers import AutoModelForCausalLM, AutoTokenizer\n", "AutoModelForCausalLM"),
    True: (
        "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n",
        "AutoPeftModelForCausalLM",
    ),
}  # by whether it is an adapter: imports, and the class


def card(run: Found, policy: Path, choice: str) -> str:
    """The card of a policy.

    Args:
        run: the finished run that it is of.
        policy: its folder in the run directory.
        choice: how the run was chosen, a sentence.
    """
    method = method_of(run.config)
    facts = read_object(policy / FACTS) or {}
    passport = read_object(Path(str(run.directory)) / PASSPORT) or {}
    base = run.config.get("model.path")
    licence = licence_of(None if base is None else str(base), run.config.get("model.revision"))
    origin = "a model made from scratch" if base is None else f"`{base}`"
    lines = [
        _metadata(run, base, licence),
        f"# {run.config.get('name')}\n",
        f"{method.label} on {_data(run.config)}, from {origin}; reasoning as {run.config.get('cot.name')}. The "
        f"checkpoint is that of {facts.get('when') or run.result.get('chosen')}, seed {run.config.get('seed')}.\n",
        "## Accuracy\n",
        *_scores(run),
        f"\nThe checkpoint was picked within its run by {run.config.get('selection')}. {choice}\n",
        *([f"It says of itself: {told}.\n"] if (told := earned(policy)) else []),
        "## How to load it\n",
        *_loading(run, policy, "sft" if facts.get("prompts") == "sft" else "rl"),
        "## Settings\n",
        "What is not as in `python run.py`:\n",
        *_settings(run),
        "\n## Where it comes from\n",
        f"- run: `{run.directory}`, with `{passport.get('command', 'a command that is not known')}`",
        f"- commit: {(passport.get('git') or {}).get('commit') or 'not known'}",
        *_lineage(passport.get("fork")),
        *(f"- hash of the {name}: {value}" for name, value in (passport.get("hashes") or {}).items()),
        "\n## Licence\n",
        _on_licence(base, licence),
    ]
    return "\n".join(lines) + "\n"


def earned(policy: Path) -> str | None:
    """What a checkpoint says of itself: when it was, how accurate, and what it was kept for; None: nothing."""
    facts = read_object(policy / FACTS) or {}
    try:
        low, high = facts["ci95"]
        score = f"{facts['split']} {per_cent(facts['accuracy'])} %, 95 % interval {interval(low, high)}, n {facts['n']}"
        return f"{facts['when']}, step {facts['step']}: {score}; kept for {facts['chosen_for']}"
    except (KeyError, TypeError, ValueError):
        return None


def licence_of(base: str | None, revision: Any = None) -> str | None:
    """The licence of a model by the card beside it, in its folder or in the hub's cache on this machine; None where
    that is not known."""
    if base is None:
        return None
    import huggingface_hub

    folder = Path(base).expanduser()
    file: Any = folder / CARD if folder.is_dir() else None
    if file is None and not folder.exists():
        try:
            file = huggingface_hub.try_to_load_from_cache(base, CARD, revision=revision or "main")
        except huggingface_hub.errors.HFValidationError:  # no id of the hub
            return None
    if not isinstance(file, str | Path) or not Path(file).is_file():
        return None
    try:
        text = Path(file).read_text(encoding="utf-8")
        data = huggingface_hub.ModelCard(text, ignore_metadata_errors=True).data
    except Exception:  # somebody else's card may hold anything
        return None
    told = data.get("license_name") if data.get("license") == "other" else data.get("license")
    return None if told is None else str(told)


def _metadata(run: Found, base: Any, licence: str | None) -> str:
    from huggingface_hub import ModelCardData

    told = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=None if base is None else str(base),
        license=licence,
        datasets=run.config.get("data.hub") if _is_from_the_hub(run.config) else None,
        tags=["reft_lab", str(run.config.get("method"))],
    )
    return f"---\n{told.to_yaml()}\n---\n"


def _is_from_the_hub(config: Mapping[str, Any]) -> bool:
    places = (config.get(f"data.{key}") for key in ("path", "train"))
    return config.get("data.source") == "hub" and all(place is None for place in places)


def _data(config: Mapping[str, Any]) -> str:
    name = f"`{config.get('data.name')}`"
    if config.get("data.name") == "arithmetic":
        return f"{name} (generated word problems)"
    place = next((config[key] for key in ("data.path", "data.train", "data.hub") if config.get(key)), None)
    return name if place is None else f"{name} (`{place}`)"


def _scores(run: Found) -> list[str]:
    method = method_of(run.config)
    lines = [f"| {method.measure} | split | % | 95 % interval | n |", "|---|---|---|---|---|"]
    for key, label in result_labels(method).items():
        for split, score in ((run.result.get(key) or {}) if key != "baseline_sft" else {}).items():
            low, high = score["ci95"]
            lines.append(
                f"| {label} | {split} | {per_cent(score['accuracy'])} | {interval(low, high)} | {score['n']} |"
            )
    return lines


def _loading(run: Found, policy: Path, prompts: Prompts) -> list[str]:
    config, adapted = run.config, adapter_files.is_adapter(policy)
    prompt = _prompt(run, prompts)
    imports, loader = LOAD[adapted]
    bos = bool(config.get("cot.begin_of_sequence", True))
    code = [
        imports,
        f"model = {loader}.from_pretrained(folder)",
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        f"prompt = {json.dumps(prompt, ensure_ascii=False)}",
        f'inputs = tokenizer(prompt, add_special_tokens={bos}, return_tensors="pt")',
        f"written = model.generate(**inputs, do_sample=False, max_new_tokens={config.get('ppo.max_new_tokens')})",
        'print(tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))',
    ]
    lines = ["With `folder` the folder of this card:\n", "```python", *code, "```\n"]
    if adapted:
        named = adapter_files.check_adapter(policy).get("base_model_name_or_path")
        lines.append(f"The weights are an adapter; the model beneath it is `{named}`.\n")
    asked = (f"{key}={config[f'{key}.name']}" for key in ("cot", "data") if f"{key}.name" in config)
    lines.append(
        f"Or in reft_lab: `{command()} method=evaluate model.path=FOLDER {' '.join(asked)}`, with the options\n"
        "of `cot`, `answers` and lengths below.\n"
    )
    return lines


def _prompt(run: Found, prompts: Prompts) -> str:
    """How the first test question was put to the policy; dots where that is not known."""
    from reft_lab.config.check import check
    from reft_lab.cot import make_format
    from reft_lab.data.problem import Problem
    from reft_lab.errors import BadInput
    from reft_lab.programs import ProgramRunner
    from reft_lab.run_dir.saved import read

    first = next(iter(run.predictions()), None)
    if first is None:
        return "..."
    try:
        config = check(read(Path(str(run.directory))).experiment)
        with ProgramRunner(config.programs) as programs:
            form = make_format(config.cot, config.answers, programs)
            return form.prompt(
                Problem(str(first["id"]), str(first["question"]), str(first.get("gold")), None, ""), prompts
            )
    except (BadInput, KeyError):
        return "..."


def _settings(run: Found) -> Sequence[str]:
    changed = [
        f"{option.key if section == 'experiment' else f'{section}.{option.key}'}={option.value}"
        for section, options in config_sections(run)
        if section.partition(".")[0] not in LEFT_OUT
        for option in options
        if option.default is not None
    ]
    return ["```", *(changed or ["nothing"]), "```"]


def _lineage(fork: Any) -> list[str]:
    if not isinstance(fork, Mapping):
        return []
    return [f"- forks: {' -> '.join(map(str, fork.get('lineage') or []))}"]


def _on_licence(base: Any, licence: str | None) -> str:
    if base is None:
        return "The weights were made from scratch. What the data allow is for their source to say."
    if licence is None:
        return f"That of `{base}`, which is not known on this machine: see where it came from. So do the data's terms."
    return f"That of `{base}`: {licence}. The terms of the data hold beside it."
