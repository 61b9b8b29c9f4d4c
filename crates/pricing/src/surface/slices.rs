//! A surface from smiles at ascending expiries, joined at constant moneyness so that total variance never falls.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};

use super::{
    clock::Clock,
    many::{BLOCK, Join, join},
    smile::{Smile, Variance, VolatilitySurface},
};

/// Smiles at ascending expiries.
///
/// Between two expiries w is linear in variance time ([`Clock`]) at constant k. Before the first, w falls to zero in proportion to variance
/// time: g is then a concave function of the share λ with g(0) ≥ 0, so a first smile free of butterfly arbitrage leaves the stretch free of
/// it. After the last, every strike gains the variance that the money gains, which keeps the slopes of the wings, so Lee's bound too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SlicesForm<S>")]
pub struct Slices<S> {
    /// Years to expiry, ascending and above zero.
    pub expiry_years: Vec<f64>,
    /// One smile an expiry.
    pub smiles: Vec<S>,
    /// How variance passes between the expiries.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
}

/// Slices as they are read, before it is known whether they are sound.
#[derive(Deserialize)]
#[serde(bound = "S: Deserialize<'de>")]
struct SlicesForm<S> {
    expiry_years: Vec<f64>,
    #[serde(deserialize_with = "numbered")]
    smiles: Vec<S>,
    #[serde(default)]
    clock: Clock,
}

/// Reads a list, and names the entry that cannot be read.
fn numbered<'de, D: Deserializer<'de>, S: Deserialize<'de>>(deserializer: D) -> Result<Vec<S>, D::Error> {
    struct Entries<S>(PhantomData<S>);

    impl<'de, S: Deserialize<'de>> Visitor<'de> for Entries<S> {
        type Value = Vec<S>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of smiles")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<S>, A::Error> {
            let mut all = Vec::new();
            loop {
                let entry = entries.next_element();
                match entry.map_err(|error| A::Error::custom(format_args!("smiles entry {}: {error}", all.len())))? {
                    Some(entry) => all.push(entry),
                    None => return Ok(all),
                }
            }
        }
    }

    deserializer.deserialize_seq(Entries(PhantomData))
}

/// Why smiles and expiries are no surface.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
enum SlicesError {
    #[error("{expiries} expiry_years and {smiles} smiles: as many of one as of the other are needed")]
    Lengths { expiries: usize, smiles: usize },
    #[error("expiry_years must be finite, above 0 and ascending: entry {entry} is {value}")]
    Expiry { entry: usize, value: f64 },
}

impl<S> TryFrom<SlicesForm<S>> for Slices<S> {
    type Error = SlicesError;

    fn try_from(form: SlicesForm<S>) -> Result<Self, SlicesError> {
        let SlicesForm { expiry_years, smiles, clock } = form;
        if expiry_years.len() != smiles.len() {
            return Err(SlicesError::Lengths { expiries: expiry_years.len(), smiles: smiles.len() });
        }
        let mut before = 0.0;
        for (entry, &value) in expiry_years.iter().enumerate() {
            if !(value > before && value.is_finite()) {
                return Err(SlicesError::Expiry { entry, value });
            }
            before = value;
        }
        Ok(Self { expiry_years, smiles, clock })
    }
}

impl<S: Smile> VolatilitySurface for Slices<S> {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        between(&self.smiles, |i| self.expiry_years[i], &self.clock, k, expiry_years)
    }

    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        if self.smiles.is_empty() {
            out.fill(f64::NAN);
            return;
        }
        for ((out, k), expiry_years) in out.chunks_mut(BLOCK).zip(k.chunks(BLOCK)).zip(expiry_years.chunks(BLOCK)) {
            self.block(k, expiry_years, out);
        }
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        if !is_inside(k, expiry_years) {
            return f64::NAN;
        }
        let Neighbours { time: [time, _], before, next } =
            neighbours(&self.smiles, |i| self.expiry_years[i], &self.clock, expiry_years);
        match (before, next) {
            (Some((low_time, low)), Some((high_time, high))) => {
                let low = low.total_variance(k);
                low + (time - low_time) / (high_time - low_time) * (high.total_variance(k) - low)
            }
            (None, Some((first_time, first))) => time / first_time * first.total_variance(k),
            (Some((last_time, last)), None) => {
                last.total_variance(k) + last.total_variance(0.0) / last_time * (time - last_time)
            }
            (None, None) => f64::NAN,
        }
    }
}

