//! What the network is trained on, and how.

use rayon::prelude::*;

use super::network::{Network, PARAMETERS, Parts};
use crate::surface::{
    calibration::{Estimator, noise},
    interpolation::{
        backbone::Backbone,
        dense::{Cholesky, dot},
        domain::{Domain, Sample},
    },
};

/// A shortfall of Durrleman's g under its margin, and of t ∂ln w/∂t under its own, costs this many units of miss.
const PENALTY: f64 = 200.0;
const MARGIN: f64 = 0.01;
/// Times and strikes at which arbitrage is penalised.
const TIMES: usize = 16;
const STRIKES: usize = 17;
/// Steps of Adam and of Levenberg and Marquardt at most.
const ADAM_STEPS: i32 = 150;
const ADAM_RATE: f64 = 0.01;
const STEPS: usize = 60;
/// Gain of the cost at which training ends.
const LEAST_GAIN: f64 = 2e-4;
/// Weight of the squared parameters.
const DECAY: f64 = 1e-2;

/// Inputs of the network: (y, τ) less the centre, over the scale.
#[derive(Clone, Copy)]
pub(super) struct Scaling {
    pub(super) centre: [f64; 2],
    pub(super) scale: [f64; 2],
}

impl Scaling {
    fn inputs(&self, at: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|i| (at[i] - self.centre[i]) / self.scale[i])
    }
}

/// A quote: what the network should say at these inputs, and one over the miss that counts as one.
struct Quote {
    inputs: [f64; 2],
    value: f64,
    inverse_noise: f64,
}

/// A place where arbitrage is penalised: the backbone and the coordinates there.
struct Place {
    inputs: [f64; 2],
    k: f64,
    /// Backbone's w, ∂ln w/∂k, ∂²ln w/∂k², t ∂ln w/∂t.
    backbone: [f64; 4],
    /// ∂x₀/∂k, ∂²x₀/∂k², t ∂x₀/∂t, t ∂x₁/∂t.
    inputs_by: [f64; 4],
}

/// The sum of squares that training makes small.
pub(super) struct Training<'a> {
    quotes: Vec<Quote>,
    places: Vec<Place>,
    estimator: Estimator,
    /// Where the parameters are drawn, and how much.
    home: &'a [f64],
    pull: f64,
}

/// One row of the least squares: what is missed, and its gradient.
type Row = (f64, Vec<f64>);

/// What training came to.
pub(super) struct Trained {
    pub(super) parameters: Vec<f64>,
    pub(super) steps: usize,
    pub(super) is_settled: bool,
}

