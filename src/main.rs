//! c2w.
fn main() {}
