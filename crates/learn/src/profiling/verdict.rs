//! What holds a run up, by what a step would save without it.
//!
//! A step is gather + communication + optimiser + average + looks + checkpoints + watching. In gather, labels and gradient share the
//! machine: it waits for data as long as it lasts longer than the gradient alone, and no longer than the labels alone. The gradient's
//! fixed part, whatever the rows, is launching; of what goes with the rows, matrix products below the measured rate of their shape wait for
//! memory by what they miss, and all else computes. Passes over the parameters and uploads are memory's.

use super::{LayerTotals, Probe, Profiler, Stage, profiler::LAYERS};

/// What can hold a run up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bottleneck {
    /// The labels are not there in time.
    Data,
    /// Handing work out: what a gradient costs whatever its rows.
    Launch,
    /// Arithmetic.
    Compute,
    /// Moving numbers.
    Memory,
    /// Sharing gradients with other processes.
    Communication,
    /// Looks at the held-out rows.
    Looks,
    /// Checkpoints.
    Checkpoints,
    /// Whoever watches.
    Watching,
    /// What no measurement explains, such as other programs on the machine.
    Other,
}

impl Bottleneck {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Launch => "launch",
            Self::Compute => "compute",
            Self::Memory => "memory",
            Self::Communication => "communication",
            Self::Looks => "looks",
            Self::Checkpoints => "checkpoints",
            Self::Watching => "watching",
            Self::Other => "other",
        }
    }

    /// What may help.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Data => {
                "draw stored rows again (data.samples), or give labels more threads; a wider network costs little here"
            }
            Self::Launch => "a greater training.batch; fewer, wider layers",
            Self::Compute => "a smaller network, fewer derivatives, more threads, or a device",
            Self::Memory => {
                "a greater training.batch for passes over the parameters; smaller parts or layers for products"
            }
            Self::Communication => "a greater training.batch or training.accumulate, a faster network",
            Self::Looks => "a greater training.evaluate_every, or fewer data.held_out",
            Self::Checkpoints => "a greater training.checkpoint_every, or a faster disk",
            Self::Watching => "a greater tracking.every",
            Self::Other => "see what else runs on the machine, and whether the threads are its cores",
        }
    }
}

/// What a step takes, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The whole step, on the clock.
    pub step: f64,
    /// Labels and gradients side by side, on the clock.
    pub gather: f64,
    /// The step's labels alone.
    pub labels_alone: f64,
    /// The step's gradients alone.
    pub gradient_alone: f64,
    /// Of the gradients, whatever the rows.
    pub fixed: f64,
    /// Rows and parameters to a device.
    pub upload: f64,
    /// In the gradients' matrix products, on the clock: of all threads, over their number. 0 where it is not seen.
    pub products: f64,
    /// Rate of the products over the measured one of their shapes, at most 1; 1 where it is not seen.
    pub product_ratio: f64,
    /// Passes over the parameters: optimiser and average.
    pub parameters: f64,
    /// Sharing gradients.
    pub communication: f64,
    /// Looks, a step's share of them.
    pub looks: f64,
    /// Checkpoints, a step's share of them.
    pub checkpoints: f64,
    /// Whoever watches.
    pub watching: f64,
}

impl Evidence {
    /// From a profile and what was measured afterwards.
    pub fn of(profiler: &Profiler, probe: &Probe) -> Self {
        let steps = profiler.totals(Stage::Step).count.max(1) as f64;
        let a_step = |stage: Stage| profiler.totals(stage).nanoseconds as f64 / steps;
        let accumulate = probe.accumulate as f64;
        let layers = sum_of_layers(profiler);
        let achieved = rate(&layers);
        let measured = measured_rate(profiler, probe);
        Self {
            step: a_step(Stage::Step),
            gather: a_step(Stage::Gather),
            labels_alone: accumulate * probe.labels.nanoseconds,
            gradient_alone: accumulate * probe.gradient.nanoseconds,
            fixed: accumulate * probe.fixed_ns,
            upload: a_step(Stage::Upload),
            products: layers.product_ns as f64 / (steps * probe.threads.max(1) as f64),
            product_ratio: achieved.zip(measured).map_or(1.0, |(achieved, measured)| (achieved / measured).min(1.0)),
            parameters: a_step(Stage::Optimiser) + a_step(Stage::Average),
            communication: a_step(Stage::Communication),
            looks: a_step(Stage::Look),
            checkpoints: a_step(Stage::Checkpoint),
            watching: a_step(Stage::Watch),
        }
    }
}

/// All layers and stages together.
pub(super) fn sum_of_layers(profiler: &Profiler) -> LayerTotals {
    let all = Stage::ALL.into_iter().flat_map(|stage| (0..LAYERS).map(move |layer| (stage, layer)));
    all.map(|(stage, layer)| profiler.layer(stage, layer)).fold(LayerTotals::default(), |sum, layer| LayerTotals {
        product_ns: sum.product_ns + layer.product_ns,
        rest_ns: sum.rest_ns + layer.rest_ns,
        flops: sum.flops + layer.flops,
    })
}

