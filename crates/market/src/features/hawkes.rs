//! Hawkes intensities: how fast events come, where each makes more of them likely for a while.
//!
//! Sources: Hawkes, "Spectra of some self-exciting and mutually exciting point processes", Biometrika 58 (1971); Ozaki, "Maximum likelihood
//! estimation of Hawkes' self-exciting point processes", Annals of the Institute of Statistical Mathematics 31 (1979), eq. 9 to 13 (the likelihood
//! and its derivatives by recursion); Ogata, "Statistical models for earthquake occurrences and residual analysis for point processes", Journal of
//! the American Statistical Association 83 (1988), section 4 (residuals). Intensity: λ(t) = μ + Σ α·exp(−β(t − tᵢ)) over the events before t; μ, α
//! and β per second; α/β < 1 is the mean number of events that one brings about.

use super::{
    FeatureError,
    error::{bad, positive},
    matrix::solve,
};

/// An exponential kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HawkesParameters {
    /// Events a second that come of themselves, above 0.
    pub mu: f64,
    /// By how much an event raises the intensity, per second, 0 or more.
    pub alpha: f64,
    /// How fast that dies away, per second, above alpha.
    pub beta: f64,
}

impl HawkesParameters {
    /// The parameters, where events do not beget ever more events.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for mu or beta not above 0, or alpha outside [0, beta).
    pub fn checked(self) -> Result<Self, FeatureError> {
        positive("mu", self.mu)?;
        positive("beta", self.beta)?;
        if !(self.alpha >= 0.0 && self.alpha < self.beta) {
            return Err(bad("alpha", self.alpha, "0 or more, below beta"));
        }
        Ok(self)
    }

    /// α/β: how many events one brings about on average.
    pub fn branching_ratio(&self) -> f64 {
        self.alpha / self.beta
    }

    /// The integral of the intensity between each event and the one before it: exponential with mean 1 and independent of each other where the
    /// parameters are right (time rescaling). Times in seconds, ascending; the first residual is from `start` on.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for parameters out of range or times that do not ascend from `start`.
    pub fn residuals(&self, times: &[f64], start: f64) -> Result<Vec<f64>, FeatureError> {
        self.checked()?;
        ascending(times, start)?;
        let mut excited = 0.0;
        let mut last = start;
        Ok(times
            .iter()
            .map(|&time| {
                let gap = time - last;
                let decay = (-self.beta * gap).exp();
                let residual = self.mu * gap + excited * (1.0 - decay) / self.beta;
                excited = excited * decay + self.alpha;
                last = time;
                residual
            })
            .collect())
    }
}

/// The intensity, streaming, in events a second. Window: from the start, dying away with beta.
#[derive(Debug, Clone)]
pub struct HawkesIntensity {
    parameters: HawkesParameters,
    excited: f64,
    last_ns: Option<u64>,
}

impl HawkesIntensity {
    /// Nothing seen yet.
    ///
    /// # Errors
    ///
    /// Those of [`HawkesParameters::checked`].
    pub fn new(parameters: HawkesParameters) -> Result<Self, FeatureError> {
        Ok(Self { parameters: parameters.checked()?, excited: 0.0, last_ns: None })
    }

    /// Takes the next event, such as a trade.
    #[inline]
    pub fn on_event(&mut self, time_ns: u64) {
        let time_ns = self.last_ns.map_or(time_ns, |last| last.max(time_ns));
        self.excited = self.excited_at(time_ns) + self.parameters.alpha;
        self.last_ns = Some(time_ns);
    }

    #[inline]
    fn excited_at(&self, time_ns: u64) -> f64 {
        let gap = time_ns.saturating_sub(self.last_ns.unwrap_or(time_ns)) as f64 * 1e-9;
        self.excited * (-self.parameters.beta * gap).exp()
    }

    /// The intensity just after a time, events at it included.
    #[inline]
    pub fn at(&self, time_ns: u64) -> f64 {
        self.parameters.mu + self.excited_at(time_ns)
    }
}

/// A kernel fitted by maximum likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HawkesFit {
    /// The parameters.
    pub parameters: HawkesParameters,
    /// Their standard errors (mu, alpha, beta) from the curvature of the likelihood; `None` where it is not curved every way, as at alpha = 0.
    pub standard_errors: Option<[f64; 3]>,
    /// The logarithm of the likelihood.
    pub log_likelihood: f64,
    /// How many steps the search took from the start that won.
    pub iterations: usize,
}

/// Steps that the search may take.
const MOST_STEPS: usize = 200;
/// The search is over when the likelihood's slope per event is below this in every parameter's logarithm.
const SLOPE: f64 = 1e-7;

