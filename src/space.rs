//! What fits into a machine. Sizes alone decide, so it is known before anything boots.

use std::ops::RangeInclusive;

/// The least and the most memory of a machine, in MiB.
pub const MEMORY_MIB: RangeInclusive<u64> = 64..=3072;

/// The least and the most of a root image that may be in memory at once, in MiB.
pub const IMAGE_CACHE_MIB: RangeInclusive<u64> = 8..=3072;

const MIB: u64 = 1 << 20;
/// RAM, what is in memory of the root image, and all else: where 32-bit addresses end, in MiB.
const ADDRESSES: u64 = 4096;
/// The largest root image, in MiB: what a module carries of it compressed has to fit into 4 GiB.
const LARGEST_IMAGE: u64 = 16 << 10;
/// The root image takes whole ones of these, in MiB: Linux maps persistent memory so.
const IMAGE_UNIT: u64 = 2;
/// RAM for kernel and container, in MiB; the kernel has 16 KiB more for each MiB of the image.
const GUEST: u64 = 44;
/// MiB of RAM or image for one of the kernel's page structures.
const PAGE_STRUCTS: u64 = 64;
/// What a module's emulator has on its heap, in MiB: decoded code, 3 bytes for each page, and the
/// index of units.
const HEAP: u64 = 80;

/// Why a root image and an amount of memory do not go together. All numbers are MiB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// With more memory they would.
    #[error(
        "a root image of {image} MiB needs more memory than {memory} MiB, its page structures \
         alone take {structs}: choose --memory from {least} to {most}"
    )]
    TooLittleMemory {
        /// The root image.
        image: u64,
        /// What was asked for.
        memory: u64,
        /// What the kernel has for each page of the image.
        structs: u64,
        /// The least that will do.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// Nothing will do.
    #[error(
        "the root image has {image} MiB, and it may have {limit} MiB at most: make the image smaller"
    )]
    TooLargeImage {
        /// The root image.
        image: u64,
        /// The largest.
        limit: u64,
    },
}

/// Bytes of the largest root image.
pub const IMAGE_LIMIT: u64 = LARGEST_IMAGE * MIB;

/// Says whether a root image of `image` bytes goes with `memory` MiB of RAM.
///
/// # Errors
/// [`SpaceError`], with the memory that would do.
pub fn check(image: u64, memory: u64) -> Result<(), SpaceError> {
    let image = image.div_ceil(MIB).next_multiple_of(IMAGE_UNIT);
    if image > LARGEST_IMAGE {
        return Err(SpaceError::TooLargeImage { image, limit: LARGEST_IMAGE });
    }
    let structs = image.div_ceil(PAGE_STRUCTS);
    let least = (GUEST + structs).next_multiple_of(8);
    if memory < least {
        let most = *MEMORY_MIB.end();
        return Err(SpaceError::TooLittleMemory { image, memory, structs, least, most });
    }
    Ok(())
}

/// The addresses that root image and RAM share with others.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Taken by others, in MiB.
    taken: u64,
}

impl Space {
    /// A machine that runs natively.
    pub const fn native() -> Self {
        // The window ends a page below 4 GiB.
        Self { taken: 1 }
    }

    /// A machine in a module, whose runtime has `runtime` bytes of its own.
    pub const fn module(runtime: u64) -> Self {
        Self { taken: runtime.div_ceil(MIB) + HEAP }
    }

    /// How many bytes of the root image may be in memory at once beside `memory` MiB of RAM, when
    /// `wanted` are the most.
    pub fn image_cache(self, wanted: u64, memory: u64) -> u64 {
        wanted.min(ADDRESSES.saturating_sub(self.taken + memory) * MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_machines_fit() {
        for (image, memory) in [(2, 64), (2, 3072), (153, 256), (2045, 256), (10 << 10, 256)] {
            assert_eq!(check(image * MIB, memory), Ok(()), "{image} {memory}");
        }
    }

    #[test]
    fn advice_is_good_to_the_last_mebibyte() {
        for image in (2..=LARGEST_IMAGE).step_by(2) {
            let Err(SpaceError::TooLittleMemory { least, .. }) = check(image * MIB, 1) else {
                panic!("{image} MiB fit into nothing");
            };
            assert!(check(image * MIB, least).is_ok(), "{image} {least}");
            assert!(check(image * MIB, least - 1).is_err(), "{image} {least}");
        }
    }

    #[test]
    fn what_would_do_is_said() {
        let say = |image, memory| check(image * MIB, memory).unwrap_err().to_string();
        let text = say(2045, 64);
        assert!(text.contains("alone take 32: choose --memory from 80 to 3072"), "{text}");
        let text = say(17 << 10, 256);
        assert!(text.contains("17408 MiB, and it may have 16384 MiB at most"), "{text}");
    }

    #[test]
    fn the_image_has_what_memory_leaves() {
        let module = Space::module(2 * MIB);
        assert_eq!(module.image_cache(1 << 30, 256), 1 << 30);
        assert_eq!(module.image_cache(1 << 30, 3072), (4096 - 82 - 3072) * MIB);
        assert_eq!(module.image_cache(16 * MIB, 3072), 16 * MIB);
    }
}
