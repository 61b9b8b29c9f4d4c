//! Matrix products on a device, by crate `cubek-matmul`: the product of two square or oblong matrices that stay there.

use std::marker::PhantomData;

use cubecl::ir::Type;
use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::zspace::{Shape as Dimensions, Strides};
use cubek_matmul::definition::MatmulElems;
use cubek_matmul::launch::{Strategy, launch_ref};
use cubek_std::InputBinding;

use super::element::Element;
use super::host::Shape;
use super::{Fetch, ProbeError, finish};
use crate::{Compute, GpuError, Job, Session};

/// Two factors and their product on a device.
pub struct DeviceProduct<'a, T: Element> {
    compute: &'a Compute,
    shape: Shape,
    left: Handle,
    right: Handle,
    out: Handle,
    element: PhantomData<T>,
}

impl<'a, T: Element> DeviceProduct<'a, T> {
    /// Brings the factors to the device.
    ///
    /// # Errors
    ///
    /// Where the device fails or has no room for one of the matrices.
    ///
    /// # Panics
    ///
    /// Where a factor is not of the length that the shape says.
    pub fn new(compute: &'a Compute, shape: Shape, left: &[T], right: &[T]) -> Result<Self, GpuError> {
        assert_eq!(left.len(), shape.rows * shape.inner, "left factor");
        assert_eq!(right.len(), shape.inner * shape.columns, "right factor");
        let (left, right, out) = compute.run(Ready { left, right, out: shape.rows * shape.columns })?;
        Ok(Self { compute, shape, left, right, out, element: PhantomData })
    }

    /// Multiplies once and waits for the end.
    ///
    /// # Errors
    ///
    /// Where the device fails, or the library has no kernel for this type or size there.
    pub fn run(&self) -> Result<(), ProbeError> {
        let job = Multiply::<T> {
            factors: [
                (&self.left, self.shape.rows, self.shape.inner),
                (&self.right, self.shape.inner, self.shape.columns),
            ],
            out: (&self.out, self.shape.rows, self.shape.columns),
            element: PhantomData,
        };
        self.compute.run(job)?.map_err(ProbeError::Unavailable)
    }

    /// The product.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn result(&self) -> Result<Vec<T>, GpuError> {
        self.compute.run(Fetch::new(&self.out))
    }
}

struct Ready<'a, T> {
    left: &'a [T],
    right: &'a [T],
    out: usize,
}

impl<T: Element> Job for Ready<'_, T> {
    type Output = (Handle, Handle, Handle);

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        Ok((session.upload(self.left)?, session.upload(self.right)?, session.allocate::<T>(self.out)?))
    }
}

/// A buffer, its rows and its columns.
type Matrix<'a> = (&'a Handle, usize, usize);

struct Multiply<'a, T> {
    factors: [Matrix<'a>; 2],
    out: Matrix<'a>,
    element: PhantomData<T>,
}

impl<T: Element> Job for Multiply<'_, T> {
    type Output = Result<(), String>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let [left, right] = self.factors;
        Ok(enqueue::<T, R>(session, left, right, self.out).and_then(|()| finish(session)))
    }
}

/// Launches one product: on tensor cores where the library finds it can, else one entry's tile a thread, else one entry a thread.
///
/// The library's own choice panics where its second kernel cannot be had, so the choice is made here.
pub(super) fn enqueue<T: Element, R: Runtime>(
    session: &Session<'_, R>,
    left: Matrix<'_>,
    right: Matrix<'_>,
    out: Matrix<'_>,
) -> Result<(), String> {
    let strategies =
        [Strategy::SimpleCyclicCmma(Default::default()), Strategy::SimpleUnit(Default::default()), Strategy::Naive];
    let mut said = String::new();
    for strategy in strategies {
        let mut elements = MatmulElems::from_single_dtype(Type::Scalar(T::storage_type()));
        let (left, right) = (input::<T, R>(left), input::<T, R>(right));
        match launch_ref(&strategy, session.client(), left, right, tensor(out), &mut elements) {
            Ok(()) => return Ok(()),
            Err(error) => said = format!("{strategy}: {error:?}"),
        }
    }
    Err(said)
}

fn input<T: Element, R: Runtime>(matrix: Matrix<'_>) -> InputBinding<R> {
    InputBinding::Normal(tensor(matrix), T::storage_type())
}

fn tensor<R: Runtime>((handle, rows, columns): Matrix<'_>) -> TensorBinding<R> {
    TensorBinding {
        handle: handle.clone().binding(),
        strides: Strides::new(&[columns, 1]),
        shape: Dimensions::new([rows, columns]),
        runtime: PhantomData,
    }
}
