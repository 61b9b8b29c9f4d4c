//! Looks for everything in the quotes of an underlying.

use zomma_base::ExerciseStyle;

use super::{
    boxes, butterflies, calendars,
    costs::Costs,
    finding::{Finding, Setting},
    parity::Hedged,
    quotes::{ExpiryQuotes, Ladder, QuoteState},
    verticals,
};

/// Every package that the quotes break an inequality with: those of live quotes first, by edge after fees, then those that a crossed, stale or
/// sizeless quote takes part in.
///
/// Of each option (pair, for boxes) that is sold, the best package of each kind is kept, so one false quote gives as many findings as strikes
/// see it, and not their square. Time: the strikes, times the number of expiries.
pub fn scan(expiries: &[ExpiryQuotes], costs: &Costs) -> Vec<Finding> {
    let mut found = pass(expiries, costs, true);
    // Doubtful quotes are looked at in a second pass, so that they hide nothing of the first.
    let mut doubtful = pass(expiries, costs, false);
    doubtful.retain(|finding| finding.legs.iter().any(|leg| leg.state != QuoteState::Live));
    found.append(&mut doubtful);
    let is_doubtful = |finding: &Finding| finding.legs.iter().any(|leg| leg.state != QuoteState::Live);
    found.sort_by(|a, b| {
        is_doubtful(a).cmp(&is_doubtful(b)).then_with(|| b.edge_after_fees.total_cmp(&a.edge_after_fees))
    });
    found
}

fn pass(expiries: &[ExpiryQuotes], costs: &Costs, only_live: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let ladders: Vec<Ladder> = expiries.iter().map(|expiry| Ladder::new(expiry, only_live)).collect();
    for (index, (expiry, ladder)) in expiries.iter().zip(&ladders).enumerate() {
        if !(expiry.years > 0.0 && expiry.years.is_finite()) {
            continue;
        }
        let setting = Setting { costs, style: expiry.exercise_style, expiry: index, years: expiry.years, far: None };
        verticals::monotonicity(ladder, &setting, &mut found);
        butterflies::convexity(ladder, &setting, &mut found);
        // With rates below zero what is owed early can be more than its face, so American packages with cash are left out.
        let is_american = expiry.exercise_style == ExerciseStyle::American;
        let Some(cash) = expiry.cash.filter(|cash| !is_american || cash.lend <= 1.0) else { continue };
        verticals::width(ladder, cash, &setting, &mut found);
        verticals::put_upper_bound(ladder, cash, &setting, &mut found);
        boxes::against_cash(ladder, cash, &setting, &mut found);
        if let Some(hedge) = expiry.hedge {
            Hedged { setting, cash, hedge }.scan(ladder, &mut found);
        }
    }
    for near in 0..expiries.len() {
        for far in 0..expiries.len() {
            let member = |index: usize| (index, &expiries[index], &ladders[index]);
            calendars::between(member(near), member(far), costs, &mut found);
        }
    }
    found
}