impl<'a> Training<'a> {
    pub(super) fn new(
        samples: &[Sample],
        domain: &Domain,
        backbone: &Backbone,
        scaling: Scaling,
        (estimator, home, pull): (Estimator, &'a [f64], f64),
    ) -> Self {
        let quotes = samples
            .iter()
            .map(|it| Quote {
                inputs: scaling.inputs(it.at),
                value: 0.5 * (it.w / backbone.total_variance(it.k, it.time)).ln(),
                inverse_noise: 1.0 / it.noise,
            })
            .collect();
        let places = places(domain).map(|(k, time)| place(k, time, domain, backbone, scaling)).collect();
        Self { quotes, places, estimator, home, pull: DECAY + pull }
    }

    /// Cost at `parameters`, rows with their gradients if asked for.
    fn rows(&self, parameters: &[f64], square_scale: f64) -> (f64, Vec<Row>) {
        let network = Network(parameters);
        let quotes = self.quotes.par_iter().map(|quote| {
            let tape = network.forward(quote.inputs);
            let miss = (tape.output[0] - quote.value) * quote.inverse_noise;
            let [cost, weight] = noise::cost_and_weight(self.estimator, miss * miss, square_scale);
            let factor = weight.sqrt();
            let gradient = network.gradient(&tape, [factor * quote.inverse_noise, 0.0, 0.0, 0.0]);
            (cost, vec![(factor * miss, gradient)])
        });
        let places = self.places.par_iter().map(|place| {
            let tape = network.forward(place.inputs);
            let mut rows = Vec::new();
            for (shortfall, seed) in place.shortfalls(tape.output) {
                if shortfall > 0.0 {
                    rows.push((PENALTY * shortfall, network.gradient(&tape, seed.map(|s| PENALTY * s))));
                }
            }
            (rows.iter().map(|(miss, _)| miss * miss).sum(), rows)
        });
        let parts: Vec<(f64, Vec<Row>)> = quotes.chain(places).collect();
        let cost = parts.iter().map(|part| part.0).sum::<f64>() + self.pulled(parameters);
        (cost, parts.into_iter().flat_map(|part| part.1).collect())
    }

    /// The cost alone.
    fn value(&self, parameters: &[f64], square_scale: f64) -> f64 {
        let network = Network(parameters);
        let quotes = self.quotes.par_iter().map(|quote| {
            let miss = (network.forward(quote.inputs).output[0] - quote.value) * quote.inverse_noise;
            noise::cost_and_weight(self.estimator, miss * miss, square_scale)[0]
        });
        let places = self.places.par_iter().map(|place| {
            let shortfalls = place.shortfalls(network.forward(place.inputs).output);
            shortfalls.iter().map(|(shortfall, _)| (PENALTY * shortfall.max(0.0)).powi(2)).sum()
        });
        let parts: Vec<f64> = quotes.chain(places).collect();
        parts.iter().sum::<f64>() + self.pulled(parameters)
    }

    fn pulled(&self, parameters: &[f64]) -> f64 {
        self.pull * parameters.iter().zip(self.home).map(|(p, home)| (p - home).powi(2)).sum::<f64>()
    }

    /// The next guess of the noise's squared scale under maximum likelihood.
    fn square_scale(&self, parameters: &[f64], before: f64) -> f64 {
        if !self.estimator.is_likelihood() || self.quotes.is_empty() {
            return 1.0;
        }
        let network = Network(parameters);
        let weighted = self.quotes.iter().map(|quote| {
            let miss = (network.forward(quote.inputs).output[0] - quote.value) * quote.inverse_noise;
            noise::weight(miss * miss, before) * miss * miss
        });
        noise::em_step(before, weighted.sum(), self.quotes.len()).0
    }

    /// Trains from `start`: Adam (Kingma and Ba 2015) from afar, then Levenberg and Marquardt.
    pub(super) fn run(&self, start: Vec<f64>, is_warm: bool) -> Trained {
        let mut parameters = start;
        let mut scale = 1.0;
        if !is_warm {
            self.adam(&mut parameters);
        }
        for _ in 0..5 {
            scale = self.square_scale(&parameters, scale);
        }
        let mut damping = 1e-2;
        let mut steps = 0;
        let mut is_settled = false;
        let (mut cost, mut rows) = self.rows(&parameters, scale);
        while steps < STEPS && !is_settled && cost.is_finite() {
            steps += 1;
            let Some(next) = self.step(&parameters, cost, &rows, scale, &mut damping) else {
                is_settled = true;
                break;
            };
            parameters = next;
            scale = self.square_scale(&parameters, scale);
            let before = cost;
            (cost, rows) = self.rows(&parameters, scale);
            is_settled = (before - cost).abs() < LEAST_GAIN * cost.abs();
        }
        Trained { parameters, steps, is_settled }
    }

    /// The first damped step that lowers the cost.
    fn step(&self, x: &[f64], cost: f64, rows: &[Row], scale: f64, damping: &mut f64) -> Option<Vec<f64>> {
        const TRIES: usize = 10;
        let columns: Vec<Vec<f64>> =
            (0..PARAMETERS).into_par_iter().map(|i| rows.iter().map(|row| row.1[i]).collect()).collect();
        let misses: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let squares: Vec<Vec<f64>> =
            (0..PARAMETERS).into_par_iter().map(|i| (0..=i).map(|j| dot(&columns[i], &columns[j])).collect()).collect();
        let gradient: Vec<f64> =
            (0..PARAMETERS).map(|i| dot(&columns[i], &misses) + self.pull * (x[i] - self.home[i])).collect();
        let mean = squares.iter().enumerate().map(|(i, row)| row[i]).sum::<f64>() / PARAMETERS as f64;
        for _ in 0..TRIES {
            let factor = Cholesky::new(PARAMETERS, |i, j| {
                let damped = if i == j { self.pull + *damping * (squares[i][i] + 1e-3 * mean) } else { 0.0 };
                squares[i][j] + damped
            });
            if let Some(factor) = factor {
                let change = factor.solve(&gradient);
                let trial: Vec<f64> = x.iter().zip(&change).map(|(x, change)| x - change).collect();
                if self.value(&trial, scale) < cost {
                    *damping = (*damping * 0.3).max(1e-9);
                    return Some(trial);
                }
            }
            *damping *= 5.0;
        }
        None
    }

    fn adam(&self, parameters: &mut [f64]) {
        const DECAYS: [f64; 2] = [0.9, 0.999];
        let mut moments = vec![[0.0; 2]; PARAMETERS];
        for step in 1..=ADAM_STEPS {
            let (_, rows) = self.rows(parameters, 1.0);
            let mut gradient: Vec<f64> =
                parameters.iter().zip(self.home).map(|(p, home)| self.pull * (p - home)).collect();
            for (miss, by) in &rows {
                // A miss beyond ten units pulls no harder: the first steps are not to be those of the wildest quote.
                let miss = miss.clamp(-10.0, 10.0);
                gradient.iter_mut().zip(by).for_each(|(sum, by)| *sum += miss * by);
            }
            let corrections = DECAYS.map(|decay| 1.0 - decay.powi(step));
            for ((p, moments), g) in parameters.iter_mut().zip(&mut moments).zip(gradient) {
                moments[0] += (1.0 - DECAYS[0]) * (g - moments[0]);
                moments[1] += (1.0 - DECAYS[1]) * (g * g - moments[1]);
                *p -= ADAM_RATE * (moments[0] / corrections[0]) / ((moments[1] / corrections[1]).sqrt() + 1e-12);
            }
        }
    }
}

impl Place {
    /// How far g and t ∂ln w/∂t fall under their margins, each with its gradient by the network's parts.
    fn shortfalls(&self, [f, by_0, by_1, by_00]: Parts) -> [(f64, Parts); 2] {
        let [base, base_k, base_kk, base_t] = self.backbone;
        let [x_k, x_kk, x_t, tau_t] = self.inputs_by;
        let w = base * (2.0 * f).exp();
        let slope = base_k + 2.0 * by_0 * x_k;
        let bend = base_kk + 2.0 * (by_00 * x_k * x_k + by_0 * x_kk);
        // Durrleman's g in terms of ln w: w′ = w·slope, w″ = w(bend + slope²).
        let lead = 1.0 - 0.5 * self.k * slope;
        let share = 0.25 * w - 0.0625 * w * w;
        let g = lead * lead + slope * slope * share + 0.5 * w * bend;
        let by_w = slope * slope * (0.25 - 0.125 * w) + 0.5 * bend;
        let by_slope = -self.k * lead + 2.0 * slope * share;
        let butterfly = [-2.0 * w * by_w, -2.0 * (by_slope * x_k + 0.5 * w * x_kk), 0.0, -w * x_k * x_k];
        let rise = base_t + 2.0 * (by_0 * x_t + by_1 * tau_t);
        [(MARGIN - g, butterfly), (MARGIN - rise, [0.0, -2.0 * x_t, -2.0 * tau_t, 0.0])]
    }
}

/// Log-moneynesses and times: evenly in ln t from the first expiry to the last, evenly in y between the edges.
fn places(domain: &Domain) -> impl Iterator<Item = (f64, f64)> + '_ {
    let first = domain.times.first().copied().unwrap_or(1.0);
    let last = domain.times.last().copied().unwrap_or(first);
    (0..TIMES).flat_map(move |i| {
        let time = first * (last / first).powf(i as f64 / (TIMES - 1) as f64);
        let time = time.clamp(first, last);
        let [low, high] = domain.edges_at(time).map(|[edge, ..]| domain.place(edge, time)[0]);
        (0..STRIKES).map(move |j| {
            let y = low + (high - low) * j as f64 / (STRIKES - 1) as f64;
            (y.sinh() * domain.typical_volatility * time.sqrt(), time)
        })
    })
}

