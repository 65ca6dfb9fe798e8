use super::*;

/// Builds archives a header at a time, so that each can be wrong in its own way.
#[derive(Default)]
struct Builder(Vec<u8>);

impl Builder {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn header(self, kind: u8, name: &str, size: u64, edit: impl FnOnce(&mut Block)) -> Self {
        let mut block = [0; BLOCK_SIZE];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..136].copy_from_slice(format!("{size:012o}").as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        edit(&mut block);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.raw(&block)
    }

    fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK_SIZE), 0);
        self
    }

    fn file(self, name: &str, data: &[u8]) -> Self {
        self.header(b'0', name, data.len() as u64, |_| {}).data(data)
    }

    fn pax(self, record: &str) -> Self {
        self.header(b'x', "pax", record.len() as u64, |_| {}).data(record.as_bytes())
    }

    fn end(self) -> Self {
        self.raw(&[0; 2 * BLOCK_SIZE])
    }

    fn read(self) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
        let mut archive = Archive::new(&self.0[..]);
        let mut entries = Vec::new();
        while let Some(entry) = archive.next_entry()? {
            let mut data = Vec::new();
            archive.read_to_end(&mut data).unwrap();
            entries.push((entry, data));
        }
        Ok(entries)
    }

    fn problem(self) -> TarProblem {
        self.read().unwrap_err().problem
    }
}

fn names(entries: &[(Entry, Vec<u8>)]) -> Vec<&[u8]> {
    entries.iter().map(|(entry, _)| &*entry.path).collect()
}

#[test]
fn a_size_on_a_directory_does_not_hide_the_next_entry() {
    let entries = Builder::default()
        .pax("12 size=512\n")
        .header(b'5', "d/", 512, |_| {})
        .file("seen", b"x")
        .end()
        .read()
        .unwrap();
    assert_eq!(names(&entries), [b"d/", &b"seen"[..]]);
    assert_eq!(entries[1].1, b"x");
}

#[test]
fn the_prefix_and_the_long_name_and_the_pax_path() {
    let prefix = |block: &mut Block| block[345..348].copy_from_slice(b"a/b");
    let long = "n".repeat(300);
    let entries = Builder::default()
        .header(b'0', "c", 0, prefix)
        .header(b'L', "././@LongLink", 301, |_| {})
        .data(format!("{long}\0").as_bytes())
        .header(b'0', "nnn", 0, |_| {})
        .pax("12 path=\u{fc}/\n")
        .header(b'\0', "dir", 0, |_| {})
        .read()
        .unwrap();
    assert_eq!(names(&entries), [b"a/b/c", long.as_bytes(), "\u{fc}/".as_bytes()]);
    assert_eq!(entries[2].0.kind, EntryKind::Directory);
}

#[test]
fn of_two_pax_headers_the_second_counts_alone() {
    let entries = Builder::default()
        .pax("10 uid=77\n")
        .pax("10 gid=78\n")
        .header(b'0', "f", 0, |_| {})
        .read()
        .unwrap();
    assert_eq!((entries[0].0.uid, entries[0].0.gid), (0, 78));
}

#[test]
fn negative_times_in_base_256() {
    let edit = |block: &mut Block| {
        block[136..148].fill(0xff);
        block[147] = 0xfe;
    };
    let entries = Builder::default().header(b'0', "f", 0, edit).read().unwrap();
    assert_eq!(entries[0].0.mtime, Timestamp { seconds: -2, nanoseconds: 0 });
}

#[test]
fn an_archive_may_end_with_or_without_its_marks_but_not_inside() {
    let archive = || Builder::default().file("f", b"data");
    assert_eq!(names(&archive().read().unwrap()), [b"f"]);
    assert_eq!(names(&archive().raw(&[0; BLOCK_SIZE]).read().unwrap()), [b"f"]);
    assert_eq!(names(&archive().end().raw(b"rubbish").read().unwrap()), [b"f"]);
    assert!(matches!(archive().raw(&[1; 100]).problem(), TarProblem::Truncated));
    let lone = archive().raw(&[0; BLOCK_SIZE]).file("g", b"");
    assert!(matches!(lone.problem(), TarProblem::LoneZeroBlock));
    let cut = Builder::default().header(b'0', "f", 1 << 30, |_| {}).data(b"x");
    assert!(matches!(cut.problem(), TarProblem::Truncated));
}

#[test]
fn huge_extensions_and_wrapping_numbers_are_refused() {
    let name = Builder::default().header(b'L', "l", 8 << 30, |_| {});
    assert!(matches!(name.problem(), TarProblem::ExtensionTooLong));
    let wrapping = |block: &mut Block| block[124..126].copy_from_slice(&[0x80, 1]);
    let size = Builder::default().header(b'0', "f", 0, wrapping);
    assert!(matches!(size.problem(), TarProblem::Number(BadNumber("size"))));
    let size = Builder::default().header(b'0', "f", (64 << 30) - 1, |_| {});
    assert!(matches!(size.problem(), TarProblem::TooLong));
    let chain = (0..40).fold(Builder::default(), |builder, _| {
        builder.header(b'L', "l", 64 << 10, |_| {}).data(&[b'n'; 64 << 10])
    });
    assert!(matches!(chain.problem(), TarProblem::ExtensionTooLong));
    let orphan = Builder::default().pax("8 uid=7\n").end();
    assert!(matches!(orphan.problem(), TarProblem::OrphanedExtension));
}

#[test]
fn errors_name_the_place_and_the_entry() {
    let bad = |block: &mut Block| block[108..116].copy_from_slice(b"nonsense");
    let error = Builder::default().file("a", b"1").header(b'0', "bad", 0, bad).read().unwrap_err();
    assert_eq!(error.to_string(), "tar header at byte 1024, entry \"bad\"");
    assert_eq!(error.problem.to_string(), "the field \"uid\" is not a number that fits");
}
