//! Fits of smiles and surfaces and queries of them, beside the crate volsurf where it has the same model. One thread.
//!
//! Quotes are made: a surface of an index's shape, with noise inside the spread. Before anything is timed both sides must meet the quotes,
//! so that no failed fit counts as a fast one.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use rayon::ThreadPool;
use volsurf::{
    DataFilter, Strike, Tenor, WeightingScheme,
    smile::{SabrSmile as PeerSabr, SmileSection, SviSmile as PeerSvi},
    surface::{EssviSurface as PeerEssvi, SsviSurface as PeerSsvi, SurfaceBuilder, VolSurface},
};
use zomma_base::Status;
use zomma_pricing::{
    fourier::Heston,
    surface::{
        self, Clock, Forwards, SliceQuotes, Slices, Smile, Svi, VolatilitySurface,
        calibration::{Fit, ModelSettings, Residual, Settings, Weights},
        characteristic,
        fitted::{FittedSurface, Place, Places, Quoted, SavedSurface, SurfaceModel, fit_model},
        price_spline, quality_of,
        sabr::{self, Sabr, SabrParameters, SabrSmile},
        ssvi_surface::{SsviLaw, fit_essvi, fit_ssvi},
        svi_surface::{SliceSettings, fit_slice},
    },
};

/// Expiries of a day, and quotes of each.
const EXPIRIES: usize = 41;
const QUOTES: usize = 150;
/// Points of a query.
const POINTS: usize = 4096;
/// Where the noise alone would leave a fit, in vol points, is about 0.13: one that meets its quotes is below this.
const GOOD: f64 = 0.2;
/// The same where the two models differ a little from what made the quotes.
const FAIR: f64 = 1.0;

/// A fraction in 0..1 of a seed.
fn fraction(seed: u64) -> f64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn forward(expiry_years: f64) -> f64 {
    2_800.0 * (0.012 * expiry_years).exp()
}

/// A surface that an index might have: an SSVI slice an expiry, whose tilt may change along.
#[derive(Clone, Copy)]
struct Shape {
    level: f64,
    /// At the shortest and at the longest expiry.
    tilt: [f64; 2],
}

/// Tilts that change along, as an index's do.
const TODAY: Shape = Shape { level: 1.0, tilt: [-0.55, -0.72] };
/// The day before: another level, and other noise.
const YESTERDAY: Shape = Shape { level: 1.06, tilt: [-0.53, -0.71] };
/// One tilt: a surface of SSVI.
const ONE_TILT: Shape = Shape { level: 1.0, tilt: [-0.7, -0.7] };

impl Shape {
    fn volatility(&self, k: f64, t: f64) -> f64 {
        let level = |t: f64| self.level * t * (0.0225 + 0.012 * t / (t + 0.5));
        let theta = level(t);
        let phi = 1.2 * theta.powf(-0.45) * (1.0 + theta).powf(-0.55);
        let [short, long] = self.tilt;
        let rho = short + (long - short) * (theta / level(expiry_years(EXPIRIES - 1))).sqrt();
        let x = phi * k + rho;
        (0.5 * theta * (1.0 + rho * phi * k + (x * x + 1.0 - rho * rho).sqrt()) / t).sqrt()
    }
}

/// From two days to two and a half years.
fn expiry_years(i: usize) -> f64 {
    0.005 * 500.0_f64.powf(i as f64 / (EXPIRIES - 1) as f64)
}

/// Quotes over `reach` deviations from the money: half a spread is 0.1 vol points at the money and 0.08 more a deviation from it; mids miss
/// `volatility` by up to half of that.
fn quotes(t: f64, n: usize, reach: [f64; 2], seed: u64, volatility: impl Fn(f64) -> f64) -> SliceQuotes {
    let deviation = volatility(0.0) * t.sqrt();
    let mut slice = SliceQuotes { expiry_years: t, forward: forward(t), ..SliceQuotes::default() };
    for i in 0..n {
        let x = reach[0] + (reach[1] - reach[0]) * i as f64 / (n - 1) as f64;
        let half = 0.001 + 0.0008 * x.abs();
        let mid = volatility(x * deviation) + half * (fraction(seed.wrapping_mul(1_000) + i as u64) - 0.5);
        slice.log_moneyness.push(x * deviation);
        slice.bid_volatility.push(mid - half);
        slice.mid_volatility.push(mid);
        slice.ask_volatility.push(mid + half);
    }
    slice
}