fn place(k: f64, time: f64, domain: &Domain, backbone: &Backbone, scaling: Scaling) -> Place {
    let [y, tau] = domain.coordinates(k, time);
    let base = backbone.series(k, time);
    let log = base.ln();
    let scale = scaling.scale;
    Place {
        inputs: scaling.inputs([y.value(), tau.value()]),
        k,
        backbone: [base.value(), log.partial(1, 0), log.partial(2, 0), time * log.partial(0, 1)],
        inputs_by: [
            y.partial(1, 0) / scale[0],
            y.partial(2, 0) / scale[0],
            time * y.partial(0, 1) / scale[0],
            time * tau.partial(0, 1) / scale[1],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::{ModelSettings, Settings},
        coverage,
        interpolation::{
            domain::thinned,
            knots::Knots,
            neural::{self, Neural, POINTS},
            tests::rippled,
        },
        smile::durrleman_g,
        violations,
    };

    #[test]
    fn penalties_take_out_the_arbitrage_that_the_quotes_put_into_a_network() {
        // A ripple of 12 %: the quotes' own density is negative in places.
        let expiries = [0.03, 0.08, 0.2, 0.5, 1.0, 2.0];
        let slices = rippled(&expiries, 0.12);
        let fitted = neural::fit(&slices, &ModelSettings::default(), None).expect("quotes").surface;
        let knots: Vec<Knots> = slices.iter().map(|quotes| Knots::new(quotes, &Settings::default())).collect();
        let samples = thinned(&fitted.domain, &expiries, &knots, POINTS);
        let home = vec![0.0; PARAMETERS];
        let scaling = Scaling { centre: fitted.centre, scale: fitted.scale };
        let of = (Estimator::LeastSquares, &home[..], 0.0);
        let mut training = Training::new(&samples, &fitted.domain, &fitted.backbone, scaling, of);
        assert_eq!(training.run(Network::start(), false).parameters, fitted.parameters);
        let places = std::mem::take(&mut training.places);
        let free = Neural { parameters: training.run(Network::start(), false).parameters, ..fitted.clone() };
        let short = |surface: &Neural| {
            let at = |place: &Place| place.shortfalls(Network(&surface.parameters).forward(place.inputs).output);
            places.iter().flat_map(at).map(|(shortfall, _)| shortfall.max(0.0)).sum::<f64>()
        };
        let least_g = |surface: &Neural| violations(surface, &coverage(&slices)).0.least_g;
        let [with, without] = [&fitted, &free].map(|surface| (short(surface), least_g(surface)));
        // Where they are laid next to nothing is left; between and beyond, less than half.
        assert!(without.0 > 5.0 && with.0 < 0.05 * without.0, "{with:?} {without:?}");
        assert!(without.1 < -0.5 && with.1 > 0.5 * without.1, "{with:?} {without:?}");
    }

    #[test]
    fn shortfalls_are_those_of_the_surface_with_their_gradients() {
        // w = w₀(k, t) e^{2f} with f = a + b x₀ + c x₁ + d x₀²/2 about the place.
        let place =
            Place { inputs: [0.3, 0.1], k: -0.2, backbone: [0.05, -0.8, 1.5, 0.9], inputs_by: [1.4, -0.7, 0.2, 0.5] };
        let parts = [0.1, -0.3, 0.2, 0.8];
        let [(butterfly, by_butterfly), (calendar, by_calendar)] = place.shortfalls(parts);
        let w = 0.05 * 0.2_f64.exp();
        let slope = -0.8 - 0.6 * 1.4;
        let bend = 1.5 + 2.0 * (0.8 * 1.4 * 1.4 + 0.3 * 0.7);
        let g = durrleman_g(-0.2, [w, w * slope, w * (bend + slope * slope)]);
        assert!((MARGIN - g - butterfly).abs() < 1e-14);
        assert!((MARGIN - (0.9 + 2.0 * (-0.3 * 0.2 + 0.2 * 0.5)) - calendar).abs() < 1e-14);
        for i in 0..4 {
            const H: f64 = 1e-6;
            let [low, high] = [-H, H].map(|h| {
                let mut moved = parts;
                moved[i] += h;
                place.shortfalls(moved).map(|it| it.0)
            });
            for (ours, side) in [(by_butterfly[i], 0), (by_calendar[i], 1)] {
                let numeric = (high[side] - low[side]) / (2.0 * H);
                assert!((ours - numeric).abs() < 1e-8, "{i}: {ours} {numeric}");
            }
        }
    }
}
