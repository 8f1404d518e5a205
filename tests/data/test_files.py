"""Which file is train, dev and test."""

import gzip
import json
from pathlib import Path

import pytest

from reft_lab.data.file_names import Shard, data_set_of, shard_of, split_of
from reft_lab.data.files import find_files
from reft_lab.data.settings import DataConfig
from reft_lab.data.sources import read_sources
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


def write(folder, **rows):
    """Files by name, an ending in it written as `_json`."""
    for name, row in rows.items():
        stem, _, ending = name.partition("__")
        text = json.dumps(row) + "\n"
        path = folder / f"{stem.replace('_of_', '-of-')}.{ending.replace('_', '.') or 'json'}"
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())


def chosen(config, cot="program"):
    return {split: paths[0].name.partition(".")[0] for split, paths in find_files(config, cot).by_split.items()}


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("gsm8k_test_set", "test"), ("svamp-validation", "dev"), ("MathQA.Dev", "dev"),
     ("valid", "dev"), ("train2", "train"), ("training_01", "train"), ("trainset", "train"), ("train_set", "train"),
     ("TrainSet", "train"), ("TRAINSET", "train"), ("trainingData", "train"), ("testset", "test"), ("TestData", "test"),
     ("validset", "dev"), ("ValSet", "dev"), ("devset", "dev"), ("eval", "dev"), ("evaluation", "dev"),
     ("evalset", "dev"), ("svampTestSet2", "test"), ("mathqa.validation", "dev"), ("train-00000-of-00002", "train"),
     ("svamp_nl", None),
     ("latest", None), ("trained", None), ("contest", None), ("retrieval", None), ("train_test", None)],
)  # fmt: skip
def test_split_by_name(name, split):
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("name", "data_set"),
    [("svamp_nl", "svamp"), ("mathqa-numeric_nl", "mathqa_numeric"), ("mathqa_test_set", "mathqa"), ("SVAMP", "svamp"),
     ("train", None), ("svamper_nl", None)],
)  # fmt: skip
def test_data_set_by_name(name, data_set):
    assert data_set_of(name) == data_set


def test_a_folder_may_mix_formats(tmp_path):
    (tmp_path / "README.md").write_text("not data")
    config = folder(tmp_path, train=GSM8K, gsm8k_test_set=WORDS, valid=WORDS)
    assert chosen(config) == {"train": "train", "dev": "valid", "test": "gsm8k_test_set"}


@pytest.mark.parametrize(("cot", "expected"), [("natural", "svamp_nl"), ("program", "svamp_python_sdp")])
def test_of_two_training_files_the_one_with_the_wanted_reasoning(tmp_path, cot, expected):
    config = folder(tmp_path, svamp_nl=WORDS, svamp_python_sdp=PROGRAM, svamp_test_set=WORDS)
    files = find_files(config, cot)
    assert [path.stem for path in files.by_split["train"]] == [expected]
    assert f"cot={cot}" in files.notes[0]


@pytest.mark.parametrize("data", ["svamp", "mathqa", "mathqa_numeric"])
def test_in_a_folder_of_all_data_sets_the_files_named_for_the_one_asked_for(tmp_path, data):
    names = {"svamp": "svamp", "mathqa": "mathqa", "mathqa_numeric": "mathqa-numeric"}
    for name in names.values():
        folder(tmp_path, **{f"{name}_nl": WORDS, f"{name}_python_sdp": PROGRAM, f"{name}_test_set": WORDS})
    config = DataConfig(name=data, path=str(tmp_path))
    assert chosen(config) == {"train": f"{names[data]}_python_sdp", "test": f"{names[data]}_test_set"}


def test_a_file_named_for_train_goes_before_a_nameless_one(tmp_path):
    config = folder(tmp_path, train=GSM8K, example_solutions=PROGRAM, test=GSM8K)
    assert chosen(config) == {"train": "train", "test": "test"}
    assert "not read: example_solutions.json" in find_files(config, "program").notes[0]


@pytest.mark.parametrize("name", ["trainset", "TrainSet", "train_set", "training-data"])
def test_sets_are_known_by_their_words(tmp_path, name):
    """testset.json once was the training file, as its name was the shortest."""
    config = folder(tmp_path, **{name: GSM8K}, testset=GSM8K, validset=GSM8K)
    assert chosen(config) == {"train": name, "dev": "validset", "test": "testset"}
    said = f"train is {name}.json, dev is validset.json, test is testset.json"
    assert said in find_files(config, "program").notes[0]


