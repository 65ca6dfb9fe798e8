#!/bin/bash
# foreign-images.sh DIR ARCHITECTURE: the images of scripts/foreign.sh in DIR/ARCHITECTURE, Debian
# trixie for any of Debian's architectures: for each, NAME is an OCI layout and NAME.root the same root
# unpacked. Root only. What is there already is kept.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 DIR ARCHITECTURE" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
architecture=$2
cd "$(dirname "$0")/.."
. scripts/lib/debian.sh
. scripts/lib/binfmt.sh
. scripts/lib/image.sh

readonly TOOLS=busybox,perl,git,gcc,libc6-dev,sqlite3,redis-server,redis-tools,nginx-light,curl,openssl
readonly PYTHON=python3 NODE=nodejs JAVA=openjdk-21-jdk-headless
readonly GO=1.24

# get_go FOLDER: trixie's compiler, which is a cross compiler for every architecture.
get_go() {
    local host
    host=$(dpkg --print-architecture)
    trixie_update "$1/apt" "$host"
    (cd "$1" && trixie_apt "$1/apt" "$host" apt-get download "golang-$GO-go" "golang-$GO-src" > /dev/null)
    for package in "$1"/*.deb; do dpkg-deb -x "$package" "$1"; done
}

# go_hello FOLDER: tests/foreign/hello.go as the program `hello` of ARCHITECTURE in an image's root.
go_hello() {
    local go=$cache/go
    [ -e "$go" ] || { mkdir "$go.new" && get_go "$go.new" && mv "$go.new" "$go"; }
    mkdir -p "$1/usr/local/bin"
    GOTOOLCHAIN=local GOCACHE=$go/cache GOPATH=$go/path CGO_ENABLED=0 GOOS=linux GOARM=7 \
        GOARCH=$(oci_architecture "$architecture") "$go/usr/lib/go-$GO/bin/go" build \
        -o "$1/usr/local/bin/hello" tests/foreign/hello.go
}

[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2; exit 1; }
image_and_root "$architecture" "$TOOLS" "$cache/$architecture/tools"
image_and_root "$architecture" "$PYTHON" "$cache/$architecture/python"
image_and_root "$architecture" "$NODE" "$cache/$architecture/node"
# Its maintainer scripts link manual pages. The class is compiled here: that takes minutes in c2w.
image_and_root "$architecture" "$JAVA" "$cache/$architecture/java" \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --dpkgopt='path-exclude=/usr/lib/jvm/*/jmods/*' \
    --customize-hook='copy-in tests/foreign/Hello.java /usr/local/lib' \
    --customize-hook='chroot "$1" javac /usr/local/lib/Hello.java'
if [ ! -e "$cache/$architecture/go.root" ]; then
    extra=$(mktemp -d)
    trap 'rm -rf "$extra"' EXIT
    go_hello "$extra"
    image_and_root "$architecture" bash "$cache/$architecture/go" --customize-hook="sync-in $extra /"
fi
