# Sourced by quickstart.sh and tests/run.sh: a virtual environment in .venv with pyradsec built from this checkout.
#
#   prepare EXTRAS [TOOL...]     EXTRAS: "" or "[dev]"; TOOL: a command that has to be there, named as its Debian package
#
# Needs Python 3.11 or newer with headers, a C compiler and OpenSSL 3 with headers. On Debian and Ubuntu what is missing is
# installed when this runs as root or sudo asks for no password; else it is named and the script ends.
# PYTHON=python3.12 picks an interpreter; PYRADSEC_VENV=DIR another place for the environment.

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}

# Debian packages for what is not there, one a line. Arguments: as those of prepare after the first.
missing_packages() {
    printf '#include <stdlib.h>\n' | cc -E - >/dev/null 2>&1 || printf 'gcc\nlibc6-dev\n'
    if ! printf '#include <openssl/opensslv.h>\n#if OPENSSL_VERSION_MAJOR < 3\n#error old\n#endif\n#include <openssl/ssl.h>\n' |
        cc -E - >/dev/null 2>&1; then
        printf 'libssl-dev\n'
    fi
    for tool in openssl "$@"; do
        command -v "$tool" >/dev/null 2>&1 || printf '%s\n' "$tool"
    done
    if [ -z "$python" ]; then
        printf 'python3\npython3-dev\npython3-venv\n'
        return
    fi
    # python3.11-dev rather than python3-dev: the interpreter that was found need not be the system's default.
    "$python" -c 'import os, sys, sysconfig
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    print("python%d.%d-dev" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    print("python%d.%d-venv" % sys.version_info[:2])'
}

install_packages() {
    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root='sudo -n'
        sudo -n true 2>/dev/null || as_root=none
    fi
    if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
        fail "pyradsec needs: Python 3.11 or newer with headers, a C compiler, OpenSSL 3 with headers." \
            "Missing here, by the names of their Debian packages: $1" \
            "Install them (sudo apt-get install $1) and run this again."
    fi
    echo "installing $1"
    $as_root apt-get update -qq >/dev/null || true
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $1 >/dev/null ||
        fail "apt-get could not install: $1"
}

prepare() {
    extras=$1
    shift
    python=$(find_python)
    [ -n "$python" ] || [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is no Python 3.11 or newer"
    missing=$(missing_packages "$@" | tr '\n' ' ')
    if [ -n "$missing" ]; then
        install_packages "${missing% }"
        python=$(find_python)
        [ -n "$python" ] || fail "no Python 3.11 or newer was found; PYTHON=/path/to/python names one"
        missing=$(missing_packages "$@" | tr '\n' ' ')
        [ -z "$missing" ] || fail "still missing: $missing"
    fi
    venv=${PYRADSEC_VENV:-.venv}
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        echo "making a virtual environment in $venv with $("$python" --version)"
        "$python" -m venv --clear "$venv" || fail "$venv: no virtual environment could be made"
    fi
    echo "building pyradsec"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".$extras" ||
        fail "pyradsec does not build, see above"
}
