//! Texts of architectures, in every space.
#![no_main]

#[path = "../../hostile/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::architecture(bytes));
