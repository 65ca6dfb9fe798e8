//! The ext4 writer, judged by e2fsck, debugfs, mke2fs and the crate ext4-view.

use crate::readback;
use crate::row;
use crate::tree_rows;

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use c2w::ext4::{Ext4Error, ImageSummary, Options, XattrError, write_image};
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{
    DataExtent, Device, FileContent, Inode, InodeId, Metadata, Node, Timestamp, Tree,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn options() -> Options {
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    Options { uuid: *b"c2w's ext4 tests", created }
}

fn in_memory(tree: &Tree, spool: &Spool) -> Result<Vec<u8>, Ext4Error> {
    let mut image = Vec::new();
    write_image(tree, spool, &options(), &mut image).map(|_| image)
}

/// An image in a file, checked by e2fsck.
struct Image {
    directory: tempfile::TempDir,
    summary: ImageSummary,
}

impl Image {
    fn new(tree: &Tree, spool: &Spool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut file = File::create(directory.path().join("image")).unwrap();
        let summary = write_image(tree, spool, &options(), &mut file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), summary.size);
        let image = Self { directory, summary };
        readback::fsck(&image.path());
        image
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn ext4(&self) -> ext4_view::Ext4 {
        ext4_view::Ext4::load_from_path(self.path()).unwrap()
    }
}

/// Writes an image and compares all that comes back with the tree.
fn assert_round_trip(tree: &Tree, spool: &Spool) -> Image {
    let image = Image::new(tree, spool);
    row::assert_same(&tree_rows::rows_of(tree, spool), &readback::read_back(&image.path()));
    image
}

fn metadata(mode: u16) -> Metadata {
    Metadata { mode, ..Metadata::default() }
}

fn directory() -> Inode {
    Inode::new(Metadata::implicit_directory(), Node::empty_directory())
}

fn empty_file() -> Inode {
    Inode::new(metadata(0o644), Node::File(FileContent::default()))
}

/// A file that stores `pieces`, each at its offset, and ends with the last.
fn file(spool: &mut Spool, pieces: &[(u64, &[u8])]) -> Inode {
    let mut content = FileContent::default();
    for (offset, bytes) in pieces {
        let length = bytes.len() as u64;
        spool.store(&mut &bytes[..], *offset, length, &mut content.extents).unwrap();
        content.size = offset + length;
    }
    Inode::new(metadata(0o644), Node::File(content))
}

fn add(tree: &mut Tree, name: &[u8], inode: Inode) -> InodeId {
    tree.insert(tree.root(), name, inode).unwrap()
}

#[test]
fn an_empty_tree_is_seven_blocks() {
    let image = assert_round_trip(&Tree::new(), &Spool::new().unwrap());
    assert_eq!((image.summary.size, image.summary.inodes), (7 * 4096, 2));
}

#[test]
fn the_image_may_bring_its_own_lost_and_found() {
    let mut tree = Tree::new();
    let lost = add(&mut tree, b"lost+found", directory());
    tree.insert(lost, b"file", empty_file()).unwrap();
    let image = Image::new(&tree, &Spool::new().unwrap());
    assert!(image.ext4().exists("/lost+found/file").unwrap());
}

#[test]
fn directories_of_100_000_names_are_hashed_in_two_levels() {
    let mut tree = Tree::new();
    let many = add(&mut tree, b"many", directory());
    for i in 0..100_000 {
        tree.insert(many, format!("a name of a file {i}").as_bytes(), empty_file()).unwrap();
    }
    // Bytes over 127 hash in another way when they are taken for unsigned.
    let odd = add(&mut tree, b"odd", directory());
    for i in 0..2000_u32 {
        let name = [&b"\xff\x80\xe9"[..], &(i + 0x0101_0130).to_be_bytes()[2..], &[b'x'; 60]];
        let name: Vec<u8> =
            name.concat().iter().map(|&b| if b == b'/' { 1 } else { b.max(1) }).collect();
        tree.insert(odd, &name, empty_file()).unwrap();
    }
    let image = Image::new(&tree, &Spool::new().unwrap());
    let ext4 = image.ext4();
    // Looks names up through the hash tree.
    for i in (0..100_000).step_by(977) {
        assert!(ext4.exists(&*format!("/many/a name of a file {i}")).unwrap(), "{i}");
    }
    assert!(!ext4.exists("/many/a name of a file 100000").unwrap());
    for (name, _) in tree.entries(odd).step_by(97) {
        assert!(ext4.exists(&row::join(b"/odd", name)[..]).unwrap(), "{}", name.escape_ascii());
    }
    let names = ext4.read_dir("/many").unwrap().count();
    assert_eq!(names, 100_002);
}

#[test]
fn more_than_64_998_subdirectories_are_counted_as_one() {
    let mut tree = Tree::new();
    let many = add(&mut tree, b"many", directory());
    for i in 0..65_000 {
        tree.insert(many, format!("{i}").as_bytes(), directory()).unwrap();
    }
    Image::new(&tree, &Spool::new().unwrap());
}

#[test]
fn files_with_many_holes_have_deep_extent_trees() {
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    for count in [4, 5, 340, 341, 4 * 340 + 1] {
        let pieces: Vec<_> = (0..count).map(|i| (i * 12_288 + i % 4096, &b"piece"[..])).collect();
        add(&mut tree, format!("{count}").as_bytes(), file(&mut spool, &pieces));
    }
    assert_round_trip(&tree, &spool);
}

#[test]
fn files_over_128_mib_have_several_extents_in_one_run() {
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    let length = (128 << 20) + 5;
    let mut extents = Vec::new();
    spool.store(&mut std::io::repeat(7).take(length), 0, length, &mut extents).unwrap();
    let content = FileContent { size: length, extents };
    add(&mut tree, b"large", Inode::new(metadata(0o644), Node::File(content)));
    assert_round_trip(&tree, &spool);
}

#[test]
fn a_sparse_file_of_terabytes_takes_a_block() {
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    add(&mut tree, b"sparse", file(&mut spool, &[((15 << 40) - 1, b"x")]));
    let image = Image::new(&tree, &spool);
    assert_eq!(image.summary.size, 8 * 4096);
    assert_eq!(image.ext4().metadata("/sparse").unwrap().len(), 15 << 40);
}

#[test]
fn equal_attribute_blocks_are_shared_by_up_to_1024_inodes() {
    let mut tree = Tree::new();
    let d = add(&mut tree, b"d", directory());
    let xattrs = [(b"user.large"[..].into(), vec![b'v'; 2000].into())];
    for i in 0..1500 {
        let metadata = Metadata { xattrs: xattrs.clone().into(), ..metadata(0o644) };
        let inode = Inode::new(metadata, Node::Fifo);
        tree.insert(d, format!("{i}").as_bytes(), inode).unwrap();
    }
    let image = Image::new(&tree, &Spool::new().unwrap());
    // Superblock, descriptors, 2 bitmaps, 1512 inodes; root, lost+found, d hashed; 2 shared blocks.
    assert_eq!(image.summary.size / 4096, 4 + 95 + 2 + (1 + 5) + 2);
    let rows = readback::read_back(&image.path());
    assert!(rows.values().filter(|row| row.kind == "fifo").all(|row| row.xattrs.len() == 1));
}

#[test]
fn access_control_lists_read_back_as_they_were() {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, perm, id) in
        // The owner, user 1000, the group, the mask, others. debugfs fills unused ids with zeros.
        [(1, 6, 0), (2, 7, 1000), (4, 4, 0), (16, 7, 0), (32, 0, 0)]
    {
        acl.extend([tag, 0, perm, 0]);
        acl.extend(u32::to_le_bytes(id));
    }
    let mut tree = Tree::new();
    let xattrs = [(b"system.posix_acl_access"[..].into(), acl.into())].into();
    add(&mut tree, b"f", Inode::new(Metadata { xattrs, ..metadata(0o674) }, Node::Fifo));
    assert_round_trip(&tree, &Spool::new().unwrap());
}

