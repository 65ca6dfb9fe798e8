//! Archives that lie, end early or never.

use super::{apply, becomes, refused, tar};
use crate::tar_builder::{Tar, put, record};

/// A small archive with an entry of each kind.
fn sample() -> Tar {
    tar()
        .dir("d")
        .file("d/f", "x".repeat(700))
        .pax(&[(b"mtime", b"1.5")])
        .file("d/g", "")
        .symlink("s", "t".repeat(200))
        .extension(b'L', &[b'n'; 200])
        .header(b'0', b"n", 1, |_| {})
        .data(b"y")
}

#[test]
fn archives_cut_at_any_block_are_refused_or_shorter() {
    let whole = sample().end();
    let expected = apply(std::slice::from_ref(&whole)).unwrap().listing();
    for end in (0..whole.len()).step_by(64) {
        match apply(&[whole[..end].to_vec()]) {
            Ok(merged) => assert!(merged.listing().len() <= expected.len(), "{end}"),
            Err(error) => assert!(
                ["cut short", "ends", "belong to no entry"]
                    .iter()
                    .any(|words| error.contains(words)),
                "{end}: {error}"
            ),
        }
    }
}

#[test]
fn ends_in_every_form() {
    let listing = &["f=x"];
    let archive = || tar().file("f", "x");
    becomes(vec![archive().bytes()], listing);
    becomes(vec![archive().raw(&[0; 512]).bytes()], listing);
    becomes(vec![archive().raw(&[0; 10_240]).bytes()], listing);
    becomes(vec![archive().raw(&[0; 1024]).raw(b"junk behind the end").bytes()], listing);
    becomes(vec![archive().raw(&[0; 1024]).file("hidden", "").bytes()], listing);
    becomes(vec![Vec::new()], &[]);
    becomes(vec![vec![0; 512]], &[]);
    let lone = archive().raw(&[0; 512]).file("g", "").end();
    refused(vec![lone], "a lone block of zeros is inside of the archive");
    let padding = archive().bytes();
    becomes(vec![padding[..513].to_vec()], listing);
}

