//! Surface models on the quotes of real chains.

use std::path::Path;

use rayon::prelude::*;
use zomma_market::chain::Chain;
use zomma_pricing::surface::{
    SliceQuotes, VolatilitySurface,
    calibration::ModelSettings,
    coverage, density_maxima,
    fitted::{SurfaceModel, fit_model},
    quality_of, violations,
};
use zomma_strategy::analysis::{SurfaceQuotes, surface_quotes};

use crate::{real::chains, support::config};

/// Two days, in years: what is shorter is quoted in ticks.
const SHORTEST_YEARS: f64 = 2.0 / 365.0;

/// The market's volatility at the forward: between the two nearest quotes on either side of it, linear in log-moneyness.
fn market_at_the_money(quotes: &SliceQuotes) -> Option<f64> {
    let usable = || (0..quotes.len()).filter(|&i| quotes.mid_volatility[i].is_finite());
    let below = usable().rfind(|&i| quotes.log_moneyness[i] <= 0.0)?;
    let above = usable().find(|&i| quotes.log_moneyness[i] > 0.0)?;
    let [low, high] = [below, above].map(|i| quotes.log_moneyness[i]);
    let share = -low / (high - low);
    let [low, high] = [below, above].map(|i| quotes.mid_volatility[i]);
    Some(low + share * (high - low))
}

/// The quotes of every SPX day that has any.
fn real_spx_quotes(folder: &Path) -> Vec<SurfaceQuotes> {
    let chains = chains(&folder.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz"), None);
    let quotes = |(index, chain): (usize, &Chain)| {
        let previous = index.checked_sub(1).map(|index| &chains[index]);
        surface_quotes(chain, previous, &config()).ok()
    };
    let days: Vec<SurfaceQuotes> = chains.iter().enumerate().filter_map(quotes).collect();
    assert_eq!(days.len(), 41);
    days
}

/// A slice's quotes that are at every third place (`held_out`), or the others.
fn part(slice: &SliceQuotes, held_out: bool) -> SliceQuotes {
    let picked = |column: &[f64]| -> Vec<f64> {
        column.iter().enumerate().filter(|(i, _)| (i % 3 == 1) == held_out).map(|(_, value)| *value).collect()
    };
    SliceQuotes {
        expiry_years: slice.expiry_years,
        forward: slice.forward,
        log_moneyness: picked(&slice.log_moneyness),
        bid_volatility: picked(&slice.bid_volatility),
        mid_volatility: picked(&slice.mid_volatility),
        ask_volatility: picked(&slice.ask_volatility),
        open_interest: picked(&slice.open_interest),
    }
}

/// Strikes that the fit did not see lie inside bid and ask, and densities have one hump or two, over all days.
#[test]
fn real_spx_strikes_held_out_lie_inside_and_densities_are_smooth() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let settings = ModelSettings::default();
    let days: Vec<([usize; 2], Vec<usize>)> = real_spx_quotes(&folder)
        .par_iter()
        .map(|day| {
            let kept: Vec<SliceQuotes> = day.slices.iter().map(|slice| part(slice, false)).collect();
            let held_out: Vec<SliceQuotes> = day.slices.iter().map(|slice| part(slice, true)).collect();
            let without = fit_model(SurfaceModel::PriceSpline, &kept, &settings, None).unwrap();
            let quality = quality_of(&without.surface, &held_out).1;
            assert!(quality.inside as f64 > 0.9 * quality.quotes as f64, "{}: {quality:?}", day.quote_date);
            let whole = fit_model(SurfaceModel::PriceSpline, &day.slices, &settings, None).unwrap();
            let maxima = density_maxima(&whole.surface, &coverage(&day.slices));
            ([quality.inside, quality.quotes], maxima.iter().map(|slice| slice.log_moneyness.len()).collect())
        })
        .collect();
    let [inside, quotes] = [0, 1].map(|i| days.iter().map(|day| day.0[i]).sum::<usize>());
    assert!(inside as f64 > 0.99 * quotes as f64, "{inside} of {quotes}");
    let mut maxima: Vec<usize> = days.into_iter().flat_map(|day| day.1).collect();
    maxima.sort_unstable();
    assert!(maxima[maxima.len() / 2] <= 2 && maxima[maxima.len() * 95 / 100] <= 2, "{maxima:?}");
}

/// What being free of arbitrage costs extended SSVI: next to nothing, over all days together and on each.
#[test]
fn real_spx_days_have_extended_ssvi_as_good_as_its_slices_alone() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    real_spx_quotes(&folder).par_iter().for_each(|day| {
        let fitted = fit_model(SurfaceModel::Essvi, &day.slices, &ModelSettings::default(), None).unwrap();
        let (quality, free) = (quality_of(&fitted.surface, &day.slices).1, fitted.unconstrained.unwrap());
        let what = format!("{}: {quality:?} and {free:?}", day.quote_date);
        assert!(quality.inside as f64 >= free.inside as f64 - 0.05 * quality.quotes as f64, "{what}");
        assert_eq!(violations(&fitted.surface, &coverage(&day.slices)).1, vec![], "{}", day.quote_date);
    });
}

/// No slice of any day falls into a degenerate minimum: at the money the fit is within half a point of the market.
#[test]
fn real_spx_slices_have_the_market_s_volatility_at_the_money() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let mut compared = 0;
    for quotes in real_spx_quotes(&folder) {
        for model in [SurfaceModel::Svi, SurfaceModel::PriceSpline] {
            let fitted = fit_model(model, &quotes.slices, &ModelSettings::default(), None).unwrap();
            for slice in quotes.slices.iter().filter(|slice| slice.expiry_years > SHORTEST_YEARS) {
                let Some(market) = market_at_the_money(slice) else { continue };
                let ours = fitted.surface.implied_vol(0.0, slice.expiry_years);
                let what = format!("{}, {}, {} years", quotes.quote_date, model.as_str(), slice.expiry_years);
                assert!((ours - market).abs() < 0.005, "{what}: {ours} and {market}");
                compared += 1;
            }
        }
    }
    assert!(compared > 3000, "{compared}");
}
