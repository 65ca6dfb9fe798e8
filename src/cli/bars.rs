//! Progress on a terminal: a line for the stage, a bar for each blob that is under way.

use super::text::{describe, short};
use crate::progress::{Progress, Stage};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the stage's line moves.
const TICK: Duration = Duration::from_millis(120);

/// Lines of a terminal that change.
#[derive(Debug)]
pub(super) struct Bars {
    lines: MultiProgress,
    stage: ProgressBar,
    blobs: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    pub(super) fn new() -> Self {
        let lines = MultiProgress::new();
        let stage = lines.add(ProgressBar::new_spinner());
        stage.set_style(style("{spinner} {msg} {elapsed}"));
        stage.enable_steady_tick(TICK);
        Self { lines, stage, blobs: Mutex::default() }
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, digest: &str, of: u64) -> ProgressBar {
        let bar = self.lines.insert_before(&self.stage, ProgressBar::new(of));
        let parts = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
        bar.set_style(style(parts));
        bar.set_message(short(digest).to_owned());
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of this file")
}

impl Progress for Bars {
    fn stage(&self, stage: Stage) {
        self.stage.set_message(describe(stage));
    }

    fn blob_bytes(&self, digest: &str, received: u64, of: u64) {
        let mut blobs = self.blobs();
        let bar = blobs.entry(digest.to_owned()).or_insert_with(|| self.bar(digest, of));
        bar.set_position(received);
        if received == of {
            bar.finish_and_clear();
            self.lines.remove(bar);
        }
    }

    fn warning(&self, text: &dyn Display) {
        self.lines.suspend(|| eprintln!("c2w: warning: {text}"));
    }

    fn note(&self, text: &dyn Display) {
        self.lines.suspend(|| eprintln!("c2w: note: {text}"));
    }

    fn done(&self) {
        self.stage.finish_and_clear();
        // What a failure or an early end left.
        for bar in self.blobs().values() {
            bar.finish_and_clear();
        }
        let _ = self.lines.clear();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.done();
    }
}
