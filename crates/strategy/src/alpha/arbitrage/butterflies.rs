//! Three strikes of one type: prices are convex in the strike, whatever the distances.
//!
//! For K₁ < K₂ < K₃, w C(K₁) + (1 − w) C(K₃) ≥ C(K₂) with w = (K₃ − K₂)/(K₃ − K₁). Of each option that is sold, the cheapest butterfly around it
//! has its wings on the lower convex hull of the asks, so one pass finds it among all pairs of wings.

use super::{
    finding::{Finding, Kind, Setting},
    leg::{Leg, Side},
    quotes::{Ladder, Rung},
};

/// Convexity of both types.
pub(super) fn convexity(ladder: &Ladder, setting: &Setting<'_>, found: &mut Vec<Finding>) {
    for rungs in [&ladder.calls, &ladder.puts] {
        let hull = lower_hull(rungs);
        let mut segment = 0;
        for middle in rungs.iter().filter(|rung| rung.bid.is_some()) {
            while segment + 1 < hull.len() && hull[segment + 1].0.strike <= middle.strike {
                segment += 1;
            }
            let (Some((left, _)), Some((right, _))) = (hull.get(segment), hull.get(segment + 1)) else { continue };
            if left.strike >= middle.strike {
                continue;
            }
            let weight = (right.strike - middle.strike) / (right.strike - left.strike);
            let legs = [
                Leg::option(left, Side::Buy, weight, setting.expiry),
                Leg::option(middle, Side::Sell, 1.0, setting.expiry),
                Leg::option(right, Side::Buy, 1.0 - weight, setting.expiry),
            ];
            let legs = legs.into_iter().collect::<Option<Vec<Leg>>>();
            found.extend(legs.and_then(|legs| setting.finding(Kind::Butterfly, legs, Vec::new())));
        }
    }
}

/// The rungs on the lower convex hull of (strike, ask), by ascending strike (Andrew's monotone chain).
fn lower_hull(rungs: &[Rung]) -> Vec<(&Rung, f64)> {
    let mut hull: Vec<(&Rung, f64)> = Vec::new();
    for rung in rungs {
        let Some(ask) = rung.ask else { continue };
        let point = (rung, ask.price);
        // Of two quotes at one strike the cheaper one counts.
        if hull.last().is_some_and(|(last, price)| last.strike == rung.strike && *price <= ask.price) {
            continue;
        }
        while let Some((last, price)) = hull.last() {
            let is_below = match hull.len().checked_sub(2).map(|at| hull[at]) {
                _ if last.strike == rung.strike => false,
                None => true,
                Some((before, low)) => {
                    let line = low + (ask.price - low) * (last.strike - before.strike) / (rung.strike - before.strike);
                    *price < line
                }
            };
            if is_below {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

#[cfg(test)]
mod tests {
    use zomma_base::OptionType;

    use super::*;
    use crate::alpha::arbitrage::quotes::{Level, QuoteState};

    #[test]
    fn the_hull_is_the_greatest_convex_line_below_the_asks() {
        let asks = [(90.0, 12.0), (95.0, 8.0), (100.0, 7.0), (105.0, 3.0), (110.0, 3.5), (120.0, 0.5), (130.0, 0.4)];
        let rungs: Vec<Rung> = asks
            .iter()
            .map(|&(strike, price)| Rung {
                row: 0,
                option_type: OptionType::Call,
                strike,
                bid: None,
                ask: Some(Level { price, size: None }),
                state: QuoteState::Live,
            })
            .collect();
        let strikes: Vec<f64> = lower_hull(&rungs).iter().map(|(rung, _)| rung.strike).collect();
        // By hand: from 90 to 105 the slope is −0.6, and 95 (8.0 under 9.0) lies below it; 100 (7.0) is above the line 95–105 (5.5).
        assert_eq!(strikes, [90.0, 95.0, 105.0, 120.0, 130.0]);
    }
}
