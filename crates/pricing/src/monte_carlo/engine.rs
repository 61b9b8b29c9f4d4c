//! The engine: blocks of paths through loops without branches, tiles of blocks over the threads, tiles added in their order.

use rayon::prelude::*;
use zomma_base::Status;

use super::control::{Control, Controlled, coefficient};
use super::lanes::{LANES, Lanes, TILE};
use super::moments::Moments;
use super::source::bridge::Bridge;
use super::source::{Numbers, Source, Stream, weigh};
use super::stepper::{State, Stepper};
use super::watch::{Ends, Terms, Watch};
use super::{Estimate, Market, Model, Monitoring, MonteCarloError, Payoff, Plan};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp};

/// [`prices`](super::prices) with the instructions of one target (the baseline where this machine has not got it).
///
/// # Errors
///
/// As [`prices`](super::prices).
pub fn prices_on(
    target: Target,
    market: &Market,
    model: &Model<'_>,
    payoffs: &[Payoff],
    plan: &Plan,
) -> Result<Vec<Estimate>, MonteCarloError> {
    let engine = Engine::new(target, market, model, plan)?;
    let terms = payoffs
        .iter()
        .map(|payoff| {
            let continuous = matches!(payoff, Payoff::Barrier { monitoring: Monitoring::Continuous, .. });
            if continuous && matches!(model, Model::Merton { .. } | Model::Bates { .. }) {
                return Err(MonteCarloError::NotSupported("a barrier looked at all the time where the spot jumps"));
            }
            let control = Controlled::new(plan.control, market, model, payoff)?;
            Terms::new(*payoff, control, market, plan.steps)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let coefficients = if plan.control == Control::None { None } else { Some(engine.coefficients(&terms)?) };
    let (replications, points) = plan.replications();
    let parts = run_tiles(plan, |replication, first, count| {
        let columns = engine.payoff_columns(&terms, Stream::Main, replication, first, count)?;
        Ok(moments(columns, &terms, coefficients.as_deref()))
    })?;
    (0..terms.len())
        .map(|k| {
            let of: Vec<Moments> = parts.iter().map(|part| part[k]).collect();
            estimate(&of, replications, replications * points)
        })
        .collect()
}

/// Moments of the samples of a tile, with their control taken off.
fn moments(mut columns: Vec<Vec<f64>>, terms: &[Terms], coefficients: Option<&[f64]>) -> Vec<Moments> {
    let controls = columns.split_off(terms.len());
    for (k, control) in controls.iter().enumerate() {
        if let (Some(mean), Some(coefficients)) = (terms[k].control.mean(), coefficients) {
            for (y, c) in columns[k].iter_mut().zip(control) {
                *y -= coefficients[k] * (c - mean);
            }
        }
    }
    columns.iter().map(|column| Moments::of(column)).collect()
}

/// What all tiles of a simulation share.
pub(super) struct Engine<'a> {
    target: Target,
    market: &'a Market,
    plan: &'a Plan,
    stepper: Stepper<'a>,
    bridge: Option<Bridge>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        target: Target,
        market: &'a Market,
        model: &Model<'a>,
        plan: &'a Plan,
    ) -> Result<Self, MonteCarloError> {
        plan.check()?;
        market.check()?;
        model.check()?;
        let stepper = Stepper::new(market, model, plan.steps)?;
        let bridge = plan.is_quasi().then(|| Bridge::new(plan.steps));
        Ok(Self { target, market, plan, stepper, bridge })
    }

    /// Payoffs, then controls where there are any; pairs of antithetic paths are averaged.
    fn payoff_columns(
        &self,
        terms: &[Terms],
        stream: Stream,
        replication: usize,
        first: usize,
        count: usize,
    ) -> Result<Vec<Vec<f64>>, MonteCarloError> {
        let width = if self.plan.control == Control::None { 1 } else { 2 };
        let mut columns = vec![vec![0.0; count]; width * terms.len()];
        let watches = terms.iter().map(Watch::new).collect();
        let mut watcher = Watcher::Payoffs { watches, control: self.control_step() };
        self.tile(stream, replication, first, &mut watcher, &mut columns)?;
        for column in &mut columns {
            average_pairs(self.plan, column);
        }
        Ok(columns)
    }

    /// Whether a path's state has a variance beside the spot.
    pub(super) fn has_stochastic_variance(&self) -> bool {
        matches!(self.stepper, Stepper::QuadraticExponential(_))
    }

    /// Spot, and variance where it is stochastic, on equally spaced dates: columns date by date.
    pub(super) fn states(
        &self,
        stream: Stream,
        replication: usize,
        first: usize,
        count: usize,
        dates: usize,
    ) -> Result<Vec<Vec<f64>>, MonteCarloError> {
        let states = 1 + usize::from(self.has_stochastic_variance());
        let mut columns = vec![vec![0.0; count]; states * dates];
        let mut watcher = Watcher::Record { every: self.plan.steps / dates, states };
        self.tile(stream, replication, first, &mut watcher, &mut columns)?;
        Ok(columns)
    }

    /// A tile's columns, of `count` numbers each.
    pub(super) fn tile(
        &self,
        stream: Stream,
        replication: usize,
        first: usize,
        watcher: &mut Watcher<'_>,
        columns: &mut [Vec<f64>],
    ) -> Result<(), MonteCarloError> {
        let factors = self.stepper.factors();
        let source = Source::new(self.plan, stream, replication, factors, self.bridge.as_ref());
        let source = match watcher {
            Watcher::Payoffs { .. } => source.weighted(self.plan.replications().1),
            Watcher::Record { .. } => source,
        };
        let mut bad_volatility = false;
        dispatch(
            self.target,
            Tile {
                stepper: &self.stepper,
                steps: self.plan.steps,
                spot: self.market.spot,
                source,
                first,
                watcher,
                columns,
                bad_volatility: &mut bad_volatility,
            },
        );
        if bad_volatility { Err(Status::BadVolatility.into()) } else { Ok(()) }
    }

    /// Drift and deviation of a step of the control's path.
    fn control_step(&self) -> Option<[f64; 2]> {
        let Control::BlackScholes { volatility } = self.plan.control else { return None };
        let step_years = self.market.expiry_years / self.plan.steps as f64;
        let carry = self.market.risk_free_rate - self.market.dividend_yield - 0.5 * volatility * volatility;
        Some([carry * step_years, volatility * step_years.sqrt()])
    }

    /// Coefficients of the controls from paths of their own.
    fn coefficients(&self, terms: &[Terms]) -> Result<Vec<f64>, MonteCarloError> {
        let pilot = self.plan.pilot_paths();
        let tiles = (0..pilot.div_ceil(TILE))
            .into_par_iter()
            .map(|tile| {
                let first = tile * TILE;
                self.payoff_columns(terms, Stream::Pilot, 0, first, TILE.min(pilot - first))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let column = |k: usize| tiles.iter().flat_map(|tile| &tile[k]).copied().collect::<Vec<f64>>();
        Ok((0..terms.len()).map(|k| coefficient(&column(k), &column(terms.len() + k))).collect())
    }
}

/// What `tile` makes of the replication, first path and count of each tile of a plan, in their order, over the threads of the pool.
pub(super) fn run_tiles<T: Send>(
    plan: &Plan,
    tile: impl Fn(usize, usize, usize) -> Result<T, MonteCarloError> + Sync,
) -> Result<Vec<T>, MonteCarloError> {
    let (replications, points) = plan.replications();
    let tiles = points.div_ceil(TILE);
    (0..replications * tiles)
        .into_par_iter()
        .map(|task| {
            let (replication, first) = (task / tiles, task % tiles * TILE);
            tile(replication, first, TILE.min(points - first))
        })
        .collect()
}

/// From the moments of the tiles of all replications, in their order.
pub(super) fn estimate(tiles: &[Moments], replications: usize, paths: usize) -> Result<Estimate, MonteCarloError> {
    let all = if replications == 1 {
        Moments::merge_all(tiles)
    } else {
        let means: Vec<f64> =
            tiles.chunks(tiles.len() / replications).map(|tiles| Moments::merge_all(tiles).mean).collect();
        Moments::of(&means)
    };
    let (price, standard_error) = (all.mean, all.standard_error());
    if price.is_finite() && standard_error.is_finite() {
        Ok(Estimate { price, standard_error, samples: all.count as usize, paths })
    } else {
        Err(Status::Overflow.into())
    }
}

/// Averages pairs of antithetic paths: they are the samples.
pub(super) fn average_pairs(plan: &Plan, column: &mut Vec<f64>) {
    if plan.is_antithetic() {
        let pairs = column.len() / 2;
        for i in 0..pairs {
            column[i] = 0.5 * (column[2 * i] + column[2 * i + 1]);
        }
        column.truncate(pairs);
    }
}

/// What becomes of paths.
pub(super) enum Watcher<'a> {
    /// Payoffs, and controls after them; drift and deviation of a step of the control's path.
    Payoffs { watches: Vec<Watch<'a>>, control: Option<[f64; 2]> },
    /// The spot every so many steps, and the variance where states are two: columns date by date.
    Record { every: usize, states: usize },
}

/// Some neighbouring paths.
struct Tile<'a, 'w, 'o> {
    stepper: &'a Stepper<'a>,
    steps: usize,
    spot: f64,
    source: Source<'a>,
    first: usize,
    watcher: &'o mut Watcher<'w>,
    columns: &'o mut [Vec<f64>],
    bad_volatility: &'o mut bool,
}

impl Kernel for Tile<'_, '_, '_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { stepper, steps, spot, mut source, first, watcher, columns, bad_volatility } = self;
        let count = columns.first().map_or(0, Vec::len);
        let mut state = State::new();
        let mut numbers = Numbers::new();
        for start in (0..count).step_by(LANES) {
            let path = (first + start) as u64;
            let end = count.min(start + LANES);
            source.begin::<M>(path);
            stepper.begin(&mut state);
            let mut control_x: Lanes = [0.0; LANES];
            if let Watcher::Payoffs { watches, .. } = watcher {
                watches.iter_mut().for_each(Watch::begin);
            }
            for step in 0..steps {
                source.step::<M>(path, step, &mut numbers);
                stepper.step::<M>(step, &numbers, &mut state);
                match watcher {
                    Watcher::Payoffs { watches, control } => {
                        if let Some([drift, deviation]) = *control {
                            for (x, z) in control_x.iter_mut().zip(&state.brownian) {
                                *x += M::multiply_add(deviation, *z, drift);
                            }
                        }
                        let mut spots: Lanes = [0.0; LANES];
                        if watches.iter().any(|watch| watch.wants_spot(step)) {
                            spots_of::<M>(spot, &state.x, &mut spots);
                        }
                        for watch in watches.iter_mut() {
                            watch.step::<M>(step, &state, &spots);
                        }
                    }
                    Watcher::Record { every, states } => {
                        if (step + 1).is_multiple_of(*every) {
                            let columns = &mut columns[step / *every * *states..][..*states];
                            let mut spots: Lanes = [0.0; LANES];
                            spots_of::<M>(spot, &state.x, &mut spots);
                            columns[0][start..end].copy_from_slice(&spots[..end - start]);
                            if let Some(variance) = columns.get_mut(1) {
                                variance[start..end].copy_from_slice(&state.variance[..end - start]);
                            }
                        }
                    }
                }
            }
            if let Watcher::Payoffs { watches, .. } = watcher {
                let mut ends = Ends { spots: [0.0; LANES], control_spots: [0.0; LANES] };
                spots_of::<M>(spot, &state.x, &mut ends.spots);
                spots_of::<M>(spot, &control_x, &mut ends.control_spots);
                let (payoffs, controls) = columns.split_at_mut(watches.len());
                for (k, watch) in watches.iter().enumerate() {
                    let control = controls.get_mut(k).map(|column| &mut column[start..end]);
                    watch.finish::<M>(&ends, &mut payoffs[k][start..end], control);
                }
                if let Some(weights) = source.weights() {
                    columns.iter_mut().for_each(|column| weigh(&mut column[start..end], weights));
                }
            }
        }
        *bad_volatility = state.bad_volatility;
    }
}

#[inline(always)]
fn spots_of<M: MultiplyAdd>(spot: f64, x: &Lanes, spots: &mut Lanes) {
    for (s, x) in spots.iter_mut().zip(x) {
        *s = spot * exp::<M>(*x);
    }
}
