"""Files of dictionaries: includes, the folder they may not leave, encodings, and mistakes in them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyradsec.dictionary import Dictionary, ParseError

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, **files: str) -> str:
    """Writes files; the path of main."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return str(folder / "main")


def line(number: int) -> str:
    return f"ATTRIBUTE Test-{number} {number} string\n"


@pytest.mark.parametrize(
    "include",
    [
        "$INCLUDE other",
        "$include other",
        "  $Include\tother  ",
        "$INCLUDE other # why",
        "$INCLUDE ./other",
        "$INCLUDE ${dictdir}/other",
        "$INCLUDE- other",
        "$INCLUDE sub/../other",
    ],
)
def test_include_forms(tmp_path: Path, include: str) -> None:
    (tmp_path / "sub").mkdir()
    main = write(tmp_path, main=f"{line(1)}{include}\n{line(3)}", other=line(2))
    assert list(Dictionary(main).attributes) == ["Test-1", "Test-2", "Test-3"]


def test_absolute_include(tmp_path: Path) -> None:
    assert "Test-2" in Dictionary(write(tmp_path, main=f"$INCLUDE {tmp_path}/other\n", other=line(2)))


def test_blanks_in_a_name(tmp_path: Path) -> None:
    main = write(tmp_path, main="$INCLUDE  a\tname  of nine words which are more than others\n")
    (tmp_path / "a name of nine words which are more than others").write_text(line(1), encoding="utf-8")
    assert "Test-1" in Dictionary(main)


def test_include_is_relative_to_the_including_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    main = write(tmp_path, main="$INCLUDE sub/main\n", two=line(1))
    write(tmp_path / "sub", main="$INCLUDE two\n$INCLUDE ../three\n", two=line(2))
    write(tmp_path, three=line(3))
    assert list(Dictionary(main).attributes) == ["Test-2", "Test-3"]


def test_stream_includes_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, other=line(1))
    monkeypatch.chdir(tmp_path)
    assert "Test-1" in Dictionary(io.StringIO("$INCLUDE other\n"))


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, main="$INCLUDE other\n", other=line(1))
    monkeypatch.chdir(tmp_path)
    assert "Test-1" in Dictionary("main")


def test_path_object(tmp_path: Path) -> None:
    assert "Test-1" in Dictionary(Path(write(tmp_path, main=line(1))), include_base_dir=tmp_path)


# --- the folder ---


@pytest.mark.parametrize("form", ["../secret", "{outside}/secret", "link", "sub/../../secret", "../no-such", ".."])
def test_include_cannot_leave_the_base(tmp_path: Path, form: str) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    write(tmp_path, secret=line(1))
    (base / "link").symlink_to(tmp_path / "secret")
    main = write(base, main=f"$INCLUDE {form.format(outside=tmp_path)}\n")
    with pytest.raises(ParseError, match="escapes the dictionary base") as caught:
        Dictionary(main)
    assert (caught.value.file, caught.value.line) == ("main", 1)


def test_link_inside_the_base(tmp_path: Path) -> None:
    main = write(tmp_path, main="$INCLUDE link\n", other=line(1))
    (tmp_path / "link").symlink_to("other")
    assert "Test-1" in Dictionary(main)


