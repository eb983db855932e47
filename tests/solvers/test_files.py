"""Files that are whole or absent, and JSON of which damage is named."""

import json

import pytest

from solvers._files import checksum, no_folder, read_json, read_object, seal, write_json, write_text


class BadFileError(ValueError):
    pass


def read(path, **options):
    return read_object(path, keys=["a"], error=BadFileError, remedy="write it again", **options)


def test_a_sealed_object_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, "é"], "b": {"1": True, "10": float("inf")}}
    write_json(tmp_path / "x.json", seal(value))
    assert read(tmp_path / "x.json") == value
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_the_checksum_is_of_what_is_read_back():
    assert checksum({1: (2, 3), 10: "a"}) == checksum({"10": "a", "1": [2, 3]})


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "x", "\ud800")
    assert (tmp_path / "x").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "does not parse"),
        (b'{"a": ', "does not parse"),
        (b'{"a": "\xe9"}', "is no text in UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' * 100_000, "nested too deep"),
        (b"1" * 5000, "does not parse"),
        (None, "no file"),
    ],
)
def test_what_is_no_json_is_named(tmp_path, content, got):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        BadFileError, match=rf"Expected .*x.json .*, got .*{got}.*; write it again\."
    ):
        read_json(path, error=BadFileError, remedy="write it again")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadFileError, match="got Is a directory; write it again"):
        read_json(tmp_path / "folder", error=BadFileError, remedy="write it again")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "with a, checksum, got one without a, checksum"),
        ({"a": 1}, "got one without checksum"),
        (seal({"b": 1}), "got one without a"),
        (seal({"a": 1}) | {"a": 2}, "to have the checksum .* changed or damaged"),
        (seal({"a": 1}) | {"c": 2}, "to have the checksum .* changed or damaged"),
        (seal({"a": 1}) | {"checksum": None}, "to have the checksum .* changed or damaged"),
    ],
)
def test_other_objects_are_named(tmp_path, value, message):
    (tmp_path / "x.json").write_text(json.dumps(value))
    with pytest.raises(BadFileError, match=message):
        read(tmp_path / "x.json")


def test_a_seal_that_may_be_missing_is_compared_where_it_is(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}')
    assert read(path, sealed=False) == {"a": 1}
    for text in ('{"a": 1, "checksum": "0"}', '{"a": 1, "chdcksum": "5f2b"}'):
        path.write_text(text)
        with pytest.raises(BadFileError, match="changed or damaged"):
            read(path, sealed=False)


def test_another_format_is_named(tmp_path):
    write_json(tmp_path / "x.json", seal({"a": 1, "format": 3}))
    with pytest.raises(BadFileError, match="in format 4, got 3; write it again"):
        read(tmp_path / "x.json", format=4)


def test_the_nearest_name_is_offered(tmp_path):
    (tmp_path / "burgers").mkdir()
    assert no_folder(tmp_path / "burger").endswith("take 'burgers' if you meant that")
    assert no_folder(tmp_path / "nothing like it") == "no such folder; check the path"
    assert no_folder(tmp_path / "nowhere" / "burgers") == "no such folder; check the path"
    assert no_folder(tmp_path / "burgers") == "another folder; check the path"
