//! The columns that go into and come out of the Black formulae.

use zomma_base::OptionType;

/// Which formula a row asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Black–Scholes–Merton on spot with a continuous yield.
    Bsm,
    /// Black-76: `spot` holds the forward, `dividend_yield` is ignored, S-derivatives are F-derivatives, rho = −T·V, phi is absent.
    Black76,
}

/// One European option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Call or put.
    pub option_type: OptionType,
    /// Spot, or the forward under Black-76; currency per share.
    pub spot: f64,
    /// Strike; currency per share.
    pub strike: f64,
    /// ACT/365F years to the expiry instant.
    pub expiry_years: f64,
    /// Continuously compounded.
    pub risk_free_rate: f64,
    /// Continuously compounded.
    pub dividend_yield: f64,
    /// Per square root of a year, as a decimal.
    pub volatility: f64,
}

/// A batch of [`Row`]s as columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct RowColumns<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Spot, or the forward under Black-76.
    pub spot: &'a [f64],
    /// Strike.
    pub strike: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Rate.
    pub risk_free_rate: &'a [f64],
    /// Yield.
    pub dividend_yield: &'a [f64],
    /// Volatility.
    pub volatility: &'a [f64],
}

impl<'a> RowColumns<'a> {
    /// One row.
    ///
    /// # Panics
    /// Where a column is shorter than `i + 1`.
    #[inline]
    pub fn row(&self, i: usize) -> Row {
        Row {
            option_type: self.option_type[i],
            spot: self.spot[i],
            strike: self.strike[i],
            expiry_years: self.expiry_years[i],
            risk_free_rate: self.risk_free_rate[i],
            dividend_yield: self.dividend_yield[i],
            volatility: self.volatility[i],
        }
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// Where `at` reaches beyond them.
    pub fn part(&self, at: std::ops::Range<usize>) -> RowColumns<'a> {
        RowColumns {
            option_type: &self.option_type[at.clone()],
            spot: &self.spot[at.clone()],
            strike: &self.strike[at.clone()],
            expiry_years: &self.expiry_years[at.clone()],
            risk_free_rate: &self.risk_free_rate[at.clone()],
            dividend_yield: &self.dividend_yield[at.clone()],
            volatility: &self.volatility[at],
        }
    }

    /// The rows before `middle`, and the others.
    pub(super) fn split_at(&self, middle: usize) -> (RowColumns<'a>, RowColumns<'a>) {
        (self.part(0..middle), self.part(middle..self.spot.len()))
    }
}

/// The quantities, in the order that outputs print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Greek {
    /// V
    Price,
    /// ∂V/∂S
    Delta,
    /// ∂²V/∂S²
    Gamma,
    /// ∂V/∂σ
    Vega,
    /// −∂V/∂T
    Theta,
    /// ∂V/∂r
    Rho,
    /// ∂V/∂q
    Phi,
    /// ∂²V/∂S∂σ
    Vanna,
    /// −∂²V/∂S∂T
    Charm,
    /// ∂²V/∂σ²
    Vomma,
    /// −∂²V/∂σ∂T
    Veta,
    /// ∂²V/∂σ∂r
    Vera,
    /// ∂³V/∂S³
    Speed,
    /// ∂³V/∂S²∂σ
    Zomma,
    /// −∂³V/∂S²∂T
    Color,
    /// ∂³V/∂σ³
    Ultima,
    /// ∂V/∂K
    DualDelta,
    /// ∂²V/∂K²
    DualGamma,
    /// S·delta/V
    Lambda,
}

impl Greek {
    /// Every quantity, price first.
    pub const ALL: [Self; 19] = [
        Self::Price,
        Self::Delta,
        Self::Gamma,
        Self::Vega,
        Self::Theta,
        Self::Rho,
        Self::Phi,
        Self::Vanna,
        Self::Charm,
        Self::Vomma,
        Self::Veta,
        Self::Vera,
        Self::Speed,
        Self::Zomma,
        Self::Color,
        Self::Ultima,
        Self::DualDelta,
        Self::DualGamma,
        Self::Lambda,
    ];

    /// The column name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Delta => "delta",
            Self::Gamma => "gamma",
            Self::Vega => "vega",
            Self::Theta => "theta",
            Self::Rho => "rho",
            Self::Phi => "phi",
            Self::Vanna => "vanna",
            Self::Charm => "charm",
            Self::Vomma => "vomma",
            Self::Veta => "veta",
            Self::Vera => "vera",
            Self::Speed => "speed",
            Self::Zomma => "zomma",
            Self::Color => "color",
            Self::Ultima => "ultima",
            Self::DualDelta => "dual_delta",
            Self::DualGamma => "dual_gamma",
            Self::Lambda => "lambda",
        }
    }
}

/// One column of f64 per [`Greek`], all of one length.
#[derive(Clone, Debug, Default)]
pub struct GreekColumns {
    columns: [Vec<f64>; 19],
}

impl GreekColumns {
    /// Columns of `rows` zeros.
    pub fn zeros(rows: usize) -> Self {
        Self { columns: std::array::from_fn(|_| vec![0.0; rows]) }
    }

    /// The column of one quantity.
    pub fn column(&self, greek: Greek) -> &[f64] {
        &self.columns[greek as usize]
    }

    /// All columns, in the order of [`Greek::ALL`].
    pub fn columns_mut(&mut self) -> &mut [Vec<f64>; 19] {
        &mut self.columns
    }
}
