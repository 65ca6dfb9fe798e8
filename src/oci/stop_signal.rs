//! `StopSignal` of an image's configuration.

/// Linux's names on riscv64 (signal(7)), by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// As the C library counts them.
const REAL_TIME: std::ops::RangeInclusive<u8> = 34..=64;
const SIGTERM: u8 = 15;

/// The number of `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3` or `RTMAX-1`. SIGTERM for what is empty, and
/// for nonsense: a container can run that cannot be stopped as it would like.
pub fn number(text: &str) -> u8 {
    parse(text).unwrap_or(SIGTERM)
}

fn parse(text: &str) -> Option<u8> {
    if let Ok(number) = text.parse() {
        return (1..=*REAL_TIME.end()).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(index) = NAMES.iter().position(|known| *known == name) {
        return Some(index as u8 + 1);
    }
    let real_time = if let Some(offset) = name.strip_prefix("RTMIN") {
        REAL_TIME.start().checked_add(offset.strip_prefix('+').map_or(Some(0), distance)?)
    } else {
        let offset = name.strip_prefix("RTMAX")?;
        REAL_TIME.end().checked_sub(offset.strip_prefix('-').map_or(Some(0), distance)?)
    };
    real_time.filter(|number| REAL_TIME.contains(number))
}

fn distance(digits: &str) -> Option<u8> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn names_and_numbers_are_signals() {
        for (text, expected) in [
            ("SIGQUIT", 3),
            ("quit", 3),
            ("3", 3),
            ("SIGTERM", 15),
            ("SIGSYS", 31),
            ("SIGRTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_sigterm() {
        for text in ["", "0", "65", "SIGFOO", "SIG", "SIGRTMIN+31", "SIGRTMAX-40", "RTMIN+", "-3"] {
            assert_eq!(number(text), 15, "{text}");
        }
    }
}
