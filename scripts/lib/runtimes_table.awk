# Lines of libtest ("test [cause] RUNTIME::CASE ... ok") to a table of cases and runtimes. A case that
# is ignored for a cause gets the cause's number; the causes follow.

$1 == "test" && /::/ && / \.\.\. / {
    cause = ""
    if (match($0, /\[[^]]*\]/)) {
        cause = substr($0, RSTART + 1, RLENGTH - 2)
        sub(/\[[^]]*\]/, "")
    }
    if (cause == "not installed" || cause == "figures") next
    split($2, name, "::")
    if (!(name[2] in seen)) { seen[name[2]] = 1; cases[++count] = name[2] }
    if (cause == "") {
        result[name[1], name[2]] = $NF == "ok" ? "✓" : "**fails**"
    } else {
        if (!(cause in number)) { number[cause] = ++causes; causes_by_number[causes] = cause }
        result[name[1], name[2]] = "(" number[cause] ")"
    }
}

END {
    columns = split(found, runtime, " ")
    line = "| case |"; rule = "|---|"
    for (i = 1; i <= columns; i++) { line = line " " runtime[i] " |"; rule = rule "---|" }
    print line; print rule
    for (c = 1; c <= count; c++) {
        line = "| `" cases[c] "` |"
        for (i = 1; i <= columns; i++) {
            if ((runtime[i], cases[c]) in result) line = line " " result[runtime[i], cases[c]] " |"
            else line = line " |"
        }
        print line
    }
    if (causes > 0) print ""
    for (i = 1; i <= causes; i++) print "(" i ") " causes_by_number[i] ".  "
}
