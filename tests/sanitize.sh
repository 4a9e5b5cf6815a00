#!/bin/sh
# The suite under AddressSanitizer and UndefinedBehaviorSanitizer, in a build of its own.
#
#   sh tests/sanitize.sh [PYTEST ARGUMENTS]
#
# PYTHON=… is an interpreter with the [dev] extra (default: .venv/bin/python); its packages are used, pyradsec is built anew in
# build/sanitize. The C rooms have their own: make -C tests/c check-asan check-tsan
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
case $python in
/*) ;;
*) python=$PWD/$python ;;
esac
tree=build/sanitize
mkdir -p "$tree"
# A copy, so that the ordinary build of this checkout stays as it is.
for part in src pyradsec tests dict certs docs examples bench setup.py pyproject.toml README.md; do
    rm -rf "${tree:?}/$part"
    cp -R "$part" "$tree/$part"
done
rm -f "$tree"/pyradsec/*.so
cd "$tree"
PYRADSEC_SANITIZE=address,undefined "$python" setup.py -q build_ext --inplace
# Python itself leaks at exit, so leaks are looked for by counters here and by LeakSanitizer in the C tests. The first library
# to load has to be the sanitizer's.
LD_PRELOAD="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    PYTHONMALLOC=malloc PYTHONPATH="$PWD" \
    "$python" -m pytest -q -p no:cacheprovider --timeout 300 "$@"
