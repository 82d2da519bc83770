"""Records as YAML and JSON."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from heliotrope.domain.errors import FileFormatError
from heliotrope.io.records import MAX_BYTES, DuplicateKeyError, parse_json, parse_yaml, read_record


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "n", "No", "YES", "On"])
def test_yaml_booleans_of_the_old_standard_stay_text(word: str) -> None:
    assert parse_yaml(f"{word}: {word}") == {word: word}


def test_only_true_and_false_are_truths() -> None:
    assert parse_yaml("[true, False, TRUE, truE]") == [True, False, True, "truE"]


def test_numbers_keep_their_decimals() -> None:
    assert parse_yaml("[1.1, -0.5, .5, 1e2, 007, +3]") == [
        Decimal("1.1"), Decimal("-0.5"), Decimal("0.5"), Decimal(100), 7, 3,
    ]  # fmt: skip
    assert parse_json("[1.1, 1E2, 3]") == [Decimal("1.1"), Decimal(100), 3]


@pytest.mark.parametrize("text", ["1:30", "0x1f", "0o17", "1_000", "2024-03", "2024-03-01", "4-", "2+", "T"])
def test_what_only_looks_like_a_number_stays_text(text: str) -> None:
    assert parse_yaml(f"value: {text}") == {"value": text}


def test_unknown_is_null_tilde_or_nothing() -> None:
    assert parse_yaml("{a: null, b: ~, c: }") == {"a": None, "b": None, "c": None}


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
def test_a_field_given_twice_is_refused(parse: object) -> None:
    assert callable(parse)
    with pytest.raises(DuplicateKeyError) as caught:
        parse('{"dysphagia": true, "dysphagia": false}')
    assert caught.value.key == "dysphagia"


def test_aliases_are_read_and_a_bomb_of_aliases_is_refused() -> None:
    assert parse_yaml("{a: &x {b: 1}, c: *x}") == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    with pytest.raises(FileFormatError, match="parts"):
        parse_yaml(bomb)


def test_a_record_that_refers_to_itself_is_refused() -> None:
    with pytest.raises(FileFormatError, match="refers to itself"):
        parse_yaml("a: &a {b: *a}")


@pytest.mark.parametrize("parse", [parse_yaml, parse_json])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5_000, "[" * 60 + "]" * 60])
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(parse: object, text: str) -> None:
    assert callable(parse)
    if parse is parse_json and text.count("[") == 60:
        return  # 60 levels are harmless there; the instruments refuse them by type
    with pytest.raises(FileFormatError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system ['true']", "a: b: c", "--- 1\n--- 2", "\x00", "!!bool maybe", "? [a]\n: 1"],
)
def test_what_is_no_plain_record_is_refused(text: str) -> None:
    with pytest.raises(FileFormatError):
        parse_yaml(text)


@pytest.mark.parametrize("digits", [5_000, 100_000])
def test_a_number_of_thousands_of_digits_costs_nothing(digits: int) -> None:
    assert parse_json(f"[{'9' * digits}]") == parse_yaml(f"[{'9' * digits}]")


def test_record_is_read_whatever_its_name_ends_in(tmp_path: Path) -> None:
    for name, content in (("a", '{"x": 1.5}'), ("b.txt", "x: 1.5"), ("c.YML", "{x: 1.5}"), ("d.json", '{"x": 1.5}')):
        (tmp_path / name).write_text(content)
        assert read_record(tmp_path / name) == {"x": Decimal("1.5")}
    (tmp_path / "twice").write_text('{"x": 1, "x": 2}')
    with pytest.raises(DuplicateKeyError):
        read_record(tmp_path / "twice")


def test_file_of_another_size_or_coding_is_refused(tmp_path: Path) -> None:
    for name, content, said in (
        ("record.yaml", b"\xff\xfe\xfa", "UTF-8"),
        ("large.yaml", b"#" * (MAX_BYTES + 1), "larger"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=said):
            read_record(tmp_path / name)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_record(tmp_path / "absent.yaml")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_record(tmp_path_with_suffix(tmp_path))


def tmp_path_with_suffix(folder: Path) -> Path:
    path = folder / "folder.yaml"
    path.mkdir()
    return path


# YAML 1.1, in which these are written, takes 0E0 for text; YAML 1.2, in which they are read, for a number
WORDS = st.text(max_size=8).filter(lambda text: re.fullmatch(r"[-+.0-9]+[eE][-+0-9]+", text) is None)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_yaml_writes_is_read_back(value: object) -> None:
    written = yaml.safe_dump(value)
    assert parse_yaml(written) == value


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        try:
            parse(text)
        except FileFormatError as error:
            refused = error
        else:
            continue
        assert refused.hint
