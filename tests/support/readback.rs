//! Reads an ext4 image back with tools that are not ours: e2fsck judges it, debugfs and the crate
//! ext4-view say what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use ext4_view::Ext4;

use crate::row::{Row, Rows, join, sha256};

const ROOT: u32 = 2;

/// Checks `image` and reads all of it but lost+found.
pub fn read_back(image: &Path) -> Rows {
    fsck(image);
    let found = walk(image);
    compare_with_ext4_view(image, &found);
    found
}

/// Fails unless e2fsck finds nothing wrong.
pub fn fsck(image: &Path) {
    let output = Command::new("e2fsck")
        .arg("-fn")
        .arg(image)
        .output()
        .expect("these tests need e2fsck: install e2fsprogs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "e2fsck: {text}");
}

/// Runs debugfs with these commands; gives what each has printed.
fn debugfs(image: &Path, commands: &[String]) -> Vec<Vec<u8>> {
    let script = tempfile::NamedTempFile::new().unwrap();
    fs::write(script.path(), commands.join("\n") + "\n").unwrap();
    let output = Command::new("debugfs")
        .arg("-f")
        .arg(script.path())
        .arg(image)
        .output()
        .expect("these tests need debugfs: install e2fsprogs");
    let mut rest = &output.stdout[..];
    let mut answers = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        let echo = format!("debugfs: {command}\n");
        rest = rest.strip_prefix(echo.as_bytes()).unwrap_or_else(|| panic!("no echo of {command}"));
        let end = match commands.get(index + 1) {
            Some(next) => find(rest, format!("debugfs: {next}\n").as_bytes()).unwrap(),
            None => rest.len(),
        };
        answers.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    answers
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The text between `before` and the next of `ends`.
fn field<'t>(text: &'t [u8], before: &str, ends: &[u8]) -> Option<&'t str> {
    let start = find(text, before.as_bytes())? + before.len();
    let rest = &text[start..];
    let length = rest.iter().position(|byte| ends.contains(byte)).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..length]).ok()
}

fn walk(image: &Path) -> Rows {
    let header = fs::read(image).unwrap();
    let count = u32::from_le_bytes(*header[1024..].first_chunk().unwrap());
    let numbers: Vec<u32> = std::iter::once(ROOT).chain(11..=count).collect();
    let commands: Vec<_> = numbers.iter().map(|number| format!("stat <{number}>")).collect();
    let stats = debugfs(image, &commands);
    let inodes: BTreeMap<u32, Row> = numbers
        .into_iter()
        .zip(stats.iter().map(|stat| parse_stat(stat)))
        .filter_map(|(number, row)| Some((number, row?)))
        .collect();
    let (inodes, directories) = read_contents(image, inodes);
    let mut rows = Rows::new();
    let mut first_paths = BTreeMap::new();
    let mut pending = vec![(b"/".to_vec(), ROOT)];
    while let Some((path, number)) = pending.pop() {
        let row = inodes[&number].clone();
        let same_as = first_paths.entry(number).or_insert_with(|| path.clone()).clone();
        let same_as = row.names.is_some_and(|names| names > 1).then_some(same_as);
        rows.insert(path.clone(), Row { same_as, ..row });
        let mut names = directories.get(&number).cloned().unwrap_or_default();
        names.sort_by(|a, b| b.cmp(a));
        names.retain(|(name, _)| number != ROOT || name != b"lost+found");
        pending.extend(names.into_iter().map(|(name, number)| (join(&path, &name), number)));
    }
    rows
}

fn parse_stat(stat: &[u8]) -> Option<Row> {
    let kind = match field(stat, "Type: ", b"\n")?.split("    ").next()? {
        "regular" => "file",
        "directory" => "dir",
        "symlink" => "symlink",
        "character special" => "chr",
        "block special" => "blk",
        "FIFO" => "fifo",
        "socket" => "sock",
        _ => return None,
    };
    let number = |before| field(stat, before, b" \n").map(|text| text.parse::<i64>().unwrap());
    let ids = field(stat, "User:", b"\n")?;
    let mut ids = ids.split_whitespace().filter_map(|word| word.parse::<i64>().ok());
    let size = field(stat, " Size: ", b"\n")?.trim().parse::<u64>().ok()?;
    let time = field(stat, "mtime: 0x", b" ")?;
    let (seconds, extra) = time.split_once(':')?;
    let seconds = u32::from_str_radix(seconds, 16).ok()?;
    let extra = u32::from_str_radix(extra, 16).ok()?;
    let device = field(stat, "Device major/minor number: ", b" ").map(|text| {
        let (major, minor) = text.split_once(':').unwrap();
        (major.parse().unwrap(), minor.parse().unwrap())
    });
    Some(Row {
        kind: kind.to_owned(),
        mode: u32::from_str_radix(field(stat, "Mode:  ", b" ")?, 8).ok()?,
        uid: ids.next()? as u32,
        gid: ids.next()? as u32,
        mtime: (i64::from(seconds as i32) + (i64::from(extra & 3) << 32), extra >> 2),
        content: (kind == "file").then(|| (size, String::new())),
        link: (kind == "symlink").then(|| fast_link(stat, size).unwrap_or_default()),
        device,
        names: (kind != "dir").then(|| number("Links: ").unwrap() as u32),
        same_as: None,
        xattrs: xattr_names(stat).map(|name| (name, Vec::new())).collect(),
    })
}

