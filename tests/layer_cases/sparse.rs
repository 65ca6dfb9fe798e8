//! Sparse files in all of GNU's forms, whole and hostile.

use super::{apply, becomes, refused, tar};
use crate::tar_builder::{Header, Tar, put};
use c2w::rootfs::tree::Node;

/// An old GNU header: up to four segments, and the size of the file.
fn old_gnu(name: &str, stored: u64, map: &[(u64, u64)], size: u64, more: bool) -> Tar {
    tar().header(b'S', name.as_bytes(), stored, |header| {
        put(header, 257, b"ustar  \0");
        put_map(header, 386, map);
        header[482] = more.into();
        put(header, 483, format!("{size:011o}").as_bytes());
    })
}

fn put_map(block: &mut Header, start: usize, map: &[(u64, u64)]) {
    for (index, (offset, length)) in map.iter().enumerate() {
        put(block, start + 24 * index, format!("{offset:011o}").as_bytes());
        put(block, start + 24 * index + 12, format!("{length:011o}").as_bytes());
    }
}

fn pax_01(map: &str, size: &str, data: &[u8]) -> Vec<u8> {
    let records: &[(&[u8], &[u8])] = &[
        (b"GNU.sparse.size", size.as_bytes()),
        (b"GNU.sparse.map", map.as_bytes()),
        (b"GNU.sparse.name", b"f"),
    ];
    tar().pax(records).file("GNUSparseFile.1/f", data).end()
}

fn pax_10(map: &str, size: &str, data: &[u8]) -> Vec<u8> {
    let records: &[(&[u8], &[u8])] = &[
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"f"),
        (b"GNU.sparse.realsize", size.as_bytes()),
    ];
    let mut stored = map.as_bytes().to_vec();
    stored.resize(stored.len().next_multiple_of(512), 0);
    stored.extend(data);
    tar().pax(records).file("GNUSparseFile.1/f", stored).end()
}

fn pax_00(segments: &[(&str, &str)], size: &str, data: &[u8]) -> Vec<u8> {
    let mut records: Vec<(&[u8], &[u8])> = vec![(b"GNU.sparse.size", size.as_bytes())];
    for (offset, length) in segments {
        records.push((b"GNU.sparse.offset", offset.as_bytes()));
        records.push((b"GNU.sparse.numbytes", length.as_bytes()));
    }
    tar().pax(&records).file("f", data).end()
}

const SHOWN: &str = r"f=\x00\x00ab\x00\x00\x00cd\x00";

#[test]
fn every_form_gives_the_same_file() {
    let old = old_gnu("f", 4, &[(2, 2), (7, 2), (10, 0)], 10, false).data(b"abcd").end();
    becomes(vec![old], &[SHOWN]);
    becomes(vec![pax_00(&[("2", "2"), ("7", "2"), ("10", "0")], "10", b"abcd")], &[SHOWN]);
    becomes(vec![pax_01("2,2,7,2,10,0", "10", b"abcd")], &[SHOWN]);
    becomes(vec![pax_10("3\n2\n2\n7\n2\n10\n0\n", "10", b"abcd")], &[SHOWN]);
}

#[test]
fn maps_in_extension_blocks() {
    let map: Vec<_> = (0..4 + 21 + 3).map(|i| (10_000 * i, 2)).collect();
    let mut archive = old_gnu("f", 2 * map.len() as u64, &map[..4], 300_000, true);
    for (rest, more) in [(&map[4..25], 1), (&map[25..], 0)] {
        let mut block = [0; 512];
        put_map(&mut block, 0, rest);
        block[504] = more;
        archive = archive.raw(&block);
    }
    let layer = archive.data(&b"ab".repeat(map.len())).file("after", "").end();
    let merged = apply(&[layer]).unwrap();
    let Node::File(content) = &merged.tree.inode(merged.tree.lookup(b"f").unwrap()).node else {
        panic!("no file");
    };
    assert_eq!(content.size, 300_000);
    assert!(merged.tree.lookup(b"after").is_some());
    super::assert_round_trip(&merged);
}

#[test]
fn holes_of_terabytes_cost_nothing() {
    let merged = apply(&[pax_01("15000000000000,1", "15000000000001", b"x")]).unwrap();
    assert!(merged.spool.len() <= 4096);
    refused(vec![pax_01("0,1", "99999999999999999", b"x")], r#"layer entry "f": a file of 99999"#);
}

#[test]
fn maps_that_cannot_be_are_refused() {
    let inconsistent = "the map of a sparse file does not fit its size or its data";
    for (map, size) in [
        ("0,2,1,2", "9"),                    // overlaps
        ("5,2,0,2", "9"),                    // is out of order
        ("0,2,8,2", "9"),                    // leads out of the file
        ("0,2,4,1", "9"),                    // has less than the data
        ("0,2,4,3", "9"),                    // has more than the data
        ("0,2,18446744073709551615,2", "9"), // wraps
        ("18446744073709551615,4", "9"),     // wraps
    ] {
        refused(vec![pax_01(map, size, b"abcd")], inconsistent);
        let lines: String = map.split(',').map(|number| format!("{number}\n")).collect();
        let count = map.split(',').count() / 2;
        refused(vec![pax_10(&format!("{count}\n{lines}"), size, b"abcd")], inconsistent);
    }
    let old = |map: &[(u64, u64)]| old_gnu("f", 4, map, 9, false).data(b"abcd").end();
    refused(vec![old(&[(0, 2), (1, 2)])], inconsistent);
    refused(vec![old(&[(8, 4)])], inconsistent);
    for map in ["0", "0,", "a,b", "0,-1", "0,1,2"] {
        refused(
            vec![pax_01(map, "9", b"abcd")],
            r#"the pax record "GNU.sparse.map" has a bad value"#,
        );
    }
    refused(vec![pax_00(&[("0", "")], "9", b"")], "\"GNU.sparse.numbytes\" has a bad value");
}

#[test]
fn maps_of_millions_of_segments_are_refused_before_they_are_kept() {
    let too_long = "the map of a sparse file has more than 262144 segments";
    refused(vec![pax_10("4000000000\n", "9", b"abcd")], too_long);
    let many = "0,0,".repeat(270_000);
    let long = "pax records have more than 1048576 bytes";
    refused(vec![pax_01(many.trim_end_matches(','), "9", b"")], long);
    let mut archive = old_gnu("f", 0, &[(0, 0); 4], 9, true);
    let mut block = [0; 512];
    put_map(&mut block, 0, &[(0, 0); 21]);
    block[504] = 1;
    for _ in 0..262_144 / 21 + 1 {
        archive = archive.raw(&block);
    }
    refused(vec![archive.end()], too_long);
}

#[test]
fn maps_that_end_early_are_refused() {
    let cut = |layer: Vec<u8>, at: usize| vec![layer[..at].to_vec()];
    let old = old_gnu("f", 4, &[(0, 4)], 9, true).bytes();
    refused(cut(old, 512), "cannot read the map of a sparse file");
    refused(vec![pax_10("2\n0\n", "9", b"")], "the map of a sparse file");
    refused(vec![pax_10("x\n", "9", b"")], "the map of a sparse file is malformed");
    let unknown: &[(&[u8], &[u8])] = &[(b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0")];
    refused(vec![tar().pax(unknown).file("f", "").end()], "the map of a sparse file is malformed");
}
