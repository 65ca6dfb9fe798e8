//! What the container runtime says when it fails, for people who do not know that there is one.

use super::mounts::RUN;

/// What it puts in front of every reason.
const PREFIXES: [&str; 5] = [
    "runc run failed: ",
    "unable to start container process: ",
    "error during container init: ",
    "container_linux.go: ",
    "rootfs_linux.go: ",
];
/// What it says of a link or file in the place of /proc or /sys.
const NO_DIRECTORY: &str = "must be mounted on ordinary directory";
/// How a program in Go says that it cannot go on; a stack trace follows.
const FATAL: [&str; 2] = ["fatal error: ", "panic: "];

/// The reason in what it has written to standard error.
pub fn reason(said: &str) -> String {
    let fatal = |line: &str| FATAL.iter().find_map(|fatal| line.strip_prefix(fatal).map(memory));
    if let Some(reason) = said.lines().find_map(fatal) {
        return reason;
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let text = message(last).replace(&format!("{RUN}/root"), "");
    let text = PREFIXES.iter().fold(&text[..], |text, prefix| text.trim_start_matches(prefix));
    let last = text.rsplit(": ").next().unwrap_or_default();
    match mount_point(text) {
        Some(place) if text.contains(NO_DIRECTORY) => {
            format!("the image's {place} is not a directory, but a link or a file")
        }
        // Said of a file where a directory is wanted, and the other way round.
        Some(place) if last == "not a directory" => {
            format!("nothing can be mounted at the image's {place}: what is there is in the way")
        }
        Some(place) => format!("nothing can be mounted at the image's {place}: {last}"),
        None if text.is_empty() => "no reason is known".into(),
        None => text.into(),
    }
}

/// Go's words for what the user can do something about.
fn memory(fatal: &str) -> String {
    match fatal.contains("memory") {
        true => "memory ran out; it needs more (--memory)".into(),
        false => fatal.into(),
    }
}

/// The text of a line of a log, `time="..." level=error msg="..."`; of any other line all of it.
fn message(line: &str) -> String {
    let Some((_, quoted)) = line.split_once(" msg=\"") else { return line.into() };
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

/// Where a mount has failed.
fn mount_point(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(" to rootfs at \"")?;
    rest.split_once('"').map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_runtime_is_left() {
        let init =
            "runc run failed: unable to start container process: error during container init: ";
        for (said, expected) in [
            (
                r#"error mounting "proc" to rootfs at "/proc": filesystem "proc" must be mounted on ordinary directory"#,
                "the image's /proc is not a directory, but a link or a file",
            ),
            (
                r#"error mounting "/run/etc/hosts" to rootfs at "/etc/hosts": mount /proc/self/fd/8:/etc/hosts (via /proc/self/fd/6), flags: 0x5000: not a directory"#,
                "nothing can be mounted at the image's /etc/hosts: what is there is in the way",
            ),
            (
                r#"error mounting "/run/etc/hosts" to rootfs at "/etc/hosts": create mount destination for /etc/hosts mount: open ROOT/etc: too many levels of symbolic links"#,
                "nothing can be mounted at the image's /etc/hosts: too many levels of symbolic links",
            ),
            ("open ROOT/etc/passwd: permission denied", "open /etc/passwd: permission denied"),
        ] {
            let said = said.replace("ROOT", &format!("{RUN}/root"));
            assert_eq!(reason(&format!("{init}{said}\n\n")), expected);
            let quoted = said.replace('"', "\\\"");
            let logged =
                format!("time=\"2026-01-01T00:00:00Z\" level=error msg=\"{init}{quoted}\"\n");
            assert_eq!(reason(&logged), expected);
        }
        assert_eq!(reason(""), "no reason is known");
    }

    #[test]
    fn a_stack_trace_is_not_the_reason() {
        let said = "runtime: out of memory: cannot allocate 4194304-byte block\n\
                    fatal error: out of memory\n\ngoroutine 1:\n\tproc.go:271 +0x2c\n";
        assert_eq!(reason(said), "memory ran out; it needs more (--memory)");
        assert_eq!(reason("panic: index out of range\n\ngoroutine 1"), "index out of range");
    }
}
