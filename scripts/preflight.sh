#!/bin/sh
# Find what the machine lacks before anything is built, and name it in one line that can be pasted.
# Prints the Python to use. PYTHON chooses another.
set -eu

packages="" other=""

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null 2>&1 && usable "$candidate"; then python=$candidate; break; fi
done

if [ -n "$python" ]; then
    # An interpreter that Debian did not make has its venv and headers with it; Debian's has packages for them.
    name=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' 2>/dev/null || packages="$packages $name-venv"
    "$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' 2>/dev/null ||
        packages="$packages $name-dev"
elif [ -n "${PYTHON:-}" ]; then
    other="PYTHON=$PYTHON is not a Python 3.11 or newer"
else
    packages="$packages python3 python3-venv python3-dev"
    if command -v python3 >/dev/null 2>&1; then
        other="Python 3.11 or newer is needed; $(python3 --version) is too old"
        packages=""
    fi
fi

compiler=${CXX:-}
if [ -z "$compiler" ]; then
    for candidate in c++ g++ clang++; do
        if command -v "$candidate" >/dev/null 2>&1; then compiler=$candidate; break; fi
    done
elif ! command -v "${compiler%% *}" >/dev/null 2>&1; then # CXX may be a command with arguments, such as "ccache g++"
    compiler=""
fi
if [ -z "$compiler" ]; then
    packages="$packages g++"
elif ! echo 'int main() { return [] <typename T>(T x) requires true { return x; }(0); }' |
    $compiler -std=c++20 -x c++ -fsyntax-only - 2>/dev/null; then
    other="${other:+$other; }$compiler does not know C++20: GCC 10, Clang 10 or newer is needed"
fi

[ -z "$other" ] || echo "missing: $other" >&2
if [ -n "$packages" ]; then
    if command -v apt-get >/dev/null 2>&1; then
        sudo=""
        [ "$(id -u)" = 0 ] || sudo="sudo "
        echo "missing:$packages. This installs it:" >&2
        echo "${sudo}apt-get install$packages" >&2
    else
        echo "missing:$packages (Debian's names), or what this system calls them" >&2
    fi
fi
[ -z "$packages$other" ] || exit 1
echo "$python"
