//! Translated code does what the same code does when it is interpreted, and a conversion says what
//! it has translated.

use crate::container::{C2W, Container, Engine, assert_success, busybox_reference, text};
use crate::engine::{COUNTED, Directory, Driver};
use crate::{engine_trial, guest, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Shell scripts that do the same on any POSIX system.
const SCRIPTS: [(&str, &str); 6] = [
    ("loops", LOOPS),
    ("pipes", PIPES),
    ("sums", SUMS),
    ("numbers", NUMBERS),
    ("processes", PROCESSES),
    ("failure", "seq 3000 | grep -c 7; ls /no/such/file 2>/dev/null || sort /etc/none; exit 7"),
];

const LOOPS: &str = "i=0; sum=0; words=
while [ $i -lt 4000 ]; do i=$((i + 1)); sum=$(((sum * 31 + i) % 1000003)); done; echo $sum
for a in 1 2 3 4 5 6 7 8 9; do for b in x y z; do words=$words$a$b; done; done; echo $words
f() { [ $1 -lt 2 ] && echo $1 || echo $(($(f $(($1 - 1))) + $(f $(($1 - 2))))); }; f 7
echo $((-7 / 2)) $((-7 % 2)) $((1 << 40)) $((0x7fffffffffffffff + 1)) $((5 > 3 ? 1 : 2))
case abcabc in *c?bc) echo match; esac; x=abcabc; echo ${x%b*} ${x##*b} ${#x}";

const PIPES: &str = r"seq 4000 | sed -e 's/1/one/g' -e '/one.*one/d' | sort | uniq | tail -n 4
seq 3000 | xargs -n 7 echo | cut -d ' ' -f 2,4 | tr ' 0-4' '+a-e' | sort -r | head -n 3
seq 500 | while read n; do echo $((n * n)); done | grep '1.*6' | wc -l
seq 20000 | gzip | gunzip | tail -c 12 | od -c";

const SUMS: &str = "seq 30000 > /tmp/c2w-$$; trap 'rm /tmp/c2w-$$' EXIT
for sum in md5sum sha1sum sha256sum sha512sum; do $sum < /tmp/c2w-$$; done
dd if=/tmp/c2w-$$ bs=999 skip=7 count=50 2>/dev/null | md5sum; tac /tmp/c2w-$$ | sha256sum
base64 < /tmp/c2w-$$ | md5sum; cmp /tmp/c2w-$$ /tmp/c2w-$$";

/// Only operations that round correctly everywhere.
const NUMBERS: &str = r#"awk 'BEGIN {
    for (i = 1; i <= 4000; i++) { s += 1 / (i + 0.5); t = t * 0.75 - i / 7; n[i % 7] += i }
    printf "%.17g %.17g %d %d\n", s, t, 1e15 / 7, -17 % 5
    for (i = 0; i < 7; i++) printf "%d ", n[i]
    x = "a"; for (i = 0; i < 500; i++) { x = x i; if (x ~ /99a?100/) c++ }
    printf "%d %d %s\n", length(x), c, substr(x, 1000, 10)
}'
awk '{ a[$1 % 10] = a[$1 % 10] + $1 * 1.1; gsub(/1/, "x") }
/x.*x/ { k++ } END { print k, a[3] }' << EOF
$(seq 2000)
EOF"#;

const PROCESSES: &str = "trap 'echo caught' USR1; kill -USR1 $$; i=0
while [ $i -lt 60 ]; do i=$((i + 1)); (exit $((i % 3))) || echo $i; done | tr '\\n' ' '
sh -c 'kill -9 $$'; echo $?; (sleep 0.1; echo later) & wait; echo end
env -i A=1 sh -c 'echo $A'; echo $(echo $(echo deep)) | (read a; echo \"$a\")";

/// What `--aot=max` is trained on here.
const TRAINING: &str = "sh -c \"i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; \
    seq 3000 | sort | md5sum; awk 'BEGIN { for (i = 1; i < 999; i++) s += 1 / i; print s }'\"";

const MAX: [&str; 3] = ["--aot=max", "--train", TRAINING];

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("translation::same_bytes_again", same_bytes_again),
        trial("translation::reports", reports),
        trial("translation::is_executed", is_executed),
        trial("translation::mapped_directories", mapped_directories),
        trial("translation::all_kinds_of_training", all_kinds_of_training),
    ];
    type Converted = fn() -> &'static Container;
    let kinds = [("off", off as Converted), ("auto", auto), ("max", max)];
    for (kind, container) in kinds {
        trials.extend(SCRIPTS.map(|(name, script)| {
            trial(format!("translation::{kind}_{name}"), move || compare(container(), script))
        }));
    }
    trials.extend(guest::trials("rewritten_code", rewritten_code));
    trials.extend(guest::trials("vectors", vectors));
    trials
}