/// Operations a nanosecond of the products.
pub(super) fn rate(layers: &LayerTotals) -> Option<f64> {
    (layers.product_ns > 0).then(|| layers.flops as f64 / layers.product_ns as f64)
}

/// Operations a nanosecond that the same products would have at the measured rates of their layers.
pub(super) fn measured_rate(profiler: &Profiler, probe: &Probe) -> Option<f64> {
    let (mut flops, mut nanoseconds) = (0.0, 0.0);
    for (layer, rate) in probe.products.iter().enumerate() {
        let of_layer: u64 = Stage::ALL.into_iter().map(|stage| profiler.layer(stage, layer).flops).sum();
        flops += of_layer as f64;
        nanoseconds += of_layer as f64 / rate;
    }
    (nanoseconds > 0.0).then(|| flops / nanoseconds)
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Shares of a step, the greatest first; they sum to one.
    pub shares: Vec<(Bottleneck, f64)>,
}

impl Verdict {
    /// What holds the run up most.
    pub fn bottleneck(&self) -> Bottleneck {
        self.shares.first().map_or(Bottleneck::Other, |(bottleneck, _)| *bottleneck)
    }
}

/// Names what holds a run up.
pub fn verdict(evidence: &Evidence) -> Verdict {
    let e = evidence;
    let gradient = e.gradient_alone.min(e.gather);
    let data = (e.gather - gradient).clamp(0.0, e.labels_alone);
    let launch = e.fixed.clamp(0.0, gradient);
    let upload = e.upload.clamp(0.0, gradient - launch);
    let rows = gradient - launch - upload;
    let stalled = e.products.clamp(0.0, rows) * (1.0 - e.product_ratio);
    let parts = [
        (Bottleneck::Data, data),
        (Bottleneck::Launch, launch),
        (Bottleneck::Compute, rows - stalled),
        (Bottleneck::Memory, stalled + upload + e.parameters),
        (Bottleneck::Communication, e.communication),
        (Bottleneck::Looks, e.looks),
        (Bottleneck::Checkpoints, e.checkpoints),
        (Bottleneck::Watching, e.watching),
    ];
    let known: f64 = parts.iter().map(|(_, part)| part).sum();
    let whole = e.step.max(known).max(f64::MIN_POSITIVE);
    let other = (Bottleneck::Other, whole - known);
    let mut shares: Vec<_> = parts.into_iter().chain([other]).map(|(what, part)| (what, part / whole)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    Verdict { shares }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of 100 in which everything takes something.
    fn even() -> Evidence {
        Evidence {
            step: 100.0,
            gather: 60.0,
            labels_alone: 20.0,
            gradient_alone: 42.0,
            fixed: 8.0,
            upload: 4.0,
            products: 15.0,
            product_ratio: 0.9,
            parameters: 8.0,
            communication: 8.0,
            looks: 8.0,
            checkpoints: 8.0,
            watching: 8.0,
        }
    }

    /// What makes a stage slow.
    type Slow = fn(&mut Evidence);

    #[test]
    fn whatever_stage_is_slow_is_named() {
        let slow: [(Bottleneck, Slow); 9] = [
            (Bottleneck::Data, |e| (e.gather, e.labels_alone, e.step) = (260.0, 220.0, 300.0)),
            (Bottleneck::Launch, |e| (e.gather, e.gradient_alone, e.fixed, e.step) = (260.0, 242.0, 208.0, 300.0)),
            (Bottleneck::Compute, |e| (e.gather, e.gradient_alone, e.step) = (260.0, 242.0, 300.0)),
            (Bottleneck::Memory, |e| (e.parameters, e.step) = (208.0, 300.0)),
            (Bottleneck::Memory, |e| {
                (e.gather, e.gradient_alone, e.products, e.product_ratio, e.step) = (260.0, 242.0, 200.0, 0.2, 300.0);
            }),
            (Bottleneck::Communication, |e| (e.communication, e.step) = (208.0, 300.0)),
            (Bottleneck::Looks, |e| (e.looks, e.step) = (208.0, 300.0)),
            (Bottleneck::Checkpoints, |e| (e.checkpoints, e.step) = (208.0, 300.0)),
            (Bottleneck::Watching, |e| (e.watching, e.step) = (208.0, 300.0)),
        ];
        for (named, slow) in slow {
            let mut evidence = even();
            slow(&mut evidence);
            let found = verdict(&evidence);
            assert_eq!(found.bottleneck(), named, "{found:?}");
            assert!(found.shares[0].1 > 0.5, "{found:?}");
        }
    }

    #[test]
    fn shares_sum_to_one_and_what_nothing_explains_is_other() {
        let found = verdict(&even());
        assert!((found.shares.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        let found = verdict(&Evidence { step: 1000.0, ..even() });
        assert_eq!(found.bottleneck(), Bottleneck::Other);
        // More was measured in parts than in all, as on a busy machine: no share is negative.
        let found = verdict(&Evidence { step: 1.0, gather: 5.0, gradient_alone: 9.0, fixed: 10.0, ..even() });
        assert!(found.shares.iter().all(|(_, share)| (0.0..=1.0).contains(share)), "{found:?}");
    }
}
