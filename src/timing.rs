//! How long each stage took, in wall-clock and processor time.

use std::fmt;
use std::time::{Duration, Instant};

/// A finished stage, or a part of one.
struct Stage {
    name: &'static str,
    wall: Duration,
    cpu: Duration,
    note: String,
    parts: Vec<Stage>,
}

/// A moment on both clocks.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    cpu: Duration,
}

impl Moment {
    fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    /// What took from here to `end`.
    fn stage(self, end: Self, name: &'static str, note: String) -> Stage {
        let (wall, cpu) = (end.wall - self.wall, end.cpu.saturating_sub(self.cpu));
        Stage { name, wall, cpu, note, parts: Vec::new() }
    }
}

/// A stop watch for the stages of a conversion.
pub struct Timing {
    /// When the present stage began.
    stage: Moment,
    /// When its present part began.
    part: Moment,
    /// Its parts so far.
    parts: Vec<Stage>,
    stages: Vec<Stage>,
}

impl Timing {
    /// Starts the watch.
    pub fn start() -> Self {
        let now = Moment::now();
        Self { stage: now, part: now, parts: Vec::new(), stages: Vec::new() }
    }

    /// Ends a stage that began with the end of the previous one.
    pub fn stage(&mut self, name: &'static str) {
        let now = Moment::now();
        let mut stage = self.stage.stage(now, name, String::new());
        stage.parts = std::mem::take(&mut self.parts);
        self.stages.push(stage);
        (self.stage, self.part) = (now, now);
    }

    /// Ends a part of the present stage.
    pub fn part(&mut self, name: &'static str, note: String) {
        let now = Moment::now();
        self.parts.push(self.part.stage(now, name, note));
        self.part = now;
    }

    /// Adds something to the last stage.
    pub fn note(&mut self, note: String) {
        if let Some(stage) = self.stages.last_mut() {
            stage.note = note;
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |f: &mut fmt::Formatter<'_>, name: &str, wall: Duration, cpu: Duration, note: &str| {
                let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
                writeln!(f, "{name:11} {wall:7.3} s wall {cpu:7.3} s cpu  {note}")
            };
        for stage in &self.stages {
            row(f, stage.name, stage.wall, stage.cpu, &stage.note)?;
            for part in &stage.parts {
                row(f, &format!("  {}", part.name), part.wall, part.cpu, &part.note)?;
            }
        }
        let wall = self.stages.iter().map(|stage| stage.wall).sum();
        let cpu = self.stages.iter().map(|stage| stage.cpu).sum();
        row(f, "total", wall, cpu, &format!("peak memory {} MiB", peak_memory_kib() >> 10))
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The most memory this process has had at once, in KiB; 0 where the system does not say.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
