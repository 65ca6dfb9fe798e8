//! `c2w net-helper` from outside: what it leaves behind, what it refuses, and containers that come and
//! go. What goes over its rings is tested in `end_to_end`.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const IMAGE: &str = "oci:examples/busybox:latest";

fn c2w(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What a run says, and its status.
fn said(arguments: &[&str]) -> (String, Option<i32>) {
    let Output { stdout, stderr, status } = c2w(arguments).output().unwrap();
    (String::from_utf8([stdout, stderr].concat()).unwrap(), status.code())
}

/// A folder, and a directory in it that is not there.
fn rings() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings").into_os_string().into_string().unwrap();
    (folder, rings)
}

/// The example's module.
fn module(folder: &Path) -> PathBuf {
    let module = folder.join("out.wasm");
    let converted = c2w(&["-q", IMAGE, module.to_str().unwrap()]).status().unwrap();
    assert!(converted.success());
    module
}

#[test]
fn it_ends_with_its_command_and_leaves_nothing() {
    let (_folder, rings) = rings();
    let list = format!("ls {rings}; exit 7");
    let run = |line: &str| said(&["net-helper", &rings, "--", "sh", "-c", line]);
    assert_eq!(run(&list), ("guest.ring\nhost.ring\n".into(), Some(7)));
    assert!(!Path::new(&rings).exists());
    assert_eq!(run("kill -9 $$"), (String::new(), Some(137)));
    let missing = said(&["net-helper", &rings, "--", "/no/such"]);
    let expected = "c2w: cannot start /no/such: No such file or directory (os error 2)\n";
    assert_eq!(missing, (expected.into(), Some(125)));
    assert!(!Path::new(&rings).exists());
    // A directory that was there stays.
    fs::create_dir(&rings).unwrap();
    assert_eq!(run("true"), (String::new(), Some(0)));
    assert_eq!(fs::read_dir(&rings).unwrap().count(), 0);
}

/// Ctrl-C goes to a shell and its helper alike, and the shell stays.
#[test]
fn its_command_decides_what_a_signal_means() {
    let (_folder, rings) = rings();
    let line = "kill -INT $PPID; kill -INT $PPID; sleep 0.2; echo still here; exit 3";
    let run = said(&["net-helper", &rings, "--", "sh", "-c", line]);
    assert_eq!(run, ("still here\n".into(), Some(3)));
    // What is sent to end it, its command gets.
    let line = "trap 'exit 4' TERM; kill -TERM $PPID; while :; do sleep 0.01; done";
    assert_eq!(said(&["net-helper", &rings, "--", "sh", "-c", line]), (String::new(), Some(4)));
    assert!(!Path::new(&rings).exists());
    // Nobody ever listens: the command's end counts.
    let connect = ["net-helper", "--connect", "127.0.0.1:9", "--", "sh", "-c", "exit 5"];
    assert_eq!(said(&connect), (String::new(), Some(5)));
}

#[test]
fn files_of_others_are_not_overwritten() {
    let (_folder, rings) = rings();
    fs::create_dir(&rings).unwrap();
    for name in ["host.ring", "guest.ring"] {
        let file = Path::new(&rings).join(name);
        fs::write(&file, "mine").unwrap();
        let expected =
            format!("c2w: {rings}: {name}: somebody else's file of this name is there\n");
        assert_eq!(said(&["net-helper", &rings, "--", "true"]), (expected, Some(125)));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&rings).unwrap().count(), 1);
        fs::remove_file(&file).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", Path::new(&rings).join("host.ring")).unwrap();
    assert_eq!(said(&["net-helper", &rings, "--", "true"]).1, Some(125));
    // Nothing that a killed one has left is in the way.
    fs::remove_file(Path::new(&rings).join("host.ring")).unwrap();
    let program = env!("CARGO_BIN_EXE_c2w");
    said(&["net-helper", &rings, "--", "sh", "-c", "kill -9 $PPID"]);
    assert_eq!(fs::read_dir(&rings).unwrap().count(), 2);
    let twice = ["net-helper", &rings, "--", program, "net-helper", &rings, "--", "true"];
    let expected =
        format!("c2w: {rings}: host.ring: another c2w net-helper serves this directory\n");
    assert_eq!(said(&twice), (expected, Some(125)));
    assert_eq!(fs::read_dir(&rings).unwrap().count(), 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_folder, rings) = rings();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("{}:80", taken.local_addr().unwrap().port());
    for (arguments, expected, status) in [
        (&["net-helper"][..], "<DIRECTORY>", 2),
        (&["net-helper", "-p", "x", &rings], "--publish x: write", 2),
        (&["net-helper", "-p", &port, &rings], "Address already in use", 125),
        (&["net-helper", "--connect", "host"], "--connect host: write HOST:PORT or unix:PATH", 2),
        (&["net-helper", "--connect", "a:1", &rings], "cannot be used with", 2),
        (&["net-helper", "/proc/nothing"], "/proc/nothing: cannot be made", 125),
        (&["net-helper", "/dev/null"], "/dev/null: host.ring: ", 125),
        (
            &["run", IMAGE, "--", "--network=dir=/no/such"],
            "no c2w net-helper serves that directory",
            125,
        ),
        (
            &["run", IMAGE, "--", "--network=dir=/x", "-p", "80:80"],
            "give it to c2w net-helper",
            125,
        ),
        (
            &["run", IMAGE, "--", "--net=qemu=unix:/no/such"],
            "qemu=unix:/no/such: No such file",
            125,
        ),
        (
            &["run", IMAGE, "--", "--net=qemu=a:1", "-p", "80:80"],
            "the other end of this network",
            125,
        ),
        (&["run", IMAGE, "--", "--network=socket"], "here it is qemu=HOST:PORT", 125),
        (&["run", IMAGE, "--", "--network=host"], "there are user, which is Docker's bridge", 125),
    ] {
        let (text, code) = said(arguments);
        assert!(text.contains(expected) && text.lines().count() == 1, "{arguments:?}: {text}");
        assert_eq!(code, Some(status), "{arguments:?}: {text}");
    }
    assert!(!Path::new(&rings).exists());
}

