//! Surface models on the quotes of real chains.

use zomma_pricing::surface::{
    SliceQuotes, VolatilitySurface,
    calibration::ModelSettings,
    fitted::{SurfaceModel, fit_model},
};
use zomma_strategy::analysis::surface_quotes;

use crate::{real::chains, support::config};

/// Two days, in years: shorter slices have next to no quotes about the money.
const SHORTEST_YEARS: f64 = 2.0 / 365.0;

/// The market's volatility at the forward: between the two nearest quotes on either side of it, linear in log-moneyness.
fn market_at_the_money(quotes: &SliceQuotes) -> Option<f64> {
    let usable = || (0..quotes.len()).filter(|&i| quotes.mid_volatility[i].is_finite());
    let below = usable().filter(|&i| quotes.log_moneyness[i] <= 0.0).last()?;
    let above = usable().find(|&i| quotes.log_moneyness[i] > 0.0)?;
    let [low, high] = [below, above].map(|i| quotes.log_moneyness[i]);
    let share = -low / (high - low);
    let [low, high] = [below, above].map(|i| quotes.mid_volatility[i]);
    Some(low + share * (high - low))
}

/// No slice of any day falls into a degenerate minimum: at the money the fit is within half a point of the market.
#[test]
fn real_spx_slices_have_the_market_s_volatility_at_the_money() {
    let Some(folder) = zomma_testkit::real_data() else { return };
    let chains = chains(&folder.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz"), None);
    let mut compared = 0;
    for (index, chain) in chains.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| &chains[index]);
        let Ok(quotes) = surface_quotes(chain, previous, &config()) else { continue };
        for model in [SurfaceModel::Svi, SurfaceModel::PriceSpline] {
            let fitted = fit_model(model, &quotes.slices, &ModelSettings::default(), None).unwrap();
            for slice in quotes.slices.iter().filter(|slice| slice.expiry_years > SHORTEST_YEARS && slice.len() >= 10) {
                let Some(market) = market_at_the_money(slice) else { continue };
                let ours = fitted.surface.implied_vol(0.0, slice.expiry_years);
                let what = format!("{}, {}, {} years", chain.quote_date, model.as_str(), slice.expiry_years);
                assert!((ours - market).abs() < 0.005, "{what}: {ours} and {market}");
                compared += 1;
            }
        }
    }
    assert!(compared > 3000, "{compared}");
}
