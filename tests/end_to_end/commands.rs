//! Arguments, environment, options and exit statuses.

use crate::case::{Case, Stdin, case, shell};
use crate::container::Engine;
use libtest_mimic::Trial;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Prints its arguments, each with a NUL behind it.
const ECHO: [&str; 4] = ["sh", "-c", r#"[ $# = 0 ] || printf '%s\0' "$@""#, "sh"];

const FORKS: &str = "i=0
while [ $i -lt 200 ]; do i=$((i + 1)); /bin/busybox true || exit; done
echo $i";

const FILES: &str = "mkdir -p /tmp/a/b && echo hi > /tmp/a/b/c && rm /bin/vi && cat /tmp/a/b/c
! ls /bin/vi 2>&1";

pub fn trials() -> Vec<Trial> {
    let on_the_image = [statuses(), options()].into_iter().flatten().map(Case::on_the_image);
    let cases = [arguments(), environment(), work()].into_iter().flatten();
    on_the_image.chain(cases).flat_map(Case::trials).collect()
}

fn statuses() -> Vec<Case> {
    vec![
        case("status_0", ["true"]),
        case("status_1", ["false"]).status(1),
        shell("status_7", "exit 7").status(7),
        shell("status_255", "exit 255").status(255),
        shell("child_killed_by_signal_9", "sh -c 'kill -9 $$'; exit $?")
            .status(137)
            .stderr("Killed\n"),
        shell("child_killed_by_signal_13", "sh -c 'kill -13 $$'; exit $?").status(141),
        // PID 1 of a container takes no signal that it does not handle.
        shell("pid_1_survives_its_own_signal", "kill -9 $$; exit 3").status(3),
        case("not_found", ["no-such-command"]).status(127).complaint("no-such-command"),
        case("not_found_by_path", ["/no/such/command"]).status(127).complaint("/no/such/command"),
        case("not_executable", ["/etc/passwd"]).status(126).complaint("/etc/passwd"),
        case("a_directory", ["/etc"]).status(126).complaint("/etc"),
    ]
}

fn options() -> Vec<Case> {
    vec![
        case("image_command", [""; 0])
            .stdin(Stdin::Pipe(b"echo $((6 * 7))\n".into()))
            .stdout("42\n"),
        case("entrypoint", ["--entrypoint", "echo", "a", "b"]).stdout("a b\n"),
        case("entrypoint_alone", ["--entrypoint=/bin/pwd"]).stdout("/\n"),
        case("no_stdin", ["--no-stdin", "cat"]).stdin(Stdin::Pipe(b"unread".into())),
        case("two_dashes", ["--", "echo", "--no-stdin"]).stdout("--no-stdin\n"),
        case("unknown_option", ["--bogus", "true"]).status(125).complaint("--bogus"),
        case("option_without_value", ["--entrypoint"]).status(125).complaint("--entrypoint"),
        case("empty_command", ["--entrypoint", ""]).status(125).complaint("command"),
    ]
}

/// [`ECHO`] with some arguments.
fn echo(name: &'static str, arguments: &[&[u8]]) -> Case {
    let echo = ECHO.iter().map(OsString::from);
    let passed = arguments.iter().map(|argument| OsString::from_vec(argument.to_vec()));
    let expected: Vec<u8> =
        arguments.iter().flat_map(|argument| [*argument, b"\0"].concat()).collect();
    case(name, echo.chain(passed)).stdout(expected)
}

fn arguments() -> Vec<Case> {
    let long = "0123456789".repeat(10_000);
    let many: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let many: Vec<&[u8]> = many.iter().map(String::as_bytes).collect();
    vec![
        echo("argument_empty", &[b"", b"a", b"", b""]),
        echo("argument_spaces", &[b" ", b"a  b", b"\t", b"line\nline\n", b"'\"\\$`*"]),
        echo("argument_unicode", &["größe".as_bytes(), "🐚".as_bytes()]),
        echo("argument_like_an_option", &[b"--", b"--entrypoint", b"-x"]),
        echo("argument_of_100_kb", &[long.as_bytes()]),
        echo("arguments_5000", &many),
        // WASI runtimes refuse what is not UTF-8.
        echo("argument_of_any_bytes", &[b"\xff\xfe", b"a\x80"]).only([Engine::Native]),
    ]
}

fn environment() -> Vec<Case> {
    let print = |name, line| shell(name, line).only(Engine::wasi());
    vec![
        print("environment", "printf '%s|%s|%s' \"$A\" \"$B\" \"$C\"")
            .environment(&[("A", "1"), ("B", "x  y=z\n"), ("C", "")])
            .stdout("1|x  y=z\n|"),
        print("environment_overrides_the_image", "/bin/echo $PATH")
            .environment(&[("PATH", "/bin")])
            .stdout("/bin\n"),
        shell("environment_of_the_image", "echo $PATH; echo $HOME")
            .stdout("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n/root\n"),
    ]
}

fn work() -> Vec<Case> {
    vec![
        case("uname", ["uname", "-s", "-m"]).stdout("Linux riscv64\n"),
        case("user", ["id", "-u"]).stdout("0\n"),
        shell("forks_200", FORKS).stdout("200\n"),
        shell("pipeline", "seq 1000 | sort -rn | head -n 3 | tr '\\n' ' '").stdout("1000 999 998 "),
        shell("written_files", FILES).stdout("hi\nls: /bin/vi: No such file or directory\n"),
        shell("background_child_does_not_hold_up", "sleep 1000 & echo $((1 + 1))").stdout("2\n"),
    ]
}