/// The reach of an index's quotes, in deviations.
const REACH: [f64; 2] = [-9.0, 2.7];

fn day(shape: Shape, seed: u64) -> Vec<SliceQuotes> {
    let slice = |i: usize| {
        let t = expiry_years(i);
        quotes(t, QUOTES, REACH, seed + i as u64, |k| shape.volatility(k, t))
    };
    (0..EXPIRIES).map(slice).collect()
}

/// (strike, mid volatility) of each quote, as the peer takes them.
fn pairs(slice: &SliceQuotes) -> Vec<(f64, f64)> {
    slice.log_moneyness.iter().zip(&slice.mid_volatility).map(|(k, vol)| (slice.forward * k.exp(), *vol)).collect()
}

/// Panics unless `volatility` of (strike, expiry_years) meets the mids within `most` vol points, root mean square.
fn assert_meets(what: &str, slices: &[SliceQuotes], most: f64, volatility: impl Fn(f64, f64) -> f64) {
    let (mut squares, mut count) = (0.0, 0);
    for slice in slices {
        for (strike, mid) in pairs(slice) {
            squares += (volatility(strike, slice.expiry_years) - mid).powi(2);
            count += 1;
        }
    }
    let rmse_vol_points = 100.0 * (squares / f64::from(count)).sqrt();
    assert!(rmse_vol_points < most, "{what} misses the quotes by {rmse_vol_points} vol points");
}

/// [`assert_meets`] of a surface of ours.
fn assert_fits(what: &str, slices: &[SliceQuotes], most: f64, surface: &(impl VolatilitySurface + ?Sized)) {
    let rmse_vol_points = quality_of(surface, slices).1.rmse_vol_points;
    assert!(rmse_vol_points < most, "{what} misses the quotes by {rmse_vol_points} vol points");
}

fn one_slice(t: f64, svi: Svi) -> Slices<Svi> {
    Slices { expiry_years: vec![t], smiles: vec![svi], clock: Clock::default() }
}

fn one_thread() -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread")
}

/// A group of fits that take long, by fewer samples.
fn long<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group
}

/// What the peer minimises: squared misses of total variance, weighted by vega.
fn like_the_peer() -> Settings {
    Settings { residual: Residual::TotalVariance, weights: Weights::Vega, ..Settings::default() }
}

fn svi_slice(c: &mut Criterion) {
    let t = expiry_years(EXPIRIES / 2);
    for n in [150, 40] {
        let today = quotes(t, n, REACH, 7, |k| TODAY.volatility(k, t));
        let yesterday = quotes(t, n, REACH, 77, |k| YESTERDAY.volatility(k, t));
        let (pairs_today, pairs_yesterday) = (pairs(&today), pairs(&yesterday));
        let peer = |pairs: &[(f64, f64)], seed: Option<&PeerSvi>| {
            let (filter, weighting) = (DataFilter::default(), WeightingScheme::default());
            PeerSvi::calibrate_with_config(forward(t), t, pairs, filter, weighting, seed).expect("the peer fits")
        };
        let settings = [
            ("inside_bid_ask", SliceSettings::default()),
            ("least_squares", SliceSettings { calibration: like_the_peer(), ..SliceSettings::default() }),
        ];
        let seed = peer(&pairs_yesterday, None);
        for is_warm in [false, true] {
            let mut group = c.benchmark_group(format!("svi_slice_{n}/{}", if is_warm { "warm" } else { "cold" }));
            let seed = is_warm.then_some(&seed);
            let fitted = peer(&pairs_today, seed);
            assert_meets("the peer's slice", std::slice::from_ref(&today), GOOD, |strike, _| vol(&fitted, strike));
            group.bench_function("peer volsurf", |b| b.iter(|| peer(black_box(&pairs_today), seed)));
            for (name, settings) in settings {
                let fit = |quotes: &SliceQuotes, warm: Option<&Svi>| {
                    fit_slice(quotes, &settings, warm).expect("the slice has quotes")
                };
                let before = fit(&yesterday, None);
                let warm = is_warm.then_some(&before);
                let fitted = one_slice(t, fit(&today, warm));
                assert_fits("the slice", std::slice::from_ref(&today), GOOD, &fitted);
                group.bench_function(name, |b| b.iter(|| fit(black_box(&today), warm)));
            }
            group.finish();
        }
    }
}

