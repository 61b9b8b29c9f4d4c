//! The volatility of a price of a barrier, digital or Bermudan option, where there is one alone.
//!
//! Method    The price of a vanilla payoff that may be exercised at dates grows with the volatility: a bracket, then secant steps in it.
//!           That of a barrier or a digital need not: the whole range of volatilities is scanned, every turn of the price that may reach
//!           the one given is followed, and only where it is passed once is that place refined
//! Range     volatilities from 0.1 % to 1,000 %, and σ√T from 1e-4 to 6; what lies outside is not looked at
//! Accuracy  rounding by a closed form; by a grid, that of its value over vega
//! Limit     A price that turns twice between neighbouring volatilities of the scan (10 % apart; 50 % on a grid) may hide two answers

use zomma_base::Status;

/// Volatilities that are looked at.
const RANGE: [f64; 2] = [1e-3, 10.0];
/// The same, times √T.
const TOTAL_RANGE: [f64; 2] = [1e-4, 6.0];
/// From where a price that grows with the volatility is bracketed.
const START: f64 = 0.2;
/// The part of the volatility that the price's own error may be worth.
const VAGUE: f64 = 0.01;
const MOST_STEPS: usize = 100;

/// How the price depends on the volatility, and how dear a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It grows with the volatility.
    Growing,
    /// It may turn; values are cheap.
    Formula,
    /// It may turn; values are dear.
    Grid,
}

impl Shape {
    /// Volatilities of a scan, and values that the search of one turn may take.
    fn scan(self) -> (usize, usize) {
        if self == Self::Formula { (97, 60) } else { (25, 16) }
    }

    /// Relative change of the volatility at which a search ends.
    fn tolerance(self) -> f64 {
        if self == Self::Formula { 4.0 * f64::EPSILON } else { 1e-8 }
    }
}

/// A price, and how far off it may be from a smooth curve in the volatility.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub price: f64,
    pub noise: f64,
}

/// A volatility, and by how much the price there is above the one given; 0 where the difference is noise.
#[derive(Clone, Copy, Debug)]
struct Point {
    volatility: f64,
    excess: f64,
    noise: f64,
}

/// The volatility in the range at which `value` gives `price`.
///
/// Errors: those of `value` at a usual volatility; `BadPrice`; `BelowIntrinsic` and `AboveMaximum` below and above what any volatility of
/// the range gives; `SeveralVolatilities`; `Undetermined` where the price's error is worth more than a hundredth of the volatility;
/// `NotConverged` where the values left are too few to tell.
pub(super) fn volatility(
    value: impl Fn(f64) -> Result<Value, Status>,
    price: f64,
    expiry_years: f64,
    shape: Shape,
) -> Result<f64, Status> {
    let root = expiry_years.sqrt();
    let least = RANGE[0].max(TOTAL_RANGE[0] / root);
    let most = RANGE[1].min(TOTAL_RANGE[1] / root);
    // What is wrong with the row itself is said first. An expiry that is none is the value's to refuse.
    let is_range = least < most;
    let usual = if is_range { START.clamp(least, most) } else { START };
    value(usual)?;
    if !(price.is_finite() && price >= 0.0) {
        return Err(Status::BadPrice);
    }
    if !is_range {
        return Err(Status::NotConverged);
    }
    let at = |volatility: f64| {
        let Value { price: there, noise } = value(volatility)?;
        let excess = there - price;
        let excess = if excess.abs() <= noise { 0.0 } else { excess };
        if excess.is_finite() { Ok(Point { volatility, excess, noise }) } else { Err(Status::NotConverged) }
    };
    match shape {
        Shape::Growing => growing(&at, usual, [least, most]),
        Shape::Formula | Shape::Grid => scanned(&at, [least, most], shape),
    }
}

/// The volatility of a price that grows with it.
fn growing(at: &impl Fn(f64) -> Result<Point, Status>, usual: f64, [least, most]: [f64; 2]) -> Result<f64, Status> {
    let first = at(usual)?;
    let up = first.excess < 0.0;
    let mut before = first;
    loop {
        let next = if up { (2.0 * before.volatility).min(most) } else { (0.5 * before.volatility).max(least) };
        if next == before.volatility {
            return Err(match (up, before.excess == 0.0) {
                (true, _) => Status::AboveMaximum,
                // The price is that of no volatility: every small one gives it.
                (false, true) => Status::Undetermined,
                (false, false) => Status::BelowIntrinsic,
            });
        }
        let found = at(next)?;
        if (found.excess < 0.0) != up && (up || found.excess != 0.0) {
            let (low, high) = if up { (before, found) } else { (found, before) };
            return refine(at, low, high, Shape::Growing);
        }
        before = found;
    }
}

