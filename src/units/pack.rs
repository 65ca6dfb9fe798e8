//! Packing a unit.

use c2w_emulator::UNIT_SIZE;
use c2w_units::Encoding;
use flate2::{Compression, FlushCompress, Status};

/// Who needs no more than this many bytes of a unit less is not worth unpacking.
const LEAST_GAIN: usize = UNIT_SIZE / 20;

/// How the root image and the memory in a module are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Compress {
    /// Not at all.
    None,
    /// By what is unpacked fastest, LZ4.
    Fast,
    /// The root image by deflate, memory by LZ4: a start touches much of it.
    #[default]
    Balanced,
    /// All by deflate, and with more effort.
    Small,
}

impl Compress {
    /// How units of the root image are packed.
    pub(super) fn image(self) -> Packing {
        match self {
            Self::None => Packing::None,
            Self::Fast => Packing::Lz4,
            Self::Balanced => Packing::Deflate(5),
            Self::Small => Packing::Deflate(9),
        }
    }

    /// How units of RAM are packed.
    pub(super) fn ram(self) -> Packing {
        match self {
            Self::None => Packing::None,
            Self::Fast | Self::Balanced => Packing::Lz4,
            Self::Small => Packing::Deflate(9),
        }
    }
}

/// How units are packed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packing {
    None,
    Lz4,
    /// With this level.
    Deflate(u32),
}

/// Packs units. It keeps what the next one can use again.
pub(super) struct Packer {
    packing: Packing,
    deflate: Option<flate2::Compress>,
}

impl Packer {
    pub(super) fn new(packing: Packing) -> Self {
        let deflate = match packing {
            Packing::Deflate(level) => Some(flate2::Compress::new(Compression::new(level), false)),
            _ => None,
        };
        Self { packing, deflate }
    }

    /// Packs a unit: as it is if it gets hardly smaller, to nothing if it is all zeros.
    pub(super) fn pack(&mut self, unit: &[u8; UNIT_SIZE]) -> (Encoding, Vec<u8>) {
        if unit.iter().all(|&byte| byte == 0) {
            return (Encoding::Raw, Vec::new());
        }
        let packed = match self.packing {
            Packing::None => None,
            Packing::Lz4 => Some((Encoding::Lz4, c2w_units::lz4(unit))),
            Packing::Deflate(_) => self.deflate(unit).map(|packed| (Encoding::Deflate, packed)),
        };
        packed
            .filter(|(_, packed)| packed.len() < UNIT_SIZE - LEAST_GAIN)
            .unwrap_or_else(|| (Encoding::Raw, unit.to_vec()))
    }

    /// `None` when it does not get smaller.
    fn deflate(&mut self, unit: &[u8; UNIT_SIZE]) -> Option<Vec<u8>> {
        let deflate = self.deflate.as_mut()?;
        deflate.reset();
        let mut packed = Vec::with_capacity(UNIT_SIZE);
        let status = deflate.compress_vec(unit, &mut packed, FlushCompress::Finish);
        (status.ok()? == Status::StreamEnd).then_some(packed)
    }
}
