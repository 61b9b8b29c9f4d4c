//! The propagator: how the impact of each trade dies away.
//!
//! Sources: Bouchaud, Gefen, Potters and Wyart, "Fluctuations and response in financial markets", Quantitative Finance 4 (2004), eq. 8 (the price is
//! the sum of the impacts of the trades so far, p_t = Σ G(t − s)·x_s over s < t, and noise); Bouchaud, Bonart, Donier and Gould, "Trades, quotes and
//! prices" (2018), section 13.2 (estimation). Time is counted in trades; x is the sign of a trade, or its signed size or root of it. The change of the
//! mid from before trade t to before trade t + 1 is r_t = Σ K(k)·x_{t−k}, k = 0 … L − 1, and G(ℓ) = K(0) + … + K(ℓ − 1): K is estimated by least
//! squares on L lags. Unit: ticks for each unit of x.

use super::super::{
    FeatureError,
    error::{bad, column, same_length},
    matrix::solve,
};

/// The most lags of a propagator.
const MOST_LAGS: usize = 500;

/// An estimated propagator.
#[derive(Debug, Clone, PartialEq)]
pub struct Propagator {
    changes: Vec<f64>,
    r_squared: f64,
}

impl Propagator {
    /// Estimates the propagator at `lags` lags (1 to 500) from trades in order: `signed` is x of each and `mid_changes` the change of the mid, in
    /// ticks, from before it to before the next. Ten trades for each lag are the least.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for lags outside that, fewer trades, columns of two lengths, values that are not finite, or signs that tell no answer.
    pub fn fit(signed: &[f64], mid_changes: &[f64], lags: usize) -> Result<Self, FeatureError> {
        const WHAT: &str = "propagator";
        if !(1..=MOST_LAGS).contains(&lags) {
            return Err(bad("lags", lags, "1 to 500"));
        }
        column(WHAT, signed, 10 * lags)?;
        same_length("mid_changes", mid_changes.len(), signed.len())?;
        column("mid_changes", mid_changes, 0)?;
        // Rows are the trades with all lags behind them.
        let rows = signed.len() - lags + 1;
        let lagged = |lag: usize| &signed[lags - 1 - lag..lags - 1 - lag + rows];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let answers = &mid_changes[lags - 1..];
        let mut products = vec![0.0; lags * lags];
        for i in 0..lags {
            for j in 0..=i {
                // One lag further on both sides is the same sum but for its ends.
                let product = match (i, j) {
                    (_, 0) => dot(lagged(i), lagged(0)),
                    _ => {
                        let (a, b) = (lagged(i), lagged(j));
                        let before = products[(i - 1) * lags + j - 1];
                        let (c, d) = (lagged(i - 1), lagged(j - 1));
                        before + a[0] * b[0] - c[rows - 1] * d[rows - 1]
                    }
                };
                (products[i * lags + j], products[j * lags + i]) = (product, product);
            }
        }
        let with_answers: Vec<f64> = (0..lags).map(|lag| dot(lagged(lag), answers)).collect();
        let mut changes = with_answers.clone();
        if !solve(&mut products, lags, &mut changes, 1) || changes.iter().any(|change| !change.is_finite()) {
            return Err(FeatureError::Degenerate {
                what: WHAT,
                problem: "the trades' signs at some lags tell the others",
            });
        }
        let total = dot(answers, answers);
        let explained = dot(&changes, &with_answers);
        let r_squared = if total > 0.0 { (explained / total).clamp(0.0, 1.0) } else { 0.0 };
        Ok(Self { changes, r_squared })
    }

    /// G(1) … G(L): the impact of a trade so many trades later, in ticks for each unit of x.
    pub fn kernel(&self) -> Vec<f64> {
        let sums = self.changes.iter().scan(0.0, |sum, change| {
            *sum += change;
            Some(*sum)
        });
        sums.collect()
    }

    /// The share of the squared changes of the mid that past trades explain.
    pub fn r_squared(&self) -> f64 {
        self.r_squared
    }

    /// The changes of the mid that trades bring about, in ticks, each from its trade and the L − 1 before it; those before the first count as 0.
    pub fn mid_changes(&self, signed: &[f64]) -> Vec<f64> {
        let change = |now: usize| {
            self.changes.iter().take(now + 1).enumerate().map(|(lag, change)| change * signed[now - lag]).sum()
        };
        (0..signed.len()).map(change).collect()
    }
}

/// The impact of the trades so far on the mid's next change, streaming: Σ K(k)·x_{t−k}, in ticks. A trade costs L multiplications.
#[derive(Debug, Clone)]
pub struct StreamingPropagator {
    changes: Vec<f64>,
    ring: Vec<f64>,
    next: usize,
    value: Option<f64>,
}

impl StreamingPropagator {
    /// Of a propagator estimated before.
    pub fn new(propagator: &Propagator) -> Self {
        let changes = propagator.changes.clone();
        Self { ring: vec![0.0; changes.len()], changes, next: 0, value: None }
    }

    /// Takes the next trade; one that is not finite counts as 0.
    pub fn on_trade(&mut self, signed: f64) {
        self.ring[self.next] = if signed.is_finite() { signed } else { 0.0 };
        let back = self.ring[..=self.next].iter().rev().chain(self.ring[self.next + 1..].iter().rev());
        self.value = Some(self.changes.iter().zip(back).map(|(change, x)| change * x).sum());
        self.next = (self.next + 1) % self.ring.len();
    }

