//! Where the converter puts the machine in linear memory.

/// Bytes of linear memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Where they begin.
    pub address: u32,
    /// How many they are.
    pub length: u32,
}

/// A table in the runtime's memory, which the converter fills in: [`Placement::to_bytes`] at the
/// address in the export [`crate::PLACEMENT_EXPORT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// [`Self::MAGIC`] in a packaged module; it changes with the meaning of the table.
    pub magic: u32,
    /// The root image.
    pub image: Range,
    /// RAM; zero at the start.
    pub ram: Range,
    /// RAM's non-zero pages, one after the other.
    pub pages: Range,
    /// Runs of such pages: pairs of (first RAM page, number of pages), `u32` each.
    pub runs: Range,
    /// The machine's other state.
    pub state: Range,
    /// Where translated code can be entered; empty when there is none.
    pub translation: Range,
    /// Index in table 0 of the first translated function.
    pub first_region: u32,
}

/// Words of the table.
const WORDS: usize = size_of::<Placement>() / 4;

impl Placement {
    /// The first word.
    pub const MAGIC: u32 = 0x7732_6302;

    /// Bytes of the table.
    pub const LENGTH: usize = 4 * WORDS;

    /// What a module has that was never packaged.
    pub const EMPTY: Self = Self::from_words([0; WORDS]);

    /// As it is in linear memory.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let ranges = [self.image, self.ram, self.pages, self.runs, self.state, self.translation];
        let words = ranges.iter().flat_map(|range| [range.address, range.length]);
        let words = [self.magic].into_iter().chain(words).chain([self.first_region]);
        let mut bytes = [0; Self::LENGTH];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] gives; `None` if the magic is another.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let mut words = [0; WORDS];
        for (word, &bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(bytes);
        }
        Some(Self::from_words(words)).filter(|placement| placement.magic == Self::MAGIC)
    }

    const fn from_words(words: [u32; WORDS]) -> Self {
        const fn range(words: &[u32; WORDS], number: usize) -> Range {
            Range { address: words[1 + 2 * number], length: words[2 + 2 * number] }
        }
        Self {
            magic: words[0],
            image: range(&words, 0),
            ram: range(&words, 1),
            pages: range(&words, 2),
            runs: range(&words, 3),
            state: range(&words, 4),
            translation: range(&words, 5),
            first_region: words[WORDS - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = [0; Placement::LENGTH];
        for (number, byte) in bytes.iter_mut().enumerate() {
            *byte = number as u8;
        }
        assert_eq!(Placement::from_bytes(&bytes), None);
        bytes[..4].copy_from_slice(&Placement::MAGIC.to_le_bytes());
        let placement = Placement::from_bytes(&bytes).unwrap();
        assert_eq!(placement.to_bytes(), bytes);
        assert_eq!(placement.image, Range { address: 0x0706_0504, length: 0x0b0a_0908 });
        assert_eq!(placement.first_region, 0x3736_3534);
        assert_eq!(Placement::EMPTY.to_bytes(), [0; Placement::LENGTH]);
    }
}