/// The peer's volatility at a strike.
fn vol(smile: &impl SmileSection, strike: f64) -> f64 {
    smile.vol(Strike(strike)).map_or(f64::NAN, |vol| vol.0)
}

/// The peer's volatility at a strike and an expiry.
fn black_vol(surface: &impl VolSurface, strike: f64, t: f64) -> f64 {
    surface.black_vol(Tenor(t), Strike(strike)).map_or(f64::NAN, |vol| vol.0)
}

/// The peer's surface of SVI slices: each fitted by itself, so that total variance may fall from one to the next.
fn peer_slices(day: &[SliceQuotes]) -> volsurf::surface::PiecewiseSurface {
    let mut builder = SurfaceBuilder::new();
    for slice in day {
        let strikes: Vec<f64> = pairs(slice).iter().map(|pair| pair.0).collect();
        builder = builder.add_tenor_with_forward(slice.expiry_years, &strikes, &slice.mid_volatility, slice.forward);
    }
    builder.build().expect("the peer fits")
}

/// Ours is free of butterfly and calendar arbitrage; the peer's is not held to it.
fn svi_surface(c: &mut Criterion) {
    let (today, one) = (day(TODAY, 1), one_thread());
    let fitted = peer_slices(&today);
    assert_meets("the peer's surface", &today, GOOD, |strike, t| black_vol(&fitted, strike, t));
    let fitted = surface::fit(&today);
    assert_fits("the surface", &today, GOOD, &fitted);
    let report = &fitted.arbitrage;
    assert_eq!((report.butterfly_violations, report.calendar_violations), (0, 0), "the surface has no arbitrage");
    let mut group = long(c, "svi_surface_41_slices");
    group.bench_function("peer volsurf, not arbitrage-free", |b| b.iter(|| peer_slices(black_box(&today))));
    group.bench_function("arbitrage_free", |b| one.install(|| b.iter(|| surface::fit(black_box(&today)))));
    group.finish();
}

fn sabr_slice(c: &mut Criterion) {
    let t = 0.25;
    let sabr = Sabr { alpha: 0.16, beta: 1.0, rho: -0.6, nu: 1.4 };
    let truth = SabrSmile::new(SabrParameters { expiry_years: t, sabr });
    let today = [quotes(t, QUOTES, [-4.0, 2.5], 3, |k| (truth.total_variance(k) / t).sqrt())];
    let pairs = pairs(&today[0]);
    let peer = |pairs: &[(f64, f64)]| PeerSabr::calibrate(forward(t), t, 1.0, pairs).expect("the peer fits");
    let fitted = peer(&pairs);
    assert_meets("the peer's slice", &today, GOOD, |strike, _| vol(&fitted, strike));
    let mut group = c.benchmark_group("sabr_slice_150");
    group.bench_function("peer volsurf", |b| b.iter(|| peer(black_box(&pairs))));
    let one = one_thread();
    for (name, weights) in [("bid_ask_weights", Weights::BidAsk), ("uniform_weights", Weights::Uniform)] {
        let calibration = Settings { weights, ..Settings::default() };
        let settings = ModelSettings { calibration, ..ModelSettings::default() };
        let fit = |quotes: &[SliceQuotes]| sabr::fit(quotes, &settings, None).expect("the slice has quotes");
        assert_fits("the slice", &today, GOOD, &fit(&today).surface);
        group.bench_function(name, |b| one.install(|| b.iter(|| fit(black_box(&today)))));
    }
    group.finish();
}

