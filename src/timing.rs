//! How long each stage took, in wall-clock and processor time.

use std::fmt;
use std::time::{Duration, Instant};

/// A finished stage.
struct Stage {
    name: &'static str,
    wall: Duration,
    cpu: Duration,
    note: String,
}

/// A stop watch for the stages of a conversion.
pub struct Timing {
    wall: Instant,
    cpu: Duration,
    stages: Vec<Stage>,
}

impl Timing {
    /// Starts the watch.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time(), stages: Vec::new() }
    }

    /// Ends a stage that began with the end of the previous one.
    pub fn stage(&mut self, name: &'static str) {
        let (wall, cpu) = (Instant::now(), cpu_time());
        let stage = Stage {
            name,
            wall: wall - self.wall,
            cpu: cpu.saturating_sub(self.cpu),
            note: String::new(),
        };
        self.stages.push(stage);
        (self.wall, self.cpu) = (wall, cpu);
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
        let row = |f: &mut fmt::Formatter<'_>, name, wall: Duration, cpu: Duration, note: &str| {
            let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
            writeln!(f, "{name:10} {wall:7.3} s wall {cpu:7.3} s cpu  {note}")
        };
        for stage in &self.stages {
            row(f, stage.name, stage.wall, stage.cpu, &stage.note)?;
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
