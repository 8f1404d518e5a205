"""What cannot be read is named by file and line; what is mostly broken is refused."""

import gzip
import json

import pytest

from reft_lab.data.reading import read_file
from reft_lab.errors import BadInput


def good(number):
    return {"question": f"What is {number} and 1?", "answer": f"{number}+1\n#### {number + 1}"}


def write_lines(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_broken_lines_are_named_and_the_others_kept(tmp_path):
    rows = [good(i) for i in range(300)]
    rows[4], rows[7], rows[200] = '{"question": "cut of', {**good(7), "answer": "8"}, {"other": 1}
    path = write_lines(tmp_path / "train.jsonl", ["", *rows])
    batch = read_file(path, "x")
    assert len(batch.records) == 297
    assert [line.split(": ")[0] for line in batch.broken] == [f"{path}:6", f"{path}:9", f"{path}:202"]
    assert batch.records[0].source == "train.jsonl:2"


def test_records_of_an_array_are_named_by_the_line_they_begin_on(tmp_path):
    rows = [good(i) for i in range(150)]
    rows[2] = {**good(2), "question": ""}
    path = tmp_path / "train.json"
    path.write_text("\ufeff" + json.dumps(rows, indent=2), encoding="utf-8")
    batch = read_file(path, "x")
    assert batch.broken == [f"{path}:10 (record 3): question is empty"]
    lines = path.read_text(encoding="utf-8").split("\n")
    name, line, _, number = batch.records[-1].source.replace(":", " ").split()
    assert (name, number) == ("train.json", "150)")
    assert lines[int(line) - 1 : int(line) + 1] == ["  {", '    "question": "What is 149 and 1?",']


def test_exactly_one_percent_is_let_pass_and_more_is_not(tmp_path):
    rows = [good(i) for i in range(200)]
    rows[0] = rows[1] = {**good(0), "answer": "?"}
    assert len(read_file(write_lines(tmp_path / "a.jsonl", rows), "x").broken) == 2
    rows[2] = rows[0]
    with pytest.raises(BadInput) as raised:
        read_file(write_lines(tmp_path / "b.jsonl", rows), "x")
    assert "3 of 200 records are broken" in str(raised.value)
    assert "b.jsonl:1: answer has no `####` line" in str(raised.value)


def test_gold_answers_that_are_no_single_number_stop_the_run_by_line(tmp_path):
    rows = [
        {"question": "?", "answer": f"So\n#### {answer}"} for answer in (r"\frac{3}{4}", "5 (apples)", "40; 20", "x")
    ]
    with pytest.raises(BadInput) as raised:
        read_file(write_lines(tmp_path / "gold.jsonl", rows), "x")
    assert "2 of 4 records are broken" in str(raised.value)
    assert f"{tmp_path / 'gold.jsonl'}:3: answer '40; 20' is not a single number" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("question,answer\n1,2\n", "neither a JSON array nor one JSON object a line"),
        ("[]", "holds no records"),
        ('[{"question": "a", "answer": "#### 1"}\n {"question"', ":2: not valid JSON (a comma or ] is missing)"),
        ('[{"question": "a", "answer": "#### 1"},\n {"question"', ":2: not valid JSON (Expecting"),
        ('[{"question": "a", "answer": "#### 1"},', ":1: not valid JSON (Expecting"),
        ('{"text": "a"}\n{"text": "b"}', "unknown format (its records have text); expected"),
        ("[1, 2]", "unknown format (its records are not JSON objects)"),
        ("{oops\n{oops", "unknown format (not valid JSON"),
        ('{"quesiton": "a", "answer": "#### 1"}', "did you mean Question?"),
        ('{"data": [{"question": "a", "answer": "#### 1"}], "version": 1}', "holds its records under the key data;"),
        ('{"question": {"0": "a"}, "answer": {"0": "#### 1"}}', "holds columns, not records"),
        ('{"question": ["a"], "answer": ["#### 1"]}', "holds columns, not records"),
        ("version https://git-lfs.github.com/spec/v1\noid 1", "a pointer of git-lfs"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_sentence(tmp_path, text, says):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(BadInput) as raised:
        read_file(path, "x")
    message = str(raised.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


def test_an_object_of_records_is_read_as_the_array_of_its_values(tmp_path):
    for indent in (None, 2):
        path = tmp_path / "train.json"
        path.write_text(json.dumps({str(i): good(i) for i in range(300)}, indent=indent))
        batch = read_file(path, "x")
        assert [record.question for record in batch.records[:2]] == ["What is 0 and 1?", "What is 1 and 1?"]
        assert len(batch.records) == 300
        assert batch.notes == ("train.json is one object; its 300 values are read as the records",)
        assert batch.records[7].source == "train.json:key 7"


@pytest.mark.parametrize("value", [1, {"text": "a"}, "a"])
def test_no_message_lists_hundreds_of_keys(tmp_path, value):
    path = tmp_path / "train.json"
    path.write_text(json.dumps({f"row {i}": value for i in range(300)}))
    with pytest.raises(BadInput, match=r"row 0, row 1, row 2, row 3, row 4 and 295 more\)") as raised:
        read_file(path, "x")
    assert "row 5" not in str(raised.value)
    path.write_text(json.dumps([good(1), {f"row {i} {'long ' * 50}": 1 for i in range(300)}]))
    with pytest.raises(BadInput, match=r"and 295 more") as raised:
        read_file(path, "x")
    assert len(str(raised.value)) < 500


def test_one_record_is_a_record(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(good(1), indent=1))
    assert len(read_file(path, "x").records) == 1


@pytest.mark.parametrize("name", ["train.jsonl.gz", "train.json.gz", "TRAIN.JSONL.GZ"])
def test_compressed_files(tmp_path, name):
    path = tmp_path / name
    rows = [good(i) for i in range(300)]
    text = json.dumps(rows) if ".json." in name.lower() else "\n".join(map(json.dumps, rows))
    path.write_bytes(gzip.compress(text.encode()))
    assert len(read_file(path, "x").records) == 300
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no gzip", whole[:20] + b"oops" + whole[24:]):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match="not a complete gzip file"):
            read_file(path, "x")


def test_other_unreadable_files(tmp_path):
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\x00\xff\x00\x01")
    with pytest.raises(BadInput, match="not UTF-8 text"):
        read_file(binary, "x")
    with pytest.raises(BadInput, match="cannot be read"):
        read_file(tmp_path / "missing.json", "x")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train.parquet", b"PAR1\x15\x04", r"is parquet, which is not read; .*read_parquet\('train\.parquet'\)"),
        ("train.json", b"PK\x03\x04\x00", "is a zip archive, which is not read; unpack it first"),
        ("train.jsonl", gzip.compress(b"{}", mtime=0), "is compressed with gzip, which is not read; unpack it first"),
        ("train.csv", b"question,answer\n1,2\n", r"is not JSON; .*read_csv\('train\.csv'\)"),
        ("train.json", "[]".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    ],
)
def test_files_of_other_kinds_are_called_what_they_are(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says):
        read_file(tmp_path / name, "x")


@pytest.mark.parametrize(
    "text", [json.dumps([good(0)]) + "\n" + json.dumps([good(1)]), json.dumps([good(0)]) + json.dumps(good(1))]
)
def test_nothing_after_an_array_is_passed_over(tmp_path, text):
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"train\.json:1: more follows the end of the JSON array"):
        read_file(path, "x")


def test_a_key_that_is_there_twice_is_no_choice_between_its_values(tmp_path):
    twice = '{"question": "One?", "question": "Two?", "answer": "#### 3"}'
    rows = [json.dumps(good(i)) for i in range(200)]
    path = tmp_path / "train.json"
    for text in ("\n".join([*rows, twice]), f"[{', '.join([*rows, twice])}]"):
        path.write_text(text)
        (broken,) = read_file(path, "x").broken
        assert broken.endswith("question is there twice")
    path.write_text(f'{{"a": {rows[0]}, "a": {rows[1]}}}')
    with pytest.raises(BadInput, match="a is there twice"):
        read_file(path, "x")


@pytest.mark.parametrize(("value", "why"), [("[" * 100_000, "nested too deep"), ("9" * 5000, "too many digits")])
@pytest.mark.parametrize("shape", ["[{}]", "{}\n{}"])
def test_json_that_python_does_not_read_is_named_by_line(tmp_path, value, why, shape):
    path = tmp_path / "train.json"
    path.write_text(shape.replace("{}", f'{{"question": "q", "answer": {value}}}'))
    with pytest.raises(BadInput, match=rf"train\.json:?.*{why}"):
        read_file(path, "x")
