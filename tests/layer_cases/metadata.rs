//! Modes, owners, times, devices and attributes.

use super::{apply, assert_round_trip, becomes, refused, tar};
use crate::tar_builder::{Header, Tar, put};

type Records<'a> = &'a [(&'a [u8], &'a [u8])];

fn with_pax(records: Records) -> Vec<u8> {
    tar().pax(records).file("f", "").end()
}

fn with_header(edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    tar().header(b'0', b"f", 0, edit).end()
}

#[test]
fn all_bits_of_a_mode() {
    let modes = [0o0, 0o7777, 0o4755, 0o2711, 0o1777];
    let mut layer = tar();
    for mode in modes {
        let edit = |header: &mut Header| put(header, 100, format!("{mode:07o}").as_bytes());
        layer = layer.header(b'0', format!("f{mode}").as_bytes(), 0, edit).header(
            b'5',
            format!("d{mode}").as_bytes(),
            0,
            edit,
        );
    }
    let merged = apply(&[layer.end()]).unwrap();
    for mode in modes {
        assert_eq!(merged.metadata(&format!("f{mode}")).mode, mode as u16);
    }
    assert_round_trip(&merged);
    // Some writers put the type into the mode as well.
    let typed = apply(&[with_header(|header| put(header, 100, b"0100644"))]).unwrap();
    assert_eq!(typed.metadata("f").mode, 0o644);
}

#[test]
fn owners_of_32_bits() {
    for id in [0, 65_535, 65_536, 2_147_483_648, 4_294_967_294_u32] {
        let text = id.to_string();
        let merged = becomes(vec![with_pax(&[(b"uid", text.as_bytes()), (b"gid", b"7")])], &["f="]);
        assert_eq!((merged.metadata("f").uid, merged.metadata("f").gid), (id, 7));
        let binary = with_header(|header| {
            put(header, 116, &[0x80, 0, 0, 0]);
            put(header, 120, &id.to_be_bytes());
        });
        assert_eq!(apply(&[binary]).unwrap().metadata("f").gid, id);
    }
}

#[test]
fn owners_that_nobody_can_be() {
    // To chown(2) this is "as it is", which is root's.
    let merged = apply(&[with_pax(&[(b"uid", b"4294967295")])]).unwrap();
    assert_eq!(merged.metadata("f").uid, 0);
    let warning = r#""f": its uid 4294967295 is nobody's on Linux: it gets 0"#;
    assert_eq!(merged.layers[0].warnings, [warning]);
    for (uid, words) in [
        (&b"4294967296"[..], "the field \"uid\" is not a number that fits"),
        (b"99999999999999999999", "the pax record \"uid\" has a bad value"),
        (b"-1", "the pax record \"uid\" has a bad value"),
        (b"root", "the pax record \"uid\" has a bad value"),
    ] {
        refused(vec![with_pax(&[(b"uid", uid)])], words);
    }
    refused(vec![with_header(|header| put(header, 116, &[0xff; 8]))], "the field \"gid\"");
    refused(vec![with_header(|header| put(header, 108, b"nobody\0\0"))], "the field \"uid\"");
}

#[test]
fn times_as_far_as_ext4_goes() {
    let time = |text: &str| {
        let merged = apply(&[with_pax(&[(b"mtime", text.as_bytes())])]).unwrap();
        let time = merged.metadata("f").mtime;
        (time.seconds, time.nanoseconds)
    };
    assert_eq!(time("1.5"), (1, 500_000_000));
    assert_eq!(time("-0.25"), (-1, 750_000_000));
    assert_eq!(time("4294967296.000000001999"), (4_294_967_296, 1));
    // 1901-12-13, 2106-02-08, 2446-05-10.
    for text in ["-2147483648", "4294967297.25", "15032385535.999999999", "-1.000000001"] {
        assert_round_trip(&apply(&[with_pax(&[(b"mtime", text.as_bytes())])]).unwrap());
    }
    for bad in ["x", "1e3", "99999999999999999999", "1.2.3", "--1", ".", ".5"] {
        let layer = with_pax(&[(b"mtime", bad.as_bytes())]);
        refused(vec![layer], "the pax record \"mtime\" has a bad value");
    }
    let negative = with_header(|header| put(header, 136, &[0xff; 12]));
    assert_eq!(apply(&[negative]).unwrap().metadata("f").mtime.seconds, -1);
}