def test_nothing_is_said_of_files_that_are_called_what_they_are(tmp_path):
    assert find_files(folder(tmp_path, train=GSM8K, dev=GSM8K, test=GSM8K), "program").notes == []


@pytest.mark.parametrize("names", [("a", "bb"), ("problems", "questions", "more_problems")])
def test_a_folder_whose_names_say_nothing_is_not_guessed(tmp_path, names):
    config = folder(tmp_path, **dict.fromkeys(names, GSM8K))
    with pytest.raises(BadInput, match=r"data\.train= and data\.test=") as raised:
        find_files(config, "program")
    assert all(f"{name}.json" in str(raised.value) for name in names)


@pytest.mark.parametrize(("split", "names"), [("train", ("train", "train_socratic")), ("test", ("test", "test2"))])
def test_of_two_files_for_one_split_none_is_guessed(tmp_path, split, names):
    config = folder(tmp_path, **dict.fromkeys(names, GSM8K), **({"train": GSM8K} if split == "test" else {}))
    with pytest.raises(BadInput, match=rf"could be {split} .*data\.{split}=") as raised:
        find_files(config, "program")
    assert all(f"{name}.json" in str(raised.value) for name in names)
    setattr(config, split, str(tmp_path / f"{names[0]}.json"))
    assert chosen(config)[split] == names[0]


def test_hidden_files_are_passed_over(tmp_path):
    assert chosen(folder(tmp_path, train=GSM8K, test=GSM8K, **{"._train": GSM8K})) == {"train": "train", "test": "test"}


def test_all_that_is_open_is_asked_for_at_once(tmp_path):
    """The folder as OpenAI released it."""
    names = ("train", "train_socratic", "test", "test_socratic", "example_model_solutions")
    with pytest.raises(
        BadInput, match=r"train\.json, train_socratic.*test\.json, test_socratic.*data\.test=$"
    ) as raised:
        find_files(folder(tmp_path, **dict.fromkeys(names, GSM8K)), "program")
    assert "example" not in str(raised.value)


def test_what_only_describes_the_data_is_no_training_file(tmp_path):
    config = folder(tmp_path, problems=GSM8K, test=GSM8K, dataset_info={"version": 1}, config={"name": "x"})
    assert chosen(config) == {"train": "problems", "test": "test"}


@pytest.mark.parametrize("ending", ["json", "jsonl", "json_gz", "jsonl_gz"])
@pytest.mark.parametrize("first", [0, 1])
def test_shards_are_joined_in_order_and_said(tmp_path, ending, first):
    rows = {f"train-0000{first + n}_of_00003__{ending}": {**GSM8K, "question": f"{n} and 1?"} for n in (2, 0, 1)}
    write(tmp_path, **rows, **{f"test__{ending}": GSM8K})
    config = DataConfig(name="gsm8k", path=str(tmp_path))
    found = read_sources(config, "program")
    assert [record.question for record in found.by_split["train"]] == ["0 and 1?", "1 and 1?", "2 and 1?"]
    assert len({record.id for record in found.by_split["train"]}) == 3
    assert "(3 shards)" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "shard"),
    [("train-00001-of-00002.json", Shard("train", 1, 2)), ("train_1_of_3.jsonl.gz", Shard("train", 1, 3)),
     ("train-00000-of-00001-0123456789abcdef.jsonl", Shard("train", 0, 1)),
     ("a.test-1-of-2.JSON", Shard("a.test", 1, 2)), ("train.json", None), ("train_2.json", None),
     ("best5of10.json", None)],
)  # fmt: skip
def test_shards_by_name(name, shard):
    assert shard_of(Path(name)) == shard


@pytest.mark.parametrize("there", [(0,), (1,), (0, 2), (1, 2), (0, 1, 2, 3)])
def test_a_missing_shard_is_refused(tmp_path, there):
    write(tmp_path, **{f"train-0000{n}_of_00003__jsonl": GSM8K for n in there}, test=GSM8K)
    with pytest.raises(BadInput, match=r"shard \d of 3 is missing|4 shards of 3") as raised:
        find_files(DataConfig(name="gsm8k", path=str(tmp_path)), "program")
    assert "train-0000" in str(raised.value)
    assert "data.train=" in str(raised.value)


