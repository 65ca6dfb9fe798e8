//! Tables, numbers and words for people to read.

use crate::progress::Stage;

/// Bytes in MiB, with one digit behind the point.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// How much there is of something, and in how much of it is stored.
pub(super) fn packed(raw: u64, stored: u64) -> String {
    match (mib(raw), mib(stored)) {
        (raw, stored) if raw == stored => format!("{raw} MiB"),
        (raw, stored) => format!("{raw} MiB in {stored}"),
    }
}

/// Rows in columns as wide as their widest text, two spaces apart.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        text += cells.collect::<String>().trim_end();
        text.push('\n');
    }
    text
}

/// A text that others wrote, on one line and without what could play with a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A stage in words.
pub(super) fn describe(stage: Stage) -> String {
    match stage {
        Stage::Manifest => "looking for the image".into(),
        Stage::Layer { number, of } => format!("layer {number} of {of}"),
        Stage::Files => "reading the files".into(),
        Stage::Ext4 => "writing the root image".into(),
        Stage::Boot => "booting".into(),
        Stage::Train => "looking for hot code".into(),
        Stage::Package => "writing the module".into(),
    }
}

/// The first characters of a digest, as Docker shows it.
pub(super) fn short(digest: &str) -> &str {
    let (_, hex) = digest.split_once(':').unwrap_or(("", digest));
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "bbb", "c"], ["aaaa", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a     bbb  c\naaaa  b\n");
        assert_eq!((mib(3 << 19), mib(0)), ("1.5".into(), "0.0".into()));
    }
}
