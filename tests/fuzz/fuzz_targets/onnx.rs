//! Networks in ONNX files.
#![no_main]

#[path = "../../hostile/fuzz_targets.rs"]
mod fuzz_targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::onnx(bytes));
