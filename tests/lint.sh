#!/bin/sh
# Style and static analysis: ruff, mypy --strict, clang-format, clang-tidy. Changes nothing.
#
#   sh tests/lint.sh          PYTHON=… is the interpreter with the [dev] extra (default: .venv/bin/python)
#
# clang-format and clang-tidy are Debian packages of these names. `ruff format .` and `clang-format -i` put style right.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy --strict pyradsec examples/*.py
"$python" -m mypy --strict bench/*.py # by itself: a module there may be called as an example is
c_files=$(git ls-files '*.c' '*.h')
# shellcheck disable=SC2086 # a list of names
clang-format --dry-run --Werror $c_files
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
git ls-files 'src/*.c' |
    xargs -P "$(nproc)" -n 1 sh -c 'clang-tidy --quiet "$@" -- -std=c11 -Isrc -isystem '"$include"' 2>/dev/null' tidy
echo "lint: clean"
