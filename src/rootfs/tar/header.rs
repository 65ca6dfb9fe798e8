//! One 512-byte header block: fields at fixed places, and the ways to write numbers in them.

/// Headers and data come in blocks of this many bytes.
pub(super) const BLOCK_SIZE: usize = 512;

/// A header block.
pub(super) type Block = [u8; BLOCK_SIZE];

/// A field that holds no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0:?} is not a number that fits")]
pub struct BadNumber(pub &'static str);

/// A view of a header block whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a>(&'a Block);

impl<'a> Header<'a> {
    /// Checks the checksum, the sum of all bytes with the field itself as spaces. Old programs
    /// summed signed bytes, so that sum is right too.
    pub(super) fn parse(block: &'a Block) -> Option<Self> {
        let stored = number(&block[148..156])?;
        let spaces = 8 * i64::from(b' ');
        let summed = || block[..148].iter().chain(&block[156..]);
        let unsigned = spaces + summed().map(|&byte| i64::from(byte)).sum::<i64>();
        let signed = spaces + summed().map(|&byte| i64::from(byte as i8)).sum::<i64>();
        (stored == unsigned || stored == signed).then_some(Self(block))
    }

    /// The type flag of an entry called `path`. Before POSIX there was none for directories: their
    /// names end in a slash. So say GNU tar and Go of entries without a flag; of an empty one with
    /// the flag of files GNU tar says so as well, and here an old header decides.
    pub(super) fn kind(self, path: &[u8]) -> u8 {
        let is_old = !self.0[257..].starts_with(b"ustar");
        match self.flag() {
            0 if path.ends_with(b"/") => b'5',
            0 => b'0',
            b'0' if is_old && path.ends_with(b"/") && self.size() == Ok(0) => b'5',
            kind => kind,
        }
    }

    /// The type flag as it stands there.
    pub(super) fn flag(self) -> u8 {
        self.0[156]
    }

    fn name(self) -> &'a [u8] {
        text(&self.0[..100])
    }

    /// The name, with the prefix that POSIX ustar (not GNU) headers have.
    pub(super) fn path(self) -> Vec<u8> {
        let prefix = match (&self.0[257..263], &self.0[508..512]) {
            (b"ustar\0", b"tar\0") => text(&self.0[345..476]),
            (b"ustar\0", _) => text(&self.0[345..500]),
            _ => &[],
        };
        match prefix {
            [] => self.name().to_vec(),
            prefix => [prefix, b"/", self.name()].concat(),
        }
    }

    /// The target of a hard or symbolic link.
    pub(super) fn link(self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(self) -> Result<i64, BadNumber> {
        number(&self.0[100..108]).ok_or(BadNumber("mode"))
    }

    pub(super) fn uid(self) -> Result<i64, BadNumber> {
        number(&self.0[108..116]).ok_or(BadNumber("uid"))
    }

    pub(super) fn gid(self) -> Result<i64, BadNumber> {
        number(&self.0[116..124]).ok_or(BadNumber("gid"))
    }

    /// Bytes of data after the header, before any extension changes it.
    pub(super) fn size(self) -> Result<u64, BadNumber> {
        unsigned(&self.0[124..136]).ok_or(BadNumber("size"))
    }

    pub(super) fn mtime(self) -> Result<i64, BadNumber> {
        number(&self.0[136..148]).ok_or(BadNumber("mtime"))
    }

    /// Major and minor device number.
    pub(super) fn device(self) -> Result<(i64, i64), BadNumber> {
        let major = number(&self.0[329..337]).ok_or(BadNumber("devmajor"))?;
        Ok((major, number(&self.0[337..345]).ok_or(BadNumber("devminor"))?))
    }

    /// The old GNU sparse map: descriptors in this header, whether extension blocks follow, and
    /// the size of the file with its holes.
    pub(super) fn sparse(self) -> Result<(&'a [u8], bool, u64), BadNumber> {
        let size = unsigned(&self.0[483..495]).ok_or(BadNumber("realsize"))?;
        Ok((&self.0[386..482], self.0[482] != 0, size))
    }
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number that cannot be negative.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    number(field).and_then(|value| u64::try_from(value).ok())
}

/// A number in octal digits, or in GNU's base-256: the top bit of the first byte is a mark, the
/// rest is a two's complement number. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            // Sign-extends the 7 bits beside the mark.
            let start = i64::from((first << 1) as i8 >> 1);
            rest.iter().try_fold(start, |value, &byte| {
                value.checked_mul(256).map(|value| value | i64::from(byte))
            })
        }
        _ => {
            let padding = |byte: &u8| matches!(byte, b' ' | 0);
            let start = field.iter().position(|byte| !padding(byte)).unwrap_or(field.len());
            let digits = text(&field[start..]).trim_ascii_end();
            digits.iter().try_fold(0_i64, |value, &byte| match byte {
                b'0'..=b'7' => value.checked_mul(8).map(|value| value | i64::from(byte - b'0')),
                _ => None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_spelling() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"77777777"), Some(0o77777777));
        assert_eq!(number(&[0; 8]), Some(0));
        assert_eq!(number(&[0x80, 0, 0, 0, 0xb2, 0xd0, 0x5e, 0]), Some(3_000_000_000));
        let mut negative = [0xff; 12];
        negative[9..].copy_from_slice(&[0xfe, 0xae, 0x80]);
        assert_eq!(number(&negative), Some(-86_400));
        assert_eq!(number(b"12 \0junk"), Some(10));
        for bad in [&b"12x4\0"[..], b"12 34\0", b"8\0", b"-1\0", b"0x1\0"] {
            assert_eq!(number(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn base_256_numbers_past_64_bits_are_refused_and_do_not_wrap() {
        let mut huge = [0; 12];
        huge[0] = 0x80;
        huge[1] = 1;
        assert_eq!(number(&huge), None);
        assert_eq!(unsigned(&[0xff; 12]), None);
    }
}
