//! The program `carl`; everything it does is in the library.

/// LibTorch aligns every tensor, and glibc before 2.38 hardly reuses such memory once it is freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    carl::cli::main()
}
