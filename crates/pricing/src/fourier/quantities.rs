//! From sums to prices and Greeks.
//!
//! Formula  With the covered call m(x) of forwards and its derivatives, v = 1 − m (call) or k − m (put) is the undiscounted option in
//!          forwards, V = S e^(−qT) v(k), k = K/F: homogeneity in S and K gives delta and gamma from the derivatives by K, and
//!          r, q and T act through F, the discount factor and (T alone) m itself.

use super::model::{MOST_PARAMETERS, Model};
use super::series::{Sums, place};
use crate::black::Greek;
use zomma_base::{OptionType, Status};

/// The market at one expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Spot; currency per share.
    pub spot: f64,
    /// ACT/365F years to the expiry instant.
    pub expiry_years: f64,
    /// Continuously compounded.
    pub risk_free_rate: f64,
    /// Continuously compounded.
    pub dividend_yield: f64,
}

/// Quantities that no model of this module makes.
pub(super) const ABSENT: [Greek; 3] = [Greek::Vomma, Greek::Veta, Greek::Ultima];

/// The farthest that discounting reaches: e^±600 and its products with a price stay numbers.
const FARTHEST: f64 = 600.0;

impl Slice {
    /// The first bad field.
    ///
    /// Errors: `BadSpot`, `BadExpiry`, `Expired`, `BadRate`, `BadYield` by field, in this order; `Overflow` where a discount factor, or the
    /// spot, leaves the range of numbers in which products are safe.
    pub fn check(&self) -> Result<(), Status> {
        let Self { spot, expiry_years, risk_free_rate, dividend_yield } = *self;
        if !(spot > 0.0 && spot.is_finite()) {
            Err(Status::BadSpot)
        } else if !expiry_years.is_finite() {
            Err(Status::BadExpiry)
        } else if expiry_years <= 0.0 {
            Err(Status::Expired)
        } else if !risk_free_rate.is_finite() {
            Err(Status::BadRate)
        } else if !dividend_yield.is_finite() {
            Err(Status::BadYield)
        } else if (risk_free_rate.abs() + dividend_yield.abs()) * expiry_years > FARTHEST
            || !(1e-30..=1e30).contains(&spot)
        {
            Err(Status::Overflow)
        } else {
            Ok(())
        }
    }

    /// ln(K/F).
    pub(super) fn log_strike(&self, strike: f64) -> f64 {
        (strike / self.spot).ln() - (self.risk_free_rate - self.dividend_yield) * self.expiry_years
    }

    /// S e^(−qT).
    pub(super) fn discounted_forward(&self) -> f64 {
        self.spot * (-self.dividend_yield * self.expiry_years).exp()
    }
}

/// Price, its derivatives by what the market gives, and its gradient by the model's parameters; raw units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sensitivities {
    /// V
    pub price: f64,
    /// ∂V/∂S
    pub delta: f64,
    /// ∂²V/∂S²
    pub gamma: f64,
    /// −∂V/∂T
    pub theta: f64,
    /// ∂V/∂r
    pub rho: f64,
    /// ∂V/∂q
    pub phi: f64,
    /// ∂V/∂K
    pub dual_delta: f64,
    /// ∂²V/∂K²
    pub dual_gamma: f64,
    /// ∂V/∂p in the order of [`Model::parameter_names`]; the rest 0.
    pub parameters: [f64; MOST_PARAMETERS],
}

impl Sensitivities {
    /// What a row without an answer holds.
    pub const NAN: Self = Self {
        price: f64::NAN,
        delta: f64::NAN,
        gamma: f64::NAN,
        theta: f64::NAN,
        rho: f64::NAN,
        phi: f64::NAN,
        dual_delta: f64::NAN,
        dual_gamma: f64::NAN,
        parameters: [f64::NAN; MOST_PARAMETERS],
    };

    /// Itself, where every number is one.
    pub(super) fn finite(self) -> Result<Self, Status> {
        let Self { price, delta, gamma, theta, rho, phi, dual_delta, dual_gamma, parameters } = self;
        let market = [price, delta, gamma, theta, rho, phi, dual_delta, dual_gamma];
        if market.iter().chain(&parameters).all(|x| x.is_finite()) { Ok(self) } else { Err(Status::Overflow) }
    }
}

/// Value of what pays at expiry less the strike, at least 0, were ln(S_T/F) = 0 certain, in forwards.
pub(super) fn intrinsic(option_type: OptionType, x: f64) -> f64 {
    match option_type {
        OptionType::Call => (-x.exp_m1()).max(0.0),
        OptionType::Put => x.exp_m1().max(0.0),
    }
}

/// One strike of one slice, and its covered call.
pub(super) struct Covered<'a> {
    pub slice: &'a Slice,
    pub strike: f64,
    pub x: f64,
    /// √k times the sums.
    pub sums: Sums,
    /// What the trapezoidal rule holds too much, per 1 + k: 1/(e^(P/2) − 1), 0 for an integral.
    pub alias: f64,
}