/// Strikes and expiries inside the quotes.
fn points() -> Vec<[f64; 2]> {
    let point = |i: u64| {
        let t = expiry_years(1) * (expiry_years(EXPIRIES - 2) / expiry_years(1)).powf(fraction(2 * i));
        let x = -4.0 + 6.0 * fraction(2 * i + 1);
        [forward(t) * (0.16 * t.sqrt() * x).exp(), t]
    };
    (0..POINTS as u64).map(point).collect()
}

/// Strikes of one expiry.
fn one_expiry(t: f64) -> Vec<[f64; 2]> {
    let point = |i: u64| [forward(t) * (0.16 * t.sqrt() * (-4.0 + 6.0 * fraction(2 * i + 1))).exp(), t];
    (0..POINTS as u64).map(point).collect()
}

/// Volatilities at pseudo-random points, by strike: the forward and the logarithm are in the time on both sides. `by_log_moneyness` is the
/// same without them, as a desk asks that keeps its options by log-moneyness. Each row asks point by point, strikes and expiries in no order,
/// but `many` (all points in one call) and `one_expiry` (strikes of one expiry between two slices). `query` is a surface made ready for it.
fn vol_query(c: &mut Criterion) {
    let points = points();
    let (mut out, mut peers) = (vec![0.0; POINTS], vec![0.0; POINTS]);
    let mut rival =
        |group: &mut BenchmarkGroup<'_, WallTime>, name: &str, points: &[[f64; 2]], volatility: &dyn Volatility| {
            volatility.all(points, &mut out);
            if name.starts_with("peer") {
                peers.copy_from_slice(&out);
            }
            let apart = out.iter().zip(&peers).map(|(one, other)| (one - other).powi(2)).sum::<f64>() / POINTS as f64;
            assert!(100.0 * apart.sqrt() < FAIR, "{name} and the peer are {} vol points apart", 100.0 * apart.sqrt());
            group.throughput(Throughput::Elements(POINTS as u64));
            group.bench_function(name, |b| b.iter(|| volatility.all(black_box(points), &mut out)));
        };

    let (today, one_tilt) = (day(TODAY, 1), day(ONE_TILT, 2));
    let slice = &today[EXPIRIES / 2];
    let (t, own_forward) = (slice.expiry_years, slice.forward);
    let peer = PeerSvi::calibrate(own_forward, t, &pairs(slice)).expect("the peer fits");
    let ours = one_slice(t, fit_slice(slice, &SliceSettings::default(), None).expect("the slice has quotes"));
    let mut group = c.benchmark_group("vol_query/svi");
    rival(&mut group, "peer volsurf", &points, &|strike: f64, _: f64| vol(&peer, strike));
    let smile = ours.smiles[0];
    let at = |strike: f64| (strike / own_forward).ln();
    let moneyness: Vec<[f64; 2]> = points.iter().map(|&[strike, _]| [at(strike), t]).collect();
    rival(&mut group, "smile", &points, &|strike: f64, _: f64| (smile.total_variance(at(strike)) / t).sqrt());
    let of_smile = |k: f64, _: f64| (smile.total_variance(k) / t).sqrt();
    rival(&mut group, "smile_by_log_moneyness", &moneyness, &of_smile);
    rival(&mut group, "surface_of_one", &points, &|strike: f64, _: f64| ours.implied_vol(at(strike), t));
    let own = Forwards { spot: None, points: vec![[t, own_forward]] };
    let saved = described(FittedSurface::Svi(ours.clone()), &own);
    let query = saved.query();
    let of_slice = query.at_expiry(t).expect("a time");
    rival(&mut group, "query_smile", &points, &|strike: f64, _: f64| of_slice.implied_vol_by_strike(strike));
    let of_moneyness = |k: f64, _: f64| of_slice.implied_vol_by_log_moneyness(k);
    rival(&mut group, "query_smile_by_log_moneyness", &moneyness, &of_moneyness);
    rival(
        &mut group,
        "many_by_log_moneyness",
        &moneyness,
        &Many(|k: &[f64], t: &[f64], out: &mut [f64]| ours.implied_vols(k, t, out)),
    );
    group.finish();

    let years = |day: &[SliceQuotes]| day.iter().map(|slice| slice.expiry_years).collect::<Vec<f64>>();
    let forwards =
        Forwards { spot: Some(forward(0.0)), points: today.iter().map(|it| [it.expiry_years, it.forward]).collect() };
    let at = |strike: f64, t: f64| (strike / forwards.at(t)).ln();
    let moneyness: Vec<[f64; 2]> = points.iter().map(|&[strike, t]| [at(strike, t), t]).collect();
    let peer = peer_slices(&today);
    let ours = surface::fit(&today);
    let ours = Slices {
        expiry_years: years(&today),
        smiles: ours.slices.iter().map(|slice| slice.svi).collect(),
        clock: Clock::default(),
    };
    let mut group = c.benchmark_group("vol_query/svi_surface");
    rival(&mut group, "peer volsurf", &points, &|strike: f64, t: f64| black_vol(&peer, strike, t));
    rival(&mut group, "implied_vol", &points, &|strike: f64, t: f64| ours.implied_vol(at(strike, t), t));
    rival(&mut group, "implied_vol_by_log_moneyness", &moneyness, &|k: f64, t: f64| ours.implied_vol(k, t));
    let many = |k: &[f64], t: &[f64], out: &mut [f64]| ours.implied_vols(k, t, out);
    rival(&mut group, "many_by_log_moneyness", &moneyness, &Many(many));
    let saved = described(FittedSurface::Svi(ours.clone()), &forwards);
    let query = saved.query();
    rival(&mut group, "query", &points, &|strike: f64, t: f64| query.implied_vol_by_strike(strike, t));
    let of_moneyness = |k: f64, t: f64| query.implied_vol_by_log_moneyness(k, t);
    rival(&mut group, "query_by_log_moneyness", &moneyness, &of_moneyness);
    let place = |strike: f64, t: f64| Place { strike: Some(strike), expiry_years: t, ..Place::default() };
    rival(&mut group, "at_place", &points, &|strike: f64, t: f64| saved.implied_vol_at(&place(strike, t)).0);
    let many = |strike: &[f64], t: &[f64], out: &mut [f64]| {
        let none = [f64::NAN; POINTS];
        let places = Places { strike, log_moneyness: &none, forward: &none, expiry_years: t };
        saved.implied_vols_at(&places, out, &mut [Status::Ok; POINTS]);
    };
    rival(&mut group, "many", &points, &Many(many));
    group.finish();
    let mut group = c.benchmark_group("vol_query/svi_surface_one_expiry");
    let between = 0.6 * today[EXPIRIES / 2].expiry_years + 0.4 * today[EXPIRIES / 2 + 1].expiry_years;
    let of_one: Vec<[f64; 2]> = one_expiry(between);
    rival(&mut group, "peer volsurf", &of_one, &|strike: f64, t: f64| black_vol(&peer, strike, t));
    let smile = query.at_expiry(between).expect("a time");
    rival(&mut group, "query_smile", &of_one, &|strike: f64, _: f64| smile.implied_vol_by_strike(strike));
    group.finish();

    let peer = peer_ssvi(&one_tilt);
    let ours = fit_ssvi(&one_tilt, SsviLaw::PowerLaw, &ModelSettings::default(), None).expect("it fits").surface;
    let mut group = c.benchmark_group("vol_query/ssvi_surface");
    rival(&mut group, "peer volsurf", &points, &|strike: f64, t: f64| black_vol(&peer, strike, t));
    rival(&mut group, "implied_vol", &points, &|strike: f64, t: f64| ours.implied_vol(at(strike, t), t));
    rival(&mut group, "implied_vol_by_log_moneyness", &moneyness, &|k: f64, t: f64| ours.implied_vol(k, t));
    let many = |k: &[f64], t: &[f64], out: &mut [f64]| ours.implied_vols(k, t, out);
    rival(&mut group, "many_by_log_moneyness", &moneyness, &Many(many));
    let saved = described(FittedSurface::Ssvi(ours.clone()), &forwards);
    let query = saved.query();
    rival(&mut group, "query", &points, &|strike: f64, t: f64| query.implied_vol_by_strike(strike, t));
    let of_moneyness = |k: f64, t: f64| query.implied_vol_by_log_moneyness(k, t);
    rival(&mut group, "query_by_log_moneyness", &moneyness, &of_moneyness);
    rival(&mut group, "at_place", &points, &|strike: f64, t: f64| saved.implied_vol_at(&place(strike, t)).0);
    let many = |strike: &[f64], t: &[f64], out: &mut [f64]| {
        let none = [f64::NAN; POINTS];
        let places = Places { strike, log_moneyness: &none, forward: &none, expiry_years: t };
        saved.implied_vols_at(&places, out, &mut [Status::Ok; POINTS]);
    };
    rival(&mut group, "many", &points, &Many(many));
    group.finish();
    let mut group = c.benchmark_group("vol_query/ssvi_surface_one_expiry");
    rival(&mut group, "peer volsurf", &of_one, &|strike: f64, t: f64| black_vol(&peer, strike, t));
    let smile = query.at_expiry(between).expect("a time");
    rival(&mut group, "query_smile", &of_one, &|strike: f64, _: f64| smile.implied_vol_by_strike(strike));
    group.finish();
}