    /// In ticks; `None` before the first trade.
    pub fn value(&self) -> Option<f64> {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::super::super::{lobster, spread::TradeSign};
    use super::*;

    /// Signs that keep to themselves, as those of split orders do: each is the one before three times of four.
    fn signs(count: usize) -> (Vec<f64>, impl FnMut() -> f64) {
        let mut state = 7u64;
        let mut uniform = move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        };
        let mut sign = 1.0;
        let made = (0..count)
            .map(|_| {
                sign = if uniform() < 0.75 { sign } else { -sign };
                sign
            })
            .collect();
        (made, uniform)
    }

    #[test]
    fn a_fit_finds_the_kernel_that_made_the_prices() {
        let lags = 12;
        // G(ℓ) = ℓ^−½, until all lags are past.
        let kernel: Vec<f64> = (1..=lags).map(|l| (l as f64).powf(-0.5)).collect();
        let made = Propagator {
            changes: (0..lags).map(|k| kernel[k] - if k > 0 { kernel[k - 1] } else { 0.0 }).collect(),
            r_squared: 1.0,
        };
        let (signed, mut uniform) = signs(40_000);
        let exact = made.mid_changes(&signed);
        let found = Propagator::fit(&signed, &exact, lags).unwrap();
        assert!(found.kernel().iter().zip(&kernel).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        assert!(found.r_squared() > 1.0 - 1e-9);
        // Noise of deviation 0.58 leaves each change uncertain by 0.58/√(40,000·(1 − 0.5²)), and twelve of them by a few times that.
        let noisy: Vec<f64> = exact.iter().map(|r| r + 2.0 * uniform() - 1.0).collect();
        let found = Propagator::fit(&signed, &noisy, lags).unwrap();
        assert!(found.kernel().iter().zip(&kernel).all(|(a, b)| (a - b).abs() < 0.05), "{:?}", found.kernel());
    }

    proptest! {
        /// Of any kernel and any trades, sizes among them, as long as the kernel and shorter than it.
        #[test]
        fn streaming_is_batch(
            changes in vec(-10.0_f64..10.0, 1..60),
            signed in vec(prop_oneof![Just(0.0), Just(1.0), Just(-1.0), -1e6_f64..1e6], 1..200),
        ) {
            let propagator = Propagator { changes, r_squared: 1.0 };
            let mut streaming = StreamingPropagator::new(&propagator);
            prop_assert_eq!(streaming.value(), None);
            for (row, whole) in propagator.mid_changes(&signed).iter().enumerate() {
                streaming.on_trade(signed[row]);
                // Sums of at most 60 products of 10⁷: they differ by the order in which they are added alone.
                prop_assert!((streaming.value().unwrap() - whole).abs() <= 60.0 * 1e7 * 60.0 * f64::EPSILON, "{}", row);
            }
        }

        /// A trade moves the mid by x·G(ℓ) in all after ℓ trades, and by no more after L of them; trades add up.
        #[test]
        fn the_changes_after_a_trade_add_up_to_its_kernel(
            changes in vec(-10.0_f64..10.0, 1..60),
            x in -100.0_f64..100.0,
            y in -100.0_f64..100.0,
            apart in 0_usize..80,
        ) {
            let lags = changes.len();
            let propagator = Propagator { changes, r_squared: 1.0 };
            let kernel = propagator.kernel();
            let after = |trades: usize| if trades == 0 { 0.0 } else { kernel[trades.min(lags) - 1] };
            let mut signed = vec![0.0; apart + 2 * lags];
            signed[0] += x;
            signed[apart] += y;
            let mut moved = 0.0_f64;
            for (row, change) in propagator.mid_changes(&signed).iter().enumerate() {
                moved += change;
                let told = x * after(row + 1) + y * after((row + 1).saturating_sub(apart));
                prop_assert!((moved - told).abs() < 1e-8, "{}: {} and {}", row, moved, told);
            }
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_told() {
        let message =
            |signed: &[f64], changes: &[f64], lags| Propagator::fit(signed, changes, lags).unwrap_err().to_string();
        assert_eq!(message(&[1.0; 5], &[1.0; 5], 0), "lags 0; allowed: 1 to 500");
        assert_eq!(message(&[1.0; 5], &[1.0; 5], 1), "propagator: 5 observations; allowed: 10 or more");
        assert_eq!(message(&[1.0; 30], &[1.0; 30], 2), "propagator: the trades' signs at some lags tell the others");
        assert_eq!(message(&[1.0; 30], &[1.0; 3], 2), "mid_changes: 3 values; allowed: 30, one for each of the others");
    }

    #[test]
    fn real_a_buyer_moves_the_mid_up_and_some_of_it_stays() {
        let Some(day) = lobster::amzn() else { return };
        let (mut signed, mut mids, mut rule) = (Vec::new(), Vec::new(), TradeSign::new());
        for row in 1..day.rows() {
            if let (Some(trade), Some(mid)) = (day.trade(row), day.depth(row - 1).mid_half_ticks()) {
                signed.push(rule.on_trade(trade, Some(mid)).map_or(0.0, f64::from));
                mids.push(mid as f64 * 0.5);
            }
        }
        let changes: Vec<f64> = mids.windows(2).map(|of| of[1] - of[0]).collect();
        signed.pop();
        let kernel = Propagator::fit(&signed, &changes, 50).unwrap().kernel();
        assert!(kernel[0] > 0.0 && kernel.iter().all(|impact| *impact > 0.0), "{kernel:?}");
    }
}