#[test]
fn times_past_the_range_become_the_closest() {
    for (text, seconds) in
        [("9223372036854775807", 15_032_385_535_i64), ("-99999999999", -2_147_483_648)]
    {
        let merged = apply(&[with_pax(&[(b"mtime", text.as_bytes())])]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let rows = crate::readback::read_back(&super::write(&merged, &directory));
        assert_eq!(rows[&b"/f"[..]].mtime, (seconds, 0));
    }
}

#[test]
fn pax_records_override_headers_and_empty_ones_do_not() {
    let records: Records = &[
        (b"path", b"name"),
        (b"size", b"4"),
        (b"uid", b"1"),
        (b"gid", b"2"),
        (b"mtime", b"3"),
        (b"comment", b"nobody reads this"),
    ];
    let layer = tar().pax(records).header(b'0', b"other", 0, |_| {}).data(b"data").end();
    let merged = becomes(vec![layer], &["name=data"]);
    assert_eq!((merged.metadata("name").uid, merged.metadata("name").gid), (1, 2));
    let empty: Records = &[(b"path", b""), (b"size", b""), (b"uid", b""), (b"mtime", b"")];
    let merged = becomes(vec![tar().pax(empty).file("f", "data").end()], &["f=data"]);
    assert_eq!(merged.metadata("f").mtime.seconds, 1_000_000_000);
    let longer = tar().pax(&[(b"size", b"1")]).file("f", "data").file("g", "").end();
    becomes(vec![longer], &["f=d", "g="]);
}

#[test]
fn global_headers_change_nothing() {
    let global = crate::tar_builder::record(b"uid", b"77");
    let layer = tar().extension(b'g', &global).file("f", "").end();
    let merged = becomes(vec![layer], &["f="]);
    assert_eq!(merged.metadata("f").uid, 0);
}

#[test]
fn devices_of_every_number_that_linux_has() {
    let layer = tar()
        .device(b'3', "c", 4095, 1_048_575)
        .device(b'4', "b", 255, 255)
        .device(b'4', "b2", 256, 0)
        .header(b'6', b"p", 0, |_| {});
    becomes(vec![layer.end()], &["b b255:255", "b2 b256:0", "c c4095:1048575", "p|"]);
    refused(
        vec![tar().device(b'3', "c", 4096, 0).end()],
        r#"layer entry "c": the device number 4096:0 does not exist"#,
    );
    refused(
        vec![tar().device(b'4', "b", 0, 1_048_576).end()],
        r#"layer entry "b": the device number 0:1048576 does not exist"#,
    );
}

#[test]
fn types_that_layers_do_not_have_are_refused() {
    for kind in *b"VMDNAZ89" {
        let rule = format!("layer entry \"f\": the tar type {:?} is not allowed", char::from(kind));
        refused(vec![tar().header(kind, b"f", 0, |_| {}).end()], &rule);
    }
    let contiguous = tar().header(b'7', b"f", 4, |_| {}).data(b"data").end();
    becomes(vec![contiguous], &["f=data"]);
}

fn xattrs(entry: impl FnOnce(Tar) -> Tar, records: Records) -> Vec<u8> {
    let keys: Vec<_> = records.iter().map(|(name, _)| [b"SCHILY.xattr.", *name].concat()).collect();
    let records: Vec<_> =
        keys.iter().zip(records).map(|(key, (_, value))| (&key[..], *value)).collect();
    entry(tar().pax(&records)).end()
}

#[test]
fn attributes_of_every_namespace_and_any_bytes() {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\n=\0\0\xff\0\0\0";
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, perm) in [(1, 6), (4, 4), (32, 0)] {
        acl.extend([tag, 0, perm, 0, 0, 0, 0, 0]);
    }
    let records: Records = &[
        (b"security.capability", capability),
        (b"user.empty", b""),
        (b"user.a=b", b"="),
        (b"trusted.t", b"\n\n"),
        (b"system.posix_acl_access", &acl),
        (b"user.\xff\xfe", b"name that is not text"),
    ];
    // A name with "=" cannot be written in a record; all after the first one is its value.
    let expected = [
        &b"security.capability"[..],
        b"system.posix_acl_access",
        b"trusted.t",
        b"user.a",
        b"user.empty",
        b"user.\xff\xfe",
    ];
    let merged = apply(&[xattrs(|tar| tar.file("f", ""), records)]).unwrap();
    let names: Vec<_> = merged.metadata("f").xattrs.keys().map(|name| &**name).collect();
    assert_eq!(names, expected);
    assert_eq!(&*merged.metadata("f").xattrs[&b"security.capability"[..]], capability);
    assert!(merged.layers[0].warnings.is_empty());
}

