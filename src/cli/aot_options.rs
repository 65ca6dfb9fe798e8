//! Options that say what is translated.

use super::text;
use super::usage::usage;
use crate::train::{self, Aot, Failure, Options, TrainingResult};
use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(super) struct AotArgs {
    /// Translate hot guest code to WebAssembly: off, auto (as much as costs a start little), or max
    /// [default: off, or auto with --train or --aot-budget; of an image that is emulated what the
    /// emulator's start executes].
    #[arg(long, value_enum, value_name = "HOW")]
    aot: Option<Aot>,
    /// Guest instructions to translate, each 35 to 50 bytes of the module [auto: 40000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    aot_budget: Option<u32>,
    /// Run this command to find hot code, written as behind a module's name; can be given more than
    /// once [default: the image's own command].
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    train: Vec<String>,
}

impl AotArgs {
    /// What a conversion takes.
    pub(super) fn options(&self) -> Result<Options> {
        let asked = self.aot_budget.is_some() || !self.train.is_empty();
        if asked && self.aot == Some(Aot::Off) {
            return Err(usage!("--aot=off translates nothing: leave out --train and --aot-budget"));
        }
        Ok(Options {
            aot: self.aot.unwrap_or(if asked { Aot::Auto } else { Aot::Emulator }),
            budget: self.aot_budget.map(|budget| budget as usize),
            commands: self.train.clone(),
        })
    }
}

/// What to say of commands that were trained on and failed: their code may be the wrong one.
pub(super) fn failures(result: &TrainingResult) -> Vec<String> {
    /// Most characters shown of a line.
    const LONGEST: usize = 200;
    let line = |run: &train::Run| {
        let Failure { status, said } = run.failure.as_ref()?;
        let said: String = text::clean(said).chars().take(LONGEST).collect();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let name = text::clean(&run.name);
        Some(format!("training on {name:?} ended with status {status}{said}"))
    };
    result.runs.iter().filter_map(line).collect()
}

/// What was trained on, and what came of it.
pub(super) fn report(result: &TrainingResult, bytes: u64) -> String {
    let runs = result.runs.iter().map(|run| {
        let millions = run.instructions as f64 / 1e6;
        format!("{} ({millions:.1} M instructions)", text::clean(&run.name))
    });
    let selection = &result.selection;
    let share = 100.0 * selection.covered as f64 / result.total.max(1) as f64;
    format!(
        "translated {} instructions in {} functions, {} MiB: {share:.1} % of what {} executed",
        selection.instructions,
        selection.regions.len(),
        text::mib(bytes),
        runs.collect::<Vec<_>>().join(", "),
    )
}