/// Fits a kernel to the events of [start, end], in seconds, by maximum likelihood, from four starts; 20 events or more.
///
/// # Errors
///
/// [`FeatureError`] for fewer events, times that do not ascend within the window, or a search that does not come to rest.
pub fn fit_hawkes(times: &[f64], start: f64, end: f64) -> Result<HawkesFit, FeatureError> {
    const WHAT: &str = "hawkes";
    if times.len() < 20 {
        return Err(FeatureError::TooFew { what: WHAT, found: times.len(), needed: 20 });
    }
    ascending(times, start)?;
    if !(end.is_finite() && end >= times[times.len() - 1] && end > start) {
        return Err(bad("end", end, "a finite time after start, at or after the last event"));
    }
    let window = Events { times, start, end };
    let rate = times.len() as f64 / (end - start);
    let mut best: Option<(Search, usize)> = None;
    let mut stuck = f64::INFINITY;
    for speed in [0.3, 3.0, 30.0, 300.0] {
        // In logarithms of mu and beta and the logit of the branching ratio: every point is a stationary process.
        match window.climb([(0.6 * rate).ln(), (0.4_f64 / 0.6).ln(), (speed * rate).ln()]) {
            Ok((found, steps)) if best.as_ref().is_none_or(|(best, _)| found.value > best.value) => {
                best = Some((found, steps))
            }
            Ok(_) => {}
            Err(slope) => stuck = stuck.min(slope),
        }
    }
    let (found, iterations) =
        best.ok_or(FeatureError::NotConverged { what: WHAT, iterations: MOST_STEPS, change: stuck, tolerance: SLOPE })?;
    Ok(HawkesFit {
        parameters: found.parameters(),
        standard_errors: window.standard_errors(&found),
        log_likelihood: found.value * times.len() as f64,
        iterations,
    })
}

/// A point of the search: its place, the likelihood per event and its slope there.
#[derive(Debug, Clone, Copy)]
struct Search {
    at: [f64; 3],
    value: f64,
    slope: [f64; 3],
}

impl Search {
    fn parameters(&self) -> HawkesParameters {
        let beta = self.at[2].exp();
        HawkesParameters { mu: self.at[0].exp(), alpha: beta / (1.0 + (-self.at[1]).exp()), beta }
    }

    fn steepest(&self) -> f64 {
        self.slope.iter().fold(0.0, |most, slope| slope.abs().max(most))
    }
}

/// The events of a window.
struct Events<'a> {
    times: &'a [f64],
    start: f64,
    end: f64,
}

