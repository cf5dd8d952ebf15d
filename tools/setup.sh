#!/bin/sh
# Makes .venv with exactly the locked packages, and this project in it (editable).
#
# Safe to stop at any moment and to run again; quick when nothing changed. PYTHON names
# the interpreter, else the first of python3, python3.13, 3.12 and 3.11 that fits.
set -eu
cd "$(dirname "$0")/.."

fits() {
    "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" \
        2>/dev/null
}

choose_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "Setup needs Python 3.11, 3.12 or 3.13: install one, or name it as" \
        "make setup PYTHON=/path/to/python." >&2
    exit 1
}

# What the environment is made of: a venv does not survive a move, hence the folder.
locked() {
    { pwd; "$1" -V; cat requirements/*.lock; } 2>&1 | cksum
}

# Without the right to install packages the headers and the library of PC/SC can still
# be had: unpacked into the environment, where pyscard is told to look for them.
unpack_pcsc() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    here=$PWD/.venv/system
    mkdir -p "$here"
    (cd "$here" && apt-get -qq download libpcsclite-dev libpcsclite1 &&
        for deb in ./*.deb; do dpkg -x "$deb" .; done) >/dev/null 2>&1 || return 1
    library=$(find "$here" -name "libpcsclite.so.1" | head -n 1)
    [ -n "$library" ] || return 1
    export CFLAGS="${CFLAGS:-} -I$here/usr/include/PCSC"
    export LDFLAGS="${LDFLAGS:-} -Wl,-rpath,$(dirname "$library")"
}

install_locked() {
    rm -f .venv/installed .venv/project
    "$python" -m venv --clear .venv
    if [ -n "$refused" ] && ! unpack_pcsc; then
        echo "$refused" >&2
        exit 1
    fi
    echo "Installing the locked packages into .venv: about a minute."
    # Builds are not isolated: what they use is locked as well, and comes first.
    install --require-hashes -r requirements/build.lock
    install --require-hashes -r requirements/all.lock
    echo "$stamp" >.venv/installed
}

install_project() {
    install -e .
    cksum <pyproject.toml >.venv/project
}

install() {
    PATH=$PWD/.venv/bin:$PATH .venv/bin/python -m pip --disable-pip-version-check \
        install -qq --no-build-isolation --no-deps "$@"
}

python=$(choose_python)
stamp=$(locked "$python")
if [ "$(cat .venv/installed 2>/dev/null)" != "$stamp" ]; then
    exec 3>&1
    if refused=$(tools/system-packages.sh build "$python" 2>&1 >&3); then
        refused=""
    fi
    case "$refused" in
    "" | "Please install: libpcsclite-dev "*) ;;
    *)
        echo "$refused" >&2
        exit 1
        ;;
    esac
    install_locked
fi
if [ "$(cat .venv/project 2>/dev/null)" != "$(cksum <pyproject.toml)" ]; then
    install_project
fi
