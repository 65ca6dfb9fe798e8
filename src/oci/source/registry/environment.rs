//! Paths that environment variables name.

use std::env;
use std::path::PathBuf;

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `XDG_CONFIG_HOME`, else `~/.config`.
pub(super) fn config_home() -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))
}
