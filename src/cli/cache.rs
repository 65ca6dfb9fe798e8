//! `c2w cache`: what earlier runs have kept of registries' images.

use super::text::{mib, table};
use crate::oci::store::{self, Keep, Store};
use crate::progress::Progress;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a blob must be unused to be removed by `prune` without options.
const DEFAULT_DAYS: u64 = 30;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens the store for a run; without one, the run goes on and fetches everything.
pub(super) fn open(progress: &dyn Progress) -> Option<Store> {
    let Some(dir) = store::default_dir() else {
        progress.warning(&"nothing is cached: set HOME, XDG_CACHE_HOME or C2W_CACHE_DIR");
        return None;
    };
    let store = Store::open(&dir);
    if let Err(error) = &store {
        let place = dir.display();
        progress.warning(&format_args!("nothing is cached: cannot make {place}: {error}"));
    }
    store.ok()
}

#[derive(Subcommand)]
pub(super) enum Cache {
    /// List the blobs, the last used first: digest, size, last use.
    Ls,
    /// Remove blobs: those that were not used for 30 days, or what an option says.
    Prune(Prune),
}

#[derive(Args)]
#[group(multiple = false)]
pub(super) struct Prune {
    /// Remove everything.
    #[arg(long)]
    all: bool,
    /// Remove what was not used for this many days.
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u64>,
    /// Remove what was not used for the longest time, until no more than SIZE is left (500M, 2G).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    keep: Option<u64>,
}

impl Prune {
    fn keep(&self) -> Keep {
        match (self.all, self.keep, self.older_than) {
            (true, ..) => Keep::Nothing,
            (_, Some(bytes), _) => Keep::Bytes(bytes),
            (.., days) => {
                let days = days.unwrap_or(DEFAULT_DAYS).min(u64::from(u32::MAX));
                Keep::UsedWithin(DAY * days as u32)
            }
        }
    }
}

/// Does what the command says and gives the text to print.
pub(super) fn run(command: &Cache) -> Result<String> {
    let dir = store::default_dir()
        .context("there is no cache: set HOME, XDG_CACHE_HOME or C2W_CACHE_DIR")?;
    run_in(&dir, command).with_context(|| format!("the cache {}", dir.display()))
}

fn run_in(dir: &Path, command: &Cache) -> Result<String> {
    let store = Store::open(dir)?;
    match command {
        Cache::Ls => list(&store),
        Cache::Prune(prune) => {
            let removed = store.prune(prune.keep())?;
            Ok(format!("removed {} files, {} MiB\n", removed.files, mib(removed.bytes)))
        }
    }
}

fn list(store: &Store) -> Result<String> {
    let entries = store.entries()?;
    let now = SystemTime::now();
    let total: u64 = entries.iter().map(|entry| entry.size).sum();
    let mut rows = vec![["DIGEST".to_owned(), "MIB".to_owned(), "LAST USE".to_owned()]];
    rows.extend(entries.iter().map(|entry| {
        let age = now.duration_since(entry.used).unwrap_or_default();
        [entry.digest.to_string(), mib(entry.size), ago(age)]
    }));
    let place = store.dir().display();
    Ok(format!("{}{} blobs, {} MiB in {place}\n", table(&rows), entries.len(), mib(total)))
}

/// A time in the largest unit that has at least two of it.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match [(86400, "days"), (3600, "hours"), (60, "minutes")]
        .into_iter()
        .find(|(length, _)| seconds >= 2 * length)
    {
        Some((length, unit)) => format!("{} {unit} ago", seconds / length),
        None => format!("{seconds} seconds ago"),
    }
}

/// `500M`, `2G`, `1.5GiB`, plain bytes.
fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is not a size: write for example 500M or 2G");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_end_matches(['b', 'B']).trim_end_matches('i') {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return Err(refuse()),
    };
    let number: f64 = number.parse().map_err(|_| refuse())?;
    Ok((number * (1_u64 << shift) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [("0", 0), ("12", 12), ("3k", 3072), ("1.5GiB", 3 << 29), ("2TB", 2 << 40)];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1.2.3M", "1X", "1 G", "half"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages() {
        let ages = [(3, "3 seconds ago"), (130, "2 minutes ago"), (86400 * 9, "9 days ago")];
        for (seconds, text) in ages {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_listing_and_an_emptied_cache() {
        let dir = tempfile::tempdir().unwrap();
        let list = || run_in(dir.path(), &Cache::Ls).unwrap();
        assert!(list().contains("0 blobs, 0.0 MiB in "), "{}", list());
        let hex = "0".repeat(64);
        std::fs::write(dir.path().join(format!("blobs/sha256/{hex}")), vec![0; 3 << 19]).unwrap();
        let text = list();
        assert!(text.contains(&format!("sha256:{hex}  1.5  ")), "{text}");
        assert!(text.contains("1 blobs, 1.5 MiB"), "{text}");
        let all = Cache::Prune(Prune { all: true, older_than: None, keep: None });
        assert_eq!(run_in(dir.path(), &all).unwrap(), "removed 1 files, 1.5 MiB\n");
        assert!(list().contains("0 blobs"));
    }
}
