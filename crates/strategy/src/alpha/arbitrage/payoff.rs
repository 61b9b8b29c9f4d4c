//! The least that a package can pay: its payoff is a broken line in the price of the underlying, so the corners and the slope beyond the last
//! one say all.
//!
//! European    at expiry, each option is worth its intrinsic value.
//! American    what is held may be exercised when it suits us; what is sold may be exercised at any time, calls and puts at different ones.
//!             The least of three courses: nothing is exercised before expiry; the calls are, with the underlying used up there, and the
//!             puts later at any other price; the puts first, the calls later. Cash counts its face: with rates at or above zero, money lent
//!             on demand is never less and a debt repaid early never more.
//! Calendar    at the near expiry, each far option is worth at least the greater of zero and its forward intrinsic value under the carry.

use zomma_base::{ExerciseStyle, OptionType};

use super::leg::{Instrument, Leg};

/// The least payoff of a package.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorstCase {
    /// Currency a share for each unit; −∞ where the loss has no bound.
    pub value: f64,
    /// Price of the underlying where it is; infinite where the loss has no bound.
    pub at: f64,
}

/// The carry from the near expiry of a calendar to the far one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FarCarry {
    /// Index of the near expiry.
    pub near: usize,
    /// F(far)/F(near).
    pub growth: f64,
    /// D(far)/D(near).
    pub discount: f64,
}

/// A sum of lines, calls and puts: constant + slope·S + Σ weight·(±(S·scale − strike))⁺.
#[derive(Clone, Debug, Default)]
struct BrokenLine {
    constant: f64,
    slope: f64,
    options: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    weight: f64,
    option_type: OptionType,
    strike: f64,
    scale: f64,
}

impl Piece {
    fn at(&self, price: f64) -> f64 {
        self.weight * (self.option_type.sign() * (price * self.scale - self.strike)).max(0.0)
    }
}

impl BrokenLine {
    fn at(&self, price: f64) -> f64 {
        self.constant + self.slope * price + self.options.iter().map(|piece| piece.at(price)).sum::<f64>()
    }

    /// Slope beyond the last corner.
    fn last_slope(&self) -> f64 {
        let calls = self.options.iter().filter(|piece| piece.option_type == OptionType::Call);
        self.slope + calls.map(|piece| piece.weight * piece.scale).sum::<f64>()
    }

    /// The least value over prices at or above `from`.
    fn least(&self, from: f64) -> WorstCase {
        let scale = 1.0 + self.slope.abs() + self.options.iter().map(|piece| piece.weight.abs()).sum::<f64>();
        if self.last_slope() < -1e-9 * scale {
            return WorstCase { value: f64::NEG_INFINITY, at: f64::INFINITY };
        }
        let corners = self.options.iter().map(|piece| piece.strike / piece.scale).filter(|corner| *corner > from);
        corners.chain(std::iter::once(from)).map(|at| WorstCase { value: self.at(at), at }).fold(
            WorstCase { value: f64::INFINITY, at: from },
            |least, case| if case.value < least.value { case } else { least },
        )
    }

    fn with(&mut self, leg: &Leg, far: Option<FarCarry>) {
        let weight = leg.side.sign() * leg.delivered;
        match leg.instrument {
            Instrument::Option { option_type, strike, expiry, .. } => {
                let (strike, scale) = match far.filter(|far| far.near != expiry) {
                    Some(far) => (strike * far.discount, far.discount * far.growth),
                    None => (strike, 1.0),
                };
                self.options.push(Piece { weight, option_type, strike, scale });
            }
            Instrument::Stock => self.slope += weight,
            Instrument::Forward { .. } => {
                self.slope += weight;
                self.constant -= weight * leg.price;
            }
            Instrument::Cash { .. } => self.constant += weight,
        }
    }
}

fn line_of<'a>(legs: impl IntoIterator<Item = &'a Leg>, far: Option<FarCarry>) -> BrokenLine {
    let mut line = BrokenLine::default();
    legs.into_iter().for_each(|leg| line.with(leg, far));
    line
}

/// The least payoff of legs of one expiry.
pub fn worst_case(legs: &[Leg], style: ExerciseStyle) -> WorstCase {
    let together = line_of(legs, None).least(0.0);
    match style {
        ExerciseStyle::European => together,
        ExerciseStyle::American => [OptionType::Call, OptionType::Put]
            .into_iter()
            .filter_map(|first| exercised_first(legs, first))
            .fold(together, |least, case| if case.value < least.value { case } else { least }),
    }
}

/// The least where the sold options of type `first` are exercised on their own, and those of the other type later or never.
fn exercised_first(legs: &[Leg], first: OptionType) -> Option<WorstCase> {
    let type_of = |leg: &Leg| match leg.instrument {
        Instrument::Option { option_type, .. } => Some(option_type),
        _ => None,
    };
    let sold: Vec<f64> = legs
        .iter()
        .filter(|leg| leg.side.sign() < 0.0)
        .filter_map(|leg| match leg.instrument {
            Instrument::Option { option_type, strike, .. } if option_type == first => Some(strike),
            _ => None,
        })
        .collect();
    let sold_least = sold.iter().copied().reduce(f64::min)?;
    let at_once = line_of(legs.iter().filter(|leg| type_of(leg).is_none_or(|found| found == first)), None);
    let later = line_of(legs.iter().filter(|leg| type_of(leg).is_some_and(|found| found != first)), None).least(0.0);
    // Nobody exercises out of the money: a call at or above its strike, a put at or below it.
    let now = match first {
        OptionType::Call => at_once.least(sold_least),
        OptionType::Put => {
            let sold_most = sold.iter().copied().fold(sold_least, f64::max);
            let corners = at_once.options.iter().map(|piece| piece.strike).filter(|corner| *corner < sold_most);
            corners.chain([0.0, sold_most]).map(|at| WorstCase { value: at_once.at(at), at }).fold(
                WorstCase { value: f64::INFINITY, at: 0.0 },
                |least, case| if case.value < least.value { case } else { least },
            )
        }
    };
    Some(WorstCase { value: now.value + later.value, at: now.at })
}

/// The least value at the near expiry of a package whose far options are all held.
pub fn worst_case_calendar(legs: &[Leg], far: FarCarry) -> WorstCase {
    line_of(legs, Some(far)).least(0.0)
}