impl Events<'_> {
    /// Ozaki's recursion for the likelihood and its derivatives, per event.
    fn evaluate(&self, at: [f64; 3]) -> Search {
        let HawkesParameters { mu, alpha, beta } = Search { at, value: 0.0, slope: [0.0; 3] }.parameters();
        let (mut value, mut by_mu, mut by_alpha, mut by_beta) = (0.0, 0.0, 0.0, 0.0);
        // Σ exp(−β(t − tᵢ)) over the events before, and its derivative by β.
        let (mut kernel, mut kernel_by_beta, mut last) = (0.0, 0.0, self.start);
        let (mut ended, mut ended_by_beta) = (0.0, 0.0);
        for (i, &time) in self.times.iter().enumerate() {
            let gap = time - last;
            let decay = (-beta * gap).exp();
            let before = if i == 0 { 0.0 } else { 1.0 + kernel };
            kernel_by_beta = decay * (kernel_by_beta - gap * before);
            kernel = decay * before;
            let intensity = mu + alpha * kernel;
            value += intensity.ln();
            by_mu += 1.0 / intensity;
            by_alpha += kernel / intensity;
            by_beta += alpha * kernel_by_beta / intensity;
            let to_end = self.end - time;
            let left = (-beta * to_end).exp();
            ended += 1.0 - left;
            ended_by_beta += to_end * left;
            last = time;
        }
        let length = self.end - self.start;
        let ratio = alpha / beta;
        value -= mu * length + ratio * ended;
        by_mu -= length;
        by_alpha -= ended / beta;
        by_beta += ratio * ended / beta - ratio * ended_by_beta;
        let events = self.times.len() as f64;
        let slope = [mu * by_mu, ratio * (1.0 - ratio) * beta * by_alpha, beta * (by_beta + ratio * by_alpha)];
        Search { at, value: value / events, slope: slope.map(|slope| slope / events) }
    }

    /// Climbs by the method of Broyden, Fletcher, Goldfarb and Shanno; the steepest slope left where it does not come to rest.
    fn climb(&self, start: [f64; 3]) -> Result<(Search, usize), f64> {
        const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let mut here = self.evaluate(start);
        let mut inverse = IDENTITY;
        for step in 0..MOST_STEPS {
            if here.steepest() < SLOPE {
                return Ok((here, step));
            }
            let mut way = inverse.map(|row| dot(row, here.slope));
            if dot(way, here.slope) <= 0.0 {
                (inverse, way) = (IDENTITY, here.slope);
            }
            // No step changes a parameter more than e² times.
            let longest = way.iter().fold(0.0_f64, |most, part| most.max(part.abs()));
            let mut length = (2.0 / longest).min(1.0);
            let rise = dot(way, here.slope);
            let next = loop {
                let next = self.evaluate([0, 1, 2].map(|i| here.at[i] + length * way[i]));
                if next.value.is_finite() && next.value >= here.value + 1e-4 * length * rise {
                    break next;
                }
                length *= 0.5;
                if length < 1e-12 {
                    // Rounding hides what is left to climb.
                    return if here.steepest() < 100.0 * SLOPE { Ok((here, step)) } else { Err(here.steepest()) };
                }
            };
            let moved = [0, 1, 2].map(|i| next.at[i] - here.at[i]);
            let turned = [0, 1, 2].map(|i| here.slope[i] - next.slope[i]);
            let along = dot(moved, turned);
            if along > 1e-14 {
                let through = inverse.map(|row| dot(row, turned));
                let weight = (1.0 + dot(turned, through) / along) / along;
                for i in 0..3 {
                    for j in 0..3 {
                        inverse[i][j] +=
                            weight * moved[i] * moved[j] - (through[i] * moved[j] + moved[i] * through[j]) / along;
                    }
                }
            }
            here = next;
        }
        Err(here.steepest())
    }

    /// From the curvature in the search's own parameters, by differences of the slope, carried over to mu, alpha and beta.
    fn standard_errors(&self, found: &Search) -> Option<[f64; 3]> {
        const STEP: f64 = 1e-5;
        let mut curvature = [0.0; 9];
        for i in 0..3 {
            let beside = |sign: f64| {
                let mut at = found.at;
                at[i] += sign * STEP;
                self.evaluate(at).slope
            };
            let (above, below) = (beside(1.0), beside(-1.0));
            (0..3).for_each(|j| curvature[i * 3 + j] = (below[j] - above[j]) / (2.0 * STEP));
        }
        let mut covariance = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        solve(&mut curvature, 3, &mut covariance, 3).then_some(())?;
        let HawkesParameters { mu, alpha, beta } = found.parameters();
        let events = self.times.len() as f64;
        let deviation = |by: [f64; 3]| {
            let variance: f64 = (0..9).map(|k| by[k / 3] * covariance[k] * by[k % 3]).sum::<f64>() / events;
            (variance.is_finite() && variance > 0.0).then(|| variance.sqrt())
        };
        let alpha_by_logit = alpha * (1.0 - alpha / beta);
        Some([deviation([mu, 0.0, 0.0])?, deviation([0.0, alpha_by_logit, alpha])?, deviation([0.0, 0.0, beta])?])
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn ascending(times: &[f64], start: f64) -> Result<(), FeatureError> {
    super::error::column("times", times, 0)?;
    let mut last = if start.is_finite() { start } else { return Err(bad("start", start, "a finite time")) };
    for &time in times {
        if time < last {
            return Err(bad("times", time, "times in ascending order from start on"));
        }
        last = time;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers in (0, 1) (Steele, Lea and Flood's SplitMix64).
    struct Uniform(u64);

    impl Uniform {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        }
    }

    /// Ogata's thinning.
    fn simulate(p: HawkesParameters, end: f64, seed: u64) -> Vec<f64> {
        let (mut uniform, mut times, mut time, mut excited) = (Uniform(seed), Vec::new(), 0.0, 0.0);
        loop {
            let most = p.mu + excited;
            let gap = -uniform.next().ln() / most;
            time += gap;
            excited *= (-p.beta * gap).exp();
            if time > end {
                return times;
            }
            if uniform.next() * most <= p.mu + excited {
                times.push(time);
                excited += p.alpha;
            }
        }
    }

    /// Kolmogorov's distance of numbers from the exponential distribution of mean 1.
    fn distance_from_exponential(residuals: &[f64]) -> f64 {
        let mut sorted = residuals.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let distance = |(i, x): (usize, &f64)| {
            let expected = 1.0 - (-x).exp();
            (expected - i as f64 / count).abs().max(((i + 1) as f64 / count - expected).abs())
        };
        sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
    }

    const TRUE: HawkesParameters = HawkesParameters { mu: 0.5, alpha: 1.2, beta: 2.0 };

    #[test]
    fn a_fit_finds_what_was_simulated() {
        for seed in 0..4 {
            let times = simulate(TRUE, 8_000.0, seed);
            let fit = fit_hawkes(&times, 0.0, 8_000.0).unwrap();
            let errors = fit.standard_errors.unwrap();
            let found = [fit.parameters.mu, fit.parameters.alpha, fit.parameters.beta];
            for ((found, wanted), error) in found.iter().zip([TRUE.mu, TRUE.alpha, TRUE.beta]).zip(errors) {
                assert!((found - wanted).abs() < 4.0 * error && error < 0.1 * wanted, "seed {seed}: {fit:?}");
            }
            // 1.63/√n is passed by one sample in a hundred.
            let residuals = fit.parameters.residuals(&times, 0.0).unwrap();
            let distance = distance_from_exponential(&residuals) * (times.len() as f64).sqrt();
            assert!(distance < 1.63, "seed {seed}: {distance}");
        }
    }

    #[test]
    fn residuals_of_the_wrong_kernel_are_not_exponential() {
        let times = simulate(TRUE, 8_000.0, 9);
        let rate = times.len() as f64 / 8_000.0;
        let memoryless = HawkesParameters { mu: rate, alpha: 0.0, beta: 1.0 };
        let distance =
            distance_from_exponential(&memoryless.residuals(&times, 0.0).unwrap()) * (times.len() as f64).sqrt();
        assert!(distance > 5.0, "{distance}");
    }

    #[test]
    fn the_slope_is_that_of_the_likelihood() {
        let times = simulate(TRUE, 50.0, 1);
        let events = Events { times: &times, start: 0.0, end: 50.0 };
        let at = [-0.4, 0.3, 0.9];
        let slope = events.evaluate(at).slope;
        for i in 0..3 {
            let beside = |step: f64| {
                let mut at = at;
                at[i] += step;
                events.evaluate(at).value
            };
            let by_difference = (beside(1e-6) - beside(-1e-6)) / 2e-6;
            assert!((slope[i] - by_difference).abs() < 1e-7, "{i}: {} against {by_difference}", slope[i]);
        }
    }

    #[test]
    fn streaming_is_the_sum_over_all_events_before() {
        let times: Vec<u64> = simulate(TRUE, 60.0, 3).iter().map(|time| (time * 1e9) as u64).collect();
        let mut streaming = HawkesIntensity::new(TRUE).unwrap();
        assert_eq!(streaming.at(5), TRUE.mu);
        for (i, &time) in times.iter().enumerate() {
            streaming.on_event(time);
            let since = |event: u64| (time + 100_000_000 - event) as f64 * 1e-9;
            let sum: f64 = times[..=i].iter().map(|&event| TRUE.alpha * (-TRUE.beta * since(event)).exp()).sum();
            let found = streaming.at(time + 100_000_000);
            assert!((found - TRUE.mu - sum).abs() < 1e-9, "{found} against {}", TRUE.mu + sum);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_told() {
        assert_eq!(
            fit_hawkes(&[1.0; 3], 0.0, 2.0).unwrap_err().to_string(),
            "hawkes: 3 observations; allowed: 20 or more"
        );
        let falling: Vec<f64> = (0..30).map(|i| 30.0 - f64::from(i)).collect();
        let error = fit_hawkes(&falling, 0.0, 40.0).unwrap_err().to_string();
        assert_eq!(error, "times 29; allowed: times in ascending order from start on");
        let error = HawkesIntensity::new(HawkesParameters { mu: 1.0, alpha: 3.0, beta: 2.0 }).unwrap_err().to_string();
        assert_eq!(error, "alpha 3; allowed: 0 or more, below beta");
    }

    #[test]
    fn real_trades_come_in_clusters() {
        let Some(day) = super::super::lobster::amzn() else { return };
        let mut times: Vec<f64> =
            (0..day.rows()).filter_map(|row| day.trade(row)).map(|trade| trade.time_ns as f64 * 1e-9).collect();
        // Executions of one order share an instant: one event each.
        times.dedup();
        let hour: Vec<f64> = times.into_iter().filter(|time| (43_200.0..46_800.0).contains(time)).collect();
        let fit = fit_hawkes(&hour, 43_200.0, 46_800.0).unwrap();
        assert!(fit.parameters.branching_ratio() > 0.3, "{fit:?}");
    }
}
