#!/bin/sh
# Get the real Fashion-MNIST, if it is not on the machine: from Debian's package where there is apt, else by download.
# The package is unpacked into softreg's cache, not installed: nothing of the system changes, and root is not needed.
# Argument: the Python that softreg is installed in.
set -eu
python=$1

where() { "$python" -c 'from softreg.data import fashion_mnist as f; print(f.'"$1"' or "")'; }

[ -z "$(where 'find()')" ] || exit 0

if command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1; then
    cache=$(where 'cache_folder()')
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    # The system's package lists if it has them; else lists of our own, which need no root.
    apt="apt-get -q -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Dir::Cache::archives=$work/archives"
    if (cd "$work" &&
        { $apt download dataset-fashion-mnist ||
            { $apt -o Dir::State::lists="$work/lists" update &&
                $apt -o Dir::State::lists="$work/lists" download dataset-fashion-mnist; }; }) >"$work/log" 2>&1; then
        dpkg-deb -x "$work"/dataset-fashion-mnist_*.deb "$work/unpacked"
        mkdir -p "$cache"
        cp "$work"/unpacked/usr/share/datasets/fashion-mnist/*.gz "$cache"
        echo "Fashion-MNIST: from Debian's package into $cache" >&2
        exit 0
    fi
    echo "Debian's package dataset-fashion-mnist could not be had ($(tail -n 1 "$work/log")); downloading instead" >&2
fi
"$(dirname "$python")/softreg" data fetch fashion-mnist >/dev/null
