//! Arithmetic on rows of numbers of either precision, in loops that compilers can use vectors for.

use std::iter::Sum;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};
use tch::kind::Element;
use tch::{Device, Tensor};

/// Partial sums of a sum, so that compilers can use vectors of this width.
pub(super) const LANES: usize = 8;

/// The numbers of an engine: `f32` or `f64`.
pub trait Float:
    Element
    + Copy
    + Default
    + PartialOrd
    + Sum
    + AddAssign
    + MulAssign
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The number nearest to `value`.
    fn of(value: f64) -> Self;
    /// e to this power.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
}

macro_rules! floats {
    ($($float:ident)*) => {
        $(impl Float for $float {
            fn of(value: f64) -> Self {
                value as $float
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
        })*
    };
}
floats! { f32 f64 }

/// Calls a function in the version that this processor is fastest with. Both compute the same: no multiply-add is contracted.
macro_rules! vectorised {
    ($(#[$about:meta])* $reach:vis fn $name:ident<$float:ident>($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$about])*
        $reach fn $name<$float: Float>($($argument: $kind),*) {
            #[inline(always)]
            fn plain<$float: Float>($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide<$float: Float>($($argument: $kind),*) {
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

/// Checks that `tensor` is contiguous, on the CPU and of the kind of `T`; returns where its numbers start and how many there are.
fn checked<T: Float>(tensor: &Tensor) -> (*mut T, usize) {
    assert_eq!(
        (tensor.device(), tensor.kind()),
        (Device::Cpu, T::KIND),
        "an engine on the CPU has one kind of numbers"
    );
    assert!(tensor.is_contiguous(), "an engine on the CPU works on contiguous tensors");
    (tensor.data_ptr().cast(), tensor.numel())
}

/// The numbers of a tensor, row by row.
pub fn values<T: Float>(tensor: &Tensor) -> &[T] {
    let (start, length) = checked(tensor);
    // SAFETY: the tensor owns so many numbers; LibTorch changes them between the calls of an engine only.
    if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, length) } }
}

/// The numbers of a tensor, row by row, to write to.
pub fn values_mut<T: Float>(tensor: &mut Tensor) -> &mut [T] {
    let (start, length) = checked(tensor);
    // SAFETY: as above, and the exclusive borrow keeps other readers away.
    if length == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(start, length) } }
}

/// A matrix that keeps its memory while the number of its rows changes.
pub(super) struct Matrix<T> {
    memory: Tensor,
    capacity: usize, // rows of the memory
    shape: (usize, usize),
    pub tensor: Tensor, // the first rows of the memory
    numbers: PhantomData<T>,
}

impl<T: Float> Default for Matrix<T> {
    fn default() -> Self {
        let empty = || Tensor::empty([0, 0], (T::KIND, Device::Cpu));
        Matrix { memory: empty(), capacity: 0, shape: (0, 0), tensor: empty(), numbers: PhantomData }
    }
}

impl<T: Float> Matrix<T> {
    /// Makes it `rows` x `columns`; what is in it is not defined.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        if self.shape == (rows, columns) {
            return;
        }
        if self.capacity < rows || self.shape.1 != columns {
            self.capacity = rows + rows / 8;
            self.memory = Tensor::zeros([self.capacity as i64, columns as i64], (T::KIND, Device::Cpu));
        }
        self.shape = (rows, columns);
        self.tensor = self.memory.narrow(0, 0, rows as i64);
        assert_eq!(checked::<T>(&self.tensor).1, rows * columns);
    }

    /// All of it, row by row.
    pub fn values(&self) -> &[T] {
        let length = self.shape.0 * self.shape.1;
        // SAFETY: `resize` has checked that the tensor owns so many numbers; LibTorch changes them in calls with `&mut` only.
        if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast(), length) } }
    }

    /// The same to write to.
    pub fn values_mut(&mut self) -> &mut [T] {
        let length = self.shape.0 * self.shape.1;
        // SAFETY: as above, and the exclusive borrow keeps other readers away.
        if length == 0 {
            &mut []
        } else {
            unsafe { std::slice::from_raw_parts_mut(self.tensor.data_ptr().cast(), length) }
        }
    }

    /// Becomes the product of `left` and `right`, which must have its shape.
    pub fn set_product(&mut self, left: &Matrix<T>, right: &Tensor) {
        let _ = left.tensor.mm_out(&self.tensor, right);
    }

    /// Adds the product of `left` and the transpose of `right`.
    pub fn add_product(&mut self, left: &Matrix<T>, right: &Tensor) {
        let _ = self.tensor.addmm_(&left.tensor, &right.tr());
    }
}

/// `length` zeros in place of what was there.
pub(super) fn clear<T: Float>(values: &mut Vec<T>, length: usize) {
    values.clear();
    values.resize(length, T::ZERO);
}

/// sum += weight x.
#[inline(always)]
pub(super) fn add<T: Float>(sum: &mut [T], x: &[T], weight: T) {
    sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += weight * x);
}

/// sum += x.
#[inline(always)]
pub(super) fn accumulate<T: Float>(sum: &mut [T], x: &[T]) {
    sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
}

/// The sum of f(x), in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn total<T: Float>(values: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: T = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += f(x));
    }
    fold(lanes) + rest
}

/// The product of two vectors, in [`LANES`] partial sums.
#[inline(always)]
pub(super) fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: T = a.remainder().iter().zip(b.remainder()).map(|(&x, &y)| x * y).sum();
    for (a, b) in a.zip(b) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((lane, &x), &y)| *lane += x * y);
    }
    fold(lanes) + rest
}

#[inline(always)]
pub(super) fn fold<T: Float>([a, b, c, d, e, f, g, h]: [T; LANES]) -> T {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[inline(always)]
pub(super) fn relu<T: Float>(x: T) -> T {
    if x > T::ZERO { x } else { T::ZERO }
}

pub(super) fn sigmoid<T: Float>(x: T) -> T {
    T::of(1.0) / (T::of(1.0) + (-x).exp())
}
