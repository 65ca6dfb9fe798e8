//! What fits into a machine. Sizes alone decide, so it is known before anything boots.

use std::ops::RangeInclusive;

/// The least and the most memory of a machine, in MiB.
pub const MEMORY_MIB: RangeInclusive<u64> = 64..=3072;

const MIB: u64 = 1 << 20;
/// Root image, RAM and all else: where 32-bit addresses end, in MiB.
const ADDRESSES: u64 = 4096;
/// The root image takes whole ones of these, in MiB: Linux maps persistent memory so.
const IMAGE_UNIT: u64 = 2;
/// RAM for kernel and container, in MiB; the kernel has 16 KiB more for each MiB of the image.
const GUEST: u64 = 44;
/// MiB of RAM or image for one of the kernel's page structures.
const PAGE_STRUCTS: u64 = 64;
/// What a module's emulator has on its heap, in MiB: decoded code, and 3 bytes for each page.
const HEAP: u64 = 80;
/// What a module carries of RAM without page structures, in MiB, and its state.
const SNAPSHOT: u64 = 20;

/// Why a root image and an amount of memory do not go together. All numbers are MiB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// With less memory they would.
    #[error(
        "image and memory must fit into 4 GiB together: the root image has {image} MiB, the memory \
         {memory}; choose --memory from {least} to {most}"
    )]
    TooMuchMemory {
        /// The root image.
        image: u64,
        /// What was asked for.
        memory: u64,
        /// The least that will do.
        least: u64,
        /// The most that will do.
        most: u64,
    },
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
        /// The most that will do.
        most: u64,
    },
    /// Nothing will do.
    #[error(
        "the root image has {image} MiB, too many for any --memory: image and memory must fit into \
         4 GiB together; make the image smaller, to about {limit} MiB at most"
    )]
    TooLargeImage {
        /// The root image.
        image: u64,
        /// The largest that goes with any memory.
        limit: u64,
    },
}

/// The addresses that root image and RAM share with others.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Taken by others, in MiB.
    taken: u64,
    /// Whether what RAM holds is there a second time.
    snapshot: bool,
}

impl Space {
    /// A machine that runs natively.
    pub const fn native() -> Self {
        // The window ends a page below 4 GiB.
        Self { taken: 1, snapshot: false }
    }

    /// A machine in a module, whose runtime has `runtime` bytes of its own.
    pub const fn module(runtime: u64) -> Self {
        Self { taken: runtime.div_ceil(MIB) + HEAP + SNAPSHOT, snapshot: true }
    }

    /// Says whether a root image of `image` bytes goes with `memory` MiB of RAM.
    ///
    /// # Errors
    /// [`SpaceError`], with the memory that would do.
    pub fn check(self, image: u64, memory: u64) -> Result<(), SpaceError> {
        let image = image.div_ceil(MIB).next_multiple_of(IMAGE_UNIT);
        let (least, most) = self.memory(image);
        if most < least {
            return Err(SpaceError::TooLargeImage { image, limit: self.largest_image() });
        }
        if memory > most {
            return Err(SpaceError::TooMuchMemory { image, memory, least, most });
        }
        if memory < least {
            let structs = image / PAGE_STRUCTS;
            return Err(SpaceError::TooLittleMemory { image, memory, structs, least, most });
        }
        Ok(())
    }

    /// Bytes of the largest root image that goes with any memory.
    pub fn image_limit(self) -> u64 {
        self.largest_image() * MIB
    }

    /// The same in MiB.
    fn largest_image(self) -> u64 {
        let fits = |image: &u64| {
            let (least, most) = self.memory(*image);
            least <= most
        };
        (0..=ADDRESSES).rev().step_by(IMAGE_UNIT as usize).find(fits).unwrap_or(0)
    }

    /// The least and the most RAM for an image, all in MiB.
    fn memory(self, image: u64) -> (u64, u64) {
        let structs = image.div_ceil(PAGE_STRUCTS);
        let left = ADDRESSES.saturating_sub(image + self.taken);
        let most = match self.snapshot {
            false => left,
            // Page structures are in RAM and in the snapshot.
            true => left.saturating_sub(structs) * PAGE_STRUCTS / (PAGE_STRUCTS + 1),
        };
        let least = (GUEST + structs).next_multiple_of(8);
        (least.max(*MEMORY_MIB.start()), most.min(*MEMORY_MIB.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: Space = Space::module(2 * MIB);

    #[test]
    fn usual_machines_fit() {
        for space in [Space::native(), MODULE] {
            for (image, memory) in [(2, 64), (2, 3072), (153, 256), (630, 256), (2045, 256)] {
                assert_eq!(space.check(image * MIB, memory), Ok(()), "{image} {memory}");
            }
        }
    }

    #[test]
    fn advice_is_good_to_the_last_mebibyte() {
        for space in [Space::native(), MODULE] {
            for image in (2..4096).step_by(2) {
                let (least, most) = match space.check(image * MIB, u64::MAX) {
                    Err(SpaceError::TooMuchMemory { least, most, .. }) => (least, most),
                    Err(SpaceError::TooLargeImage { limit, .. }) => {
                        assert!(limit < image && image > 3600, "{image} {limit}");
                        assert_ne!(space.check(limit * MIB, 1), space.check(image * MIB, 1));
                        continue;
                    }
                    other => panic!("{image}: {other:?}"),
                };
                assert!(space.check(image * MIB, least).is_ok(), "{image} {least}");
                assert!(space.check(image * MIB, most).is_ok(), "{image} {most}");
                assert!(space.check(image * MIB, most + 1).is_err(), "{image} {most}");
                assert!(space.check(image * MIB, least - 1).is_err(), "{image} {least}");
            }
        }
    }

    #[test]
    fn what_would_do_is_said() {
        let say = |image, memory| MODULE.check(image * MIB, memory).unwrap_err().to_string();
        let text = say(2045, 2048);
        assert!(
            text.contains("2046 MiB, the memory 2048; choose --memory from 80 to 18"),
            "{text}"
        );
        let text = say(2045, 64);
        assert!(text.contains("alone take 31: choose --memory from 80"), "{text}");
        let text = say(4000, 256);
        assert!(text.contains("too many for any --memory"), "{text}");
    }
}
