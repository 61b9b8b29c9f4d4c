//! Rows of any models, markets and expiries, cut into slices so that each characteristic function is evaluated once.
//!
//! Rows are sorted by a hash of all that makes a slice, runs of equal rows are valued together over the threads of the current rayon
//! pool, and the results go back to the rows' places. A run is cut at [`LONGEST`] rows, so that one expiry of very many strikes keeps
//! all threads busy.

use rayon::prelude::*;

use super::model::Model;
use super::quantities::{Covered, Slice};
use super::series::Depth;
use super::slice::Task;
use crate::math::Target;
use zomma_base::{OptionType, Status};

/// Rows of one task.
const LONGEST: usize = 2048;
/// Rows below which a batch stays on one thread.
const SPLIT_ROWS: usize = 64;

/// A batch of options as columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Model with its parameters.
    pub model: &'a [Model],
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Spot; currency per share.
    pub spot: &'a [f64],
    /// Strike; currency per share.
    pub strike: &'a [f64],
    /// ACT/365F years to the expiry instant.
    pub expiry_years: &'a [f64],
    /// Continuously compounded.
    pub risk_free_rate: &'a [f64],
    /// Continuously compounded.
    pub dividend_yield: &'a [f64],
}

impl Columns<'_> {
    fn slice(&self, i: usize) -> Slice {
        Slice {
            spot: self.spot[i],
            expiry_years: self.expiry_years[i],
            risk_free_rate: self.risk_free_rate[i],
            dividend_yield: self.dividend_yield[i],
        }
    }

    /// All that makes a slice, as bits: NaN equals itself.
    fn key(&self, i: usize) -> [u64; 13] {
        let Slice { spot, expiry_years, risk_free_rate, dividend_yield } = self.slice(i);
        let market = [spot, expiry_years, risk_free_rate, dividend_yield];
        let kind = match self.model[i] {
            Model::Heston(_) => 0,
            Model::Bates(_) => 1,
            Model::Merton(_) => 2,
            Model::Kou(_) => 3,
            Model::VarianceGamma(_) => 4,
        };
        let mut key = [kind; 13];
        let numbers = market.into_iter().chain(self.model[i].parameters());
        key[1..].iter_mut().zip(numbers).for_each(|(key, x)| *key = x.to_bits());
        key
    }
}

/// A multiplicative hash; rows that collide without being equal are only cut into more slices.
fn hash(key: &[u64; 13]) -> u64 {
    key.iter().fold(0, |hash: u64, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// What a row becomes.
type Outcome<T> = Result<T, Status>;

/// Rows of one slice, in their order among the sorted.
struct Part<'a, T> {
    rows: &'a [(u64, usize)],
    strikes: &'a [f64],
    outcomes: &'a mut [Outcome<T>],
}

/// Values every row and hands it to `place`, in no order.
pub(super) fn evaluate<T: Copy + Send + Sync>(
    columns: &Columns<'_>,
    depth: Depth,
    value: impl Fn(&Covered<'_>, OptionType, &Model) -> Outcome<T> + Sync,
    mut place: impl FnMut(usize, Outcome<T>),
) {
    let n = columns.strike.len();
    let mut order: Vec<(u64, usize)> = (0..n).map(|i| (hash(&columns.key(i)), i)).collect();
    let parallel = n >= SPLIT_ROWS && rayon::current_num_threads() > 1;
    if parallel {
        order.par_sort_unstable();
    } else {
        order.sort_unstable();
    }
    let strikes: Vec<f64> = order.iter().map(|(_, i)| columns.strike[*i]).collect();
    let mut outcomes: Vec<Outcome<T>> = vec![Err(Status::NotConverged); n];
    let mut parts = Vec::new();
    let (mut rest, mut rest_strikes) = (outcomes.as_mut_slice(), strikes.as_slice());
    for run in order.chunk_by(|a, b| a.0 == b.0 && columns.key(a.1) == columns.key(b.1)) {
        for rows in run.chunks(LONGEST) {
            let (strikes, others) = rest_strikes.split_at(rows.len());
            rest_strikes = others;
            let (outcomes, others) = std::mem::take(&mut rest).split_at_mut(rows.len());
            rest = others;
            parts.push(Part { rows, strikes, outcomes });
        }
    }
    let run = |Part { rows, strikes, outcomes }: Part<'_, T>| {
        // A run is never empty.
        let first = rows[0].1;
        let (model, slice) = (&columns.model[first], &columns.slice(first));
        let task = Task { target: Target::best(), model, slice, strikes, depth };
        task.run(&mut |i, covered| {
            outcomes[i] = covered.and_then(|covered| value(&covered, columns.option_type[rows[i].1], model));
        });
    };
    if parallel {
        parts.into_par_iter().for_each(run);
    } else {
        parts.into_iter().for_each(run);
    }
    order.iter().zip(outcomes).for_each(|((_, i), outcome)| place(*i, outcome));
}
