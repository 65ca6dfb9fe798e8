//! Directories of the host in the container.

use crate::container::{Container, Engine, assert_success, text};
use crate::engine::Directory;
use crate::{engine_trial, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// What is tested with each engine.
type Test = fn(Engine);

pub fn trials() -> Vec<Trial> {
    let tests: &[(&str, Test)] = &[
        ("shared_contents", contents),
        ("shared_names", names),
        ("shared_files_without_a_name", files_without_a_name),
        ("shared_links", links),
        ("shared_many_entries", many_entries),
        ("shared_sizes_and_times", sizes_and_times),
        ("shared_rare_times", rare_times),
        ("shared_blocks", blocks),
        ("shared_modes_and_owners", modes_and_owners),
        ("shared_programs", programs),
        ("shared_another_user", another_user),
        ("shared_pipes", pipes),
        ("shared_places", places),
        ("shared_one_inside_another", one_inside_another),
        ("shared_read_only", read_only),
        ("shared_changes_of_the_host", changes_of_the_host),
        ("shared_escapes", escapes),
        ("shared_a_place_that_goes_up", a_place_that_goes_up),
        ("shared_system_places", system_places),
    ];
    let trials = tests.iter().flat_map(|&(name, test)| {
        Engine::all().into_iter().map(move |engine| engine_trial(engine, name, test))
    });
    let missing = trial("native::shared_missing", a_missing_directory);
    trials.chain([missing]).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn output(engine: Engine, directories: &[Directory<'_>], arguments: &[&str]) -> Output {
    let mut command = Container::busybox().command_with(engine, directories, arguments);
    process::run(&mut command, b"")
}

/// What a script prints that must succeed quietly.
fn script(engine: Engine, directories: &[Directory<'_>], lines: &str) -> String {
    let output = output(engine, directories, &["sh", "-ec", lines]);
    assert_success(&output);
    text(&output.stdout)
}

/// The same, in a directory that is mapped to /data.
fn in_data(engine: Engine, host: &Path, lines: &str) -> String {
    script(engine, &[Directory::new(host, "/data")], &format!("cd /data\n{lines}"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn contents(engine: Engine) {
    let folder = folder();
    let host = folder.path();
    fs::write(host.join("host"), "from the host\n").unwrap();
    let lines = "cat host
        echo one > file; echo two >> file; cat file
        echo ONE | dd of=file conv=notrunc 2>/dev/null; cat file
        truncate -s 6 file; cat file; echo; truncate -s 8 file; wc -c < file
        echo new > file; cat file
        : > empty; wc -c < empty
        seq 300000 > large; md5sum < large; tail -c 7 large; sed -n 150000p large
        exec 3>> file; echo three >&3; echo four >> file; echo five >&3; cat file
        set -C; if (echo no > file) 2> /dev/null; then echo overwritten; fi; sync file";
    let expected = "from the host\none\ntwo\nONE\ntwo\nONE\ntw\n8\nnew\n0\n\
        daef482d6c698625ab13d987d14e8781  -\n300000\n150000\nnew\nthree\nfour\nfive\n";
    assert_eq!(in_data(engine, host, lines), expected);
    assert_eq!(read(host.join("file")), "new\nthree\nfour\nfive\n");
    let large: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    assert!(read(host.join("large")) == large);
}

fn names(engine: Engine) {
    let folder = folder();
    let lines = "echo a > a; echo b > b; mv a b; cat b; ls
        mkdir d; mv b d/c; cat d/c; mkdir d/e; mv d f; cat f/c; ls f
        rmdir f 2> /dev/null || echo not empty
        mkdir g; mv -T g f 2> /dev/null || echo not over a full one
        mkdir -p x/y/z; cd x/y/z; mv /data/x /data/w; pwd -P; echo here > file; cat /data/w/y/z/file
        cd /data; rm -r w; rm f/c; rmdir f/e f; ls
        mkdir 'a b'; echo 1 > 'a b/größe'; cat 'a b/größe'; rm -r 'a b'
        cat none 2>&1; mkdir g 2>&1
        touch $(printf %255s | tr ' ' n); ls | wc -c
        touch $(printf %256s | tr ' ' n) 2>&1 | tail -c 19";
    let expected = "a\nb\na\na\nc\ne\nnot empty\nnot over a full one\n/data/w/y/z\nhere\ng\n1\n\
        cat: can't open 'none': No such file or directory\n\
        mkdir: can't create directory 'g': File exists\n\
        258\nFile name too long\n";
    let output = output(
        engine,
        &[Directory::new(folder.path(), "/data")],
        &["sh", "-c", &format!("cd /data\n{lines}")],
    );
    assert_success(&output);
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// What was opened goes on after its name is gone, was moved or became another file's.
fn files_without_a_name(engine: Engine) {
    let folder = folder();
    let lines = "echo one > f; exec 3<> f; rm f; echo two >&3; ls
        cat /dev/fd/3 2>&1 | tail -c 18; stat -L -c '%s %h' /proc/self/fd/3
        echo old > g; exec 4< g; echo new > h; mv h g; cat <&4; cat g
        mkdir d; echo deep > d/f; exec 5< d/f; mv d e; cat <&5; cat e/f
        echo 1 > i; exec 6>> i; mv i j; echo 2 >&6; cat j";
    let printed = in_data(engine, folder.path(), lines);
    assert!(printed.ends_with("old\nnew\ndeep\ndeep\n1\n2\n"), "{printed}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    assert!(!folder.path().join("f").exists());
}

fn links(engine: Engine) {
    let folder = folder();
    let host = folder.path();
    fs::create_dir(host.join("dir")).unwrap();
    symlink("../file", host.join("dir/up")).unwrap();
    let lines = "echo x > file; ln -s file soft; readlink soft; cat soft; cat dir/up
        ln file hard; stat -c '%h' file; test file -ef hard && echo same
        echo y >> hard; cat file; rm file; cat hard; stat -c %h hard
        cat soft 2> /dev/null || echo gone
        echo 1 > one; ln one two; exec 3>> one 4>> two; echo 2 >&3; stat -L -c '%s %h' /dev/fd/4
        echo 3 >&4; stat -c %s one; exec 3>&- 4>&-; rm one two
        ln -s dir way; echo z > way/z; cat dir/z; ls -l way | cut -c 1
        ln -s /etc/hosts absolute 2>&1 || true; ls -d absolute 2> /dev/null || true
        touch -h -d '2001-02-03 04:05:06' soft; stat -c %Y soft";
    let expected = "file\nx\nx\n2\nsame\nx\ny\nx\ny\n1\ngone\n4 2\n6\nz\nl\n\
        ln: absolute: Operation not permitted\n981173106\n";
    assert_eq!(in_data(engine, host, lines), expected);
    assert_eq!(fs::read_link(host.join("soft")).unwrap(), Path::new("file"));
    assert_eq!(fs::symlink_metadata(host.join("soft")).unwrap().mtime(), 981_173_106);
}

/// More than a message holds of a directory.
fn many_entries(engine: Engine) {
    let folder = folder();
    for number in 0..2500 {
        fs::write(folder.path().join(format!("file {number}")), "").unwrap();
    }
    let lines = "ls | wc -l; ls | sort -u | wc -l; ls -a | head -n 2 | tr '\\n' ' '
        find . -type f | wc -l; rm -r /data/*; ls -A";
    assert_eq!(in_data(engine, folder.path(), lines), "2500\n2500\n. .. 2500\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn sizes_and_times(engine: Engine) {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, [0; 12_345]).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    let inode = file.metadata().unwrap().ino();
    let lines = "stat -c '%s %Y %y %F %h' file; stat -c %i file
        touch -d '2020-01-02 03:04:05' file; stat -c %Y file
        touch -a -d '2021-01-02 03:04:05' file; stat -c '%X %Y' file
        touch file; test $(($(date +%s) - $(stat -c %Y file))) -lt 100 && echo now
        touch -d '2019-01-01 00:00:00' .; stat -c '%Y %F' .
        df . | tail -n 1 | tr -s ' ' | cut -d ' ' -f 1,6; du -a file | cut -f 2";
    let printed = in_data(engine, folder.path(), lines);
    let mut printed: Vec<&str> = printed.lines().collect();
    let shown = printed.remove(1);
    if let Engine::Native = engine {
        assert_eq!(shown, inode.to_string());
    }
    let expected = [
        "12345 1234567890 2009-02-13 23:31:30.123456789 +0000 regular file 1",
        "1577934245",
        "1609556645 1577934245",
        "now",
        "1546300800 directory",
        "c2w /data",
        "file",
    ];
    assert_eq!(printed, expected);
    let modified = folder.path().metadata().unwrap().mtime();
    assert_eq!(modified, 1_546_300_800);
}

/// Each sticks or is refused, whichever the host's interface can do. What is there before 1970 is
/// shown, or as 1970 where the runtime says so.
fn rare_times(engine: Engine) {
    let folder = folder();
    let (file, old) = (folder.path().join("file"), folder.path().join("old"));
    fs::write(&file, "x").unwrap();
    let set = |time| fs::File::create(&old).unwrap().set_modified(time).unwrap();
    set(SystemTime::UNIX_EPOCH - Duration::new(1000, 0));
    let lines = "stat -c %Y old; touch -d '2001-02-03 04:05:06' file
        for time in '1960-01-01 00:00:00' '1969-12-31 23:59:58' '2200-01-01 00:00:00'
        do touch -d \"$time\" file 2>&1 | grep -o 'Value too large' || true
        stat -c %Y file; done";
    let expected = match engine {
        Engine::Native => "-315619200\n-2\n7258118400\n",
        _ => "Value too large\n981173106\nValue too large\n981173106\n7258118400\n",
    };
    let printed = in_data(engine, folder.path(), lines);
    let (shown, printed) = printed.split_once('\n').unwrap();
    assert!(shown == "-1000" || shown == "0" && !matches!(engine, Engine::Native), "{shown}");
    assert_eq!(printed, expected);
    assert_eq!(file.metadata().unwrap().mtime(), 7_258_118_400);
}

/// What holes do not take, where the host says so; never less than there is.
fn blocks(engine: Engine) {
    let folder = folder();
    let lines = "truncate -s 1M hole; echo data > small; stat -c '%b %B %o' hole; stat -c %b small
        dd if=/dev/zero of=hole bs=64K count=1 seek=4 conv=notrunc 2> /dev/null; stat -c %b hole";
    let printed = in_data(engine, folder.path(), lines);
    let blocks = |name: &str| folder.path().join(name).metadata().unwrap().blocks();
    let expected = match engine {
        Engine::Native => format!("0 512 4096\n{}\n{}\n", blocks("small"), blocks("hole")),
        _ => "2048 512 4096\n8\n2048\n".into(),
    };
    assert_eq!(printed, expected);
}

fn modes_and_owners(engine: Engine) {
    let folder = folder();
    let host = folder.path();
    fs::write(host.join("host"), "x").unwrap();
    let lines = "umask 027; echo x > made; mkdir dir; stat -c '%a %u %g %n' host made dir
        chown 12:34 made; chown 56 dir; chgrp 78 host; chmod 4701 made; chmod 1770 dir
        stat -c '%a %u %g %n' host made dir; mv made moved; stat -c '%a %u' moved
        ln moved other; rm moved; stat -c '%a %u' other
        rm other; echo x > other; stat -c '%a %u' other";
    let expected = "644 0 0 host\n640 0 0 made\n750 0 0 dir\n644 0 78 host\n4701 12 34 made\n\
        1770 56 0 dir\n4701 12\n4701 12\n640 0\n";
    assert_eq!(in_data(engine, host, lines), expected);
    if let Engine::Native = engine {
        assert_eq!(host.join("dir").metadata().unwrap().mode() & 0o7777, 0o770);
    }
}

/// A program that is copied there, one that the host has put there, and one made there.
fn programs(engine: Engine) {
    let folder = folder();
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\necho \"script $1\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("text"), "echo text\n").unwrap();
    let lines =
        "./script 1; ./text 2> /dev/null || echo $?; cp /bin/busybox .; ./busybox echo copied
        printf '#!/bin/sh\\necho own\\n' > own; ./own 2> /dev/null || echo $?; chmod +x own; ./own";
    let expected = "script 1\n126\ncopied\n126\nown\n";
    assert_eq!(in_data(engine, folder.path(), lines), expected);
}

fn another_user(engine: Engine) {
    let folder = folder();
    fs::write(folder.path().join("host"), "old\n").unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    let line = "cd /data; id -u; echo new > host; cat host; echo x > made; mkdir dir/sub
        stat -c '%u %g' . host made dir/sub; chmod 600 made; rm made";
    let directories = [Directory::new(folder.path(), "/data")];
    let output = output(engine, &directories, &["--user", "1000:100", "sh", "-ec", line]);
    assert_success(&output);
    let expected = "1000\nnew\n1000 100\n1000 100\n1000 100\n1000 100\n";
    assert_eq!(text(&output.stdout), expected);
}

fn pipes(engine: Engine) {
    let folder = folder();
    let lines =
        "mkfifo pipe; test -p pipe && ls -l pipe | cut -c 1; (echo through > pipe) & cat pipe
        mknod device c 1 3 2>&1 || true; rm pipe; ls";
    let printed = in_data(engine, folder.path(), lines);
    assert_eq!(printed, "p\nthrough\nmknod: device: Operation not permitted\n");
}

fn places(engine: Engine) {
    let folder = folder();
    let place = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("name"), name).unwrap();
        path
    };
    let (etc, deep, root, relative) = (place("etc"), place("deep"), place("root"), place("work"));
    let directories = [
        Directory::new(&deep, "/a/b/c"),
        Directory::new(&etc, "/etc"),
        Directory::new(&root, "/"),
        Directory::new(&relative, "files/./here"),
    ];
    let lines = "cat /etc/name /a/b/c/name /mnt/host/name /files/here/name; ls /etc
        ls /bin/busybox; grep -c ' 9p ' /proc/mounts; ls -A /dev/.c2w 2> /dev/null || true";
    let expected = "etcdeeprootworkname\n/bin/busybox\n4\n";
    assert_eq!(script(engine, &directories, lines), expected);
}

fn one_inside_another(engine: Engine) {
    let (inner, outer) = (folder(), folder());
    fs::write(inner.path().join("file"), "inner\n").unwrap();
    fs::create_dir_all(outer.path().join("sub/dir")).unwrap();
    fs::write(outer.path().join("sub/dir/hidden"), "").unwrap();
    fs::write(outer.path().join("file"), "outer\n").unwrap();
    let directories =
        [Directory::new(inner.path(), "/data/sub/dir"), Directory::new(outer.path(), "/data")];
    let lines = "cat /data/file /data/sub/dir/file; ls /data/sub/dir
        mv /data/file /data/sub/dir/moved; cat /data/sub/dir/moved; ls /data";
    let expected = "outer\ninner\nfile\nouter\nsub\n";
    assert_eq!(script(engine, &directories, lines), expected);
    assert_eq!(read(inner.path().join("moved")), "outer\n");
}

fn read_only(engine: Engine) {
    let (folder, other) = (folder(), folder());
    fs::write(folder.path().join("file"), "x\n").unwrap();
    let directories = [
        Directory { read_only: true, ..Directory::new(folder.path(), "/ro") },
        Directory::new(other.path(), "/rw"),
    ];
    let lines = "cat /ro/file; touch /rw/file
        for try in 'echo > /ro/file' 'echo > /ro/new' 'rm /ro/file' 'mkdir /ro/d' \
            'chmod 600 /ro/file'
        do (eval \"$try\") 2>&1 | grep -o 'Read-only file system'; done";
    let refused = "Read-only file system\n".repeat(5);
    assert_eq!(script(engine, &directories, lines), format!("x\n{refused}"));
    assert_eq!(read(folder.path().join("file")), "x\n");
    assert!(other.path().join("file").exists());
}

/// The command sees what the host writes while it runs, in open files too.
fn changes_of_the_host(engine: Engine) {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "one\n").unwrap();
    let line = "cd /data; exec 3>> file; while read line; do eval \"$line\"; done";
    let directories = [Directory::new(folder.path(), "/data")];
    let arguments = ["sh", "-c", line];
    let mut command = Container::busybox().command_with(engine, &directories, &arguments);
    let mut child = process::spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |line: &str| {
        writeln!(stdin, "echo $({line})").unwrap();
        answers.next().unwrap().unwrap()
    };
    assert_eq!(ask("cat file; stat -c %s file"), "one 4");
    fs::write(&file, "two and more\n").unwrap();
    assert_eq!(ask("cat file; stat -c %s file"), "two and more 13");
    assert_eq!(ask("echo three >&3; cat file"), "two and more three");
    assert_eq!(ask("ls"), "file");
    fs::write(folder.path().join("other"), "new\n").unwrap();
    assert_eq!(ask("ls; cat other"), "file other new");
    fs::remove_file(folder.path().join("other")).unwrap();
    assert_eq!(ask("cat other 2>&1"), "cat: can't open 'other': No such file or directory");
    fs::rename(&file, folder.path().join("moved")).unwrap();
    assert_eq!(ask("ls; cat moved"), "moved two and more three");
    // The end of the file is the host's, although the guest has not looked at it since.
    fs::write(folder.path().join("moved"), "much longer than it was before\n").unwrap();
    assert_eq!(ask("echo four >&3; cat moved"), "much longer than it was before four");
    // Another file under the name of an open one.
    fs::write(folder.path().join("next"), "next\n").unwrap();
    fs::rename(folder.path().join("next"), folder.path().join("moved")).unwrap();
    assert_eq!(ask("cat moved; stat -c %s moved; stat -L -c %s /dev/fd/3"), "next 5 36");
    // A directory that was looked into becomes another one, or a file, or nothing.
    let place = folder.path().join("dir");
    for contents in ["1", "two"] {
        fs::create_dir(&place).unwrap();
        fs::write(place.join("name"), contents).unwrap();
        assert_eq!(ask("cat dir/name; stat -c ' %s %F' dir/name dir | head -n 1"), {
            format!("{contents} {} regular file", contents.len())
        });
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(ask("cat dir/name 2> /dev/null; ls dir 2>&1 | wc -l"), "1");
    }
    fs::write(&place, "file").unwrap();
    assert_eq!(ask("cat dir; ls dir/name 2>&1 | grep -o 'Not a directory'"), "fileNot a directory");
    // Made there, removed here.
    assert_eq!(ask("echo > dir2; ls dir2"), "dir2");
    fs::remove_file(folder.path().join("dir2")).unwrap();
    assert_eq!(ask("test -e dir2 || echo gone; echo 5 > dir2; cat dir2"), "gone 5");
    drop(stdin);
    assert_success(&process::finish(child, &command));
}

/// Nothing in the directory leads the server out of it. What the guest's own kernel makes of a
/// link is a path in the container.
fn escapes(engine: Engine) {
    let outer = folder();
    let host = outer.path().join("shared");
    fs::create_dir(&host).unwrap();
    fs::write(outer.path().join("secret"), "secret\n").unwrap();
    symlink("../secret", host.join("up")).unwrap();
    symlink(outer.path().join("secret"), host.join("absolute")).unwrap();
    symlink("..", host.join("parent")).unwrap();
    let lines = "for name in up absolute parent/secret ../secret; do
        cat /data/$name 2> /dev/null || echo refused; done
        echo over > /data/up; ls /data/parent/data /secret; ls /data/.. | grep -c '^etc$'";
    let output = output(engine, &[Directory::new(&host, "/data")], &["sh", "-c", lines]);
    assert_success(&output);
    let expected = format!("{}absolute\nparent\nup\n/secret\n1\n", "refused\n".repeat(4));
    let mut printed: Vec<_> = text(&output.stdout).lines().map(String::from).collect();
    let mut expected: Vec<_> = expected.lines().map(String::from).collect();
    printed.retain(|line| !line.ends_with(':') && !line.is_empty());
    printed.sort();
    expected.sort();
    assert_eq!(printed, expected);
    assert_eq!(read(outer.path().join("secret")), "secret\n");
}

fn a_place_that_goes_up(engine: Engine) {
    refused(engine, "/data/../etc", "/data/../etc");
}

fn system_places(engine: Engine) {
    for place in ["/dev", "/proc/x"] {
        refused(engine, place, "belongs to the container's system");
    }
}

fn refused(engine: Engine, place: &str, said: &str) {
    let folder = folder();
    let output = output(engine, &[Directory::new(folder.path(), place)], &["true"]);
    assert_eq!(output.status.code(), Some(125), "{place}");
    crate::case::assert_complaint(&output.stderr, said);
}

fn a_missing_directory() {
    let directories = [Directory::new(Path::new("/no/such/directory"), "/data")];
    let output = output(Engine::Native, &directories, &["true"]);
    assert_eq!(output.status.code(), Some(125));
    crate::case::assert_complaint(&output.stderr, "/no/such/directory");
}