#[test]
fn attributes_in_libarchives_form() {
    let records: Records =
        &[(b"LIBARCHIVE.xattr.user.%61%2Db", b"AAo9"), (b"SCHILY.xattr.user.c", b"d")];
    let merged = becomes(vec![with_pax(records)], &["f="]);
    let xattrs = &merged.metadata("f").xattrs;
    assert_eq!((&*xattrs[&b"user.a-b"[..]], &*xattrs[&b"user.c"[..]]), (&b"\0\n="[..], &b"d"[..]));
    refused(vec![with_pax(&[(b"LIBARCHIVE.xattr.user.a%2", b"AA")])], "LIBARCHIVE.xattr");
    refused(vec![with_pax(&[(b"LIBARCHIVE.xattr.user.a", b"*")])], "LIBARCHIVE.xattr");
}

#[test]
fn attributes_that_linux_has_not_are_left_out_with_a_warning() {
    let long = [b"user.", &[b'x'; 251][..]].concat();
    let records: Records = &[
        (b"bogus.x", b"1"),
        (b"user.", b"2"),
        (b"nonamespace", b"3"),
        (b"system.x", b"4"),
        (&long, b"5"),
        (b"trusted.overlay.redirect", b"6"),
        (b"system.posix_acl_default", b"7"),
        (b"user.kept", b"8"),
    ];
    let merged = apply(&[xattrs(|tar| tar.file("f", ""), records)]).unwrap();
    assert_eq!(merged.metadata("f").xattrs.len(), 1);
    assert_eq!(merged.layers[0].warnings.len(), 7, "{:?}", merged.layers[0].warnings);
    for entry in [|tar: Tar| tar.symlink("s", "t"), |tar: Tar| tar.device(b'3', "s", 1, 3)] {
        let merged = apply(&[xattrs(entry, &[(b"user.x", b"1"), (b"trusted.x", b"2")])]).unwrap();
        assert_eq!(merged.metadata("s").xattrs.len(), 1);
        let warning =
            r#""s": left out the attribute "user.x": only files and directories can have it"#;
        assert_eq!(merged.layers[0].warnings, [warning]);
    }
}

#[test]
fn warnings_are_counted_and_not_kept_for_ever() {
    let layer = (0..1000)
        .fold(tar(), |tar, i| tar.pax(&[(b"SCHILY.xattr.bogus", b"")]).file(format!("{i}"), ""));
    let merged = apply(&[layer.end()]).unwrap();
    assert_eq!(merged.layers[0].warnings.len(), 51);
    assert_eq!(merged.layers[0].warnings[50], "950 more warnings like these");
}

#[test]
fn attributes_that_do_not_fit_are_refused_with_the_entry() {
    let one = |length: usize| xattrs(|tar| tar.file("d/f", ""), &[(b"user.x", &vec![1; length])]);
    becomes(vec![one(4000)], &["d/", "d/f="]);
    refused(vec![one(4090)], r#"layer entry "d/f": its extended attributes do not fit"#);
    let names: Vec<_> = (0..300).map(|i| format!("SCHILY.xattr.user.{i}").into_bytes()).collect();
    let records: Vec<_> = names.iter().map(|name| (&name[..], &b"v"[..])).collect();
    refused(vec![with_pax(&records)], r#"layer entry "f": its extended attributes do not fit"#);
    let acl = xattrs(|tar| tar.file("f", ""), &[(b"system.posix_acl_access", b"nonsense")]);
    refused(vec![acl], r#"layer entry "f": a POSIX access control list is malformed"#);
}
