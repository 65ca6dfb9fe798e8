//! What must differ after every restore of the snapshot: random numbers.

use crate::failure::{OrFail, Result};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel's random generator.
pub struct RandomPool(OwnedFd);

/// The most seed bytes that are taken.
const MAX_SEED: usize = 512;

/// `struct rand_pool_info` of <linux/random.h>.
#[repr(C)]
struct PoolInfo {
    entropy_bits: i32,
    length: i32,
    bytes: [u8; MAX_SEED],
}

impl RandomPool {
    /// Opens it.
    pub fn open() -> Result<Self> {
        rustix::fs::open("/dev/urandom", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map(Self)
            .or_fail("opening /dev/urandom")
    }

    /// Mixes `seed` in as full entropy and makes every later random byte depend on it
    /// (random(4)).
    #[allow(unsafe_code)]
    pub fn reseed(&self, seed: &[u8]) -> Result<()> {
        const RNDADDENTROPY: libc::Ioctl = 0x4008_5203_u32 as libc::Ioctl;
        const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
        let length = seed.len().min(MAX_SEED);
        let mut info = PoolInfo {
            entropy_bits: 8 * length as i32,
            length: length as i32,
            bytes: [0; MAX_SEED],
        };
        info.bytes[..length].copy_from_slice(&seed[..length]);
        // SAFETY: the kernel reads a `rand_pool_info` with `length` bytes behind it, all of them
        // in `info`, and keeps no reference.
        let added = unsafe { libc::ioctl(self.0.as_raw_fd(), RNDADDENTROPY, &raw const info) };
        // SAFETY: takes no argument.
        let reseeded = unsafe { libc::ioctl(self.0.as_raw_fd(), RNDRESEEDCRNG) };
        if added < 0 || reseeded < 0 {
            return Err(std::io::Error::last_os_error()).or_fail("reseeding the random generator");
        }
        Ok(())
    }
}
