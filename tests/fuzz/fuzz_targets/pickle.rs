//! Pickles, alone and through the digest of NATS-Bench.
#![no_main]

#[path = "../../hostile/bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::pickle(bytes));