/// A volatility of (strike, expiry_years): one call for all points, so that the one at each is compiled into the loop.
trait Volatility {
    fn all(&self, points: &[[f64; 2]], out: &mut [f64]);
}

impl<F: Fn(f64, f64) -> f64> Volatility for F {
    fn all(&self, points: &[[f64; 2]], out: &mut [f64]) {
        for (out, &[strike, t]) in out.iter_mut().zip(points) {
            *out = self(strike, t);
        }
    }
}

/// Volatilities of columns.
struct Many<F>(F);

impl<F: Fn(&[f64], &[f64], &mut [f64])> Volatility for Many<F> {
    fn all(&self, points: &[[f64; 2]], out: &mut [f64]) {
        let mut columns = [[0.0; POINTS]; 2];
        for (i, point) in points.iter().enumerate() {
            (columns[0][i], columns[1][i]) = (point[0], point[1]);
        }
        (self.0)(&columns[0], &columns[1], out);
    }
}

/// A surface as it is saved.
fn described(surface: FittedSurface, forwards: &Forwards) -> SavedSurface {
    let settings = ModelSettings::default();
    let quoted = Quoted { forwards: forwards.clone(), ..Quoted::default() };
    quoted.describe(Fit::of(surface), &settings)
}

/// Expiries, forwards and (strike, volatility) of a day, as the peer takes them.
type PeerDay = (Vec<f64>, Vec<f64>, Vec<Vec<(f64, f64)>>);

