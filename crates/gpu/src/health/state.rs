//! The state machine of one GPU: healthy → degraded → failed → recovering, with hysteresis. Pure: state and observation in, state out.
//!
//! A single odd sample changes nothing: every change needs a run of samples that agree. A failed GPU becomes healthy only by way of
//! recovering, and needs no restart of the program for it.

use serde::Serialize;

/// Whether a GPU can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Give it work.
    #[default]
    Healthy,
    /// It works; someone should look at it.
    Degraded,
    /// Give it no work.
    Failed,
    /// It was failed and reads well again; not trusted yet.
    Recovering,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Degraded, Self::Failed, Self::Recovering];

    /// Its name in JSON and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Recovering => "recovering",
        }
    }
}

/// What one sample says of a GPU: the worst of its reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Nothing is wrong.
    Good,
    /// Something should be looked at.
    Warning,
    /// It cannot be used, as far as this one sample can tell.
    Critical,
    /// It cannot be used, for certain: the driver itself reported a fatal fault. One is enough.
    Fatal,
}

/// How many samples in a row must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// Samples with a warning or worse before a healthy GPU is degraded; at least 1.
    pub degrade_after: u32,
    /// Critical samples before a GPU is failed; at least 1.
    pub fail_after: u32,
    /// Samples without that trouble before a GPU moves one step back towards healthy; at least 1.
    pub recover_after: u32,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self { degrade_after: 2, fail_after: 3, recover_after: 5 }
    }
}

impl Hysteresis {
    /// One sample decides: for a single look, where there is no run to wait for.
    pub const NONE: Self = Self { degrade_after: 1, fail_after: 1, recover_after: 1 };
}

/// A GPU's state and the runs that lead out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracker {
    /// The state now.
    pub state: State,
    /// Samples in a row that were critical.
    critical_run: u32,
    /// Samples in a row that were a warning or worse.
    trouble_run: u32,
    /// Samples in a row that were not critical.
    usable_run: u32,
    /// Samples in a row that were good.
    good_run: u32,
}

