# Packages of Debian that a script needs. Sourced, not executed.

# install_packages PACKAGE...: installs those that are missing; says which when that needs root.
install_packages() {
    local package missing=()
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] \
            || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        {
            echo "These packages of Debian 12 are missing. Install them as root, then start again:"
            echo "    apt-get install -y --no-install-recommends ${missing[*]}"
        } >&2
        return 1
    fi
    echo "installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q > /dev/null
    apt-get install -q -y --no-install-recommends "${missing[@]}" > /dev/null
}

# require_rust: cargo, as rustup installs it, and a C compiler for it.
require_rust() {
    command -v cargo > /dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo > /dev/null || { echo "cargo is missing: install Rust 1.95 or later" >&2; return 1; }
    command -v cc > /dev/null || install_packages build-essential
}
