//! Operands that provoke the hard cases of floating-point arithmetic, from a fixed seed.

use c2w_emulator::softfloat::Format;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// 64 uniform bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number within `radius` of zero.
    fn around_zero(&mut self, radius: i64) -> i64 {
        self.below(2 * radius as u64 + 1) as i64 - radius
    }
}

/// Three operands, often so related that they cancel, lie far apart or end half way between two
/// representable numbers.
pub fn triple<F: Format>(random: &mut Random) -> [u64; 3] {
    let a = operand::<F>(random);
    let b = if random.below(3) == 0 { relative::<F>(random, a) } else { operand::<F>(random) };
    let c = match random.below(4) {
        0 => operand::<F>(random),
        1 => relative::<F>(random, a),
        _ => near_product::<F>(random, a, b),
    };
    [a, b, c]
}

/// An integer whose length and runs of equal bits vary.
pub fn integer(random: &mut Random) -> u64 {
    let length = random.below(65) as u32;
    let bits = pattern(random, length);
    match random.below(4) {
        0 => bits.wrapping_neg(),
        1 => (1u64 << 63).rotate_left(random.below(64) as u32).wrapping_add(bits & 7),
        _ => bits,
    }
}

fn operand<F: Format>(random: &mut Random) -> u64 {
    let max = F::EXPONENT_MAX as i64;
    let bias = i64::from(F::BIAS);
    let field = match random.below(16) {
        0 => return special::<F>(random),
        1 | 2 => return random.next() & (F::SIGN | (F::SIGN - 1)),
        3 | 4 => 0,
        5 => random.below(4) as i64,
        6 => max - 1 - random.below(4) as i64,
        7 => bias / 2 + random.around_zero(30),
        8 => bias + bias / 2 + random.around_zero(30),
        // Where other formats and the integers end.
        9 => bias + [31, 32, 63, 64, 127, -126, -149, 15, -14, -24][random.below(10) as usize],
        10 => bias + random.around_zero(70),
        _ => bias + random.around_zero(4),
    };
    number::<F>(random, field)
}

/// A value with about this exponent field, of either sign.
fn number<F: Format>(random: &mut Random, field: i64) -> u64 {
    let field = field.clamp(0, F::EXPONENT_MAX as i64 - 1) as u64;
    let sign = random.next() & F::SIGN;
    sign | (field << F::FRACTION_BITS) | pattern(random, F::FRACTION_BITS)
}

fn special<F: Format>(random: &mut Random) -> u64 {
    let one = (F::BIAS as u64) << F::FRACTION_BITS;
    let values = [
        0,
        1,
        F::FRACTION_MASK,
        F::FRACTION_MASK + 1,
        one,
        one + 1,
        one - 1,
        F::INFINITY - 1,
        F::INFINITY,
        F::INFINITY + 1,
        F::CANONICAL_NAN,
        F::CANONICAL_NAN | 5,
    ];
    values[random.below(values.len() as u64) as usize] | (random.next() & F::SIGN)
}

/// `length` bits: random ones, then a run of zeros or ones, or half a unit give or take one.
fn pattern(random: &mut Random, length: u32) -> u64 {
    if length == 0 {
        return 0;
    }
    let mask = u64::MAX >> (64 - length);
    let cut = random.below(u64::from(length)) as u32;
    let upper = (random.next() & mask) >> cut << cut;
    let half = (1u64 << cut) >> 1;
    let lower = match random.below(6) {
        0 => 0,
        1 => half,
        2 => half + 1,
        3 => half.saturating_sub(1),
        4 => (1 << cut) - 1,
        _ => return random.next() & mask,
    };
    (upper | lower) & mask
}

/// A value near `a` in magnitude: a few units away, or with an exponent up to some 60 away.
fn relative<F: Format>(random: &mut Random, a: u64) -> u64 {
    let magnitude = F::magnitude(a);
    let sign = random.next() & F::SIGN;
    if random.below(2) == 0 {
        let nearby = magnitude as i64 + random.around_zero(3);
        return sign | nearby.clamp(0, F::INFINITY as i64) as u64;
    }
    let field = (magnitude >> F::FRACTION_BITS) as i64;
    let radius = i64::from(F::FRACTION_BITS) + 5;
    let offset = random.around_zero(radius);
    number::<F>(random, field + offset)
}

/// A value whose exponent is about that of `a * b`, or that of its last bits.
fn near_product<F: Format>(random: &mut Random, a: u64, b: u64) -> u64 {
    let field = |bits| (F::magnitude(bits) >> F::FRACTION_BITS) as i64;
    let product = field(a) + field(b) - i64::from(F::BIAS);
    let precision = i64::from(F::FRACTION_BITS) + 1;
    let offset = match random.below(4) {
        0 => random.around_zero(2),
        1 => -precision + random.around_zero(2),
        2 => precision + random.around_zero(2),
        _ => random.around_zero(2 * precision + 5),
    };
    number::<F>(random, product + offset)
}
