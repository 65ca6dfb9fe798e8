# What the cases of scripts/network.sh are written with. Sourced before a case by a bash that ends with
# the first command that fails; not executed. In the environment: engine (run, component, or a runtime of
# modules), place (a folder of the case's own), c2w, image, wasmtime, module (what a runtime runs).

# Debian's, which has Debian's modules.
readonly PYTHON=/usr/bin/python3 SERVERS=tests/network/servers.py
# What the container's command is started by, if anything.
under=()
servers=()
trap '[ ${#servers[@]} = 0 ] || kill "${servers[@]}" 2> /dev/null || true' EXIT

# container [OPTION...] -- COMMAND...: this machine's loopback is `host` in it. Ports are published by -p,
# which a module leaves to its helper. c2w's own words are not the program's.
container() {
    local published=() options=(--add-host host:host-gateway) start=()
    while [ "$1" != -- ]; do
        case $1 in
            -p) published+=("$1" "$2"); shift ;;
            *) options+=("$1") ;;
        esac
        shift
    done
    shift
    case $engine in
        run) start=("$c2w" run -q "$image" -- "${published[@]}") ;;
        component)
            start=("$wasmtime" run --allow-precompiled -S inherit-network,allow-ip-name-lookup "$module"
                "${published[@]}")
            ;;
        *) helped_module "${published[@]}" ;;
    esac
    "${under[@]}" "${start[@]}" "${options[@]}" "$@"
}

# helped_module [OPTION...]: sets `start` to the module beside a helper that has these options. Each
# container has a folder of its own for the two.
helped_module() {
    local net runtime
    net=$(mktemp -d "$place/net.XXXXXX")
    case $engine in
        wasmtime) runtime=("$wasmtime" run --allow-precompiled --dir "$net::/net" "$module") ;;
        wazero) runtime=(wazero run -cachedir "$module.wazero" -mount "$net:/net" "$module") ;;
        wasmedge) runtime=(wasmedge --run-mode aot --dir "/net:$net" "$module") ;;
        node) runtime=(node --no-warnings examples/node-wasi.mjs --dir "$net::/net" "$module") ;;
    esac
    start=("$c2w" net-helper --host-gateway "$@" "$net" -- "${runtime[@]}" --network dir=/net)
}

# server COMMAND...: on this machine, until the case ends.
server() {
    "$@" > "$place/server-${#servers[@]}.log" 2>&1 < /dev/null &
    servers+=($!)
}

# free_port [DGRAM]: one where nobody listens, of TCP or UDP.
free_port() {
    "$PYTHON" -c 'import socket, sys
with socket.socket(type=getattr(socket, "SOCK_" + sys.argv[1])) as free:
    free.bind(("127.0.0.1", 0))
    print(free.getsockname()[1])' "${1:-STREAM}"
}

# listening PORT: waits until somebody listens.
listening() {
    local tries
    for tries in $(seq 100); do
        ! (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null || return 0
        sleep 0.1
    done
    echo "nobody listens on port $1" >&2
    return 1
}

# expect WHAT EXPECTED FOUND
expect() {
    [ "$2" != "$3" ] || return 0
    printf '%s: expected\n%s\nfound\n%s\n' "$1" "$2" "$3" >&2
    return 1
}

# noise BYTES: that look like nothing.
noise() {
    head -c "$1" /dev/urandom
}

# sum: SHA-256 of standard input.
sum() {
    sha256sum | cut -d ' ' -f 1
}
