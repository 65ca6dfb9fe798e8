//! Names that others chose, in messages.

/// `bytes` in a form fit for messages: escaped, and shortened when it is very long.
pub fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    let rest = bytes.len().saturating_sub(SHOWN);
    if rest == 0 { shown.to_string() } else { format!("{shown}... ({rest} more bytes)") }
}
