//! Whiteouts, opaque directories, and what storage drivers leave in layers.

use super::{becomes, refused, tar};

#[test]
fn whiteouts_hide_lower_layers_in_whatever_order() {
    let base = || tar().file("d/a", "old").file("d/b/c", "old").file("f", "old").end();
    becomes(vec![base(), tar().file(".wh.d", "").end()], &["f=old"]);
    let replaced = &["d/", "d/a=new", "f=old"];
    becomes(vec![base(), tar().file(".wh.d", "").dir("d").file("d/a", "new").end()], replaced);
    becomes(vec![base(), tar().dir("d").file("d/a", "new").file(".wh.d", "").end()], replaced);
    becomes(vec![base(), tar().file("d/a", "new").file(".wh.d", "").end()], replaced);
    // A directory's own whiteout, and those below it, as some builders write both.
    becomes(vec![base(), tar().file(".wh.d", "").file("d/.wh.a", "").end()], &["f=old"]);
    becomes(
        vec![base(), tar().file("f/.wh.x", "").end()],
        &["d/", "d/a=old", "d/b/", "d/b/c=old", "f=old"],
    );
    // Twice, of nothing, and with a type that is not a file.
    let odd = tar().file(".wh.f", "").file(".wh.f", "").file("no/.wh.f", "").dir(".wh.none/");
    becomes(vec![base(), odd.end()], &["d/", "d/a=old", "d/b/", "d/b/c=old"]);
    // A link of a lower layer is hidden even when the layer's files went through it.
    let link = tar().dir("d").symlink("l", "d").end();
    becomes(vec![link, tar().file("l/new", "").file(".wh.l", "").end()], &["d/", "d/new="]);
    let around = tar().symlink("d/up", "..").end();
    becomes(vec![around, tar().file("d/up/new", "").file(".wh.d", "").end()], &["new="]);
    // Of its own layer nothing is hidden.
    becomes(vec![tar().file("a", "x").file(".wh.a", "").end()], &["a=x"]);
}

#[test]
fn opaque_directories_in_whatever_order() {
    let base = || tar().file("d/a", "old").file("d/s/x", "old").file("e", "old").end();
    let expected = &["d/", "d/s/", "d/s/new=1", "e=old"];
    for at in 0..3 {
        let mut layer = tar();
        for step in 0..3 {
            if step == at {
                layer = layer.file("d/.wh..wh..opq", "");
            }
            layer = match step {
                0 => layer.dir("d"),
                1 => layer.file("d/s/new", "1"),
                _ => layer,
            };
        }
        becomes(vec![base(), layer.end()], expected);
    }
    becomes(vec![base(), tar().file(".wh..wh..opq", "").file("n", "").end()], &["n="]);
    becomes(
        vec![base(), tar().file("new/.wh..wh..opq", "").end()],
        &["d/", "d/a=old", "d/s/", "d/s/x=old", "e=old", "new/"],
    );
}

#[test]
fn what_the_overlay_filesystem_takes_for_whiteouts() {
    let base = || tar().file("d/a", "old").file("f", "old").end();
    becomes(vec![base(), tar().device(b'3', "f", 0, 0).end()], &["d/", "d/a=old"]);
    becomes(vec![base(), tar().device(b'3', "d/a", 0, 0).end()], &["d/", "f=old"]);
    let opaque: &[(&[u8], &[u8])] = &[(b"SCHILY.xattr.trusted.overlay.opaque", b"y")];
    let layer = tar().pax(opaque).dir("d").file("d/new", "");
    let merged = becomes(vec![base(), layer.end()], &["d/", "d/new=", "f=old"]);
    assert!(merged.metadata("d").xattrs.is_empty() && merged.layers[1].warnings.is_empty());
    // Block devices 0:0 and other character devices are what they are.
    becomes(
        vec![tar().device(b'4', "b", 0, 0).device(b'3', "c", 0, 1).end()],
        &["b b0:0", "c c0:1"],
    );
}

#[test]
fn whiteouts_that_name_nothing_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh."] {
        let rule = format!("layer entry \"{name}\": a whiteout must name a file");
        refused(vec![tar().dir("d").end(), tar().file(name, "").end()], &rule);
    }
}

#[test]
fn files_of_storage_drivers_are_left_out() {
    let layer = tar()
        .dir(".wh..wh.plnk")
        .file(".wh..wh.plnk/12.34", "x")
        .dir(".wh..wh.orph")
        .file(".wh..wh.aufs", "")
        .file("d/.wh..wh.x", "")
        .file("d/y", "");
    becomes(vec![layer.end()], &["d/", "d/y="]);
}