def test_a_shard_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path, train_0_of_1__jsonl=GSM8K, train_0_of_1__jsonl_gz=GSM8K)
    with pytest.raises(BadInput, match="are the same shard"):
        find_files(DataConfig(name="gsm8k", path=str(tmp_path)), "program")


def test_a_shard_given_by_itself_is_read_by_itself_and_said(tmp_path):
    write(tmp_path, train_0_of_2__jsonl=GSM8K, train_1_of_2__jsonl=GSM8K)
    path = str(tmp_path / "train_0-of-2.jsonl")
    for config in (DataConfig(path=path), DataConfig(train=path)):
        files = find_files(config, "program")
        assert [each.name for each in files.by_split["train"]] == ["train_0-of-2.jsonl"]
        assert "one of 2 shards" in files.notes[0]


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
    assert find_files(config, "program").notes == []
    folder(tmp_path, testset=GSM8K)
    config.path = str(tmp_path / "testset.json")
    assert "testset.json is trained on" in find_files(config, "program").notes[0]


def test_a_given_training_file_settles_what_a_folder_leaves_open(tmp_path):
    config = folder(tmp_path, one=GSM8K, two=GSM8K, test=GSM8K)
    config.train = str(tmp_path / "two.json")
    assert chosen(config) == {"train": "two", "test": "test"}
    assert find_files(config, "program").notes == [f"in {tmp_path}: test is test.json; not read: one.json"]
    config = folder(tmp_path, one=GSM8K, two=GSM8K)
    config.test = str(tmp_path / "two.json")
    (tmp_path / "test.json").unlink()
    assert chosen(config) == {"train": "one", "test": "two"}


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(BadInput, match=r"data\.path=nowhere does not exist"):
        DataConfig(name="svamp", path="nowhere").check()
    with pytest.raises(BadInput, match=r"data\.test=nowhere\.json is not a file"):
        find_files(DataConfig(test="nowhere.json"), "program")
    with pytest.raises(BadInput, match=r"holds no \.json or \.jsonl file"):
        find_files(DataConfig(path=str(tmp_path)), "program")
    (tmp_path / "svamp").mkdir()
    config = folder(tmp_path / "svamp", test=WORDS)
    with pytest.raises(BadInput, match=r"its folder svamp does; give one of them, as data\.path=.*svamp$"):
        find_files(DataConfig(path=str(tmp_path)), "program")
    with pytest.raises(BadInput, match=r"no file to train on, only test\.json"):
        find_files(config, "program")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["train-00000-of-00001.parquet"], r"only train.*\.parquet; write it as JSON: pandas\.read_parquet\("),
        (["main/train-00000-of-00001.parquet"], r"only main/train.*read_parquet"),
        (["test.csv", "train.csv", "README.md"], r"only test\.csv, train\.csv; .*read_csv"),
        (["gsm8k.zip", ".hidden.csv"], r"only gsm8k\.zip; unpack it first"),
        (["train.ndjson"], r"only train\.ndjson; if they hold JSON, give them with data\.train= and data\.test="),
        (["README.txt", "._train.json"], "give data.path= a folder or file with problems"),
        (["train/part-1.jsonl", "test/part-1.jsonl"], r"for splits \(test, train\); .*train=.*train/part-1\.jsonl$"),
    ],
)  # fmt: skip
def test_a_folder_of_other_files_says_what_to_do_with_them(tmp_path, names, says):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(GSM8K))
    with pytest.raises(BadInput, match=says):
        find_files(DataConfig(path=str(tmp_path)), "program")


def test_a_test_file_that_is_trained_on_or_chosen_by_is_said_to_be(tmp_path):
    folder(tmp_path, train=GSM8K, test=GSM8K)
    train, test = str(tmp_path / "train.json"), str(tmp_path / "test.json")
    link = tmp_path / "link.json"
    link.symlink_to(train)
    for same in (train, str(link)):
        notes = find_files(DataConfig(name="gsm8k", train=train, test=same), "program").notes
        assert notes == ["test and train are the same file: test accuracy measures memory only"]
    notes = find_files(DataConfig(name="gsm8k", train=train, dev=test, test=test), "program").notes
    assert notes == ["test and dev are the same file: checkpoints are chosen on the test questions"]
    assert not find_files(DataConfig(name="gsm8k", train=train, test=test), "program").notes