impl Covered<'_> {
    /// The value alone, from the first sum. Within the bounds of any arbitrage-free model.
    pub fn price(&self, option_type: OptionType) -> f64 {
        let k = self.x.exp();
        let covered = self.sums[place::VALUE] - (1.0 + k) * self.alias;
        let (value, most) = match option_type {
            OptionType::Call => (1.0 - covered, 1.0),
            OptionType::Put => (k - covered, k),
        };
        // Not f64::max, which would hide NaN.
        let least = intrinsic(option_type, self.x);
        let value = if value < least { least } else { value };
        self.slice.discounted_forward() * if value > most { most } else { value }
    }

    /// The value where it is a number.
    pub fn finite_price(&self, option_type: OptionType) -> Result<f64, Status> {
        let price = self.price(option_type);
        if price.is_finite() { Ok(price) } else { Err(Status::Overflow) }
    }

    /// Price and derivatives.
    pub fn sensitivities(&self, option_type: OptionType) -> Sensitivities {
        let Slice { spot, expiry_years, risk_free_rate, dividend_yield } = *self.slice;
        let scale = self.slice.discounted_forward();
        let (price, delta) = (self.price(option_type), self.delta(option_type));
        let carried = spot * delta;
        let gamma = scale / spot / spot * self.sums[place::DENSITY];
        let by_expiry = -scale * self.sums[place::EXPIRY];
        let mut parameters = [0.0; MOST_PARAMETERS];
        for (out, sum) in parameters.iter_mut().zip(&self.sums[place::PARAMETERS..]) {
            *out = -scale * sum;
        }
        let ratio = spot / self.strike;
        Sensitivities {
            price,
            delta,
            gamma,
            theta: risk_free_rate * price - (risk_free_rate - dividend_yield) * carried - by_expiry,
            rho: expiry_years * (carried - price),
            phi: -expiry_years * carried,
            dual_delta: (price - carried) / self.strike,
            dual_gamma: gamma * ratio * ratio,
            parameters,
        }
    }

    fn delta(&self, option_type: OptionType) -> f64 {
        let k = self.x.exp();
        let covered = self.sums[place::VALUE] - (1.0 + k) * self.alias;
        let by_x = 0.5 * self.sums[place::VALUE] + self.sums[place::SLOPE] - k * self.alias;
        let put = by_x - covered;
        let per_forward = match option_type {
            OptionType::Call => (1.0 + put).clamp(0.0, 1.0),
            OptionType::Put => put.clamp(-1.0, 0.0),
        };
        self.slice.discounted_forward() / self.slice.spot * per_forward
    }

    /// Every quantity that is made, NaN elsewhere (docs/fourier.md).
    pub fn greeks(&self, option_type: OptionType, model: &Model) -> [f64; 19] {
        let Slice { spot, expiry_years, risk_free_rate, dividend_yield } = *self.slice;
        let first = self.sensitivities(option_type);
        let per_spot = self.slice.discounted_forward() / spot;
        let carry = risk_free_rate - dividend_yield;
        // ∂/∂x of √k times a sum.
        let by_x = |sum: usize, slope: usize| 0.5 * self.sums[sum] + self.sums[slope];
        let chain = match model {
            // ∂/∂√v₀
            Model::Heston(model) => 2.0 * model.v0.sqrt(),
            Model::Bates(model) => 2.0 * model.heston.v0.sqrt(),
            Model::Merton(_) | Model::Kou(_) | Model::VarianceGamma(_) => 1.0,
        };
        let vega = chain * first.parameters[0];
        let vanna = -chain * per_spot * (self.sums[place::PARAMETERS] - by_x(place::PARAMETERS, place::FIRST_SLOPE));
        let density = self.sums[place::DENSITY];
        let density_by_x = by_x(place::DENSITY, place::DENSITY_SLOPE);
        let delta_by_expiry = per_spot
            * (by_x(place::EXPIRY, place::EXPIRY_SLOPE) - self.sums[place::EXPIRY] + carry * density)
            - dividend_yield * first.delta;
        let gamma_by_expiry =
            per_spot / spot * (self.sums[place::EXPIRY_DENSITY] - carry * density_by_x) - dividend_yield * first.gamma;
        let mut q = [f64::NAN; 19];
        let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
        set(Greek::Price, first.price);
        set(Greek::Delta, first.delta);
        set(Greek::Gamma, first.gamma);
        set(Greek::Vega, vega);
        set(Greek::Theta, first.theta);
        set(Greek::Rho, first.rho);
        set(Greek::Phi, first.phi);
        set(Greek::Vanna, vanna);
        set(Greek::Charm, -delta_by_expiry);
        set(Greek::Vera, expiry_years * (spot * vanna - vega));
        set(Greek::Speed, -(first.gamma + per_spot / spot * density_by_x) / spot);
        set(Greek::Zomma, chain * per_spot / spot * self.sums[place::FIRST_DENSITY]);
        set(Greek::Color, -gamma_by_expiry);
        set(Greek::DualDelta, first.dual_delta);
        set(Greek::DualGamma, first.dual_gamma);
        if first.price > 0.0 {
            set(Greek::Lambda, spot * first.delta / first.price);
        }
        q
    }

    /// The same where every quantity that is made is a number.
    pub fn finite_greeks(&self, option_type: OptionType, model: &Model) -> Result<[f64; 19], Status> {
        let greeks = self.greeks(option_type, model);
        let absent = |greek: Greek| ABSENT.contains(&greek) || greek == Greek::Lambda && greeks[0] == 0.0;
        let sound = Greek::ALL.into_iter().all(|greek| greeks[greek as usize].is_finite() || absent(greek));
        if sound { Ok(greeks) } else { Err(Status::Overflow) }
    }
}
