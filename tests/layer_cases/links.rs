//! Hard and symbolic links.

use super::{apply, assert_round_trip, becomes, refused, tar};

#[test]
fn hard_links_in_every_spelling_and_across_layers() {
    let base = tar().file("a", "x").link("b", "a").link("d/c", "./b").link("e", "/d/../d/c").end();
    let expected = &["a=x", "b==a", "d/", "d/c==a", "e==a"];
    becomes(vec![base.clone()], expected);
    let merged = becomes(
        vec![
            base.clone(),
            tar().link("f", "e").end(),
            tar().link("g", "f").file(".wh.a", "").end(),
        ],
        &["b=x", "d/", "d/c==b", "e==b", "f==b", "g==b"],
    );
    let inode = merged.tree.inode(merged.tree.lookup(b"b").unwrap());
    assert_eq!(inode.name_count(), 5);
    // A new file in one of the names leaves the others alone.
    let replaced = &["a=new", "b=x", "d/", "d/c==b", "e==b"];
    becomes(vec![base.clone(), tar().file("a", "new").end()], replaced);
    // To one's own name, before and after, and back again.
    let circle = tar().link("a", "a").link("b", "b").link("a", "e").end();
    becomes(vec![base, circle], expected);
}

#[test]
fn hard_links_to_all_but_directories() {
    let layer = tar()
        .symlink("s", "nowhere")
        .link("s2", "s")
        .header(b'6', b"p", 0, |_| {})
        .link("p2", "p")
        .device(b'3', "c", 1, 3)
        .link("c2", "c");
    becomes(vec![layer.end()], &["c c1:3", "c2==c", "p|", "p2==p", "s->nowhere", "s2==s"]);
    for (target, rule) in [
        ("d", r#"layer entry "l": hard link to the directory "d""#),
        ("/", r#"layer entry "l": hard link to the directory "/""#),
        ("none", r#"layer entry "l": hard link to "none", which is not in the image"#),
        ("none/x", r#"hard link to "none/x", which is not in the image"#),
        ("../d", r#"layer entry "l": hard link to "../d", which is not in the image"#),
        ("f/x", r#"layer entry "l": "f" in the path is not a directory"#),
        ("", r#"hard link to the directory """#),
    ] {
        refused(vec![tar().dir("d").file("f", "").link("l", target).end()], rule);
    }
}

#[test]
fn hard_links_to_what_is_hidden_are_refused() {
    let base = || tar().file("a", "x").file("d/b", "y").end();
    let missing = "which is not in the image";
    refused(vec![base(), tar().file(".wh.a", "").link("l", "a").end()], missing);
    refused(vec![base(), tar().file("d/.wh..wh..opq", "").link("l", "d/b").end()], missing);
    // The link comes first, and the whiteout hides only the name.
    becomes(vec![base(), tar().link("l", "a").file(".wh.a", "").end()], &["d/", "d/b=y", "l=x"]);
}

#[test]
fn a_hard_link_may_take_the_place_of_the_directory_that_its_target_is_in() {
    becomes(vec![tar().file("d/f", "x").link("d", "d/f").end()], &["d=x"]);
    refused(
        vec![tar().file("d", "x").link("d/l", "d").end()],
        "\"d\" in the path is not a directory",
    );
}

#[test]
fn a_hard_links_own_metadata_means_nothing() {
    let odd = |header: &mut crate::tar_builder::Header| {
        crate::tar_builder::put(header, 100, b"0007777");
        crate::tar_builder::put(header, 157, b"f");
    };
    // A size on a link hides no entry behind it.
    let layer = tar().file("f", "x").header(b'1', b"l", 512, odd).file("seen", "").end();
    let merged = becomes(vec![layer], &["f=x", "l==f", "seen="]);
    assert_eq!(merged.metadata("l").mode, 0o644);
}

#[test]
fn more_hard_links_than_ext4_counts_are_refused() {
    let links =
        |count: usize| (1..count).fold(tar().file("f", ""), |tar, i| tar.link(format!("{i}"), "f"));
    assert!(apply(&[links(65_000).end()]).is_ok());
    refused(
        vec![links(65_001).end()],
        r#"layer entry "65000": hard link to "f", which has 65000 names already"#,
    );
}

#[test]
fn more_subdirectories_than_ext4_counts_are_one_link() {
    let layer = (0..65_100).fold(tar(), |tar, i| tar.dir(format!("d/{i}")));
    let merged = apply(&[layer.end()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    crate::readback::fsck(&super::write(&merged, &directory));
}

#[test]
fn symlink_targets_of_every_length() {
    let lengths = [1, 59, 60, 61, 255, 256, 4094, 4095];
    let target = |length: usize| "t".repeat(length);
    let layer = lengths.iter().fold(tar(), |tar, &n| tar.symlink(format!("{n}"), target(n)));
    let merged = apply(&[layer.end()]).unwrap();
    assert_eq!(merged.listing().len(), lengths.len());
    assert_round_trip(&merged);
    refused(
        vec![tar().symlink("s", target(4096)).end()],
        r#"layer entry "s": the target of a symbolic link is longer than 4095 bytes"#,
    );
    refused(vec![tar().symlink("s", "").end()], r#"layer entry "s": a symbolic link to nothing"#);
    let nul = tar().pax(&[(b"linkpath", b"a\0b")]).symlink("s", "x").end();
    refused(vec![nul], r#"layer entry "s": a name holds a NUL byte"#);
    let odd = tar().symlink("a", "../../../../etc/passwd").symlink("b", b"\xff//.//").end();
    becomes(vec![odd], &["a->../../../../etc/passwd", "b->\\xff//.//"]);
}

/// Linux has no other mode for them; owner, time and attributes are the entry's.
#[test]
fn symbolic_links_have_all_permissions() {
    let edit = |mode: &'static [u8]| {
        move |header: &mut crate::tar_builder::Header| {
            crate::tar_builder::put(header, 100, mode);
            crate::tar_builder::put(header, 116, b"0000007");
            crate::tar_builder::put(header, 157, b"target");
        }
    };
    let xattr: &[(&[u8], &[u8])] = &[(b"uid", b"70000"), (b"SCHILY.xattr.trusted.t", b"v")];
    let mut layer = tar();
    let modes = [&b"0000644"[..], b"0000000", b"0007777", b"0120755", b"\x80\0\0\0\0\0\xff"];
    for (number, mode) in modes.into_iter().enumerate() {
        layer = layer.pax(xattr).header(b'2', format!("s{number}").as_bytes(), 0, edit(mode));
    }
    let merged = apply(&[layer.link("hard", "s0").header(b'6', b"p", 0, edit(b"0006640")).end()]);
    let merged = merged.unwrap();
    for name in ["s0", "s1", "s2", "s3", "s4", "hard"] {
        let metadata = merged.metadata(name);
        assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o777, 70_000, 7), "{name}");
        assert_eq!((metadata.mtime.seconds, metadata.xattrs.len()), (1_000_000_000, 1), "{name}");
    }
    assert_eq!(merged.metadata("p").mode, 0o6640);
    assert_round_trip(&merged);
}

#[test]
fn long_targets_in_gnu_and_pax_form() {
    let target = "t/".repeat(300);
    let gnu = tar()
        .extension(b'K', format!("{target}\0").as_bytes())
        .header(b'2', b"gnu", 0, |_| {})
        .symlink("pax", &target);
    becomes(vec![gnu.end()], &[&*format!("gnu->{target}"), &*format!("pax->{target}")]);
}