#[test]
fn what_ext4_cannot_hold_is_refused_with_the_path() {
    let refusal = |inode: Inode| {
        let mut tree = Tree::new();
        let d = add(&mut tree, b"d", directory());
        tree.insert(d, b"bad", inode).unwrap();
        let error = in_memory(&tree, &Spool::new().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("\"/d/bad\""), "{error}");
        error
    };
    let xattrs = [(b"user.x"[..].into(), vec![1; 4090].into())].into();
    let large = Inode::new(Metadata { xattrs, ..metadata(0) }, Node::Fifo);
    let too_large = XattrError::TooLarge;
    assert!(matches!(refusal(large), Ext4Error::Xattrs { problem, .. } if problem == too_large));
    let content = FileContent { size: 1 << 60, extents: Vec::new() };
    let huge = Inode::new(metadata(0), Node::File(content));
    assert!(matches!(refusal(huge), Ext4Error::FileTooLarge { .. }));
    let link = Inode::new(metadata(0), Node::Symlink(vec![b'x'; 4096].into()));
    assert!(matches!(refusal(link), Ext4Error::SymlinkTooLong { .. }));
}

#[test]
fn more_hard_links_than_ext4_counts_are_refused() {
    let mut tree = Tree::new();
    let target = add(&mut tree, b"0", empty_file());
    for i in 1..=65_000 {
        tree.link(tree.root(), format!("{i}").as_bytes(), target).unwrap();
    }
    let spool = Spool::new().unwrap();
    assert!(matches!(in_memory(&tree, &spool), Err(Ext4Error::TooManyLinks { .. })));
    tree.remove(tree.root(), b"1");
    Image::new(&tree, &spool);
}