impl Tracker {
    /// Takes one more observation.
    #[must_use]
    pub fn step(self, observation: Observation, settings: &Hysteresis) -> Self {
        let run = |length: u32, goes_on: bool| if goes_on { length.saturating_add(1) } else { 0 };
        let critical = observation >= Observation::Critical;
        let mut next = Self {
            state: self.state,
            critical_run: run(self.critical_run, critical),
            trouble_run: run(self.trouble_run, observation != Observation::Good),
            usable_run: run(self.usable_run, !critical),
            good_run: run(self.good_run, observation == Observation::Good),
        };
        let fails = observation == Observation::Fatal || next.critical_run >= settings.fail_after.max(1);
        let usable = next.usable_run >= settings.recover_after.max(1);
        let good = next.good_run >= settings.recover_after.max(1);
        next.state = match self.state {
            State::Healthy | State::Degraded if fails => State::Failed,
            State::Healthy if next.trouble_run >= settings.degrade_after.max(1) => State::Degraded,
            State::Degraded if good => State::Healthy,
            State::Failed if usable => State::Recovering,
            // What has just failed is not given the benefit of the doubt again.
            State::Recovering if critical => State::Failed,
            State::Recovering if good => State::Healthy,
            State::Recovering if usable && observation == Observation::Warning => State::Degraded,
            stays => stays,
        };
        if next.state != self.state {
            // Each step back is earned by a run of its own.
            (next.usable_run, next.good_run) = (0, 0);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Observation::{Critical, Fatal, Good, Warning};

    fn states(settings: Hysteresis, observations: &[Observation]) -> Vec<State> {
        let mut tracker = Tracker::default();
        let step = |&observation: &Observation| {
            tracker = tracker.step(observation, &settings);
            tracker.state
        };
        observations.iter().map(step).collect()
    }

    fn changes(states: &[State]) -> usize {
        states.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    fn any_settings() -> impl Strategy<Value = Hysteresis> {
        (1..6_u32, 1..6_u32, 1..6_u32).prop_map(|(degrade_after, fail_after, recover_after)| Hysteresis {
            degrade_after,
            fail_after,
            recover_after,
        })
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        prop_oneof![Just(Good), Just(Warning), Just(Critical), Just(Fatal)]
    }

    #[test]
    fn the_whole_way_round() {
        let settings = Hysteresis { degrade_after: 2, fail_after: 3, recover_after: 2 };
        let seen = states(settings, &[Good, Warning, Warning, Critical, Critical, Critical, Good, Good, Good, Good]);
        use State::{Degraded, Failed, Healthy, Recovering};
        assert_eq!(
            seen,
            [Healthy, Healthy, Degraded, Degraded, Degraded, Failed, Failed, Recovering, Recovering, Healthy]
        );
    }

    #[test]
    fn one_fatal_observation_is_enough_and_one_critical_is_not() {
        let settings = Hysteresis::default();
        assert_eq!(states(settings, &[Good, Fatal]), [State::Healthy, State::Failed]);
        assert_eq!(states(settings, &[Good, Critical]), [State::Healthy, State::Healthy]);
    }

    #[test]
    fn a_gpu_that_recovers_with_a_warning_left_is_degraded() {
        let settings = Hysteresis { degrade_after: 2, fail_after: 1, recover_after: 2 };
        let seen = states(settings, &[Critical, Warning, Warning, Warning, Warning, Good, Good]);
        use State::{Degraded, Failed, Healthy, Recovering};
        assert_eq!(seen, [Failed, Failed, Recovering, Recovering, Degraded, Degraded, Healthy]);
    }

    proptest! {
        #[test]
        fn samples_that_alternate_do_not_make_it_flap(bad in prop_oneof![Just(Warning), Just(Critical)], start in any::<bool>(),
                                                      lead in proptest::collection::vec(any_observation(), 0..20)) {
            let settings = Hysteresis { degrade_after: 2, fail_after: 2, recover_after: 2 };
            let mut tracker = lead.iter().fold(Tracker::default(), |tracker, seen| tracker.step(*seen, &settings));
            let mut seen = Vec::new();
            for n in 0..40 {
                let observation = if (n % 2 == 0) == start { Good } else { bad };
                tracker = tracker.step(observation, &settings);
                seen.push(tracker.state);
            }
            // What the lead began may still end; then it stands still.
            prop_assert!(changes(&seen[4..]) == 0, "{seen:?}");
        }

        #[test]
        fn a_failed_gpu_passes_through_recovering(settings in any_settings(),
                                                  observations in proptest::collection::vec(any_observation(), 0..200)) {
            let seen = states(settings, &observations);
            for pair in seen.windows(2) {
                let leaves_failed = pair[0] == State::Failed && pair[1] != State::Failed;
                prop_assert!(!leaves_failed || pair[1] == State::Recovering, "{pair:?}");
                let trusted = pair[1] == State::Recovering && pair[0] != State::Recovering;
                prop_assert!(!trusted || pair[0] == State::Failed, "{pair:?}");
            }
        }

        #[test]
        fn good_samples_heal_whatever_came_before(settings in any_settings(),
                                                  observations in proptest::collection::vec(any_observation(), 0..100)) {
            let mut long = observations;
            long.extend(std::iter::repeat_n(Good, 2 * settings.recover_after as usize));
            prop_assert_eq!(states(settings, &long).last().copied(), Some(State::Healthy));
        }

        #[test]
        fn critical_samples_fail_whatever_came_before(settings in any_settings(),
                                                      observations in proptest::collection::vec(any_observation(), 0..100)) {
            let mut long = observations;
            long.extend(std::iter::repeat_n(Critical, settings.fail_after as usize));
            prop_assert_eq!(states(settings, &long).last().copied(), Some(State::Failed));
        }

        #[test]
        fn shorter_runs_than_asked_for_change_nothing(settings in any_settings(), bad in prop_oneof![Just(Warning), Just(Critical)]) {
            let length = (settings.degrade_after.min(settings.fail_after) - 1) as usize;
            let mut observations = vec![bad; length];
            observations.push(Good);
            prop_assert!(states(settings, &observations).iter().all(|state| *state == State::Healthy));
        }
    }
}
