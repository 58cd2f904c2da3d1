//! The binary: arguments in, exit code out.

/// Requests and events are made of many small strings and maps, which threads make and others drop: the system's
/// allocator spent a third of a rebuild's time on them (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    muster::cli::run(std::env::args_os())
}
