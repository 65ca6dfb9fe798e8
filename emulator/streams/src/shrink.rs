//! Makes a stream that differs as short as it can be, and describes it.

use crate::check::Sides;
use crate::program::{self, BLOCK_REGISTERS};
use crate::stream::{Insn, Stream};
use std::fmt::Write;

/// The instruction that an item is about: the last that is neither a jump's target nor set-up.
pub fn subject(sides: &impl Sides, item: &[Insn]) -> Option<&'static str> {
    let rows = item.iter().filter_map(|&insn| sides.generator().row_of(insn));
    rows.map(|row| row.mnemonic).rfind(|mnemonic| !mnemonic.starts_with("csrr"))
}

/// A shorter stream that still differs, with what differs.
pub fn report(sides: &impl Sides, stream: &Stream) -> String {
    let short = without_needless(sides, stream);
    let mut text = format!(
        "stream {:#x}, {} items of it, block register x{}\n",
        stream.seed,
        short.items.len(),
        BLOCK_REGISTERS[short.block_register]
    );
    let generator = sides.generator();
    let program = program::build(&generator.rows, std::slice::from_ref(&short), generator.vectors);
    for (&insn, &pc) in short.items.iter().flatten().zip(&program.streams[0]) {
        let bits = match insn {
            Insn::Half(bits) => format!("{bits:04x}    "),
            _ => format!("{:08x}", program.bits(pc)),
        };
        let row = sides.generator().row_of(insn);
        let name = row.map_or_else(|| describe(insn), |row| row.mnemonic.to_string());
        let _ = writeln!(text, "  {pc:#x}  {bits}  {name}");
    }
    for line in sides.differences(std::slice::from_ref(&short)).remove(0) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn describe(insn: Insn) -> String {
    match insn {
        Insn::Word(_) | Insn::Half(_) => "(not in the list)".into(),
        Insn::Load { rd, value } => format!("x{rd} = {value:#x}"),
        Insn::LoadFloat { fd, value } => format!("f{fd} = {value:#x}"),
        Insn::Save(rs2) => format!("save x{rs2}"),
        Insn::SaveFloat(fs2) => format!("save f{fs2}"),
    }
}

/// All prefixes run at once: the shortest one that differs, alone too.
pub fn shortest_prefix(sides: &impl Sides, stream: &Stream) -> Option<Stream> {
    let prefixes: Vec<Stream> = (1..=stream.items.len())
        .map(|length| stream.with_items(stream.items[..length].to_vec()))
        .collect();
    let differences = sides.differences(&prefixes);
    let differing = prefixes.into_iter().zip(differences).filter(|(_, lines)| !lines.is_empty());
    // Code lies elsewhere than in the batch it came from; what depends on that may not differ.
    let mut alone = differing.map(|(prefix, _)| prefix);
    alone.find(|prefix| !sides.differences(std::slice::from_ref(prefix))[0].is_empty())
}

/// Leaves out the items that the difference does not need. An item stays whole: a store without
/// the load of its address would go anywhere.
fn without_needless(sides: &impl Sides, stream: &Stream) -> Stream {
    let mut items = stream.items.clone();
    loop {
        let shorter: Vec<Stream> = (0..items.len())
            .map(|left_out| {
                let mut items = items.clone();
                items.remove(left_out);
                stream.with_items(items)
            })
            .filter(|stream| !stream.items.is_empty())
            .collect();
        if shorter.is_empty() {
            return stream.with_items(items);
        }
        let differences = sides.differences(&shorter);
        match differences.iter().position(|lines| !lines.is_empty()) {
            Some(index) => items.clone_from(&shorter[index].items),
            None => return stream.with_items(items),
        }
    }
}
