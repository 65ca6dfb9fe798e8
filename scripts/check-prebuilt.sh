#!/bin/bash
# Fails when a file in prebuilt/ is damaged or was built from other sources than these.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prebuilt.sh

(cd prebuilt && sha256sum --check --quiet SHA256SUMS)
stale=0
for artifact in $(awk '!/^#/ { print $1 }' prebuilt/SOURCES); do
    recorded=$(awk -v name="$artifact" '$2 == name { print $1 }' prebuilt/SOURCES.sha256)
    if [ "$recorded" != "$(sources_digest "$artifact")" ]; then
        echo "prebuilt/$artifact does not belong to these sources: rebuild it (prebuilt/README.md)" >&2
        stale=1
    fi
done
exit "$stale"