impl<S: Smile> Slices<S> {
    /// The total variances of at most [`BLOCK`] points, where there is a smile.
    fn block(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        let n = out.len();
        let (mut before, mut after) = ([0; BLOCK], [0; BLOCK]);
        let mut joins = [Join::ONE; BLOCK];
        let mut has_two = false;
        for i in 0..n {
            let (low, high, join) = self.join(k[i], expiry_years[i]);
            (before[i], after[i], joins[i]) = (low as u32, high as u32, join);
            has_two |= low != high;
        }
        S::total_variances_of(&self.smiles, &before[..n], k, out);
        let mut high = [0.0; BLOCK];
        if has_two {
            S::total_variances_of(&self.smiles, &after[..n], k, &mut high[..n]);
        } else {
            high[..n].copy_from_slice(out);
        }
        join(&joins[..n], &high[..n], out);
    }

    /// The smiles before and after a point, and how they are joined there: [`VolatilitySurface::total_variance`] says what this adds up to.
    #[inline]
    fn join(&self, k: f64, expiry_years: f64) -> (usize, usize, Join) {
        if !is_inside(k, expiry_years) {
            return (0, 0, Join::NONE);
        }
        let time_of = |years: f64| if self.clock.is_calendar() { years } else { self.clock.at(years)[0] };
        let next = count_before(self.smiles.len(), |i| self.expiry_years[i], expiry_years);
        let time = time_of(expiry_years);
        let last = self.smiles.len() - 1;
        if next > last {
            let last_time = time_of(self.expiry_years[last]);
            let gain = self.smiles[last].total_variance(0.0) / last_time * (time - last_time);
            return (last, last, Join { gain, ..Join::ONE });
        }
        let high_time = time_of(self.expiry_years[next]);
        if next == 0 {
            return (0, 0, Join { scale: time / high_time, ..Join::ONE });
        }
        if self.expiry_years[next] == expiry_years {
            return (next, next, Join::ONE);
        }
        let low_time = time_of(self.expiry_years[next - 1]);
        (next - 1, next, Join { passed: time - low_time, length: high_time - low_time, ..Join::ONE })
    }
}

/// How many of `count` ascending expiries lie before `expiry_years`: without branches, of which half would be guessed wrong.
#[inline]
pub(super) fn count_before(count: usize, expiry: impl Fn(usize) -> f64, expiry_years: f64) -> usize {
    let (mut from, mut length) = (0, count);
    while length > 1 {
        let half = length / 2;
        from += if expiry(from + half - 1) < expiry_years { half } else { 0 };
        length -= half;
    }
    from + usize::from(length == 1 && expiry(from) < expiry_years)
}

/// Whether a surface has a value at `k` and `expiry_years`.
#[inline]
fn is_inside(k: f64, expiry_years: f64) -> bool {
    expiry_years > 0.0 && expiry_years.is_finite() && k.is_finite()
}

/// What lies about a time: variance time there and its speed, and the smiles at or after and before it with their variance times.
struct Neighbours<'a, S> {
    time: [f64; 2],
    before: Option<(f64, &'a S)>,
    next: Option<(f64, &'a S)>,
}

#[inline]
fn neighbours<'a, S>(
    smiles: &'a [S],
    expiry: impl Fn(usize) -> f64,
    clock: &Clock,
    expiry_years: f64,
) -> Neighbours<'a, S> {
    let after = count_before(smiles.len(), &expiry, expiry_years);
    let is_calendar = clock.is_calendar();
    let time_of = |years: f64| if is_calendar { years } else { clock.at(years)[0] };
    let before = after.checked_sub(1).map(|i| (time_of(expiry(i)), &smiles[i]));
    let next = smiles.get(after).map(|smile| (time_of(expiry(after)), smile));
    let time = if is_calendar { [expiry_years, 1.0] } else { clock.at(expiry_years) };
    Neighbours { time, before, next }
}