/// The example without translated code.
fn off() -> &'static Container {
    static OFF: OnceLock<Container> = OnceLock::new();
    OFF.get_or_init(|| Container::convert_with(busybox_reference(), "off", &["--aot=off"]))
}

/// The example with a moderate amount of translated code.
fn auto() -> &'static Container {
    static AUTO: OnceLock<Container> = OnceLock::new();
    AUTO.get_or_init(|| Container::convert_with(busybox_reference(), "auto", &["--aot=auto"]))
}

/// The example with as much translated code as there can be.
fn max() -> &'static Container {
    static MAX_: OnceLock<Container> = OnceLock::new();
    MAX_.get_or_init(|| Container::convert_with(busybox_reference(), "max", &MAX))
}

/// A script must do the same in the module as on this machine.
fn compare(container: &Container, script: &str) {
    let mut here = Command::new("/bin/sh");
    here.args(["-c", script]).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    let mut there = container.command(Engine::COMMAND, &["sh", "-c", script]);
    let (here, there) = (process::run(&mut here, b""), process::run(&mut there, b""));
    assert!(!here.stdout.is_empty(), "{here:?}");
    assert_eq!(text(&there.stdout), text(&here.stdout), "{}", text(&there.stderr));
    assert_eq!(there.status, here.status, "{}", text(&there.stderr));
}

fn same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("again.wasm");
    let output = Command::new(C2W).args(MAX).arg(busybox_reference()).arg(&module).output();
    assert!(output.expect("c2w runs").status.success());
    assert!(fs::read(module).unwrap() == fs::read(&max().module).unwrap());
}

/// One line about the translation, if there is any, and one about the module. Nothing is translated
/// unless somebody asks for it.
fn reports() {
    let lines = |container: &'static Container| container.said.lines().collect::<Vec<_>>();
    assert!(matches!(lines(off())[..], [module] if module.contains("MiB (root image")));
    assert!(fs::read(&off().module).unwrap() == fs::read(&Container::busybox().module).unwrap());
    let trained = |container, on: &str| match lines(container)[..] {
        [line, module] => {
            assert!(line.starts_with("translated ") && line.contains(on), "{line}");
            assert!(module.contains("MiB (root image"), "{module}");
        }
        ref other => panic!("{other:?}"),
    };
    trained(auto(), "the image's command (");
    trained(max(), TRAINING);
}

/// Instructions of a run, and those of them that were translated.
fn counted(
    container: &Container,
    directories: &[Directory<'_>],
    arguments: &[&str],
) -> (Output, f64, f64) {
    let engine = Engine::Wasi(Driver::Counted);
    let mut command = container.command_with(engine, directories, arguments);
    let mut output = process::run(&mut command, b"");
    let said = text(&output.stderr);
    let (before, counts) = said.rsplit_once(COUNTED).unwrap_or_else(|| panic!("{said}"));
    output.stderr.truncate(before.len());
    let (all, translated) = counts.trim_end().split_once(' ').expect("two numbers");
    (output, all.parse().unwrap(), translated.parse().unwrap())
}

/// What other tests compare would agree as well if no translated code was ever entered.
fn is_executed() {
    let share = |container: &Container| {
        let (output, all, translated) = counted(container, &[], &["sh", "-c", LOOPS]);
        assert_success(&output);
        assert!(all > 1e6, "{all} instructions");
        translated / all
    };
    let shares = [off(), auto(), max()].map(share);
    // The second one has not been trained on such a script.
    let expected = |shares: [f64; 3]| shares[0] == 0.0 && shares[1] > 0.3 && shares[2] > 0.8;
    assert!(expected(shares) && shares[2] <= 1.0, "{shares:?}");
}

/// What the kernel does for a mapped directory is trained on, whatever the image's command is.
fn mapped_directories() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..500 {
        fs::write(folder.path().join(format!("file-{number}")), "").unwrap();
    }
    let mapped = [Directory::new(folder.path(), "/data")];
    let run = |command| counted(auto(), &mapped, &["sh", "-c", command]);
    let (_, before, translated_before) = run("true");
    let (output, all, translated) = run("cd /data; ls -l | wc -l");
    assert_success(&output);
    assert_eq!(text(&output.stdout).trim(), "501");
    let share = (translated - translated_before) / (all - before);
    assert!(share > 0.9, "{share}");
}

