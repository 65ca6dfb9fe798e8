//! Names, paths and parents.

use super::{apply, assert_round_trip, becomes, refused, tar};
use crate::tar_builder::{Header, Tar, put};

#[test]
fn names_in_every_spelling() {
    let layer = tar()
        .dir("d/")
        .file("./d//a", "1")
        .file("/abs", "2")
        .file("d/./../up", "3")
        .file("/../clamped", "4")
        .dir("d/sub/.")
        .file("d/sub/b", "5");
    let layer = layer.end();
    becomes(vec![layer], &["abs=2", "clamped=4", "d/", "d/a=1", "d/sub/", "d/sub/b=5", "up=3"]);
    let newline = tar().file("new\nline", "").file(b"\xff\xfe", "").file("...", "").end();
    becomes(vec![newline], &["...=", "new\\nline=", "\\xff\\xfe="]);
    for (name, rule) in [
        ("..", r#"layer entry "..": the path leads out of the root"#),
        ("../x", r#"layer entry "../x": the path leads out of the root"#),
        ("a/../../x", r#"layer entry "a/../../x": the path leads out of the root"#),
        ("", r#"layer entry "": the path is empty"#),
        (".", r#"layer entry ".": only a directory can be the root"#),
        ("a/..", r#"layer entry "a/..": only a directory can be the root"#),
    ] {
        refused(vec![tar().file(name, "").end()], rule);
    }
    let nul = tar().pax(&[(b"path", b"a\0b")]).file("x", "").end();
    refused(vec![nul], r#"layer entry "a\x00b": a name holds a NUL byte"#);
}

#[test]
fn names_of_255_bytes_and_no_longer() {
    let longest = "n".repeat(255);
    let listing = format!("{longest}=x");
    becomes(vec![tar().file(&longest, "x").end()], &[&listing]);
    let whiteout = format!(".wh.{longest}");
    becomes(vec![tar().file(&longest, "x").end(), tar().file(&whiteout, "").end()], &[]);
    refused(vec![tar().file(format!("{whiteout}n"), "").end()], "longer than 255 bytes");
    refused(vec![tar().file(format!("{whiteout}/f"), "").end()], "longer than 255 bytes");
    refused(vec![tar().file("n".repeat(256), "").end()], "longer than 255 bytes");
    refused(vec![tar().file(format!("d/{}/f", "n".repeat(256)), "").end()], "longer than 255");
}

#[test]
fn paths_may_be_longer_than_a_system_call_takes() {
    // 9 kB in one entry, in pax and in GNU's form.
    let deep = vec!["d".repeat(99); 90].join("/");
    let gnu = vec!["g".repeat(99); 90].join("/");
    let layer = tar()
        .file(format!("{deep}/file"), "x")
        .extension(b'L', format!("{gnu}/file\0").as_bytes())
        .header(b'0', b"short", 0, |_| {})
        .link("link", format!("{deep}/file"));
    let merged = apply(&[layer.end()]).unwrap();
    assert_eq!(merged.listing().len(), 2 * 91 + 1);
    assert_eq!(merged.tree.lookup(b"link"), merged.tree.lookup(format!("{deep}/file").as_bytes()));
    assert_round_trip(&merged);
}

#[test]
fn thousands_of_levels() {
    let merged = apply(&[tar().file(format!("{}f", "d/".repeat(5000)), "x").end()]).unwrap();
    assert_eq!(merged.tree.inode_bound(), 5002);
    let rules = tar().pax(&[(b"path", &b"d/".repeat(1 << 20))]).file("x", "").end();
    refused(vec![rules], "its long names and pax records have more than 1048576 bytes");
}

#[test]
fn prefix_and_oldest_headers() {
    let v7 = |header: &mut Header| header[257..].fill(0);
    let layer = tar()
        .header(b'0', b"name", 0, |header| put(header, 345, b"pre/fix"))
        // The prefix belongs to POSIX headers alone.
        .header(b'0', b"gnu", 0, |header| {
            put(header, 257, b"ustar  \0");
            put(header, 345, b"13000000000");
        })
        .header(0, b"v7/dir/", 0, v7)
        .header(0, b"v7/file", 2, v7)
        .data(b"v7");
    becomes(
        vec![layer.end()],
        &["gnu=", "pre/", "pre/fix/", "pre/fix/name=", "v7/", "v7/dir/", "v7/file=v7"],
    );
}

/// Before POSIX the end of a name alone tells a directory from a file. What GNU tar lists is ours.
#[test]
fn directories_as_old_programs_write_them() {
    let v7 = |header: &mut Header| header[257..].fill(0);
    let long = "n/".repeat(60);
    let layer = tar()
        .header(0, b"nul/", 0, v7)
        .header(0, b"nul/ustar/", 0, |_| {})
        .header(b'0', b"zero//", 0, v7)
        .file("zero/in", "x")
        .pax(&[(b"path", b"pax/")])
        .header(0, b"x", 0, v7)
        .extension(b'L', format!("{long}\0").as_bytes())
        .header(0, b"y", 0, v7)
        // Where the field of the header ends is not where the name ends.
        .extension(b'L', format!("{long}f\0").as_bytes())
        .header(0, &long.as_bytes()[..100], 0, v7)
        .header(b'5', b"flag/", 0, |_| {})
        .header(b'2', b"link/", 0, |header| put(header, 157, b"zero/"));
    let bytes = layer.end();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tar");
    std::fs::write(&path, &bytes).unwrap();
    let listed = super::run("tar", &["-tvf", path.to_str().unwrap()]).unwrap().unwrap();
    let merged = apply(&[bytes]).unwrap();
    assert_eq!(listed.lines().count(), 9);
    for line in listed.lines() {
        let name = line.split(' ').rfind(|word| !word.is_empty()).unwrap();
        let name = if line.starts_with('l') { "link" } else { name.trim_end_matches('/') };
        let inode = merged.tree.inode(merged.tree.lookup(name.as_bytes()).unwrap());
        assert_eq!(inode.node.is_directory(), line.starts_with('d'), "{line}");
    }
    assert_round_trip(&merged);
    // Directories have no data, whatever their size says: GNU tar passes some over, Go does not.
    let sized = tar().header(0, b"d/", 512, v7).file("d/f", "x").end();
    becomes(vec![sized], &["d/", "d/f=x"]);
    // No data is lost to a slash, and today's headers have a flag for directories.
    let other = tar().header(b'0', b"f/", 1, v7).data(b"x").header(b'0', b"g/", 0, |_| {}).end();
    becomes(vec![other], &["f=x", "g="]);
    // Whiteouts and hard links mean what they mean without the slash.
    let base = || tar().file("a", "x").file("b/c", "y").end();
    let layer = tar().header(0, b".wh.a/", 0, v7).header(0, b"b/.wh..wh..opq/", 0, v7);
    becomes(vec![base(), layer.end()], &["b/"]);
    becomes(vec![base(), tar().link("l/", "a/").end()], &["a=x", "b/", "b/c=y", "l==a"]);
}

#[test]
fn types_replace_each_other_within_and_across_layers() {
    type Add = fn(Tar) -> Tar;
    let kinds: [(&str, Add); 6] = [
        ("x=f", |tar| tar.file("x", "f")),
        ("x/", |tar| tar.dir("x")),
        ("x->t", |tar| tar.symlink("x", "t")),
        ("x|", |tar| tar.header(b'6', b"x", 0, |_| {})),
        ("x c1:3", |tar| tar.device(b'3', "x", 1, 3)),
        ("x b8:0", |tar| tar.device(b'4', "x", 8, 0)),
    ];
    for (_, first) in kinds {
        for (expected, second) in kinds {
            let together = apply(&[second(first(tar())).end()]).unwrap();
            assert_eq!(together.listing(), [expected]);
            let apart = apply(&[first(tar()).end(), second(tar()).end()]).unwrap();
            assert_eq!(apart.listing(), [expected]);
        }
    }
    let base = || tar().file("x/in", "").end();
    becomes(vec![base(), tar().file("x", "f").end()], &["x=f"]);
    becomes(vec![base(), tar().dir("x").end()], &["x/", "x/in="]);
    becomes(vec![base(), tar().file("x", "f").dir("x").end()], &["x/"]);
}

#[test]
fn the_last_entry_of_a_name_counts() {
    let layer = tar().file("a", "1").file("./a", "2").file("b", "x").link("a", "b");
    becomes(vec![layer.end()], &["a=x", "b==a"]);
}

#[test]
fn the_root_has_what_its_entry_says() {
    for name in [".", "./", "/", "d/.."] {
        let edit = |header: &mut Header| {
            put(header, 100, b"0001750");
            put(header, 108, b"0000012");
        };
        let xattr: &[(&[u8], &[u8])] = &[(b"SCHILY.xattr.user.r", b"oot")];
        let layer = tar().pax(xattr).header(b'5', name.as_bytes(), 0, edit).end();
        let merged = becomes(vec![layer], &[]);
        let root = merged.metadata("");
        assert_eq!(
            (root.mode, root.uid, root.mtime.seconds),
            (0o1750, 10, 1_000_000_000),
            "{name}"
        );
        assert_eq!(&*root.xattrs[&b"user.r"[..]], b"oot");
    }
}

#[test]
fn implicit_directories_are_roots_until_an_entry_says_more() {
    let late = |header: &mut Header| put(header, 100, b"0000700");
    let layer = tar().file("a/b/f", "").header(b'5', b"a", 0, late).end();
    let merged = becomes(vec![layer], &["a/", "a/b/", "a/b/f="]);
    assert_eq!((merged.metadata("a").mode, merged.metadata("a/b").mode), (0o700, 0o755));
}

#[test]
fn symbolic_links_as_parents_lead_inside_of_the_image() {
    let base = || tar().dir("usr/lib").symlink("lib", "usr/lib");
    let expected = &["lib->usr/lib", "usr/", "usr/lib/", "usr/lib/x=1"];
    becomes(vec![base().file("lib/x", "1").end()], expected);
    becomes(vec![base().end(), tar().file("lib/x", "1").end()], expected);
    becomes(
        vec![base().file("lib/x", "1").end(), tar().file("lib/.wh.x", "").end()],
        &expected[..3],
    );
    let absolute =
        tar().dir("d").symlink("a", "/d").symlink("up", "../../../d").symlink("d/b", "../a");
    let layer = absolute.file("a/1", "").file("up/2", "").file("d/b/3", "");
    becomes(
        vec![layer.end()],
        &["a->/d", "d/", "d/1=", "d/2=", "d/3=", "d/b->../a", "up->../../../d"],
    );
    // Hard links, too, and a link is not followed at the path's end.
    let layer = base().file("usr/lib/x", "1").link("y", "lib/x").link("z", "lib");
    becomes(
        vec![layer.end()],
        &["lib->usr/lib", "usr/", "usr/lib/", "usr/lib/x=1", "y==usr/lib/x", "z==lib"],
    );
}

#[test]
fn parents_that_lead_nowhere_are_refused() {
    refused(
        vec![tar().symlink("l", "none").file("l/x", "").end()],
        r#"layer entry "l/x": the path goes through a symbolic link to "none", which is not there"#,
    );
    refused(
        vec![tar().symlink("a", "b").symlink("b", "a").file("a/x", "").end()],
        r#"layer entry "a/x": more than 40 symbolic links in the path"#,
    );
    refused(
        vec![tar().file("f", "").file("f/x", "").end()],
        r#"layer entry "f/x": "f" in the path is not a directory"#,
    );
    refused(
        vec![tar().file("f", "").symlink("l", "f").end(), tar().file("l/x", "").end()],
        r#"layer entry "l/x": "f" in the path is not a directory"#,
    );
    // A lower file in the way does not matter when the layer replaces it first.
    becomes(vec![tar().file("f", "").end(), tar().dir("f").file("f/x", "").end()], &["f/", "f/x="]);
}

#[test]
fn a_hundred_thousand_names_in_a_directory() {
    let layer = (0..100_000).fold(tar().dir("d"), |layer, i| layer.file(format!("d/{i}"), ""));
    let merged = apply(&[layer.end()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = super::write(&merged, &directory);
    crate::readback::fsck(&path);
    let ext4 = ext4_view::Ext4::load_from_path(&path).unwrap();
    assert_eq!(ext4.read_dir("/d").unwrap().count(), 100_002);
    assert!(ext4.exists("/d/99999").unwrap() && !ext4.exists("/d/100000").unwrap());
}