fn peer_day(day: &[SliceQuotes]) -> PeerDay {
    let years = day.iter().map(|slice| slice.expiry_years).collect();
    (years, day.iter().map(|slice| slice.forward).collect(), day.iter().map(pairs).collect())
}

fn peer_ssvi(day: &[SliceQuotes]) -> PeerSsvi {
    let (years, forwards, pairs) = peer_day(day);
    PeerSsvi::calibrate(&years, &forwards, &pairs).expect("the peer fits")
}

fn ssvi_surfaces(c: &mut Criterion) {
    let (one, settings) = (one_thread(), ModelSettings::default());
    let today = day(ONE_TILT, 2);
    let fitted = peer_ssvi(&today);
    assert_meets("the peer's surface", &today, FAIR, |strike, t| black_vol(&fitted, strike, t));
    let (years, forwards, pairs) = peer_day(&today);
    let mut group = long(c, "ssvi_surface");
    group.bench_function("peer volsurf", |b| {
        b.iter(|| PeerSsvi::calibrate(&years, &forwards, black_box(&pairs)).expect("the peer fits"))
    });
    let fit = |day: &[SliceQuotes]| fit_ssvi(day, SsviLaw::PowerLaw, &settings, None).expect("the day has quotes");
    assert_fits("the surface", &today, GOOD, &fit(&today).surface);
    group.bench_function("ssvi", |b| one.install(|| b.iter(|| fit(black_box(&today)))));
    group.finish();

    let today = day(TODAY, 1);
    let (years, forwards, pairs) = peer_day(&today);
    let peer = |pairs: &[Vec<(f64, f64)>]| PeerEssvi::calibrate(&years, &forwards, pairs).expect("the peer fits");
    let fitted = peer(&pairs);
    assert_meets("the peer's surface", &today, FAIR, |strike, t| black_vol(&fitted, strike, t));
    let mut group = long(c, "essvi_surface");
    group.bench_function("peer volsurf", |b| b.iter(|| peer(black_box(&pairs))));
    let fit = |day: &[SliceQuotes]| fit_essvi(day, &settings, None).expect("the day has quotes");
    assert_fits("the surface", &today, GOOD, &fit(&today).surface);
    group.bench_function("essvi", |b| one.install(|| b.iter(|| fit(black_box(&today)))));
    group.finish();
}