/// A command that ends by a signal, one that never ends, one that waits for ever, and one that the
/// image lacks.
fn all_kinds_of_training() {
    let commands =
        ["sh -c 'kill -9 $$'", "sh -c 'while :; do :; done'", "-w /etc sleep 1000000", "no-such"];
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(C2W);
    command.args(commands.into_iter().flat_map(|command| ["--train", command]));
    command.arg(busybox_reference()).arg(folder.path().join("out.wasm"));
    let output = process::run(&mut command, b"");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find(|line| line.starts_with("translated ")).unwrap_or_default();
    let failed = |line: &str| line.starts_with("c2w: warning: ") && line.contains("\"no-such\"");
    assert!(said.lines().any(|line| failed(line) && line.contains("status 127")), "{said}");
    assert!(commands.iter().all(|command| line.contains(command)), "{said}");
}

/// What the program in `guest/rewrite.c` prints when nobody executes old code.
const REWRITTEN: &str = "in place ok
called in place ok
another's constant ok
on two pages ok
copied ok
patched ok
called while patched ok
patching itself ok
second page patched ok
writable or executable ok
not executable ok
written elsewhere ok
mapped anew ok
read from a file ok
forked ok
own page ok
returned ok
unwound ok
patched by a signal's handler ok
";

/// A program that rewrites its hot code, trained on itself.
fn rewritten_code() -> Vec<Trial> {
    let test = |engine| engine_trial(engine, "rewritten_code", check_rewritten);
    let mut trials: Vec<_> = Engine::all().into_iter().map(test).collect();
    trials.push(trial("translation::rewritten_code", || {
        let interpreted =
            Container::convert_with(program("rewrite"), "rewrite-off", &["--aot=off"]);
        let (output, _, translated) = counted(&interpreted, &[], &["/rewrite"]);
        assert_rewritten(&output);
        assert_eq!(translated, 0.0);
        let (output, all, translated) = counted(rewriting(), &[], &["/rewrite"]);
        assert_rewritten(&output);
        assert!(translated > all / 2.0, "{translated} of {all}");
    }));
    trials
}

fn check_rewritten(engine: Engine) {
    assert_rewritten(&process::run(&mut rewriting().command(engine, &["/rewrite"]), b""));
}

fn assert_rewritten(output: &Output) {
    assert_eq!(text(&output.stdout), REWRITTEN, "{}", text(&output.stderr));
    assert_success(output);
}

/// A root filesystem with nothing but a program.
fn program(name: &str) -> String {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("end_to_end-{name}"));
    fs::create_dir_all(&root).expect("a folder for the program");
    guest::compile(name, &root.join(name));
    format!("rootfs:{}", root.display())
}

fn rewriting() -> &'static Container {
    static REWRITING: OnceLock<Container> = OnceLock::new();
    let options = ["--aot=max", "--train", "/rewrite"];
    REWRITING.get_or_init(|| Container::convert_with(program("rewrite"), "rewrite", &options))
}

/// String functions made of vector instructions, trained on fewer strings.
fn vectors() -> Vec<Trial> {
    static VECTORS: OnceLock<Container> = OnceLock::new();
    let options = ["--aot=max", "--train", "/vectors 60"];
    let converted = move || {
        VECTORS.get_or_init(|| Container::convert_with(program("vectors"), "vectors", &options))
    };
    let test = |engine| {
        engine_trial(engine, "vectors", move |engine| {
            let output = process::run(&mut converted().command(engine, &["/vectors", "60"]), b"");
            assert_vectors(&output);
        })
    };
    let mut trials: Vec<_> = Engine::all().into_iter().map(test).collect();
    trials.push(trial("translation::vectors", move || {
        let (output, all, translated) = counted(converted(), &[], &["/vectors", "300"]);
        assert_vectors(&output);
        assert!(translated > all * 0.9, "{translated} of {all}");
    }));
    trials
}

fn assert_vectors(output: &Output) {
    assert_eq!(text(&output.stdout), "vectors ok\n", "{}", text(&output.stderr));
    assert_success(output);
}
