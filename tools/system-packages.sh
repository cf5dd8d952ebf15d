#!/bin/sh
# Brings the system packages that this project needs.
#
#   tools/system-packages.sh build   what building pyscard needs
#   tools/system-packages.sh tests   what some tests use: a PC/SC daemon, code readers,
#                                  a security module in software, curl and jq
#
# Installs with apt where it may (as root, or by sudo that asks nothing); where it may
# not, says in one sentence what to install and exits 1. Nothing missing: does nothing.
set -eu

needs=""
need() { needs="$needs $1"; }
has() { command -v "$1" >/dev/null 2>&1; }

build_needs() {
    # macOS has PC/SC as a framework, and wheels of pyscard: a compiler is enough.
    if [ "$(uname -s)" = Darwin ]; then
        has cc && return
        echo "Setup needs the Xcode command line tools: xcode-select --install" >&2
        exit 1
    fi
    has cc || has gcc || need gcc
    # The compiler's own package does not bring the C library's headers.
    [ -e /usr/include/stdio.h ] || need libc6-dev
    [ -e "$headers/Python.h" ] || need python3-dev
    [ -e /usr/include/PCSC/winscard.h ] || need libpcsclite-dev
    "$python" -c "import ensurepip, venv" 2>/dev/null || need python3-venv
}

tests_need() {
    has pcscd || [ -x /usr/sbin/pcscd ] || need pcscd
    find /usr/lib/pcsc -name "libifdvpcd*" 2>/dev/null | grep -q . || need vsmartcard-vpcd
    has zbarimg || need zbar-tools
    has pdftoppm || need poppler-utils
    has softhsm2-util || need softhsm2
    has curl || need curl
    has jq || need jq
}

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

install() {
    echo "Installing system packages:$needs"
    # The lists may be absent or old: fetched only when the first try fails.
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $needs >/dev/null 2>&1 && return
    apt update >/dev/null
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $needs >/dev/null
}

case "${1:-}" in
build)
    python=${2:-python3}
    headers=$("$python" -c "import sysconfig; print(sysconfig.get_paths()['include'])")
    build_needs
    ;;
tests) tests_need ;;
*)
    echo "usage: $0 build [PYTHON] | tests" >&2
    exit 2
    ;;
esac
[ -n "$needs" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! has sudo || ! sudo -n true 2>/dev/null; then
        as_root=none
    fi
fi
if has apt-get && [ "$as_root" != none ] && install; then
    exit 0
fi
echo "Please install:$needs (names as in Debian and Ubuntu:" \
    "sudo apt-get install$needs)." >&2
exit 1
