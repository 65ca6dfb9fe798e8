//! What the size of a module means for those who load it.

use std::fmt;

const MIB: u64 = 1 << 20;

/// From here on a module is a burden.
const LARGE: u64 = 500 * MIB;
/// The largest module that node and Chrome load.
const JAVASCRIPT: u64 = 1 << 30;

/// Why a module of this size may be trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    bytes: u64,
}

/// What there is to say of a module that carries `bytes` of a root image.
pub fn warning(bytes: u64) -> Option<Warning> {
    (bytes > LARGE).then_some(Warning { bytes })
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the root image has {} MiB compressed: ", self.bytes / MIB)?;
        if self.bytes > JAVASCRIPT {
            write!(f, "node and Chrome load no module over 1024 MiB, and ")?;
        }
        write!(
            f,
            "a runtime needs about twice the module's size in memory when it starts uncached \
             (a module precompiled with `wasmtime compile` starts with a fraction of it); choose a \
             smaller image, for example a -slim one, if that is too much"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_warned_of_with_their_numbers() {
        assert_eq!(warning(500 * MIB), None);
        let text = warning(501 * MIB).unwrap().to_string();
        assert!(text.contains("501 MiB") && !text.contains("Chrome"), "{text}");
        let text = warning(1025 * MIB).unwrap().to_string();
        assert!(text.contains("1025 MiB") && text.contains("Chrome"), "{text}");
    }
}
