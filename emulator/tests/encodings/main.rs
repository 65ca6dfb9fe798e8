//! The instruction table against a list that was made from another project's tables: rows, decoder
//! and compressed instructions, in both directions.

mod check;
mod compressed;
mod formats;
mod list;

use c2w_emulator::riscv::isa;
use check::{Entry, differences, expected};
use list::{Encoding, encodings};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn table() -> Vec<Entry> {
    let entry = |row: &isa::Row| Entry {
        mnemonic: row.mnemonic,
        mask: row.mask,
        bits: row.bits,
        format: format!("{:?}", row.format).leak(),
    };
    isa::TABLE.iter().map(entry).collect()
}

#[test]
fn the_table_is_the_list() {
    let list = encodings();
    let wrong = differences(&expected(&list), &table());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every alteration of a single row, of all kinds that a slip of the hand could make.
fn alterations(table: &[Entry], row: usize) -> Vec<Vec<Entry>> {
    let mut altered = Vec::new();
    let mut with = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut copy = table.to_vec();
        change(&mut copy);
        altered.push(copy);
    };
    for bit in 0..32 {
        with(&|table| table[row].mask ^= 1 << bit);
        with(&|table| table[row].bits ^= 1 << bit);
    }
    let mut formats: Vec<&str> = table.iter().map(|entry| entry.format).collect();
    formats.sort();
    formats.dedup();
    for format in formats.into_iter().filter(|&format| format != table[row].format) {
        with(&|table| table[row].format = format);
    }
    let other = (row + 1) % table.len();
    with(&|table| table[row].mnemonic = table[other].mnemonic);
    with(&|table| {
        (table[row].mnemonic, table[other].mnemonic) = (table[other].mnemonic, table[row].mnemonic);
    });
    with(&|table| {
        table.remove(row);
    });
    with(&|table| table.push(table[row]));
    altered
}

#[test]
fn every_altered_row_is_found() {
    let (list, table) = (encodings(), table());
    let rows = expected(&list);
    for row in 0..table.len() {
        for altered in alterations(&table, row) {
            assert!(
                !differences(&rows, &altered).is_empty(),
                "{}: an alteration goes unnoticed",
                table[row].mnemonic
            );
        }
    }
}

/// The row of the list that a 32-bit instruction is of.
fn row_of(list: &[Encoding], bits: u32) -> Option<&Encoding> {
    list.iter().find(|row| !row.compressed && row.matches(bits))
}

/// Asserts that the decoder sees in `bits` what the list says.
fn decodes_as_listed(list: &[Encoding], bits: u32) {
    let decoded = isa::decode(bits).map(|insn| insn.opcode.mnemonic());
    let listed = row_of(list, bits).map(|row| row.mnemonic);
    assert_eq!(decoded, listed, "{bits:#010x}");
}

#[test]
fn every_instruction_and_its_neighbours_decode_as_listed() {
    let list = encodings();
    let mut random = Random(0x5eed_0001);
    for row in list.iter().filter(|row| !row.compressed) {
        let random_samples: [u32; 14] = std::array::from_fn(|_| random.next() as u32);
        for sample in [0, u32::MAX].into_iter().chain(random_samples) {
            let bits = row.bits | sample & !row.mask;
            decodes_as_listed(&list, bits);
            // Bits 1:0 tell the length.
            for bit in 2..32 {
                decodes_as_listed(&list, bits ^ 1 << bit);
            }
        }
    }
}

#[test]
fn random_words_decode_as_listed() {
    let list = encodings();
    let mut random = Random(0x5eed_0002);
    for _ in 0..200_000 {
        decodes_as_listed(&list, random.next() as u32 | 3);
    }
}

#[test]
fn every_halfword_is_legal_exactly_if_listed() {
    let list = encodings();
    let rows: Vec<_> = list.iter().filter(|row| row.compressed).collect();
    for half in (0..=u16::MAX).filter(|half| half & 3 != 3) {
        let listed = rows.iter().find(|row| compressed::legal(row, half));
        let decoded = isa::decode(u32::from(half));
        assert_eq!(
            decoded.is_some(),
            listed.is_some(),
            "{half:#06x}: {listed:?}, decoded as {decoded:?}"
        );
    }
}
