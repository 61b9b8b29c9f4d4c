//! What is left to do for a rank whose group is broken: the state of its last whole step goes into the run's folder.

use std::{thread, time::Duration};

use super::state::{Kept, Standing};
use super::{Checkpoint, RunFolder, State};
use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::Architecture;

/// How often, and how far apart, a rank tries to take the folder of a first rank that is about to end.
const TRIES: u32 = 1000;
const APART: Duration = Duration::from_millis(20);

/// Writes a state as the run's checkpoint, unless one that stands as far or farther is there already. A rank that does not hold the folder
/// waits for the one that does: it ends too, and may have written its own. Whether the folder's checkpoint names every network that the state does,
/// but for those that a later look put out of the best; one that does not is no better than what a second place has, whose networks a copy would
/// take away.
///
/// Errors: [`LearnError::Locked`] where the folder is not to be had for some seconds; [`LearnError::File`].
pub(super) fn rescue(
    folder: &RunFolder,
    architecture: &Architecture,
    config: &TrainConfig,
    state: &State,
) -> Result<bool, LearnError> {
    let _held = if folder.is_ours() { None } else { Some(take(folder)?) };
    let path = folder.checkpoint();
    // One that cannot be read is no better than none.
    let there = if path.exists() { Checkpoint::read(&path).ok() } else { None };
    if let Some(there) = there.filter(|there| there.state.standing.step >= state.standing.step) {
        // It may be of another survivor of this folder, who found no more networks here.
        return Ok(has_all(&there.state.standing, &state.standing, config.training.keep_best));
    }
    let there = with_what_is_there(folder, state);
    Checkpoint::write(&path, architecture, config, &there)?;
    Ok(there.standing.best.len() == state.standing.best.len())
}

/// Whether the one standing, as far or farther, names all of the other's networks but those that better ones took the places of.
fn has_all(there: &Standing, ours: &Standing, keep_best: usize) -> bool {
    let is_named = |kept: &Kept| there.best.iter().any(|other| other.step == kept.step);
    let are_replaced = there.step > ours.step && there.best.len() >= keep_best;
    are_replaced || ours.best.iter().all(is_named)
}

/// The state without the networks that the first rank did not come to write, so that none is named that is not there; where it had ended with
/// one of those, it looks again.
fn with_what_is_there(folder: &RunFolder, state: &State) -> State {
    let mut state = state.clone();
    let named = state.standing.best.len();
    state.standing.best.retain(|kept| folder.kept(kept.step).is_file());
    state.standing.finished &= state.standing.best.len() == named;
    state
}

fn take(folder: &RunFolder) -> Result<RunFolder, LearnError> {
    for _ in 1..TRIES {
        match RunFolder::open(folder.path()) {
            Err(LearnError::Locked { .. }) => thread::sleep(APART),
            taken => return taken,
        }
    }
    RunFolder::open(folder.path())
}
