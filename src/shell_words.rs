//! What a shell would do with a command and c2w does not: operators, patterns and variables that
//! are not quoted.

/// The first part of `text` that only a shell gives a meaning to, verbatim.
pub fn shell_syntax(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => at += 1,
            (Some(open), close) if open == close => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            // Words for a shell that the command itself may be.
            (Some(_), _) => {}
            (None, _) => {
                let found = operator(text, at).or_else(|| expansion(&text[at..]));
                if let Some(found) = found.or_else(|| pattern(text, at)) {
                    return Some(found);
                }
            }
        }
        at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    }
    None
}

/// A control operator or a redirection, with the number of its descriptor.
fn operator(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let length = rest.find(|c: char| !"|&;<>()".contains(c)).unwrap_or(rest.len());
    let is_redirection = rest.starts_with(['<', '>']);
    // `2>&1` as a whole, where a word begins with the number.
    let before = text[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_numbered =
        is_redirection && !before.is_empty() && before.bytes().all(|b| b.is_ascii_digit());
    let start = if is_numbered { at - before.len() } else { at };
    let digits = rest[length..].bytes().take_while(u8::is_ascii_digit).count();
    let tail = if rest[..length].ends_with('&') && is_redirection { digits } else { 0 };
    (length > 0).then(|| &text[start..at + length + tail])
}

/// `$NAME`, `${...}`, `$(...)` or a command between backquotes: how it begins.
fn expansion(rest: &str) -> Option<&str> {
    if rest.starts_with('`') {
        return Some(&rest[..1]);
    }
    let next = rest.strip_prefix('$')?.chars().next()?;
    let starts = next.is_ascii_alphanumeric() || "_({?@*#!$-".contains(next);
    starts.then(|| &rest[..2])
}

/// A word with `*`, `?` or a set of characters in it, which a shell takes for names of files.
fn pattern(text: &str, at: usize) -> Option<&str> {
    let starts_word = text[..at].chars().next_back().is_none_or(char::is_whitespace);
    let word = text[at..].split(char::is_whitespace).next().unwrap_or_default();
    let word = word.split(['\'', '"', '\\']).next().unwrap_or_default();
    let has_set = word.split_once('[').is_some_and(|(_, set)| set.find(']') > Some(0));
    (starts_word && (word.contains(['*', '?']) || has_set)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_is_found() {
        for (text, found) in [
            ("a | b", "|"),
            ("a || b", "||"),
            ("a && b", "&&"),
            ("a&", "&"),
            ("a; b", ";"),
            ("a > f", ">"),
            ("a >> f", ">>"),
            ("a 2>&1", "2>&1"),
            ("a 2>/dev/null", "2>"),
            ("a <f", "<"),
            ("(a)", "("),
            ("a $(b)", "$("),
            ("a `b`", "`"),
            ("a $HOME", "$H"),
            ("a ${B}", "${"),
            ("ls *.c", "*.c"),
            ("ls a?", "a?"),
            ("ls [ab]c", "[ab]c"),
            ("a 'b' | c", "|"),
        ] {
            assert_eq!(shell_syntax(text), Some(found), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_is_a_word() {
        for text in [
            "",
            "a b",
            "sh -c 'a | b > c; $d *'",
            "a \\| b",
            "a '|' \"&&\"",
            "a \"\\$b\" \\*",
            "a \"it's\" '\"'",
            "sh -c \"$b | $(c)\"",
            "[ -f x ]",
            "awk {print}",
            "a $ b",
            "é ü",
            "a '",
            "a \\",
        ] {
            assert_eq!(shell_syntax(text), None, "{text}");
        }
    }
}
