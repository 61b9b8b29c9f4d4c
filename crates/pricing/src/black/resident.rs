//! A batch that stays on the device: uploaded once, valued as often as wanted, its results fetched when they are.

use cubecl::prelude::Runtime;
use zomma_base::Status;
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::launch::{Batch, INPUTS, launch, load};
use super::{Greek, GreekColumns, Model, RowColumns};
use crate::math::part::Part;

/// Rows on a device, with price and all Greeks of each. Its memory is given back when it is dropped.
pub struct Resident<'a> {
    compute: &'a Compute,
    rows: &'a RowColumns<'a>,
    model: Model,
    parts: Vec<Part>,
}

impl<'a> Resident<'a> {
    /// Uploads a batch and values it once.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device has no room or fails.
    pub fn upload(compute: &'a Compute, rows: &'a RowColumns<'a>, model: Model) -> Result<Self, GpuError> {
        let parts = compute.run(Load { rows })?;
        let resident = Self { compute, rows, model, parts };
        resident.value()?;
        Ok(resident)
    }

    /// Values every row anew: nothing goes up or comes down. Returns once the device is done.
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails.
    pub fn value(&self) -> Result<(), GpuError> {
        self.compute.run(Value { resident: self })
    }

    /// Fetches the results: as [`greeks`](super::greeks).
    ///
    /// # Errors
    ///
    /// [`GpuError`] where the device fails; `out` and `status` then hold what earlier parts gave.
    ///
    /// # Panics
    ///
    /// Where `out` or `status` has not the length of the columns.
    pub fn download(&self, out: &mut GreekColumns, status: &mut [Status]) -> Result<(), GpuError> {
        let mut columns: Vec<&mut [f64]> = out.columns_mut().iter_mut().map(Vec::as_mut_slice).collect();
        let batch = Batch { rows: self.rows, model: self.model, columns: &mut columns, status };
        batch.assert_whole();
        self.compute.run(Fetch { parts: &self.parts, batch })
    }
}

struct Load<'a> {
    rows: &'a RowColumns<'a>,
}

impl Job for Load<'_> {
    type Output = Vec<Part>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let outputs = Greek::ALL.len();
        Part::cuts(session, self.rows.spot.len(), INPUTS, outputs)
            .map(|at| load(session, self.rows, at, outputs))
            .collect()
    }
}

struct Value<'a> {
    resident: &'a Resident<'a>,
}

impl Job for Value<'_> {
    type Output = ();

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<(), GpuError> {
        self.resident.parts.iter().for_each(|part| launch(session, part, self.resident.model));
        session.wait()
    }
}

struct Fetch<'a, 'b, 'c> {
    parts: &'a [Part],
    batch: Batch<'a, 'b, 'c>,
}

impl Job for Fetch<'_, '_, '_> {
    type Output = ();

    fn run<R: Runtime>(mut self, session: &Session<'_, R>) -> Result<(), GpuError> {
        self.parts.iter().try_for_each(|part| self.batch.fetch(session, part).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::black::{launch, price};
    use crate::implied_vol::{self, BsmPriceColumns};
    use zomma_base::OptionType;
    use zomma_gpu::{Device, DeviceKind, list};

    #[test]
    fn what_stays_on_the_device_gives_the_bits_of_one_call() {
        let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
        let Some(compute) = found.and_then(|device| device.open().unwrap()) else {
            return zomma_testkit::skip("no device");
        };
        let n = 1000;
        let strike: Vec<f64> = (0..n).map(|i| 80.0 + 0.04 * f64::from(i)).collect();
        let (option_type, hundreds) = (vec![OptionType::Put; strike.len()], vec![100.0; strike.len()]);
        let (half, rate) = (vec![0.5; strike.len()], vec![0.03; strike.len()]);
        let mut volatility = vec![0.2; strike.len()];
        (volatility[17], volatility[18]) = (f64::NAN, 0.0);
        let rows = RowColumns {
            option_type: &option_type,
            spot: &hundreds,
            strike: &strike,
            expiry_years: &half,
            risk_free_rate: &rate,
            dividend_yield: &rate,
            volatility: &volatility,
        };
        for model in [Model::Bsm, Model::Black76] {
            let empty = || (GreekColumns::zeros(strike.len()), vec![Status::NotConverged; strike.len()]);
            let ((mut once, mut status_once), (mut stayed, mut status)) = (empty(), empty());
            launch::greeks(&compute, &rows, model, &mut once, &mut status_once).unwrap();
            let resident = Resident::upload(&compute, &rows, model).unwrap();
            resident.value().unwrap();
            resident.download(&mut stayed, &mut status).unwrap();
            assert_eq!(status, status_once);
            assert_eq!((status[17], status[18]), (Status::BadVolatility, Status::Ok));
            for greek in Greek::ALL {
                let bits = |columns: &GreekColumns| -> Vec<u64> {
                    columns.column(greek).iter().map(|x| x.to_bits()).collect()
                };
                assert_eq!(bits(&stayed), bits(&once), "{greek:?}");
            }
        }

        let mut usable = volatility.clone();
        usable[18] = 0.2;
        let (mut value, mut status) = (vec![0.0; strike.len()], vec![Status::NotConverged; strike.len()]);
        price(&RowColumns { volatility: &usable, ..rows }, Model::Bsm, &mut value, &mut status);
        let prices = BsmPriceColumns {
            option_type: &option_type,
            spot: &hundreds,
            strike: &strike,
            expiry_years: &half,
            risk_free_rate: &rate,
            dividend_yield: &rate,
            price: &value,
        };
        let (mut once, mut stayed, mut status_once) = (value.clone(), value.clone(), status.clone());
        implied_vol::launch::implied_volatility_bsm(&compute, &prices, &mut once, &mut status_once).unwrap();
        let resident = implied_vol::Resident::upload(&compute, &prices).unwrap();
        resident.invert().unwrap();
        resident.download(&mut stayed, &mut status).unwrap();
        assert_eq!(status, status_once);
        assert_eq!((status[17], status[18]), (Status::BadPrice, Status::Ok));
        assert_eq!(
            stayed.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            once.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        );
        assert!((stayed[18] - 0.2).abs() < 1e-12);
    }
}
