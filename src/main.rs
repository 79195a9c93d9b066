//! Parse, run, map to an exit code: the only exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    stagecraft::cli::main()
}