/// A helper without a command, which waits for containers.
struct Helper(Child);

impl Helper {
    fn start(rings: &str, options: &[&str]) -> Self {
        let mut command = c2w(&[&["net-helper", rings], options].concat());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        while fs::metadata(Path::new(rings).join("guest.ring")).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    fn stop(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A container with this network.
fn container(module: &Path, rings: &str, command: &[&str]) -> Command {
    let network = format!("--network=dir={rings}");
    let mut run = c2w(&["run", module.to_str().unwrap(), "--", &network]);
    run.args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run
}

/// Says one line to everybody who connects, and ends.
fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"welcome\n");
        }
    });
    address
}

/// A server in a container that answers with this word.
fn answers(module: &Path, rings: &str, word: &str) -> Child {
    let line = format!(
        "mkdir /www && echo {word} > /www/index.html && httpd -p 7 -h /www && echo ready && read end || true"
    );
    let mut child = container(module, rings, &["sh", "-c", &line]).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready, "ready\n");
    child
}

/// What the published port says, once somebody listens behind it.
fn ask(address: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut said = String::new();
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            stream.read_to_string(&mut said)
        });
        if let (Ok(_), Some((_, page))) = (asked, said.split_once("\r\n\r\n")) {
            return page.into();
        }
        assert!(Instant::now() < deadline, "nobody answers");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn containers_come_and_go() {
    let (folder, rings) = rings();
    let module = module(folder.path());
    let server = greeter();
    let port = server.port().to_string();
    let mut helper = Helper::start(&rings, &["--host-gateway", "-p", "7"]);
    let said = helper.line();
    let published = said.strip_prefix("c2w: note: ").and_then(|said| said.split_once(" is port 7"));
    let (published, _) = published.unwrap_or_else(|| panic!("{said}"));
    let greeted = || {
        let run = container(&module, &rings, &["nc", "10.0.2.2", &port]).output().unwrap();
        assert_eq!(String::from_utf8(run.stderr).unwrap(), "");
        assert_eq!(run.stdout, b"welcome\n");
    };
    greeted();
    // The port is the same for the next one.
    let mut first = answers(&module, &rings, "first");
    assert_eq!(ask(published), "first\n");
    // One that is killed has said nothing about its end.
    first.kill().unwrap();
    first.wait().unwrap();
    greeted();
    let second = answers(&module, &rings, "second");
    assert_eq!(ask(published), "second\n");
    // A directory is one container's: that of the last that has come.
    let third = answers(&module, &rings, "third");
    assert_eq!(ask(published), "third\n");
    let lost = "c2w: the container's network has ended: the other side has started anew\n";
    assert_eq!(end(second), lost);
    assert_eq!(helper.stop(), Some(128 + 15));
    assert!(!Path::new(&rings).exists());
    assert_eq!(end(third), "c2w: the container's network has ended: its other end has closed it\n");
}

/// Ends a server; gives what was said.
fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stderr).unwrap()
}
