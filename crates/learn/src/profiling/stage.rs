//! The stages of a run.

/// What the time of a run is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// A whole step; the others are parts of it.
    Step,
    /// Labels and the gradient, side by side.
    Gather,
    /// Labels of the next batch.
    Labels,
    /// The engine's loss and gradient of a batch.
    Gradient,
    /// Rows and parameters on their way to a device.
    Upload,
    /// Features, activations and the price.
    Forward,
    /// The price's derivatives by the features.
    Derivatives,
    /// The loss and what it sends back.
    Loss,
    /// The derivatives' loss on its way through the layers.
    Adjoints,
    /// The gradient by the parameters.
    Backward,
    /// The gradient shared with other processes.
    Communication,
    /// The norm of the gradient and the step of the optimiser.
    Optimiser,
    /// The average over the steps.
    Average,
    /// A look at the held-out rows.
    Look,
    /// A checkpoint.
    Checkpoint,
    /// Whoever watches.
    Watch,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 16] = [
        Self::Step,
        Self::Gather,
        Self::Labels,
        Self::Gradient,
        Self::Upload,
        Self::Forward,
        Self::Derivatives,
        Self::Loss,
        Self::Adjoints,
        Self::Backward,
        Self::Communication,
        Self::Optimiser,
        Self::Average,
        Self::Look,
        Self::Checkpoint,
        Self::Watch,
    ];

    /// Its name, in traces and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Gather => "gather",
            Self::Labels => "labels",
            Self::Gradient => "gradient",
            Self::Upload => "upload",
            Self::Forward => "forward",
            Self::Derivatives => "derivatives",
            Self::Loss => "loss",
            Self::Adjoints => "adjoints",
            Self::Backward => "backward",
            Self::Communication => "communication",
            Self::Optimiser => "optimiser",
            Self::Average => "average",
            Self::Look => "look",
            Self::Checkpoint => "checkpoint",
            Self::Watch => "watch",
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_place() {
        assert!(Stage::ALL.iter().enumerate().all(|(at, stage)| stage.index() == at));
    }
}
