//! Parses the command line, dispatches, prints an error once, sets the exit code.

mod cli;

/// LibTorch aligns every tensor, and glibc before 2.38 hardly uses such memory again once it is freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use carl::error::Stage;
use clap::Parser;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A fault of the program is told like any other error; a backtrace is there for those who ask for one.
    if std::env::var_os("CARL_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cli = cli::Cli::parse();
    match catch_unwind(AssertUnwindSafe(|| cli::run(cli))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("error: {error}");
            let stage = error.downcast_ref::<carl::Error>().map(carl::Error::stage);
            ExitCode::from(if stage == Some(Stage::Interrupted) { 130 } else { 2 })
        }
        Err(fault) => {
            let text = (fault.downcast_ref::<String>().map(String::as_str)).or(fault.downcast_ref::<&str>().copied());
            let first = text.and_then(|text| text.lines().next()).unwrap_or("unknown");
            eprintln!(
                "error: internal fault: {first}\n  hint: run again with CARL_BACKTRACE=1 and report what it prints"
            );
            ExitCode::from(2)
        }
    }
}
