# Programs of a real Debian run in c2w and elsewhere, and compared. Sourced by scripts that set
# CASES, the folder of scripts to run, and work, a folder for what came out; not executed.

# Seconds for one program, by the clock.
limit=${LIMIT:-900}

# field CASE NAME [DEFAULT]: what a line `# NAME: ` of the case says.
field() {
    local value
    value=$(sed -n "s/^# $2: //p" "$CASES/$1.sh")
    echo "${value:-${3:-}}"
}

# record PLACE COMMAND...: its output and status, as files in the folder PLACE; the processor's seconds
# of user and system in PLACE.time.
record() {
    local place=$1 status=0 TIMEFORMAT='%U %S'
    shift
    mkdir -p "$place"
    {
        time timeout --kill-after=10 "$limit" "$@" \
            > "$place/stdout" 2> "$place/stderr" < /dev/null || status=$?
    } 2> "$place.time"
    echo "$status" > "$place/status"
}

# in_chroot PLACE ROOT USER COMMAND...: in namespaces of its own, on a copy of the root that is thrown
# away; under QEMU when the root is foreign.
in_chroot() {
    local place=$1 root=$2 user=$3
    shift 3
    record "$place" unshare --mount --pid --net --ipc --uts --fork --kill-child \
        bash scripts/lib/chroot-container.sh "$root" "$user" env -i "PATH=$IMAGE_PATHS" "$@"
}

# without_notices PLACE: c2w's own words are not the program's.
without_notices() {
    sed -i '/^c2w: /d' "$1/stderr"
}

# same CASE PLACE: whether PLACE has what the judge has; the difference if not.
same() {
    diff -U 2 -r --label expected --label found "$work/$1/judge" "$work/$1/$2"
}
