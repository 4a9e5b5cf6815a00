#!/bin/sh
# Builds pyradsec and passes its tests. Arguments go to pytest: sh tests/run.sh -k status
set -eu
cd "$(dirname "$0")/.."
. examples/environment.sh
prepare "[dev]" make
make -C tests/c --no-print-directory check
exec "$venv/bin/python" -m pytest "$@"
