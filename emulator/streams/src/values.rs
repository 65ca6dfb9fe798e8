//! Register contents and addresses that are hard to treat.

use super::operands::{self, Random, integer};
use super::program::{DATA, DATA_LENGTH, INDEX_TABLES, INPUT_LENGTH, VALUES_LENGTH};
use c2w_emulator::softfloat::{F16, F32, F64, Format};

const PAGE: u64 = 4096;

/// Three floating-point registers that belong together, of any format; boxed, but not always.
pub fn triple(random: &mut Random) -> [u64; 3] {
    let mut triple = match random.below(8) {
        0 | 1 => operands::triple::<F16>(random).map(F16::nan_box),
        2..5 => operands::triple::<F32>(random).map(F32::nan_box),
        _ => operands::triple::<F64>(random),
    };
    if random.below(8) == 0 {
        triple[random.below(3) as usize] ^= 1 << random.below(64);
    }
    triple
}

/// A floating-point register.
pub fn float(random: &mut Random) -> u64 {
    triple(random)[0]
}

/// A floating-point register with an ordinary number of the format that a mnemonic ends in.
pub fn ordinary(format: &str, number: i64) -> u64 {
    let number = number as f64 / 256.0;
    if format == "s" { F32::nan_box((number as f32).to_bits().into()) } else { number.to_bits() }
}

/// 8 bytes of a vector register: integers or numbers of some width.
pub fn vector_chunk(random: &mut Random) -> u64 {
    let mut elements = |width: u32, element: &mut dyn FnMut(&mut Random) -> u64| {
        let mask = (1 << width) - 1;
        (0..64 / width).fold(0, |chunk, index| chunk | (element(random) & mask) << (index * width))
    };
    match elements(32, &mut Random::next) % 8 {
        0 => elements(8, &mut integer),
        1 => elements(16, &mut integer),
        2 => elements(16, &mut |random| operands::triple::<F16>(random)[0]),
        3 => elements(32, &mut integer),
        4 => elements(32, &mut |random| operands::triple::<F32>(random)[0]),
        5 => integer(random),
        6 => operands::triple::<F64>(random)[0],
        _ => random.next(),
    }
}

/// An address of `size` bytes within the data pages.
pub fn inside(random: &mut Random, size: u64) -> u64 {
    DATA + random.below(DATA_LENGTH - size + 1)
}

/// An address: most within the data pages, aligned or not; some across a page, some across or
/// behind an end, a few far away.
pub fn address(random: &mut Random, size: u64) -> u64 {
    match random.below(16) {
        0 => DATA - 8 + random.below(16),
        1 => DATA + DATA_LENGTH - 8 + random.below(16),
        2 | 3 => DATA + PAGE - 8 + random.below(16),
        4 if random.below(4) == 0 => random.below(PAGE),
        5..8 => inside(random, size),
        _ => inside(random, size) & !(size - 1),
    }
}

/// The memory that streams read: the data pages' first contents, indices, values.
pub fn input(random: &mut Random) -> Vec<u8> {
    let mut input = Vec::with_capacity(INPUT_LENGTH as usize);
    for _ in 0..DATA_LENGTH / 8 {
        input.extend(vector_chunk(random).to_le_bytes());
    }
    for bytes in [1, 2, 4, 8] {
        for table in 0..INDEX_TABLES {
            // Tables of multiples of 8, and of anything.
            let unit = if table % 2 == 0 { 8 } else { 1 };
            for _ in 0..128 / bytes {
                let index = random.below(256 / unit) * unit;
                input.extend(&index.to_le_bytes()[..bytes]);
            }
        }
    }
    for _ in 0..VALUES_LENGTH / 8 {
        input.extend(vector_chunk(random).to_le_bytes());
    }
    input
}