#[test]
fn sizes_that_are_not_there() {
    let claims = |size: u64| tar().header(b'0', b"f", size, |_| {}).data(b"x").end();
    refused(vec![claims(1 << 30)], r#"layer entry "f": the content ends"#);
    let huge = tar().pax(&[(b"size", b"9223372036854775807")]).file("f", "").end();
    refused(vec![huge], "the archive has more than 68719476736 bytes");
    let wraps = tar().pax(&[(b"size", b"18446744073709551615")]).file("f", "").end();
    refused(vec![wraps], "the field \"size\" is not a number that fits");
    for bad in [&b"-1"[..], b"1.5", b"0x10", b"18446744073709551616"] {
        let layer = tar().pax(&[(b"size", bad)]).file("f", "").end();
        refused(vec![layer], "the pax record \"size\" has a bad value");
    }
    let negative = tar().header(b'0', b"f", 0, |header| put(header, 124, &[0xff; 12])).end();
    refused(vec![negative], r#"entry "f": the field "size" is not a number that fits"#);
    for kind in *b"LKxg" {
        let layer = tar().header(kind, b"x", 8 << 30, |_| {}).end();
        assert!(apply(&[layer]).is_err());
    }
}

#[test]
fn only_files_have_data_whatever_a_size_says() {
    for kind in *b"12356" {
        let target = |header: &mut crate::tar_builder::Header| put(header, 157, b"f");
        let layer = tar()
            .file("f", "")
            .pax(&[(b"size", b"1024")])
            .header(kind, b"x", 512, target)
            .file("seen", "")
            .end();
        let merged = apply(&[layer]).unwrap();
        assert!(merged.tree.lookup(b"seen").is_some(), "{}", char::from(kind));
    }
}

#[test]
fn pax_records_that_lie_about_their_length() {
    let malformed = "a pax record is malformed";
    for records in [
        &b"5 a=b\n"[..],
        b"7 a=b\n",
        b"99999999999999999999 a=b\n",
        b"-6 a=b\n",
        b"6a=b\n",
        b"6 a:b\n",
        b"6  =b\n0 x",
        b"5 =b\n",
        b"6 a=b\n6",
        b"3\n",
    ] {
        refused(vec![tar().extension(b'x', records).file("f", "").end()], malformed);
    }
    // A record inside of a value stays there.
    let inner = record(b"path", b"smuggled");
    let layer = tar().pax(&[(b"comment", &inner)]).file("f", "").end();
    becomes(vec![layer], &["f="]);
}

#[test]
fn headers_that_are_none() {
    let junk = tar().raw(&[b'x'; 512]).end();
    refused(vec![junk], "tar header at byte 0: the header's checksum is wrong");
    let mut flipped = tar().file("a", "").file("b", "").end();
    flipped[512] ^= 1;
    refused(vec![flipped], "tar header at byte 512: the header's checksum is wrong");
    let random = noise(4096);
    refused(vec![random], "the header's checksum is wrong");
}

/// Bytes without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn zeros_take_no_space_and_no_memory() {
    let layer = tar().header(b'0', b"zeros", 256 << 20, |_| {}).bytes();
    let zeros = std::io::Read::take(std::io::repeat(0), 256 << 20);
    let mut tree = c2w::rootfs::tree::Tree::new();
    let mut spool = c2w::rootfs::spool::Spool::new().unwrap();
    let stream = std::io::Read::chain(&layer[..], zeros);
    c2w::rootfs::apply::apply_layer(&mut tree, &mut spool, &c2w::ext4::LIMITS, stream).unwrap();
    assert!(spool.is_empty());
}

/// Applies layers for a root image of at most `limit` bytes.
fn apply_within(limit: u64, layers: &[Vec<u8>]) -> Result<(), String> {
    let mut tree = c2w::rootfs::tree::Tree::new();
    let mut spool = c2w::rootfs::spool::Spool::new().unwrap().for_image_of(Some(limit));
    layers.iter().try_for_each(|layer| {
        let applied =
            c2w::rootfs::apply::apply_layer(&mut tree, &mut spool, &c2w::ext4::LIMITS, &layer[..]);
        applied.map(drop).map_err(|error| crate::layered::chain(&error))
    })
}

#[test]
fn what_no_root_image_can_hold_ends_the_reading() {
    const LIMIT: u64 = 3 << 20;
    let full = |name: &str| tar().file(name, vec![1; LIMIT as usize]);
    let error = apply_within(LIMIT, &[tar().file("big", vec![1; LIMIT as usize + 1]).end()]);
    let error = error.unwrap_err();
    let words = r#"layer entry "big": it has more data than a root image may have"#;
    assert!(error.starts_with(words) && error.contains("at most 3 MiB"), "{error}");
    let five = (0..5).fold(tar(), |tar, i| tar.file(format!("f{i}"), vec![1; LIMIT as usize]));
    let error = apply_within(LIMIT, &[five.end()]).unwrap_err();
    assert!(error.starts_with(r#"layer entry "f4": with it"#), "{error}");
    // What a later layer makes fit is read: replaced, hidden, removed with its directory.
    let layers = [
        full("d/a").file("d/b", vec![1; LIMIT as usize]).end(),
        full("d/a").file(".wh.d", "").end(),
        full("c").end(),
        full("c").end(),
        full("c").end(),
        full("e").end(),
        tar().file(".wh.e", "").end(),
    ];
    apply_within(LIMIT, &layers).unwrap();
}

#[test]
fn names_without_end_are_refused_before_memory_is() {
    struct Endless(u64, String);
    impl std::io::Read for Endless {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            // An empty file each time, in another directory of names of 255 bytes.
            let Self(number, below) = self;
            let entry = tar().file(format!("{number:0>255}{below}"), "").bytes();
            *number += 1;
            bytes[..entry.len()].copy_from_slice(&entry);
            Ok(entry.len())
        }
    }
    let mut tree = c2w::rootfs::tree::Tree::new();
    let mut spool = c2w::rootfs::spool::Spool::new().unwrap();
    let below = format!("/{}", "n".repeat(255)).repeat(19);
    let input = std::io::BufReader::with_capacity(1 << 16, Endless(0, below));
    let error = c2w::rootfs::apply::apply_layer(&mut tree, &mut spool, &c2w::ext4::LIMITS, input)
        .unwrap_err();
    let error = crate::layered::chain(&error);
    assert!(error.contains("the image's names and attributes need more than 1024 MiB"), "{error}");
}

#[test]
fn a_layer_of_nothing_but_markers_takes_linear_time() {
    let base = (0..2000).fold(tar(), |tar, i| tar.file(format!("d/{i}"), ""));
    let mut layer = (0..20_000).fold(tar(), |tar, i| tar.file(format!("d/new{i}"), ""));
    for _ in 0..20_000 {
        layer = layer.file("d/.wh..wh..opq", "").file(".wh.d", "");
    }
    let merged = apply(&[base.end(), layer.end()]).unwrap();
    assert_eq!(merged.listing().len(), 20_001);
}
