"""Which file is train, dev and test."""

import json

import pytest

from reft_lab.config.inputs import DataConfig
from reft_lab.data.files import find_files, split_of
from reft_lab.errors import BadInput

GSM8K = {"question": "1 and 1?", "answer": "1+1=<<1+1=2>>2\n#### 2"}
WORDS = {
    "item_id": "a",
    "question": "1 and 1?",
    "answer_cot": "1 + 1 = 2\nTherefore, the answer is <2>.",
    "answer_value": "2",
}
PROGRAM = {**WORDS, "answer_cot": "def solution():\n    return 1 + 1"}


def folder(tmp_path, **rows):
    for name, row in rows.items():
        (tmp_path / f"{name}.json").write_text(json.dumps([row]))
    return DataConfig(name="gsm8k", path=str(tmp_path))


def chosen(config, cot="program"):
    return {split: path.stem for split, path in find_files(config, cot).by_split.items()}


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("gsm8k_test_set", "test"), ("svamp-validation", "dev"), ("MathQA.Dev", "dev"),
     ("valid", "dev"), ("train2", "train"), ("training_01", "train"), ("svamp_nl", None), ("latest", None),
     ("trained", None), ("contest", None)],
)  # fmt: skip
def test_split_by_name(name, split):
    assert split_of(name) == split


def test_a_folder_may_mix_formats(tmp_path):
    (tmp_path / "README.md").write_text("not data")
    config = folder(tmp_path, train=GSM8K, gsm8k_test_set=WORDS, valid=WORDS)
    assert chosen(config) == {"train": "train", "dev": "valid", "test": "gsm8k_test_set"}


@pytest.mark.parametrize(("cot", "expected"), [("natural", "svamp_nl"), ("program", "svamp_python_sdp")])
def test_of_two_training_files_the_one_with_the_wanted_reasoning(tmp_path, cot, expected):
    config = folder(tmp_path, svamp_nl=WORDS, svamp_python_sdp=PROGRAM, svamp_test_set=WORDS)
    files = find_files(config, cot)
    assert files.by_split["train"].stem == expected
    assert len(files.notes) == 1
    assert f"cot={cot}" in files.notes[0]


def test_a_file_named_for_train_goes_before_a_nameless_one(tmp_path):
    config = folder(tmp_path, train=GSM8K, train_socratic=GSM8K, example_solutions=PROGRAM, test=GSM8K)
    assert chosen(config) == {"train": "train", "test": "test"}


def test_files_given_one_by_one_go_first(tmp_path):
    config = folder(tmp_path, train=GSM8K, test=WORDS, mine=PROGRAM)
    config.train = str(tmp_path / "mine.json")
    config.dev = str(tmp_path / "test.json")
    assert chosen(config) == {"train": "mine", "dev": "test", "test": "test"}
    config.path = None
    assert chosen(config) == {"train": "mine", "dev": "test"}


def test_a_single_file_is_train(tmp_path):
    config = folder(tmp_path, anything=GSM8K)
    config.path = str(tmp_path / "anything.json")
    assert chosen(config) == {"train": "anything"}


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(BadInput, match=r"data\.path=nowhere does not exist"):
        find_files(DataConfig(path="nowhere"), "program")
    with pytest.raises(BadInput, match=r"data\.test=nowhere\.json is no file"):
        find_files(DataConfig(test="nowhere.json"), "program")
    with pytest.raises(BadInput, match=r"holds no \.json or \.jsonl file"):
        find_files(DataConfig(path=str(tmp_path)), "program")
    (tmp_path / "svamp").mkdir()
    config = folder(tmp_path / "svamp", test=WORDS)
    with pytest.raises(BadInput, match="its folders svamp do"):
        find_files(DataConfig(path=str(tmp_path)), "program")
    with pytest.raises(BadInput, match=r"no file to train on, only test\.json"):
        find_files(config, "program")
