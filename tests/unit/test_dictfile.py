"""pyradsec.dictfile: lines, includes, and the folder they may not leave."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pyradsec.dictfile import DictFile
from pyradsec.exceptions import ParseError


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def places(file: DictFile) -> list[tuple[str, str, int]]:
    return [(line.strip(), file.file(), file.line()) for line in file]


def test_lines_and_places(tmp_path: Path) -> None:
    write(tmp_path, main="a\n\n# c\n$INCLUDE other\nd\n", other="x\ny")
    assert places(DictFile(str(tmp_path / "main"))) == [
        ("a", "main", 1),
        ("", "main", 2),
        ("# c", "main", 3),
        ("x", "other", 1),
        ("y", "other", 2),
        ("d", "main", 5),
    ]


def test_end(tmp_path: Path) -> None:
    write(tmp_path, main="a\n")
    file = DictFile(str(tmp_path / "main"))
    assert list(file) == ["a\n"]
    assert (file.file(), file.line()) == ("", -1)
    with pytest.raises(StopIteration):
        next(file)


def test_next_goes_on_where_iteration_stopped() -> None:
    file = DictFile(io.StringIO("a\nb\nc\n"))
    assert next(file) == "a\n"
    assert next(iter(file)) == "b\n"
    assert file.line() == 2
    assert list(file) == ["c\n"]


def test_path_objects_are_paths(tmp_path: Path) -> None:
    write(tmp_path, main="a\n")
    assert list(DictFile(tmp_path / "main")) == ["a\n"]


def test_stream_has_no_name() -> None:
    file = DictFile(io.StringIO("a\nb\n"))
    assert places(file) == [("a", "", 1), ("b", "", 2)]


@pytest.mark.parametrize(
    "line", ["$INCLUDE other", "$include other", "  $Include\tother  ", "$INCLUDE other # why", "$INCLUDE ./other"]
)
def test_include_forms(tmp_path: Path, line: str) -> None:
    write(tmp_path, main=f"{line}\n", other="x\n")
    assert list(DictFile(str(tmp_path / "main"))) == ["x\n"]


def test_blanks_in_a_name(tmp_path: Path) -> None:
    write(tmp_path, main="$INCLUDE two  words\n", **{"two words": "x\n"})
    assert list(DictFile(str(tmp_path / "main"))) == ["x\n"]


@pytest.mark.parametrize("line", ["a $INCLUDE other\n", "# $INCLUDE other\n", "cost $5\n", "$INCLUDED other\n"])
def test_other_lines_with_a_dollar_sign(line: str) -> None:
    assert list(DictFile(io.StringIO(line))) == [line]


def test_include_is_relative_to_the_including_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, main="$INCLUDE sub/one\n", two="wrong\n")
    write(tmp_path / "sub", one="$INCLUDE two\n", two="right\n")
    assert list(DictFile(str(tmp_path / "main"))) == ["right\n"]


def test_stream_includes_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, other="x\n")
    monkeypatch.chdir(tmp_path)
    assert list(DictFile(io.StringIO("$INCLUDE other\n"))) == ["x\n"]


def test_missing_entry_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-dictionary"):
        DictFile(str(tmp_path / "no-such-dictionary"))


def test_missing_include_is_named(tmp_path: Path) -> None:
    write(tmp_path, main="\n$INCLUDE no-such-dictionary\n")
    with pytest.raises(FileNotFoundError, match="no-such-dictionary") as caught:
        list(DictFile(str(tmp_path / "main")))
    assert caught.value.__notes__ == ["included from main(2)"]


def test_include_without_a_name() -> None:
    with pytest.raises(ParseError, match="file name"):
        list(DictFile(io.StringIO("$INCLUDE # nothing\n")))


@pytest.mark.parametrize("form", ["../secret", "{outside}/secret", "link", "sub/../../secret"])
def test_include_cannot_leave_the_base(tmp_path: Path, form: str) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    write(tmp_path, secret="root:x\n")
    (base / "link").symlink_to(tmp_path / "secret")
    write(base, main=f"$INCLUDE {form.format(outside=tmp_path)}\n")
    with pytest.raises(ParseError, match="escapes the dictionary base") as caught:
        list(DictFile(str(base / "main")))
    assert (caught.value.file, caught.value.line) == ("main", 1)


def test_folder_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base2").mkdir()
    write(tmp_path / "base", main="$INCLUDE ../base2/other\n")
    write(tmp_path / "base2", other="x\n")
    with pytest.raises(ParseError, match="escapes the dictionary base"):
        list(DictFile(str(tmp_path / "base" / "main")))


def test_given_base(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, other="x\n")
    write(tmp_path / "sub", main="$INCLUDE ../other\n")
    assert list(DictFile(str(tmp_path / "sub" / "main"), include_base_dir=str(tmp_path))) == ["x\n"]
    assert list(DictFile(str(tmp_path / "sub" / "main"), include_base_dir=tmp_path)) == ["x\n"]


def test_entry_file_may_lie_outside_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write(tmp_path, main="a\n$INCLUDE base/other\n")
    write(tmp_path / "base", other="x\n")
    assert list(DictFile(str(tmp_path / "main"), include_base_dir=tmp_path / "base")) == ["a\n", "x\n"]


@pytest.mark.parametrize("second", ["$INCLUDE main\n", "$INCLUDE other\n", "$INCLUDE third\n"])
def test_cycle(tmp_path: Path, second: str) -> None:
    write(tmp_path, main="$INCLUDE other\n", other=second)
    (tmp_path / "third").symlink_to(tmp_path / "main")
    with pytest.raises(ParseError, match="cycle") as caught:
        list(DictFile(str(tmp_path / "main")))
    assert (caught.value.file, caught.value.line) == ("other", 1)


def test_cycle_names_the_chain(tmp_path: Path) -> None:
    write(tmp_path, main="$INCLUDE one\n", one="$INCLUDE two\n", two="\n$INCLUDE ./one\n")
    with pytest.raises(ParseError, match="one -> two -> one") as caught:
        list(DictFile(str(tmp_path / "main")))
    assert (caught.value.file, caught.value.line) == ("two", 2)


def test_optional_include(tmp_path: Path) -> None:
    write(tmp_path, main="$INCLUDE- no-such\na\n$include- other\n", other="x\n")
    assert list(DictFile(str(tmp_path / "main"))) == ["a\n", "x\n"]


def test_optional_include_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path, main="$INCLUDE- folder\n")
    with pytest.raises(IsADirectoryError):
        list(DictFile(str(tmp_path / "main")))


def test_root_of_the_dictionaries(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, main="$INCLUDE sub/one\n", other="x\n")
    write(tmp_path / "sub", one="$INCLUDE ${dictdir}/other\n")
    assert list(DictFile(str(tmp_path / "main"))) == ["x\n"]


def test_same_file_twice_is_no_cycle(tmp_path: Path) -> None:
    write(tmp_path, main="$INCLUDE other\n$INCLUDE other\n", other="x\n")
    assert list(DictFile(str(tmp_path / "main"))) == ["x\n", "x\n"]


def test_octets_that_are_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "main").write_bytes(b"# caf\xe9\nATTRIBUTE User-Name 1 string\n")
    assert list(DictFile(str(tmp_path / "main")))[1] == "ATTRIBUTE User-Name 1 string\n"
