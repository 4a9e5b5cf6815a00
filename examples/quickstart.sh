#!/bin/sh
# Builds pyradsec, starts the example server on 127.0.0.1 port 2083 and shows what RADIUS clients get from it.
#
#   sh examples/quickstart.sh            serves until Ctrl-C
#   sh examples/quickstart.sh --once     ends after the exchanges
#   sh examples/quickstart.sh --help
set -eu
cd "$(dirname "$0")/.."
. examples/environment.sh
prepare ""
exec "$venv/bin/python" examples/quickstart.py "$@"