/// The volatility of a price that may turn, where the range has one alone.
fn scanned(at: &impl Fn(f64) -> Result<Point, Status>, [least, most]: [f64; 2], shape: Shape) -> Result<f64, Status> {
    let (count, turn_values) = shape.scan();
    let ratio = most / least;
    let places = (0..count).map(|i| least * ratio.powf(i as f64 / (count - 1) as f64));
    // At its ends a formula may leave the range of floats.
    let points: Vec<Point> = places.filter_map(|volatility| at(volatility).ok()).collect();
    let whole = points.len() == count;
    let signed: Vec<Point> = points.iter().copied().filter(|point| point.excess != 0.0).collect();
    let crossings: Vec<[Point; 2]> =
        signed.windows(2).filter(|pair| pair[0].excess * pair[1].excess < 0.0).map(|pair| [pair[0], pair[1]]).collect();
    let touched = touches(&points);
    let hidden = signed.windows(3).any(|three| turns_over(at, three, turn_values));
    match (crossings.as_slice(), touched, hidden) {
        ([[low, high]], 0, false) => refine(at, *low, *high, shape),
        ([], 0, false) => Err(match signed.first() {
            _ if !whole => Status::NotConverged,
            Some(point) if point.excess < 0.0 => Status::AboveMaximum,
            Some(_) => Status::BelowIntrinsic,
            None => Status::Undetermined,
        }),
        // Nothing but a stretch at an end, or all of it: there every volatility gives the price.
        ([], 1, false)
            if points.first().is_some_and(|p| p.excess == 0.0) || points.last().is_some_and(|p| p.excess == 0.0) =>
        {
            Err(Status::Undetermined)
        }
        _ => Err(Status::SeveralVolatilities),
    }
}

/// Stretches of points at the price that are no crossing: between two of one sign, or at an end of the range.
fn touches(points: &[Point]) -> usize {
    let mut found = 0;
    let mut before: Option<f64> = None;
    let mut flat = false;
    for point in points {
        if point.excess == 0.0 {
            flat = true;
            continue;
        }
        let crossed = before.is_some_and(|sign| sign * point.excess < 0.0);
        found += usize::from(flat && !crossed);
        (before, flat) = (Some(point.excess), false);
    }
    found + usize::from(flat)
}

/// Whether the price between three points on one side of the one given reaches it.
fn turns_over(at: &impl Fn(f64) -> Result<Point, Status>, three: &[Point], most_values: usize) -> bool {
    let [left, middle, right] = [three[0], three[1], three[2]];
    let sign = middle.excess.signum();
    let (l, m, r) = (sign * left.excess, sign * middle.excess, sign * right.excess);
    // A parabola through the three dips below the middle by less than an eighth of this.
    let bend = l + r - 2.0 * m;
    if !(l >= m && r >= m) || m > bend {
        return false;
    }
    // Golden section, in the logarithm.
    const SHARE: f64 = 0.381_966_011_250_105;
    let (mut low, mut centre, mut high) = (left.volatility.ln(), middle.volatility.ln(), right.volatility.ln());
    let mut least = m;
    for _ in 0..most_values {
        let wide_above = high - centre > centre - low;
        let place = if wide_above { centre + SHARE * (high - centre) } else { centre - SHARE * (centre - low) };
        let Ok(point) = at(place.exp()) else { return false };
        let found = sign * point.excess;
        if found <= 0.0 {
            return true;
        }
        if found < least {
            if wide_above {
                low = centre
            } else {
                high = centre
            }
            (centre, least) = (place, found);
        } else if wide_above {
            high = place;
        } else {
            low = place;
        }
    }
    false
}

/// The crossing between two points, of which one may be at the price: secant steps that the Illinois rule keeps from standing still.
fn refine(at: &impl Fn(f64) -> Result<Point, Status>, low: Point, high: Point, shape: Shape) -> Result<f64, Status> {
    let slope = |a: &Point, b: &Point| (b.excess - a.excess) / (b.volatility - a.volatility);
    let (mut a, mut b) = (low, high);
    let (mut weight_a, mut weight_b) = (1.0, 1.0);
    let mut found = if a.excess == 0.0 { a } else { b };
    let mut steepness = slope(&a, &b).abs();
    let mut side = 0;
    for step in 0..MOST_STEPS {
        let width = b.volatility - a.volatility;
        if found.excess == 0.0 || width <= shape.tolerance() * found.volatility {
            // Error of the price over vega.
            return if found.noise > VAGUE * found.volatility * steepness {
                Err(Status::Undetermined)
            } else {
                Ok(found.volatility)
            };
        }
        let (fa, fb) = (weight_a * a.excess, weight_b * b.excess);
        let secant = a.volatility - fa * width / (fb - fa);
        let inside = secant > a.volatility && secant < b.volatility;
        let next = if inside && step % 8 != 7 { secant } else { 0.5 * (a.volatility + b.volatility) };
        if next <= a.volatility || next >= b.volatility {
            return Ok(found.volatility);
        }
        found = at(next)?;
        if found.excess == 0.0 {
            // The nearer bound tells the slope there.
            let nearer = if next - a.volatility < b.volatility - next { a } else { b };
            steepness = ((found.excess - nearer.excess) / (next - nearer.volatility)).abs();
        } else if found.excess * a.excess > 0.0 {
            (a, weight_a) = (found, 1.0);
            weight_b *= if side == -1 { 0.5 } else { 1.0 };
            side = -1;
            steepness = slope(&a, &b).abs();
        } else {
            (b, weight_b) = (found, 1.0);
            weight_a *= if side == 1 { 0.5 } else { 1.0 };
            side = 1;
            steepness = slope(&a, &b).abs();
        }
    }
    Err(Status::NotConverged)
}
