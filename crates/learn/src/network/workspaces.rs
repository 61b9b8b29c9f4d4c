//! Buffers between batches: a thread borrows what another gave back, so that training allocates nothing after its first steps.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::Architecture;
use super::layers::Workspace;

/// Workspaces of one architecture that no thread uses now.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// One of them, or a new one.
    pub(super) fn borrow(&self, architecture: &Architecture) -> Borrowed<'_> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Borrowed { of: self, workspace: kept.unwrap_or_else(|| Workspace::new(architecture)) }
    }
}

/// A workspace that goes back when it is dropped.
pub(super) struct Borrowed<'a> {
    of: &'a Workspaces,
    workspace: Workspace,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let workspace = mem::take(&mut self.workspace);
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

impl Deref for Borrowed<'_> {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EXAMPLE, TrainConfig};
    use crate::data::Source;
    use crate::network::{Features, LossScales, MOST_INPUTS, Native};

    #[test]
    fn a_second_batch_finds_the_buffers_of_the_first() {
        let config = TrainConfig::parse(EXAMPLE).unwrap();
        let rows = Source::new(&config.data, 1).unwrap().first(2000).unwrap();
        let features = Features::unscaled(config.data.model, config.network.features(&config.data)).fit(&rows.inputs);
        let mut native = Native::new(Architecture::new(&config.network, features));
        let parameters = native.architecture().layout().first_parameters(1.0, 1);
        let scales = LossScales { by_total_volatility: true, differentials: [0.1; MOST_INPUTS], gradient: 1.0 };
        let (mut first, mut second) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
        native.gradient(&parameters, &rows.batch(true), &scales, &mut first);
        let kept = |native: &Native| native.workspaces().0.lock().unwrap().len();
        let after_one = kept(&native);
        assert!((1..=rayon::current_num_threads()).contains(&after_one), "{after_one}");
        // What is left in them from another batch changes nothing.
        native.gradient(&parameters, &rows.batch(false), &scales, &mut second);
        native.gradient(&parameters, &rows.batch(true), &scales, &mut second);
        assert!(kept(&native) <= rayon::current_num_threads());
        assert_eq!(first, second);
    }
}
