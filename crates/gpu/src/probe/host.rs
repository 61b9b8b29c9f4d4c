//! The processor's matrix product: crate `gemm`, behind slices whose lengths are checked.

use super::element::Element;

/// How many threads work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The caller's alone.
    One,
    /// All of the current rayon pool.
    All,
}

/// Sizes of a product: `[rows][inner]` times `[inner][columns]`, all row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the left factor and of the product.
    pub rows: usize,
    /// Columns of the left factor, rows of the right one.
    pub inner: usize,
    /// Columns of the right factor and of the product.
    pub columns: usize,
}

impl Shape {
    /// Equal sides.
    pub fn square(side: usize) -> Self {
        Self { rows: side, inner: side, columns: side }
    }

    /// Multiplications and additions of one product.
    pub fn operations(self) -> f64 {
        2.0 * self.rows as f64 * self.inner as f64 * self.columns as f64
    }
}

/// out = left · right.
///
/// # Panics
///
/// Where a slice is not of the length that the shape says.
pub fn multiply<T: Element>(shape: Shape, left: &[T], right: &[T], out: &mut [T], threads: Threads) {
    let Shape { rows, inner, columns } = shape;
    assert_eq!(left.len(), rows * inner, "left factor");
    assert_eq!(right.len(), inner * columns, "right factor");
    assert_eq!(out.len(), rows * columns, "product");
    let parallelism = match threads {
        Threads::One => gemm::Parallelism::None,
        Threads::All => gemm::Parallelism::Rayon(0),
    };
    // A slice has at most isize::MAX bytes, so a row's length fits.
    let stride = |columns: usize| columns as isize;
    // SAFETY: the three slices have the lengths asserted above, every index i·stride + j that the strides give for i < rows and
    // j < columns lies in its slice, `out` is borrowed alone, and with `read_dst` false its old contents are not read.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            stride(columns),
            false,
            left.as_ptr(),
            1,
            stride(inner),
            right.as_ptr(),
            1,
            stride(columns),
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// How far a product is off: the greatest error over the sampled entries, as a multiple of ε·Σ|left||right|, against sums in f64.
///
/// A sum of n products in any order is within n of it, and in practice far nearer.
pub fn worst_error<T: Element>(shape: Shape, left: &[T], right: &[T], out: &[T], samples: usize) -> f64 {
    let entries = shape.rows * shape.columns;
    let step = (entries / samples.max(1)).max(1) | 1;
    (0..entries).step_by(step).fold(0.0, |worst, entry| {
        let (i, j) = (entry / shape.columns, entry % shape.columns);
        let mut sum = 0.0;
        let mut magnitude = 0.0;
        for k in 0..shape.inner {
            let product = left[i * shape.inner + k].to_f64() * right[k * shape.columns + j].to_f64();
            sum += product;
            magnitude += product.abs();
        }
        let error = (out[entry].to_f64() - sum).abs() / (T::EPSILON * magnitude.max(f64::MIN_POSITIVE));
        // A NaN is an error beyond every bound, and max() would drop it.
        if error.is_nan() { f64::INFINITY } else { error.max(worst) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::element::uniform;
    use super::*;

    fn plain<T: Element>(shape: Shape, left: &[T], right: &[T]) -> Vec<f64> {
        let entry = |i: usize, j: usize| {
            let term = |k: usize| left[i * shape.inner + k].to_f64() * right[k * shape.columns + j].to_f64();
            (0..shape.inner).map(term).sum()
        };
        (0..shape.rows).flat_map(|i| (0..shape.columns).map(move |j| entry(i, j))).collect()
    }

    fn agrees<T: Element>(shape: Shape, threads: Threads) {
        let (left, right) = (uniform::<T>(shape.rows * shape.inner, 1), uniform::<T>(shape.inner * shape.columns, 2));
        let mut out = vec![T::from_f64(f64::NAN); shape.rows * shape.columns];
        multiply(shape, &left, &right, &mut out, threads);
        for (entry, expected) in out.iter().zip(plain(shape, &left, &right)) {
            let bound = shape.inner as f64 * T::EPSILON * shape.inner as f64;
            assert!((entry.to_f64() - expected).abs() <= bound, "{shape:?}: {entry:?} for {expected}");
        }
        assert!(worst_error(shape, &left, &right, &out, 100) <= shape.inner as f64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_product_is_the_sum_of_products(rows in 1..40_usize, inner in 1..40_usize, columns in 1..40_usize) {
            for threads in [Threads::One, Threads::All] {
                agrees::<f32>(Shape { rows, inner, columns }, threads);
                agrees::<f64>(Shape { rows, inner, columns }, threads);
            }
        }
    }

    #[test]
    fn a_wrong_entry_and_a_nan_are_seen() {
        let shape = Shape::square(8);
        let (left, right) = (uniform::<f64>(64, 1), uniform::<f64>(64, 2));
        let mut out = vec![0.0; 64];
        multiply(shape, &left, &right, &mut out, Threads::One);
        assert!(worst_error(shape, &left, &right, &out, 64) < 8.0);
        out[33] += 1e-9;
        assert!(worst_error(shape, &left, &right, &out, 64) > 1e3);
        out[33] = f64::NAN;
        assert_eq!(worst_error(shape, &left, &right, &out, 64), f64::INFINITY);
    }
}
