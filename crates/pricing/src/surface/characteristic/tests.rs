use super::{
    descent::{Pull, descend},
    market::Market,
    parameters::{Characteristic, boxed},
    *,
};
use crate::{
    fourier::{Bates, Heston, Kou, Merton},
    surface::{
        SliceQuotes,
        calibration::{Estimator, ModelSettings, Residual, Settings, Weights},
        smile::VolatilitySurface,
    },
};

/// Quotes of a surface with half-spreads of `half` volatility.
fn quotes_of(surface: &impl VolatilitySurface, expiries: &[f64], half: f64) -> Vec<SliceQuotes> {
    let slice = |&t: &f64| {
        let reach = 2.5 * surface.total_variance(0.0, t).sqrt();
        let k: Vec<f64> = (0..15).map(|i| reach * (f64::from(i) / 9.0 - 1.0)).collect();
        let mid: Vec<f64> = k.iter().map(|&k| surface.implied_vol(k, t)).collect();
        SliceQuotes {
            expiry_years: t,
            forward: 100.0,
            bid_volatility: mid.iter().map(|v| v - half).collect(),
            ask_volatility: mid.iter().map(|v| v + half).collect(),
            open_interest: Vec::new(),
            log_moneyness: k,
            mid_volatility: mid,
        }
    };
    expiries.iter().map(slice).collect()
}

/// The DAX of 5 July 2002 (A. Sepp; QuantLib's test suite), with expiries rounded to weeks where asked, as QuantLib does.
fn dax(rounds_to_weeks: bool) -> Option<Vec<SliceQuotes>> {
    let path = zomma_testkit::real_data()?.join("options/dax_2002_07_05_surface.json");
    let text = std::fs::read_to_string(path).expect("the surface is there");
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let column = |key: &str| -> Vec<f64> { serde_json::from_value(json[key].clone()).expect("numbers") };
    let vols: Vec<Vec<f64>> = serde_json::from_value(json["implied_vols_strike_major"].clone()).expect("numbers");
    let (strikes, days, rates) = (column("strikes"), column("days"), column("zero_rates_act365"));
    let spot = json["spot"].as_f64().expect("a number");
    let slice = |j: usize| {
        let day = if rounds_to_weeks { 7.0 * ((days[j] + 3.0) / 7.0).floor() } else { days[j] };
        // Zero rates, linear between the expiries.
        let after = days.partition_point(|it| *it < day).clamp(1, days.len() - 1);
        let share = (day - days[after - 1]) / (days[after] - days[after - 1]);
        let rate = if day <= days[0] { rates[0] } else { rates[after - 1] + share * (rates[after] - rates[after - 1]) };
        let forward = spot * (rate * day / 365.0).exp();
        let mid: Vec<f64> = vols.iter().map(|row| row[j]).collect();
        SliceQuotes {
            expiry_years: day / 365.0,
            forward,
            log_moneyness: strikes.iter().map(|k| (k / forward).ln()).collect(),
            bid_volatility: vec![f64::NAN; mid.len()],
            ask_volatility: vec![f64::NAN; mid.len()],
            mid_volatility: mid,
            open_interest: Vec::new(),
        }
    };
    Some((0..days.len()).map(slice).collect())
}

/// One unit a vol point, all quotes alike.
fn uniform() -> ModelSettings {
    let calibration = Settings { weights: Weights::Uniform, ..Settings::default() };
    ModelSettings { calibration, ..ModelSettings::default() }
}

/// Numbers in 0..1 by a linear congruence.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn real_probe_dax() {
    let Some(quotes) = dax(std::env::var("WEEKS").is_ok()) else { return };
    let market = Market::new(&quotes, &uniform().calibration);
    let parameters = boxed::<Heston, 5>(market.largest_variance());
    let pull = Pull { weight: 0.0, towards: [0.0; 5] };
    let mut next = random(7);
    let mut times = Vec::new();
    for i in 0..40 {
        let start: [f64; 5] = parameters.map(|it| it.low + (it.high - it.low) * next());
        let mut best = f64::INFINITY;
        let mut found = None;
        for _ in 0..5 {
            let time = std::time::Instant::now();
            found = Some(descend::<Heston, 5>(&market, &parameters, Estimator::LeastSquares, &pull, &start));
            best = best.min(time.elapsed().as_secs_f64() * 1e3);
        }
        let found = found.expect("it ran");
        times.push(best);
        println!("{i} {best:.3} ms steps {} conv {} cost {:.6} {:?} from {start:.3?}", found.solution.steps, found.solution.converged, found.cost(), found.parameters);
    }
    println!("mean {:.3} max {:.3}", times.iter().sum::<f64>() / times.len() as f64, times.iter().copied().fold(0.0, f64::max));
}
