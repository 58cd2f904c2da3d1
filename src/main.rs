//! The binary: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    muster::cli::run(std::env::args_os())
}
