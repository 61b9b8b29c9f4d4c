//! What a reader should know of the cash dividends that were given: which take part, which do not, and where parity disagrees.

use zomma_base::ExerciseStyle;
use zomma_market::chain::Chain;

use super::{
    AnalysisConfig, ForwardSource,
    cash_dividends::CashDividends,
    expiries::Expiries,
    forwards::{Forwards, PARITY_SPOT_ERROR_MAX},
};

/// Standard errors of a parity forward, and the share of spot a year that a rate from American pairs may be off, within which it agrees with
/// the dividends.
const ERRORS: f64 = 3.0;
const RATE_ERROR: f64 = 2e-3;
/// The same at any expiry: an American pair's rounding.
const LEAST_SHARE: f64 = 2e-4;

/// The notes; none where no dividends were given.
pub(super) fn write(chain: &Chain, config: &AnalysisConfig, expiries: &Expiries, forwards: &Forwards) -> Vec<String> {
    if config.dividends.is_none() {
        return Vec::new();
    }
    let Some(cash) = &forwards.cash else {
        let name = &chain.underlying;
        return vec![format!("--dividends has none of {name}: a yield stands for its dividends, as without the file.")];
    };
    let mut notes = vec![used(cash, expiries)];
    if cash.passed > 0 {
        notes.push(format!("{} of the cash dividends went ex before the quotes and take no part.", cash.passed));
    }
    let last = expiries.alive.last();
    let late = last.map_or(0, |last| cash.all().len() - cash.before(last.years).len());
    if let Some(last) = last.filter(|_| late > 0) {
        notes.push(format!(
            "{late} of the cash dividends go ex at or after the last expiry ({}) and take no part.",
            last.date
        ));
    }
    notes.extend(moved_spot(chain, cash, forwards));
    notes.extend(disagreement(cash, config, expiries, forwards));
    notes
}

/// Dividends before all forwards that parity's spot is carried from move it alone, and no forward says so: only the file's price can.
fn moved_spot(chain: &Chain, cash: &CashDividends, forwards: &Forwards) -> Option<String> {
    let parity = forwards.parity_spot?;
    let last = chain.underlying_last.filter(|last| last.is_finite() && *last > 0.0)?;
    let before = cash.before(parity.first_years);
    let total: f64 = before.iter().map(|dividend| dividend.amount).sum();
    let gap = last - parity.spot;
    let allowed = parity.spot * PARITY_SPOT_ERROR_MAX.max(ERRORS * parity.error);
    (!before.is_empty() && gap.abs() > allowed).then(|| {
        format!(
            "The file's underlying price lies {gap:+.3} from parity's spot, which has {} of dividends before the first expiry that it is \
             carried from added to its forward: one of them may be wrong or one missing, or that price is of another time.",
            (total * 1e6).round() / 1e6
        )
    })
}

fn used(cash: &CashDividends, expiries: &Expiries) -> String {
    let most = expiries.alive.last().map_or(&[][..], |last| cash.before(last.years));
    let behind = |style: ExerciseStyle| {
        expiries.alive.iter().filter(|e| e.style == style && !cash.before(e.years).is_empty()).count()
    };
    let Some(first) = most.first() else { return "No cash dividend lies before the last expiry.".to_owned() };
    let [american, european] = [ExerciseStyle::American, ExerciseStyle::European].map(behind);
    let total: f64 = most.iter().map(|dividend| dividend.amount).sum();
    let total = (total * 1e6).round() / 1e6;
    let grid = if american > 0 {
        format!("; {american} American expiries behind one are inverted on a grid (160 cells, 40 steps) with them")
    } else {
        String::new()
    };
    let parity = if european > 0 { "; European rows read theirs from the forward" } else { "" };
    format!(
        "Cash dividends: {} of {total} in all before the last expiry, the first in {:.0} days{grid}{parity}.",
        most.len(),
        365.0 * first.time_years
    )
}

/// The forward that is farthest from what spot, rate and dividends give, where that is more than its error and the rate's explain.
fn disagreement(
    cash: &CashDividends,
    config: &AnalysisConfig,
    expiries: &Expiries,
    forwards: &Forwards,
) -> Option<String> {
    let spot = forwards.spot;
    // What is left of a yield beside the cash.
    let dividend_yield = config.dividend_yield.unwrap_or(0.0);
    let gaps = expiries.alive.iter().zip(&forwards.carries).filter_map(|(expiry, carry)| {
        let carry = carry.as_ref().filter(|carry| carry.forward_source != ForwardSource::SpotAndCarry)?;
        let gap = carry.forward - cash.forward(spot, expiry.years, carry.rate - dividend_yield);
        let allowed = ERRORS * carry.forward_error? + spot * (RATE_ERROR * expiry.years).max(LEAST_SHARE);
        (gap.abs() > allowed).then_some((gap, allowed, expiry))
    });
    let gaps: Vec<_> = gaps.collect();
    let (gap, _, expiry) = gaps.iter().max_by(|a, b| (a.0.abs() / a.1).total_cmp(&(b.0.abs() / b.1)))?;
    Some(format!(
        "Parity disagrees with spot, rate and cash dividends at {} of {} expiries, most at {} (forward {gap:+.3}): the forward is \
         parity's, and a yield takes up the rest. A dividend may be missing or wrong, or the rate.",
        gaps.len(),
        expiries.alive.len(),
        expiry.date,
    ))
}