/// The surface that `smiles` at the years `expiry` (ascending) span under `clock`, at one point.
pub(super) fn between<S: Smile>(
    smiles: &[S],
    expiry: impl Fn(usize) -> f64,
    clock: &Clock,
    k: f64,
    expiry_years: f64,
) -> Variance {
    if !is_inside(k, expiry_years) {
        return Variance::NONE;
    }
    let Neighbours { time: [time, speed], before, next } = neighbours(smiles, expiry, clock, expiry_years);
    match (before, next) {
        (Some((low_time, low)), Some((high_time, high))) => {
            let (low, high) = (low.derivatives(k), high.derivatives(k));
            let length = high_time - low_time;
            let share = (time - low_time) / length;
            let [total, by_k, by_kk] = std::array::from_fn(|i| low[i] + share * (high[i] - low[i]));
            let rate = speed / length;
            Variance {
                total,
                by_k,
                by_kk,
                by_t: rate * (high[0] - low[0]),
                by_kt: rate * (high[1] - low[1]),
                by_tt: 0.0,
            }
        }
        (None, Some((first_time, first))) => {
            let [w, slope, bend] = first.derivatives(k);
            let (share, rate) = (time / first_time, speed / first_time);
            Variance {
                total: share * w,
                by_k: share * slope,
                by_kk: share * bend,
                by_t: rate * w,
                by_kt: rate * slope,
                by_tt: 0.0,
            }
        }
        (Some((last_time, last)), None) => {
            let [w, by_k, by_kk] = last.derivatives(k);
            let rate = last.total_variance(0.0) / last_time;
            Variance { total: w + rate * (time - last_time), by_k, by_kk, by_t: rate * speed, by_kt: 0.0, by_tt: 0.0 }
        }
        (None, None) => Variance::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        Svi,
        sabr::{Sabr, SabrParameters, SabrSmile},
        smile::durrleman_g,
    };

    fn surface(clock: Clock) -> Slices<Svi> {
        let smile = |level: f64| Svi { a: level, b: 0.1 * level.sqrt(), rho: -0.6, m: 0.01, sigma: 0.1 };
        Slices { expiry_years: vec![0.1, 0.25, 1.0], smiles: vec![smile(0.004), smile(0.01), smile(0.04)], clock }
    }

    /// A clock on which the stretch from 0.3 to 0.31 (an announcement) brings ten times its days and the stretch after it half.
    fn eventful() -> Clock {
        Clock::new(vec![[0.3, 0.3], [0.31, 0.4], [0.5, 0.495]]).expect("it rises")
    }

    #[test]
    fn derivatives_are_those_of_the_total_variance() {
        for surface in [surface(Clock::default()), surface(eventful())] {
            for t in [0.05, 0.17, 0.305, 0.4, 0.7, 1.5] {
                for k in [-0.4, -0.1, 0.0, 0.05, 0.3] {
                    let at = surface.variance(k, t);
                    assert_eq!(surface.total_variance(k, t), at.total);
                    let w = |k: f64, t: f64| surface.variance(k, t).total;
                    let (h, d) = (1e-4, 1e-4);
                    let numeric = [
                        (w(k + h, t) - w(k - h, t)) / (2.0 * h),
                        (w(k + h, t) - 2.0 * w(k, t) + w(k - h, t)) / (h * h),
                        (w(k, t + d) - w(k, t - d)) / (2.0 * d),
                        (w(k + h, t + d) - w(k - h, t + d) - w(k + h, t - d) + w(k - h, t - d)) / (4.0 * h * d),
                    ];
                    for (ours, theirs) in [at.by_k, at.by_kk, at.by_t, at.by_kt].into_iter().zip(numeric) {
                        assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs} at {k}, {t}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_read_is_sound_or_refused() {
        let sound = surface(eventful());
        let text = serde_json::to_string(&sound).expect("it is numbers");
        assert_eq!(serde_json::from_str::<Slices<Svi>>(&text).expect("it was written so"), sound);
        let refused = |from: &str, to: &str| {
            let text = text.replacen(from, to, 1);
            serde_json::from_str::<Slices<Svi>>(&text).expect_err(&text).to_string()
        };
        assert!(refused("[0.1,0.25,1.0]", "[0.1,0.25]").contains("2 expiry_years and 3 smiles"));
        assert!(refused("[0.1,0.25,1.0]", "[0.1,0.1,1.0]").contains("entry 1 is 0.1"));
        assert!(refused("[0.1,0.25,1.0]", "[-0.1,0.25,1.0]").contains("entry 0 is -0.1"));
        assert!(refused("[0.31,0.4]", "[0.31,0.1]").contains("variance time must rise"));
    }

    #[test]
    fn variance_rises_everywhere_and_faster_through_an_event() {
        let surface = surface(eventful());
        for k in [-0.5, 0.0, 0.5] {
            let mut before = 0.0;
            for step in 1..400 {
                let w = surface.total_variance(k, 0.005 * f64::from(step));
                assert!(w > before);
                before = w;
            }
        }
        let speed = |t: f64| surface.variance(0.0, t).by_t;
        assert!((speed(0.305) / speed(0.28) - 10.0).abs() < 1e-9 && (speed(0.4) / speed(0.28) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn both_ends_stay_free_of_butterfly_arbitrage() {
        let surface = surface(Clock::default());
        for t in [0.001, 0.03, 0.09, 1.1, 4.0, 30.0] {
            for step in -200..=200 {
                let k = 0.01 * f64::from(step);
                assert!(durrleman_g(k, surface.variance(k, t).smile()) > 0.0, "{k} {t}");
            }
        }
    }

    #[test]
    fn many_points_are_as_one_by_one() {
        let sabr = |expiry_years: f64| {
            let sabr = Sabr { alpha: 0.2, beta: 1.0, rho: -0.5, nu: 0.9 };
            SabrSmile::new(SabrParameters { expiry_years, sabr })
        };
        let expiry_years: Vec<f64> = (1..=41).map(|i| 0.05 * f64::from(i)).collect();
        let of_sabr =
            Slices { smiles: expiry_years.iter().map(|t| sabr(*t)).collect(), expiry_years, clock: Clock::default() };
        let one = Slices {
            expiry_years: vec![0.3],
            smiles: surface(Clock::default()).smiles[..1].to_vec(),
            ..surface(eventful())
        };
        let none = Slices::<Svi> { expiry_years: vec![], smiles: vec![], clock: Clock::default() };
        let all: [&dyn VolatilitySurface; 5] =
            [&surface(Clock::default()), &surface(eventful()), &of_sabr, &one, &none];
        for surface in all {
            // Scattered, and in runs of one expiry; outside on both ends; nothing at all in between.
            let mut points: Vec<[f64; 2]> =
                (0..300).map(|i| [f64::from(i * 37 % 100) / 80.0 - 0.7, f64::from(i * 59 % 127) / 50.0]).collect();
            points.extend((0..150).map(|i| [0.01 * f64::from(i) - 0.9, if i < 70 { 0.25 } else { 0.7 }]));
            points.extend([[f64::NAN, 1.0], [0.1, f64::NAN], [0.1, -1.0], [f64::INFINITY, 0.2], [0.0, f64::INFINITY]]);
            let [k, t] = [0, 1].map(|j| points.iter().map(|point| point[j]).collect::<Vec<f64>>());
            let (mut w, mut vols) = (vec![0.0; k.len()], vec![0.0; k.len()]);
            surface.total_variances(&k, &t, &mut w);
            surface.implied_vols(&k, &t, &mut vols);
            for (i, (&w, &vol)) in w.iter().zip(&vols).enumerate() {
                let (exact, exact_vol) = (surface.total_variance(k[i], t[i]), surface.implied_vol(k[i], t[i]));
                let agree =
                    |ours: f64, theirs: f64| (ours / theirs - 1.0).abs() < 1e-13 || ours.is_nan() && theirs.is_nan();
                assert!(agree(w, exact) && agree(vol, exact_vol), "{w} {exact} at {} {}", k[i], t[i]);
            }
            surface.total_variances(&[], &[], &mut []);
        }
    }

    #[test]
    fn expiries_before_are_counted_as_a_search_does() {
        for n in 0..45 {
            let expiries: Vec<f64> = (0..n).map(f64::from).collect();
            for step in -1..100 {
                let t = 0.5 * f64::from(step);
                assert_eq!(count_before(n as usize, |i| expiries[i], t), expiries.partition_point(|it| *it < t));
            }
        }
    }

    #[test]
    fn no_value_where_there_is_none() {
        let surface = surface(Clock::default());
        for (k, t) in [(0.0, 0.0), (0.0, -1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(surface.implied_vol(k, t).is_nan());
        }
        let empty = Slices::<Svi> { expiry_years: vec![], smiles: vec![], clock: Clock::default() };
        assert!(empty.total_variance(0.0, 1.0).is_nan());
    }

    #[test]
    fn a_clock_that_does_not_rise_is_refused() {
        assert!(Clock::new(vec![[0.5, 0.4], [0.6, 0.4]]).is_err());
        assert!(Clock::new(vec![[0.5, f64::NAN]]).is_err());
        assert!(Clock::new(vec![[0.0, 0.1]]).is_err());
    }
}
