//! What a guest executed, written to files: block profiles and traces of native runs.

use crate::staged::{self, InputPath, Staged};
use crate::target::Target;
use anyhow::{Context, Result};
use c2w_emulator::engine::observe::{Block, Observer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::rc::Rc;

/// The machine that is watched.
const TARGET: Target = Target::Riscv64;

/// Watches a run for `--profile` and `--trace`.
pub struct Watch {
    profile: Option<(Staged, Rc<RefCell<Profile>>)>,
    trace: Option<Rc<RefCell<Trace>>>,
}

impl Watch {
    /// Watches for what has a file's name. `read` is what the command reads.
    ///
    /// # Errors
    /// When one of the files cannot be written.
    pub fn new(profile: Option<&Path>, trace: Option<&Path>, read: InputPath<'_>) -> Result<Self> {
        let staged = profile.map(|path| Staged::create(path, read)).transpose();
        let trace = trace.map(|path| Trace::create(path, read)).transpose()?;
        Ok(Self {
            profile: staged.context("the profile")?.map(|staged| (staged, Rc::default())),
            trace: trace.map(|trace| Rc::new(RefCell::new(trace))),
        })
    }

    /// The observer to give to the machine, if there is something to watch for.
    pub fn observer(&self) -> Option<Box<dyn Observer>> {
        let profile = self.profile.as_ref().map(|(_, profile)| profile.clone());
        let trace = self.trace.clone();
        if profile.is_none() && trace.is_none() {
            return None;
        }
        Some(Box::new(Watcher { profile, trace }))
    }

    /// Writes what was seen.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(self) -> Result<()> {
        if let Some((staged, profile)) = self.profile {
            staged.finish(|out| Ok(profile.borrow().write(out)?)).context("the profile")?;
        }
        if let Some(trace) = self.trace {
            let mut trace = trace.borrow_mut();
            trace.finish().with_context(|| format!("cannot write the trace {}", trace.path))?;
        }
        Ok(())
    }
}

/// Both at once.
struct Watcher {
    profile: Option<Rc<RefCell<Profile>>>,
    trace: Option<Rc<RefCell<Trace>>>,
}

impl Observer for Watcher {
    fn block(&mut self, block: &Block<'_>) {
        if let Some(profile) = &self.profile {
            profile.borrow_mut().count(block);
        }
        if let Some(trace) = &self.trace {
            trace.borrow_mut().block(block);
        }
    }

    fn trap(&mut self, pc: u64, cause: u64, value: u64) {
        if let Some(trace) = &self.trace {
            let [cause_name, value_name] = TARGET.trap_names();
            trace
                .borrow_mut()
                .line(format_args!("trap at {pc:x}: {cause_name} {cause} {value_name} {value:x}"));
        }
    }
}

/// How often each block ran, and where it went.
#[derive(Default)]
struct Profile {
    blocks: HashMap<BlockKey, Counted>,
}

/// Blocks differ by address and length: a branch in the middle may or may not be taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    physical: u64,
    instructions: u64,
    user: bool,
}

struct Counted {
    pc: u64,
    slow: bool,
    code: Box<[u8]>,
    next: HashMap<u64, u64>,
}

impl Profile {
    fn count(&mut self, block: &Block<'_>) {
        let &Block { physical, instructions, user, .. } = block;
        let counted = self.blocks.entry(BlockKey { physical, instructions, user });
        let counted = counted.or_insert_with(|| Counted {
            pc: block.pc,
            slow: block.slow,
            code: block.code.into(),
            next: HashMap::new(),
        });
        *counted.next.entry(block.next).or_default() += 1;
    }

    /// One line a block, those with most executed instructions first, with tabs between: count,
    /// instructions, `user` or `supervisor`, `hot` or `slow`, pc, guest-physical address, code in
    /// hexadecimal, successors as `pc=count` with spaces between.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "# count\tinstructions\tmode\tpath\tpc\tphysical\tcode\tsuccessors")?;
        let count = |counted: &Counted| counted.next.values().sum::<u64>();
        let mut blocks: Vec<_> = self.blocks.iter().collect();
        blocks.sort_by_key(|(key, counted)| {
            (core::cmp::Reverse(count(counted) * key.instructions), key.physical, key.user)
        });
        for (key, counted) in blocks {
            let mode = if key.user { "user" } else { "supervisor" };
            let path = if counted.slow { "slow" } else { "hot" };
            let code = counted.code.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            let mut next: Vec<_> = counted.next.iter().collect();
            next.sort_by_key(|&(pc, count)| (core::cmp::Reverse(*count), *pc));
            let next: Vec<_> = next.iter().map(|(pc, count)| format!("{pc:x}={count}")).collect();
            let (total, instructions) = (count(counted), key.instructions);
            let (pc, physical, next) = (counted.pc, key.physical, next.join(" "));
            writeln!(
                out,
                "{total}\t{instructions}\t{mode}\t{path}\t{pc:x}\t{physical:x}\t{code}\t{next}"
            )?;
        }
        Ok(())
    }
}

/// Every executed instruction as text.
struct Trace {
    path: String,
    out: BufWriter<File>,
    /// The first failure; nothing is written after it.
    failed: io::Result<()>,
}

impl Trace {
    fn create(path: &Path, read: InputPath<'_>) -> Result<Self> {
        let name = staged::name(path);
        let file = staged::open_growing(path, read)
            .with_context(|| format!("cannot create the trace {name}"))?;
        Ok(Self { path: name, out: BufWriter::with_capacity(1 << 20, file), failed: Ok(()) })
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.failed.is_ok() {
            self.failed = writeln!(self.out, "{line}");
        }
    }

    /// One line an instruction: mode, address, bits, assembler text.
    fn block(&mut self, block: &Block<'_>) {
        let mode = if block.user { 'u' } else { 's' };
        let (mut pc, mut code) = (block.pc, block.code);
        while !code.is_empty() {
            let (length, text) = TARGET.disassemble(code);
            let mut bits = [0; 8];
            bits[..length].copy_from_slice(&code[..length]);
            let (bits, width) = (u64::from_le_bytes(bits), length * 2);
            match text {
                Some(text) => self.line(format_args!("{mode} {pc:016x} {bits:0width$x} {text}")),
                None => self.line(format_args!("{mode} {pc:016x} {bits:0width$x} ?")),
            }
            pc += length as u64;
            code = &code[length..];
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.out.flush()
    }
}