fn fast_link(stat: &[u8], size: u64) -> Option<Vec<u8>> {
    let start = find(stat, b"Fast link dest: \"")? + 17;
    Some(stat[start..start + size as usize].to_vec())
}

fn xattr_names(stat: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let start = find(stat, b"Extended attributes:\n").map_or(stat.len(), |start| start + 21);
    let lines = stat[start..].split(|&byte| byte == b'\n');
    let lines = lines.map_while(|line| line.strip_prefix(b"  "));
    lines.map(|line| line[..find(line, b" (").unwrap()].to_vec())
}

type Directories = BTreeMap<u32, Vec<(Vec<u8>, u32)>>;

/// Fills in contents, long symlinks and attributes, and lists directories.
fn read_contents(
    image: &Path,
    mut inodes: BTreeMap<u32, Row>,
) -> (BTreeMap<u32, Row>, Directories) {
    let files = tempfile::tempdir().unwrap();
    let path = |name: String| files.path().join(name);
    let mut commands = Vec::new();
    for (number, row) in &inodes {
        let content = path(format!("{number}"));
        match (&*row.kind, &row.link) {
            ("dir", _) => commands.push(format!("ls -p <{number}>")),
            ("file", _) => commands.push(format!("dump <{number}> {}", content.display())),
            ("symlink", Some(link)) if link.is_empty() => {
                commands.push(format!("dump <{number}> {}", content.display()));
            }
            _ => {}
        }
        for (index, name) in row.xattrs.keys().enumerate() {
            let value = path(format!("{number}.{index}"));
            let name = std::str::from_utf8(name).unwrap();
            commands.push(format!("ea_get -f {} <{number}> {name}", value.display()));
        }
    }
    let answers = debugfs(image, &commands);
    let mut directories = Directories::new();
    for (command, answer) in commands.iter().zip(answers) {
        if let Some(rest) = command.strip_prefix("ls -p <") {
            let number = rest.strip_suffix('>').unwrap().parse().unwrap();
            directories.insert(number, parse_listing(&answer));
        }
    }
    for (number, row) in &mut inodes {
        if let Some((_, hash)) = &mut row.content {
            *hash = sha256(&fs::read(path(format!("{number}"))).unwrap());
        }
        if row.link.as_ref().is_some_and(Vec::is_empty) {
            row.link = Some(fs::read(path(format!("{number}"))).unwrap());
        }
        for (index, value) in row.xattrs.values_mut().enumerate() {
            *value = fs::read(path(format!("{number}.{index}"))).unwrap();
        }
    }
    (inodes, directories)
}

/// Lines "/inode/mode/uid/gid/name/size/", where a name may hold anything but slashes.
fn parse_listing(listing: &[u8]) -> Vec<(Vec<u8>, u32)> {
    let mut names = Vec::new();
    let mut fields = listing.split(|&byte| byte == b'/').skip(1);
    while let (Some(number), Some(name)) = (fields.next(), fields.nth(3)) {
        let number = std::str::from_utf8(number).unwrap().parse().unwrap();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), number));
        }
        // The size, and the newline in front of the next line's first slash.
        fields.nth(1);
    }
    names
}

/// ext4-view reads the same as debugfs, as far as it goes: it takes times before 1970, or in the
/// second half of an epoch, for corruption, and reads nothing below such a directory. Neither does
/// it read links with names over 255 bytes, or paths over 4096.
fn compare_with_ext4_view(image: &Path, rows: &Rows) {
    let ext4 = Ext4::load_from_path(image).unwrap();
    let readable = |path: &[u8]| rows.get(path).is_none_or(|row| row.mtime.0 & 0x8000_0000 == 0);
    for (path, row) in rows {
        let mut parents = (0..path.len()).filter(|&at| path[at] == b'/').map(|at| &path[..at]);
        if path.len() > 4096 || !readable(path) || !parents.all(readable) {
            continue;
        }
        let shown = path.escape_ascii();
        let metadata = ext4.symlink_metadata(&path[..]).unwrap_or_else(|e| panic!("{shown}: {e}"));
        let found = (u32::from(metadata.mode()), metadata.uid(), metadata.gid());
        assert_eq!(found, (row.mode, row.uid, row.gid), "{shown}");
        let time = (metadata.modified().seconds(), metadata.modified().nanoseconds());
        assert_eq!(time, row.mtime, "{shown}");
        if let Some((size, hash)) = &row.content {
            let content = ext4.read(&path[..]).unwrap_or_else(|e| panic!("{shown}: {e}"));
            assert_eq!((content.len() as u64, &sha256(&content)), (*size, hash), "{shown}");
        }
        if let Some(link) = &row.link
            && link.split(|&byte| byte == b'/').all(|name| name.len() <= 255)
        {
            assert_eq!(ext4.read_link(&path[..]).unwrap().as_ref(), &link[..], "{shown}");
        }
    }
}
