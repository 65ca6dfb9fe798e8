#!/bin/bash
# check-kernel-config.sh WANTED FINAL: Kconfig drops silently what lacks a dependency; each line
# of WANTED must have survived in FINAL.
set -euo pipefail
lost=0
while IFS= read -r line; do
    case $line in
        '' | '#'*) continue ;;
        *=n) ! grep -q "^${line%=n}=" "$2" || { echo "set although not wanted: $line" >&2; lost=1; } ;;
        *) grep -qxF -e "$line" "$2" || { echo "lost: $line" >&2; lost=1; } ;;
    esac
done < "$1"
exit "$lost"
