use super::SurfaceQuery;
use crate::surface::{
    Forwards,
    calibration::ModelSettings,
    clock::Clock,
    fitted::{FittedSurface, Place, Quoted, SavedSurface, SurfaceModel},
    slices::Slices,
    svi::Svi,
    test_quotes::{grid, quotes},
};

const YEARS: [f64; 4] = [0.1, 0.5, 0.51, 1.0];

/// A surface of `model` with forwards at other times than the expiries, too.
fn saved(model: SurfaceModel, spot: Option<f64>, clock: Clock) -> SavedSurface {
    let slices = YEARS.map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
    let settings = ModelSettings { clock, ..ModelSettings::default() };
    let mut saved = Quoted::of_slices(slices.to_vec(), spot).fit(model, &settings, None).expect("quotes");
    saved.forwards.points = vec![[0.1, 100.0], [0.3, 97.0], [0.5, 103.0], [1.0, 104.0], [1.5, 120.0]];
    saved
}

/// An announcement between two expiries.
fn eventful() -> Clock {
    Clock::new(vec![[0.3, 0.3], [0.31, 0.4], [0.7, 0.695]]).expect("it rises")
}

fn times() -> impl Iterator<Item = f64> {
    let near = YEARS.into_iter().chain([0.3, 0.31, 0.7, 1.5]).flat_map(|t| [t.next_down(), t, t.next_up(), 1.1 * t]);
    near.chain([1e-6, 0.02, 0.2, 0.305, 0.6, 2.0, 40.0])
}

/// At every `step`th of the times.
fn assert_answers_as(saved: &SavedSurface, what: &str, step: usize) {
    let query = saved.query();
    for t in times().step_by(step) {
        let at_expiry = query.at_expiry(t).expect("a time");
        for x in grid(-2.5, 2.0, 10) {
            let strike = 100.0 * (0.2 * x * t.sqrt()).exp();
            let place = Place { strike: Some(strike), expiry_years: t, ..Place::default() };
            let (exact, status) = saved.implied_vol_at(&place);
            if !status.is_ok() {
                // A characteristic function a millionth of a year from expiry.
                assert!(t < 1e-3 && query.implied_vol_by_strike(strike, t).is_nan(), "{what}: {place:?} {status:?}");
                continue;
            }
            let k = (strike / saved.forwards.at(t)).ln();
            let ours = [
                query.implied_vol_by_strike(strike, t),
                query.implied_vol_by_log_moneyness(k, t),
                at_expiry.implied_vol_by_strike(strike),
                at_expiry.implied_vol_by_log_moneyness(k),
            ];
            // A forward of 100 is known to 1e-14, and a millionth of a year from expiry a smile is steep.
            let tolerance = if t < 1e-3 { 1e-9 } else { 1e-11 };
            assert!(ours.iter().all(|vol| (vol / exact - 1.0).abs() < tolerance), "{what} {place:?}: {ours:?} {exact}");
        }
    }
}

#[test]
fn every_model_answers_as_it_does_at_one_place() {
    for model in SurfaceModel::ALL {
        assert_answers_as(&saved(model, Some(99.0), Clock::default()), model.as_str(), 4);
    }
}

#[test]
fn clocks_and_spots_are_kept() {
    for model in [SurfaceModel::Svi, SurfaceModel::Ssvi, SurfaceModel::SsviHeston, SurfaceModel::Essvi] {
        for spot in [None, Some(99.0)] {
            assert_answers_as(&saved(model, spot, eventful()), &format!("{} {spot:?}", model.as_str()), 1);
        }
    }
}

#[test]
fn what_has_no_value_is_not_a_number() {
    for model in [SurfaceModel::Svi, SurfaceModel::Ssvi, SurfaceModel::Essvi, SurfaceModel::Sabr] {
        let mut saved = saved(model, None, Clock::default());
        let none = f64::NAN;
        let broken = [
            (none, 0.5),
            (0.0, 0.5),
            (-1.0, 0.5),
            (f64::INFINITY, 0.5),
            (100.0, 0.0),
            (100.0, -0.5),
            (100.0, none),
            (100.0, f64::INFINITY),
        ];
        for (strike, t) in broken {
            assert!(saved.query().implied_vol_by_strike(strike, t).is_nan(), "{model:?} {strike} {t}");
        }
        let query = saved.query();
        assert!(query.at_expiry(0.0).is_none() && query.at_expiry(none).is_none());
        let smile = query.at_expiry(0.5).expect("a time");
        for k in [none, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(
                query.implied_vol_by_log_moneyness(k, 0.5).is_nan() && smile.implied_vol_by_log_moneyness(k).is_nan()
            );
        }
        assert!(smile.implied_vol_by_strike(-1.0).is_nan());
        // Strikes that no table of logarithms is made for.
        let far = smile.implied_vol_by_strike(1e-310);
        let exact = smile.implied_vol_by_log_moneyness(1e-310_f64.ln() - 103.0_f64.ln());
        assert!((far / exact - 1.0).abs() < 1e-12 || far.is_nan() && exact.is_nan(), "{model:?} {far} {exact}");
        saved.forwards = Forwards::default();
        let query = saved.query();
        let smile = query.at_expiry(0.5).expect("a time");
        assert!(query.implied_vol_by_strike(100.0, 0.5).is_nan() && smile.implied_vol_by_strike(100.0).is_nan());
        assert!(query.implied_vol_by_log_moneyness(0.0, 0.5) > 0.1 && smile.implied_vol_by_log_moneyness(0.0) > 0.1);
    }
}

#[test]
fn a_surface_of_one_slice_and_one_of_none() {
    let svi = Svi { a: 0.01, b: 0.1, rho: -0.6, m: 0.02, sigma: 0.1 };
    let of = |smiles: Vec<Svi>| {
        let expiry_years = smiles.iter().map(|_| 0.25).collect();
        FittedSurface::Svi(Slices { expiry_years, smiles, clock: Clock::default() })
    };
    let forwards = Forwards { spot: None, points: vec![[0.25, 100.0]] };
    let one = of(vec![svi]);
    let query = SurfaceQuery::new(&one, &forwards);
    let exact = (svi.total_variance(0.9_f64.ln()) / 0.25).sqrt();
    assert!((query.implied_vol_by_strike(90.0, 0.25) / exact - 1.0).abs() < 1e-14);
    let none = of(vec![]);
    let query = SurfaceQuery::new(&none, &forwards);
    let smile = query.at_expiry(0.25).expect("a time");
    assert!(query.implied_vol_by_strike(90.0, 0.25).is_nan() && smile.implied_vol_by_strike(90.0).is_nan());
}
