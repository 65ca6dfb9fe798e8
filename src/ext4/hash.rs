//! The hash of names in directories: half MD4 over bytes taken as signed, as mke2fs does on x86.

/// The seed, in the superblock. It is fixed: nobody adds names to an image, so nobody can make
/// them collide.
pub(super) const SEED: [u32; 4] = [0x6332_7721, 0x5f72_6f6f, 0x7466_735f, 0x6861_7368];
/// Half MD4 as directories and the superblock name it.
pub(super) const HALF_MD4: u8 = 1;

/// The hash of a name: directories are in the order of the first number, whose lowest bit is 0;
/// the second breaks ties.
pub(super) fn half_md4(name: &[u8]) -> (u32, u32) {
    /// What the kernel takes for the end of a directory.
    const END: u32 = 0xffff_fffe;
    let mut state = SEED;
    for start in (0..name.len()).step_by(32) {
        transform(&mut state, &words(&name[start..]));
    }
    let major = state[1] & !1;
    (if major == END { END - 2 } else { major }, state[2])
}

/// Eight words of the rest of a name, filled up with its length.
fn words(rest: &[u8]) -> [u32; 8] {
    let length = rest.len() as u32 & 0xff;
    let padding = length * 0x0101_0101;
    let mut words = [padding; 8];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        *word =
            bytes.iter().fold(padding, |word, &byte| (word << 8).wrapping_add(byte as i8 as u32));
    }
    words
}

fn transform(state: &mut [u32; 4], words: &[u32; 8]) {
    type Mix = fn(u32, u32, u32) -> u32;
    const ROUNDS: [(Mix, u32, [usize; 8], [u32; 4]); 3] = [
        (|x, y, z| z ^ (x & (y ^ z)), 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (
            |x, y, z| (x & y).wrapping_add((x ^ y) & z),
            0x5a82_7999,
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
        ),
        (|x, y, z| x ^ y ^ z, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(words[word]).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
        }
    }
    for (state, value) in state.iter_mut().zip([a, b, c, d]) {
        *state = state.wrapping_add(value);
    }
}
