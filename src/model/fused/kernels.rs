//! Arithmetic of rows that compilers can use vectors for.

use crate::model::options::Readout;
use tch::{Kind, Tensor};

/// Width of the accumulators of a sum, so that compilers can use vectors of this width.
const LANES: usize = 8;

/// The memory of a contiguous float tensor that nothing else refers to.
pub(super) fn values(tensor: &mut Tensor) -> &mut [f32] {
    debug_assert!(tensor.is_contiguous() && tensor.kind() == Kind::Float);
    // SAFETY: the tensor owns so many floats on the CPU, and the exclusive borrow keeps LibTorch away from them.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// Calls a function in the version that this processor is fastest with. Both compute the same: no multiply-add is contracted.
macro_rules! vectorised {
    ($(#[$about:meta])* $reach:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$about])*
        $reach fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $kind),*) {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has what the function needs.
                    return unsafe { wide($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}
pub(super) use vectorised;

/// Writes the row of every operation, of `table` [V, W], to `rows` [R, W].
pub(super) fn look_up(table: &[f32], operations: &[u16], rows: &mut [f32], width: usize) {
    for (row, &operation) in rows.chunks_exact_mut(width).zip(operations) {
        row.copy_from_slice(&table[operation as usize * width..][..width]);
    }
}

/// One readout of a graph's rows [N, H].
pub(super) fn read(readout: Readout, operations: &[u16], output: u16, rows: &[f32], part: &mut [f32]) {
    part.fill(0.0);
    for (row, &operation) in rows.chunks_exact(part.len()).zip(operations) {
        if readout != Readout::Output || operation == output {
            part.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    }
    if readout == Readout::Mean {
        let share = 1.0 / operations.len() as f32;
        part.iter_mut().for_each(|sum| *sum *= share);
    }
}

/// The sum of f(x), in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn total(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().map(|&x| f(x)).sum::<f32>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += f(x));
    }
    fold(lanes) + rest
}

/// The product of two vectors, in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum::<f32>();
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((lane, x), y)| *lane += x * y);
    }
    fold(lanes) + rest
}

#[inline(always)]
fn fold(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
