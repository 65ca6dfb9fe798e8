//! The emulator's table against the list, as a function over data, so that altered tables can be
//! held against it too.

use super::formats::format_of;
use super::list::Encoding;
use std::collections::HashMap;

/// A row of the emulator's table, as data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    pub mnemonic: &'static str,
    pub mask: u32,
    pub bits: u32,
    /// The format's name.
    pub format: &'static str,
}

/// A row of the list, and the format that the emulator has to have for it.
pub struct Expected<'a> {
    row: &'a Encoding,
    format: Option<&'static str>,
}

/// What a table is held against.
pub fn expected(list: &[Encoding]) -> Vec<Expected<'_>> {
    let rows = list.iter().filter(|row| !row.compressed);
    rows.map(|row| Expected { row, format: format_of(row) }).collect()
}

/// What is wrong with a table, a line each; nothing if it is the list.
pub fn differences(list: &[Expected<'_>], table: &[Entry]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut entries: HashMap<&str, &Entry> = HashMap::with_capacity(table.len());
    for entry in table {
        if entries.insert(entry.mnemonic, entry).is_some() {
            wrong.push(format!("{}: twice in the table", entry.mnemonic));
        }
    }
    for &Expected { row, format } in list {
        let Some(entry) = entries.remove(row.mnemonic) else {
            wrong.push(format!("{}: missing from the table", row.mnemonic));
            continue;
        };
        if (entry.mask, entry.bits) != (row.mask, row.bits) {
            wrong.push(format!(
                "{}: mask {:#010x} bits {:#010x}, in the list {:#010x} {:#010x}",
                row.mnemonic, entry.mask, entry.bits, row.mask, row.bits
            ));
        }
        if format != Some(entry.format) {
            wrong.push(format!(
                "{}: format {}, for operands {} it is {format:?}",
                row.mnemonic,
                entry.format,
                row.operands.join(",")
            ));
        }
    }
    wrong.extend(entries.keys().map(|mnemonic| format!("{mnemonic}: not in the list")));
    wrong
}
