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

/// Copies to an address, from an offset in what is stored of the units, this number of bytes. That is
/// a data segment that no memory is initialised with (core specification, "Data Segments").
pub type CopyUnits = extern "C" fn(u32, u32, u32);

/// A table in the runtime's memory, which the converter fills in: [`Placement::to_bytes`] at the
/// address in the export [`crate::PLACEMENT_EXPORT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// [`Self::MAGIC`] in a packaged module; it changes with the meaning of the table.
    pub magic: u32,
    /// Frames for units of the root image; zero at the start.
    pub image: Range,
    /// RAM; zero at the start.
    pub ram: Range,
    /// The index of all units, first those of RAM, then those of the root image.
    pub units: Range,
    /// The machine's other state.
    pub state: Range,
    /// Where translated code can be entered; empty when there is none.
    pub translation: Range,
    /// How many units the root image has.
    pub image_units: u32,
    /// Index in table 0 of the first translated function.
    pub first_region: u32,
    /// Index in table 0 of a [`CopyUnits`].
    pub copy_units: u32,
}

/// Words of the table.
const WORDS: usize = size_of::<Placement>() / 4;

impl Placement {
    /// The first word.
    pub const MAGIC: u32 = 0x7732_6303;

    /// Bytes of the table.
    pub const LENGTH: usize = 4 * WORDS;

    /// What a module has that was never packaged.
    pub const EMPTY: Self = Self::from_words([0; WORDS]);

    /// As it is in linear memory.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let ranges = [self.image, self.ram, self.units, self.state, self.translation];
        let words = ranges.iter().flat_map(|range| [range.address, range.length]);
        let numbers = [self.image_units, self.first_region, self.copy_units];
        let words = [self.magic].into_iter().chain(words).chain(numbers);
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
            units: range(&words, 2),
            state: range(&words, 3),
            translation: range(&words, 4),
            image_units: words[WORDS - 3],
            first_region: words[WORDS - 2],
            copy_units: words[WORDS - 1],
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
        assert_eq!(placement.copy_units, 0x3736_3534);
        assert_eq!(Placement::EMPTY.to_bytes(), [0; Placement::LENGTH]);
    }
}