/// The same files in an image of ours and of `mke2fs -d`: ours has no more overhead.
#[test]
fn images_are_no_larger_than_those_of_mke2fs() {
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    let source = tempfile::tempdir().unwrap();
    for i in 0..400_usize {
        let name = format!("{}/{i}", i % 20);
        if i < 20 {
            fs::create_dir(source.path().join(format!("{i}"))).unwrap();
            add(&mut tree, format!("{i}").as_bytes(), directory());
        }
        let bytes = vec![1; i * 100];
        fs::write(source.path().join(name), &bytes).unwrap();
        let parent = tree.lookup(format!("{}", i % 20).as_bytes()).unwrap();
        let inode = file(&mut spool, &[(0, &bytes)]);
        tree.insert(parent, format!("{i}").as_bytes(), inode).unwrap();
    }
    let theirs = source.path().with_extension("image");
    File::create(&theirs).unwrap().set_len(32 << 20).unwrap();
    let mke2fs = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-N", "440", "-d"])
        .args([source.path(), &theirs])
        .status()
        .expect("this test needs mke2fs: install e2fsprogs");
    assert!(mke2fs.success());
    let mut superblock = [0; 1024];
    let mut file = File::open(&theirs).unwrap();
    file.read_exact(&mut superblock).unwrap();
    file.read_exact(&mut superblock).unwrap();
    let field = |at: usize| u32::from_le_bytes(*superblock[at..].first_chunk().unwrap());
    let used = u64::from(field(4) - field(12)) * 4096;
    fs::remove_file(&theirs).unwrap();
    let image = Image::new(&tree, &spool);
    assert!(image.summary.size <= used, "{} bytes, mke2fs {used}", image.summary.size);
}

#[derive(Debug, Clone)]
enum Kind {
    Directory,
    /// Pieces: a gap, then a byte that many times.
    File(Vec<(u16, u8, u16)>),
    Symlink(Vec<u8>),
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
    Socket,
    /// To one of the files before.
    HardLink(usize),
}

#[derive(Debug, Clone)]
struct RandomNode {
    parent: usize,
    name: Vec<u8>,
    kind: Kind,
    metadata: Metadata,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let target = prop::collection::vec(1..=255_u8, 1..300);
    prop_oneof![
        3 => Just(Kind::Directory),
        4 => prop::collection::vec(any::<(u16, u8, u16)>(), 0..8).prop_map(Kind::File),
        2 => target.prop_map(Kind::Symlink),
        1 => (0..4096_u32, 0..1_u32 << 20).prop_map(|(a, b)| Kind::CharDevice(a, b)),
        1 => (0..300_u32, 0..300_u32).prop_map(|(a, b)| Kind::BlockDevice(a, b)),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
        2 => any::<usize>().prop_map(Kind::HardLink),
    ]
}