def test_linked_folder_is_outside(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside", other=line(1))
    (base / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(ParseError, match="escapes the dictionary base"):
        Dictionary(write(base, main="$INCLUDE sub/other\n"))


def test_folder_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base2").mkdir()
    write(tmp_path / "base2", other=line(1))
    with pytest.raises(ParseError, match="escapes the dictionary base"):
        Dictionary(write(tmp_path / "base", main="$INCLUDE ../base2/other\n"))


def test_everything_is_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write(tmp_path, other=line(1))
    assert "Test-1" in Dictionary(write(tmp_path / "base", main="$INCLUDE ../other\n"), include_base_dir="/")


def test_entry_file_may_lie_outside_the_base(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write(tmp_path / "base", other=line(2))
    main = write(tmp_path, main=f"{line(1)}$INCLUDE base/other\n")
    assert len(Dictionary(main, include_base_dir=tmp_path / "base")) == 2
    write(tmp_path, main="$INCLUDE sibling\n", sibling=line(1))
    with pytest.raises(ParseError, match="escapes the dictionary base"):
        Dictionary(main, include_base_dir=tmp_path / "base")


# --- what cannot be read ---


@pytest.mark.parametrize("second", ["$INCLUDE main\n", "$INCLUDE other\n", "$INCLUDE third\n", "$INCLUDE- main\n"])
def test_cycle(tmp_path: Path, second: str) -> None:
    """W24: no end of it otherwise."""
    main = write(tmp_path, main="$INCLUDE other\n", other=second)
    (tmp_path / "third").symlink_to(tmp_path / "main")
    with pytest.raises(ParseError, match="cycle") as caught:
        Dictionary(main)
    assert (caught.value.file, caught.value.line) == ("other", 1)


def test_cycle_names_the_chain(tmp_path: Path) -> None:
    main = write(tmp_path, main="$INCLUDE one\n", one="$INCLUDE two\n", two="\n$INCLUDE ./one\n")
    with pytest.raises(ParseError, match="one -> two -> one") as caught:
        Dictionary(main)
    assert (caught.value.file, caught.value.line) == ("two", 2)


def test_same_file_twice_is_no_cycle(tmp_path: Path) -> None:
    assert "Test-1" in Dictionary(write(tmp_path, main="$INCLUDE other\n$INCLUDE other\n", other=line(1)))


def test_nested_too_deep(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"file{number}").write_text(f"$INCLUDE file{number + 1}\n", encoding="utf-8")
    with pytest.raises(ParseError, match="64 files deep"):
        Dictionary(str(tmp_path / "file0"))


def test_missing_include_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-dictionary") as caught:
        Dictionary(write(tmp_path, main="\n$INCLUDE other\n", other="$INCLUDE no-such-dictionary\n"))
    assert caught.value.filename == str(tmp_path / "no-such-dictionary")
    assert caught.value.__notes__ == ["included from other(1)", "included from main(2)"]


def test_optional_include(tmp_path: Path) -> None:
    assert "Test-1" in Dictionary(write(tmp_path, main=f"$INCLUDE- no-such\n$INCLUDE- no/such\n{line(1)}"))


@pytest.mark.parametrize("word", ["$INCLUDE", "$INCLUDE-"])
def test_include_of_a_folder(tmp_path: Path, word: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        Dictionary(write(tmp_path, main=f"{word} folder\n"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_include_without_permission(tmp_path: Path) -> None:
    main = write(tmp_path, main="$INCLUDE- other\n", other="")
    (tmp_path / "other").chmod(0)
    with pytest.raises(PermissionError, match="other"):
        Dictionary(main)


@pytest.mark.parametrize(("name", "said"), [("# nothing", "without a file name"), ("a\0b", "NUL")])
def test_include_without_a_name(name: str, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        Dictionary(io.StringIO(f"$INCLUDE {name}\n"))


def test_what_was_read_before_a_mistake_stays(tmp_path: Path) -> None:
    made = Dictionary()
    with pytest.raises(ParseError):
        made.read_dictionary(write(tmp_path, main=f"{line(1)}ATTRIBUTE\n{line(2)}"))
    assert list(made.attributes) == ["Test-1"]


# --- texts ---


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    text = end.join(["# one", "", "ATTRIBUTE Test 1 integer # two", "VALUE Test One 1", "ATTRIBUTE Bad 1"])
    (tmp_path / "main").write_bytes(text.encode())
    made = Dictionary()
    with pytest.raises(ParseError) as caught:
        made.read_dictionary(tmp_path / "main")
    assert caught.value.line == 5
    assert made["Test"].values.forward == {"One": b"\0\0\0\1"}


def test_blanks_of_unicode_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("\ufeffATTRIBUTE\u00a0Test\u20031\u3000string\x0b\n", encoding="utf-8")
    assert list(Dictionary(tmp_path / "main").attributes) == ["Test"]


def test_names_of_utf8(tmp_path: Path) -> None:
    main = write(tmp_path, main="ATTRIBUTE Größe 1 integer\nVALUE Größe Groß 1\nVENDOR Ñandú 5\n")
    made = Dictionary(main)
    assert made["Größe"].values["Groß"] == b"\0\0\0\1"
    assert made.vendors["Ñandú"] == 5


@pytest.mark.parametrize("bad", [b"\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"])
def test_octets_that_are_no_utf8(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "main").write_bytes(b"# caf" + bad + b"\n" + line(1).encode() + b"ATTRIBUTE caf" + bad + b" 2 string\n")
    made = Dictionary()
    with pytest.raises(ParseError, match="UTF-8") as caught:
        made.read_dictionary(tmp_path / "main")
    assert (caught.value.file, caught.value.line) == ("main", 3)
    assert "Test-1" in made  # what is in a comment does not matter


def test_stream_of_surrogates() -> None:
    with pytest.raises(ParseError, match="UTF-8"):
        Dictionary(io.StringIO("ATTRIBUTE caf\udce9 2 string\n"))


def test_lines_of_a_stream_are_lines() -> None:
    class Lines:
        def readlines(self) -> list[str]:
            return ["ATTRIBUTE One 1 string", "ATTRIBUTE\rTwo\n2 string\r\n", ""]

    assert list(Dictionary(Lines()).attributes) == ["One", "Two"]


def test_the_locale_does_not_matter(tmp_path: Path) -> None:
    main = write(tmp_path, main="ATTRIBUTE Größe 1 integer\n$INCLUDE größe\n", größe=line(2))
    program = f"from pyradsec.dictionary import Dictionary; print(len(Dictionary({main!a})))"
    for name in ("C", "POSIX", "C.UTF-8"):
        environment = {**os.environ, "LC_ALL": name, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True, timeout=60
        )
        assert done.stdout == b"2\n"


def test_empty_files(tmp_path: Path) -> None:
    assert len(Dictionary(write(tmp_path, main=""))) == 0
    assert len(Dictionary(write(tmp_path, main="\n# only this"))) == 0


def test_file_whose_size_is_not_known(tmp_path: Path) -> None:
    """A pipe says 0, and gives what it has in pieces."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write("".join(line(number) for number in range(1, 2000)).encode())
    try:
        assert len(Dictionary(f"/dev/fd/{reading}")) == 1999
    finally:
        os.close(reading)
