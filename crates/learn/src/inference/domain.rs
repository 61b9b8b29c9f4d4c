//! Which rows a network may price: those whose inputs are numbers within what it learned.

use zomma_base::Status;

use crate::config::{DataConfig, PricingModel};
use crate::network::MOST_INPUTS;

/// The values of each input that are priced, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Domain {
    model: PricingModel,
    /// Least and greatest by input.
    bounds: [[f64; 2]; MOST_INPUTS],
}

impl Domain {
    /// The ranges from which the network's training rows were drawn; where they are not known, all that the pricing model allows.
    pub(super) fn of(model: PricingModel, data: Option<&DataConfig>) -> Self {
        let mut bounds = [[f64::MIN, f64::MAX]; MOST_INPUTS];
        for (bounds, name) in bounds.iter_mut().zip(model.input_names()) {
            bounds[0] = match *name {
                "rho_v" => -1.0,
                "risk_free_rate" | "dividend_yield" => 0.0,
                // No price depends smoothly on what is 0.
                _ => f64::from(f32::MIN_POSITIVE),
            };
            bounds[1] = if *name == "rho_v" { 1.0 } else { f64::from(f32::MAX).sqrt() };
        }
        // Where a volatility stands in the domain, a row of implied volatilities has a price.
        if let Some(data) = data.filter(|_| !model.is_implied_volatility()) {
            for (bounds, range) in bounds.iter_mut().zip(data.ordered_ranges()) {
                *bounds = [range.min, range.max];
            }
        }
        Self { model, bounds }
    }

    /// Least and greatest value by input, in the model's order.
    pub fn bounds(&self) -> &[[f64; 2]] {
        &self.bounds[..self.model.input_names().len()]
    }

    /// What is wrong with a row: the first input that is not within its bounds, by the field of a table that it is read from. The
    /// moneyness is told as the strike's fault.
    pub fn status(&self, row: &[f64]) -> Status {
        let outside = |(x, [least, most]): (&f64, &[f64; 2])| !(least..=most).contains(&x);
        let Some(at) = row.iter().zip(self.bounds()).position(outside) else { return Status::Ok };
        match self.model.input_names()[at] {
            "moneyness" => Status::BadStrike,
            "expiry_years" if row[at] <= 0.0 => Status::Expired,
            "expiry_years" => Status::BadExpiry,
            "volatility" => Status::BadVolatility,
            "v0" => Status::BadV0,
            "kappa" => Status::BadKappa,
            "theta_v" => Status::BadThetaV,
            "sigma_v" => Status::BadSigmaV,
            "risk_free_rate" => Status::BadRate,
            "dividend_yield" => Status::BadYield,
            "price" => Status::BadPrice,
            _ => Status::BadRhoV,
        }
    }
}
