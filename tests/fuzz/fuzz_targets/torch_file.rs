//! Files of PyTorch, zip and legacy.
#![no_main]

#[path = "../../hostile/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::torch_file(bytes));