/// The shape of the usual test of Heston fits, the DAX of 5 July 2002 (thirteen strikes by eight expiries), quoted by a model near the optimum
/// there, from a start in the far corner of the box, and from the usual four.
fn heston_surface(c: &mut Criterion) {
    let truth = Heston { v0: 0.2, kappa: 15.0, theta_v: 0.075, sigma_v: 3.4, rho_v: -0.5 };
    let slice = |week: u32| {
        let t = f64::from(7 * week) / 365.0;
        let reach = [-0.27, 0.23].map(|k| k / truth.total_variance(0.0, t).sqrt());
        quotes(t, 13, reach, u64::from(week), |k| truth.implied_vol(k, t))
    };
    let today: Vec<SliceQuotes> = [2, 6, 11, 24, 37, 49, 75, 101].map(slice).to_vec();
    let calibration = Settings { weights: Weights::Uniform, ..Settings::default() };
    let settings = ModelSettings { calibration, ..ModelSettings::default() };
    let far = Heston { v0: 0.6, kappa: 30.0, theta_v: 0.4, sigma_v: 7.0, rho_v: 0.5 };
    let one = one_thread();
    let from_far = |day: &[SliceQuotes]| characteristic::heston_from(day, &settings, &far).expect("it fits");
    let usual = |day: &[SliceQuotes]| characteristic::heston(day, &settings, None).expect("it fits");
    assert_fits("the surface from afar", &today, GOOD, &from_far(&today).surface);
    assert_fits("the surface", &today, GOOD, &usual(&today).surface);
    let mut group = c.benchmark_group("heston_surface_104_quotes");
    group.bench_function("one_far_start", |b| one.install(|| b.iter(|| from_far(black_box(&today)))));
    group.bench_function("four_starts", |b| one.install(|| b.iter(|| usual(black_box(&today)))));
    group.finish();
}

/// Surfaces that no peer has.
fn surfaces_without_a_peer(c: &mut Criterion) {
    let (today, one, settings) = (day(TODAY, 1), one_thread(), ModelSettings::default());
    let splines = |day: &[SliceQuotes]| price_spline::fit(day, &settings, None).expect("the day has quotes");
    let fitted = splines(&today).surface;
    assert_fits("the surface", &today, GOOD, &fitted);
    let mut group = long(c, "price_spline_day");
    group.bench_function("41_slices_of_150", |b| one.install(|| b.iter(|| splines(black_box(&today)))));
    group.finish();

    let finite_differences =
        |day: &[SliceQuotes]| fit_model(SurfaceModel::AndreasenHuge, day, &settings, None).expect("the day has quotes");
    assert_fits("the surface", &today, GOOD, &finite_differences(&today).surface);
    let mut group = long(c, "andreasen_huge_day");
    group.bench_function("41_slices_of_150", |b| one.install(|| b.iter(|| finite_differences(black_box(&today)))));
    group.finish();
}

criterion_group!(
    benches,
    svi_slice,
    svi_surface,
    sabr_slice,
    vol_query,
    ssvi_surfaces,
    heston_surface,
    surfaces_without_a_peer
);
criterion_main!(benches);
