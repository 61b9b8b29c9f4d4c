//! Products of matrices of f32 or f64 stored column after column, on one thread.

/// What matrices are made of.
pub(crate) trait Real: Copy + 'static {
    /// 1
    const ONE: Self;
}

impl Real for f32 {
    const ONE: Self = 1.0;
}

impl Real for f64 {
    const ONE: Self = 1.0;
}

/// A matrix to be read: `rows` × `columns`, the first number of column j at j·rows; or its transpose.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T = f32> {
    numbers: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<'a, T> Matrix<'a, T> {
    /// Column after column.
    ///
    /// # Panics
    /// Where there are too few numbers.
    pub(crate) fn new(numbers: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(numbers.len() >= rows * columns, "{} numbers for {rows} × {columns}", numbers.len());
        Self { numbers, rows, columns, row_stride: 1, column_stride: rows as isize }
    }

    /// Rows for columns.
    pub(crate) fn transposed(self) -> Self {
        let Self { numbers, rows, columns, row_stride, column_stride } = self;
        Self { numbers, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }
}

/// `out` becomes a·b, or `out` + a·b where `add`; `out` is stored column after column.
///
/// # Panics
/// Where the shapes do not fit.
pub(crate) fn product<T: Real>(out: &mut [T], add: bool, a: Matrix<'_, T>, b: Matrix<'_, T>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(a.columns == b.rows && out.len() >= m * n, "{m} × {k} by {} × {n} into {}", b.rows, out.len());
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: the assertions of `Matrix::new` and above keep every index within its slice, and `out` overlaps neither input, which
    // borrow rules forbid.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            m as isize,
            1,
            add,
            a.numbers.as_ptr(),
            a.column_stride,
            a.row_stride,
            b.numbers.as_ptr(),
            b.column_stride,
            b.row_stride,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_sums_of_products_added_or_not() {
        // A is 2 × 3, B 3 × 2: columns one after the other.
        let a = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let b = [7.0, 9.0, 11.0, 8.0, 10.0, 12.0];
        let mut out = [100.0; 4];
        product(&mut out, false, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        assert_eq!(out, [58.0, 139.0, 64.0, 154.0]);
        product(&mut out, true, Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        assert_eq!(out, [116.0, 278.0, 128.0, 308.0]);
        let mut square = [0.0; 9];
        product(&mut square, false, Matrix::new(&a, 2, 3).transposed(), Matrix::new(&a, 2, 3));
        assert_eq!(square, [17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]);
    }
}
