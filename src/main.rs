//! The `c2w` command.

fn main() -> std::process::ExitCode {
    c2w::cli::main()
}
