//! Devices: what is said where `auto` is the CPU, and the error of products.

use crate::device::{Cuda, product_errors};
use tch::Device;

#[test]
fn a_machine_with_a_driver_says_why_it_computes_on_the_cpu() {
    let found = |driver, library: Result<(), &str>, devices| {
        Cuda { driver, library: library.map_err(str::to_string), devices }.fallback()
    };
    assert_eq!(found(false, Err("not tried"), 0), None);
    assert_eq!(found(true, Ok(()), 1), None);
    assert!(found(true, Err("libtorch_cuda.so: not there"), 0).unwrap().contains("libtorch_cuda.so: not there"));
    assert!(found(true, Ok(()), 0).unwrap().contains("no device"));
}

#[test]
fn products_of_floats_are_told_from_those_of_ten_bits() {
    let (error, short) = product_errors(Device::Cpu).unwrap();
    assert!(error < 1e-5 && short > 1e-4, "{error:e}, with ten bits {short:e}");
}