fn all_metadata() -> impl Strategy<Value = Metadata> {
    let name = "(user|trusted|security)\\.[a-z]{1,20}".prop_map(|name| name.into_bytes().into());
    let value = prop::collection::vec(any::<u8>(), 0..600).prop_map(Vec::into);
    let xattrs = prop::collection::btree_map(name, value, 0..5);
    let seconds = -(1_i64 << 31)..(1_i64 << 34) - (1 << 31);
    (0..0o10000_u16, any::<(u32, u32)>(), seconds, 0..1_000_000_000_u32, xattrs).prop_map(
        |(mode, (uid, gid), seconds, nanoseconds, xattrs)| {
            let mtime = Timestamp { seconds, nanoseconds };
            Metadata { mode, uid, gid, mtime, xattrs }
        },
    )
}

fn nodes() -> impl Strategy<Value = Vec<RandomNode>> {
    let byte = any::<u8>().prop_map(|byte| if matches!(byte, 0 | b'/') { b'_' } else { byte });
    let name = prop::collection::vec(byte, 1..=255)
        .prop_filter("names nothing", |name| !matches!(&name[..], b"." | b".." | b"lost+found"));
    let node = (any::<usize>(), name, kinds(), all_metadata())
        .prop_map(|(parent, name, kind, metadata)| RandomNode { parent, name, kind, metadata });
    prop::collection::vec(node, 0..80)
}

/// Builds the tree that random nodes describe.
fn build(nodes: &[RandomNode], spool: &mut Spool) -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![tree.root()];
    let mut others = Vec::new();
    for RandomNode { parent, name, kind, metadata } in nodes {
        let parent = directories[parent % directories.len()];
        if tree.child(parent, name).is_some() {
            continue;
        }
        let node = match kind {
            Kind::HardLink(_) if others.is_empty() => continue,
            Kind::HardLink(target) => {
                tree.link(parent, name, others[target % others.len()]).unwrap();
                continue;
            }
            Kind::Directory => Node::empty_directory(),
            Kind::File(pieces) => Node::File(content(pieces, spool)),
            Kind::Symlink(target) => Node::Symlink(target[..].into()),
            Kind::CharDevice(major, minor) => {
                Node::CharDevice(Device { major: *major, minor: *minor })
            }
            Kind::BlockDevice(major, minor) => {
                Node::BlockDevice(Device { major: *major, minor: *minor })
            }
            Kind::Fifo => Node::Fifo,
            Kind::Socket => Node::Socket,
        };
        let is_directory = node.is_directory();
        let id = tree.insert(parent, name, Inode::new(metadata.clone(), node)).unwrap();
        if is_directory { directories.push(id) } else { others.push(id) }
    }
    tree
}

fn content(pieces: &[(u16, u8, u16)], spool: &mut Spool) -> FileContent {
    let mut content = FileContent::default();
    for &(gap, byte, length) in pieces {
        let (offset, length) = (content.size + u64::from(gap), u64::from(length));
        let mut bytes = std::io::repeat(byte).take(length);
        spool.store(&mut bytes, offset, length, &mut content.extents).unwrap();
        content.size = offset + length;
    }
    let ends = |extent: &DataExtent| extent.file_offset + extent.length;
    assert!(content.extents.last().is_none_or(|extent| ends(extent) <= content.size));
    content
}

proptest! {
    #![proptest_config(Config { cases: 40, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_tree_comes_back_the_same(nodes in nodes()) {
        let mut spool = Spool::new().unwrap();
        let tree = build(&nodes, &mut spool);
        assert_round_trip(&tree, &spool);
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes(nodes in nodes()) {
        let (mut first, mut second) = (Spool::new().unwrap(), Spool::new().unwrap());
        // Contents elsewhere in the spool make no difference.
        second.store(&mut &b"something else"[..], 0, 14, &mut Vec::new()).unwrap();
        let images = [
            in_memory(&build(&nodes, &mut first), &first).unwrap(),
            in_memory(&build(&nodes, &mut second), &second).unwrap(),
        ];
        prop_assert!(images[0] == images[1]);
    }
}
