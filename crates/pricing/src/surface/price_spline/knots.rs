//! Where the spline of a slice has its knots.

use super::{quotes::Quote, reference::Reference};

/// Knots are at least this many deviations apart.
pub(super) const LEAST_GAP: f64 = 0.02;
/// A gap wider than this many deviations is filled.
const WIDEST_GAP: f64 = 0.35;
/// Knots on each side of the money at least.
const FEWEST_A_SIDE: usize = 4;
/// The knots go on this many deviations beyond the quotes, and this share of their span, and this many about the money at least.
const BEYOND: f64 = 1.0;
const BEYOND_SHARE: f64 = 0.05;
const ABOUT: f64 = 4.0;
/// But not further than this in log-moneyness: where a put is worth nearly its strike, its price says little.
const FURTHEST_ABOUT: f64 = 5.0;

/// The log-moneyness of the first and last knot of a slice whose predecessor's knots span `inner`: they span these too.
pub(super) fn span(quotes: &[Quote], reference: &Reference, inner: [f64; 2]) -> [f64; 2] {
    let about = (ABOUT * reference.deviation(0.0)).min(FURTHEST_ABOUT);
    let mut span = [-about, about];
    if let (Some(first), Some(last)) = (quotes.first(), quotes.last()) {
        let share = BEYOND_SHARE * (last.k - first.k);
        span[0] = span[0].min(first.k - share.max(BEYOND * reference.deviation(first.k)));
        span[1] = span[1].max(last.k + share.max(BEYOND * reference.deviation(last.k)));
    }
    [span[0].min(inner[0]), span[1].max(inner[1])]
}

/// Writes the moneyness of the knots over `span`: the quoted strikes, and what fills the gaps between them.
pub(super) fn lay(quotes: &[Quote], reference: &Reference, [low, high]: [f64; 2], knots: &mut Vec<f64>) {
    knots.clear();
    knots.push(low.exp());
    let mut before = (low, reference.deviations(low));
    let end = (high, reference.deviations(high));
    let mut reach = |to: (f64, f64), knots: &mut Vec<f64>| {
        let parts = ((to.1 - before.1) / WIDEST_GAP).ceil().max(1.0);
        for part in 1..parts as usize {
            knots.push((before.0 + (to.0 - before.0) * part as f64 / parts).exp());
        }
        knots.push(to.0.exp());
        before = to;
    };
    let mut last = low;
    let mut last_u = reference.deviations(low);
    for quote in quotes {
        let u = reference.deviations(quote.k);
        if u - last_u < LEAST_GAP || end.1 - u < LEAST_GAP || quote.k <= last || quote.k >= high {
            continue;
        }
        reach((quote.k, u), knots);
        (last, last_u) = (quote.k, u);
    }
    reach(end, knots);
    // Each end of the spline takes three knots of its own side of the money.
    let below = knots.partition_point(|&knot| knot < 1.0);
    if below < FEWEST_A_SIDE {
        knots.splice(..below, (0..FEWEST_A_SIDE).map(|i| (low * (1.0 - i as f64 / FEWEST_A_SIDE as f64)).exp()));
    }
    let above = knots.partition_point(|&knot| knot <= 1.0);
    if knots.len() - above < FEWEST_A_SIDE {
        knots.splice(above.., (1..=FEWEST_A_SIDE).map(|i| (high * i as f64 / FEWEST_A_SIDE as f64).exp()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knots_span_what_they_must_with_no_gap_too_wide() {
        let reference = Reference::flat(0.05);
        let span = span(&[], &reference, [-0.3, 0.1]);
        assert_eq!(span, [-0.3, 0.2]);
        let mut knots = Vec::new();
        lay(&[], &reference, span, &mut knots);
        assert!((knots[0].ln() + 0.3).abs() < 1e-12 && (knots[knots.len() - 1].ln() - 0.2).abs() < 1e-12);
        for pair in knots.windows(2) {
            let gap = reference.deviations(pair[1].ln()) - reference.deviations(pair[0].ln());
            assert!(gap > 0.0 && gap < WIDEST_GAP + 1e-9, "{gap}");
        }
        // However narrow the span, each side of the money has its knots.
        lay(&[], &Reference::flat(1.0), [-0.1, 0.1], &mut knots);
        let below = knots.iter().filter(|knot| **knot < 1.0).count();
        assert!(below >= FEWEST_A_SIDE && knots.len() - below >= FEWEST_A_SIDE);
        assert!(knots.windows(2).all(|pair| pair[0] < pair[1]), "{knots:?}");
    }
}
