# awk -v crate=NAME -f lock-closure.awk Cargo.lock: "name version checksum" of every package that
# the workspace member NAME reaches, so that a change elsewhere in the lock file does not count.
/^\[\[package\]\]/ { inside = 0 }
/^name = /         { name = $3; gsub(/"/, "", name) }
/^version = / {
    version = $3; gsub(/"/, "", version)
    key = name " " version; last[name] = key; current = key
}
/^checksum = /     { checksum[current] = $3; gsub(/"/, "", checksum[current]) }
/^dependencies = / { inside = 1; next }
/^\]/              { inside = 0 }
inside {
    dependency = $0; gsub(/[",]/, "", dependency); sub(/^ +/, "", dependency)
    needs[current] = needs[current] "\n" dependency
}
function reach(wanted,    key, parts, count, i, list) {
    # A dependency is "name", or "name version" when the lock file has several of that name.
    key = (wanted in last) ? last[wanted] : wanted
    if (key in seen) return
    seen[key] = 1
    print key, checksum[key]
    count = split(needs[key], list, "\n")
    for (i = 1; i <= count; i++) if (list[i] != "") reach(list[i])
}
END {
    if (!(crate in last)) { print "no package " crate > "/dev/stderr"; exit 1 }
    reach(crate)
}
