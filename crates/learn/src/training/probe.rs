//! Each side of a step alone, measured when training is over.

use super::Trainer;
use crate::LearnError;
use crate::data::Rows;
use crate::network::{Batch, measured_product, workspace_bytes};
use crate::profiling::{Alone, Probe, Profiler};

/// Times that each side is measured; the least counts.
const REPEATS: usize = 7;
/// The small batch, as a part of the whole one.
const PART: usize = 8;

impl Trainer {
    /// Measures the sides of a step, none of which changes the run. None where nobody takes its time.
    ///
    /// Errors: of labels or of the engine.
    pub fn probe(&mut self) -> Result<Option<Probe>, LearnError> {
        let Some(profiler) = self.profiler.clone() else { return Ok(None) };
        self.engine.profile(None);
        let probed = self.measure(&profiler);
        self.engine.profile(Some(profiler));
        probed.map(Some)
    }

    fn measure(&mut self, profiler: &Profiler) -> Result<Probe, LearnError> {
        let Self { config, architecture, engine, source, scales, state, .. } = self;
        let inputs = config.data.inputs();
        let size = config.training.batch;
        let mut rows = Rows::zeros(size, inputs);
        let drawn = state.standing.drawn;
        let labels = least(profiler, || source.draw(drawn, &mut rows))?;
        let mut statistics = state.statistics.clone();
        let mut gradient = vec![0.0; state.parameters.len()];
        let whole = rows.batch(config.data.learns_differentials());
        let part_rows = (size / PART).max(1);
        let differentials = &whole.differentials[..(part_rows * inputs).min(whole.differentials.len())];
        let part = Batch {
            inputs: &whole.inputs[..part_rows * inputs],
            prices: &whole.prices[..part_rows],
            differentials,
            weights: whole.weights.get(..part_rows).unwrap_or(&[]),
        };
        let mut of = |batch: &Batch<'_>| {
            let weights = (&state.parameters[..], &mut statistics[..]);
            engine.gradient(weights, batch, scales, state.standing.step, &mut gradient).map(drop)
        };
        let whole_alone = least(profiler, || of(&whole))?;
        let part_alone = least(profiler, || of(&part))?;
        // The line through both sizes, where it meets none.
        let (large, small) = (size as f64, part_rows as f64);
        let slope = (whole_alone.nanoseconds - part_alone.nanoseconds) / (large - small).max(1.0);
        let fixed_ns = (part_alone.nanoseconds - slope.max(0.0) * small).clamp(0.0, whole_alone.nanoseconds);
        let shape = |layer: usize| (architecture.width, architecture.layer_inputs(layer));
        let layers = 0..architecture.depth;
        let plain = architecture.is_plain();
        Ok(Probe {
            rows: size,
            accumulate: config.training.accumulate,
            threads: rayon::current_num_threads(),
            labels,
            gradient: whole_alone,
            fixed_ns,
            products: layers
                .clone()
                .filter(|_| plain)
                .map(|layer| {
                    let (width, inputs) = shape(layer);
                    measured_product(width, inputs, profiler)
                })
                .collect(),
            parameters: layers.map(shape).map(|(width, inputs)| width * (inputs + 1)).collect(),
            workspace_bytes: workspace_bytes(architecture),
        })
    }
}

/// The least of some repeats, and what the last of them allocated.
fn least(profiler: &Profiler, mut run: impl FnMut() -> Result<(), LearnError>) -> Result<Alone, LearnError> {
    let mut alone = Alone { nanoseconds: f64::INFINITY, ..Alone::default() };
    for _ in 0..REPEATS {
        let (before, from) = (profiler.allocations(), profiler.nanoseconds());
        run()?;
        let taken = profiler.nanoseconds().saturating_sub(from) as f64;
        alone = Alone { nanoseconds: alone.nanoseconds.min(taken), allocations: profiler.allocations() - before };
    }
    Ok(alone)
}
