//! Which slices take their step of the joint fit: the choice for which the objective is least.

/// The objective in parts, at the slices as they are or with their steps: +∞ or NaN where there is none.
#[derive(Clone)]
pub(super) struct Values {
    /// Quotes and own barriers of each slice.
    pub(super) own: Vec<f64>,
    /// Barriers between each slice and the next.
    pub(super) pair: Vec<f64>,
}

impl Values {
    pub(super) fn new(n: usize) -> Self {
        Self { own: vec![0.0; n], pair: vec![0.0; n.saturating_sub(1)] }
    }

    /// Takes the values of `other`, which has as many slices.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.own.copy_from_slice(&other.own);
        self.pair.copy_from_slice(&other.pair);
    }

    /// What slice `i` loses against what it was `before`, zero where it gains; ∞ where there is no number.
    pub(super) fn loss_of(&self, i: usize, before: &Self) -> f64 {
        let loss = self.part(i) - before.part(i);
        if loss.is_nan() { f64::INFINITY } else { loss.max(0.0) }
    }

    /// What slice `i` answers for: its quotes, its own barriers, and half of those it shares with each neighbour.
    fn part(&self, i: usize) -> f64 {
        let before = i.checked_sub(1).map_or(0.0, |before| self.pair[before]);
        self.own[i] + 0.5 * (before + self.pair.get(i).unwrap_or(&0.0))
    }

    pub(super) fn sum(&self) -> f64 {
        finite(self.own.iter().sum::<f64>() + self.pair.iter().sum::<f64>())
    }
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::INFINITY }
}

/// The slices to step, of those that `may`: of all choices one for which the sum is least (Viterbi's algorithm, since only neighbours share a
/// part). Values are `kept` where no slice steps, `stepped` where all do that may. `mixed` has what slice i and the next share where only the
/// lower one steps, and where only the upper one does; it is asked where both may.
pub(super) fn choose(
    kept: &Values,
    stepped: &Values,
    may: &[bool],
    mut mixed: impl FnMut(usize) -> [f64; 2],
) -> (Vec<bool>, Values) {
    let n = may.len();
    let own = |i: usize| [finite(kept.own[i]), if may[i] { finite(stepped.own[i]) } else { f64::INFINITY }];
    // Shared by the states of the lower slice and of the upper one.
    let mut shared = vec![[[f64::INFINITY; 2]; 2]; n.saturating_sub(1)];
    let mut from = vec![[false; 2]; n];
    let mut best = if n > 0 { own(0) } else { [0.0; 2] };
    for i in 1..n {
        let pair = &mut shared[i - 1];
        pair[0][0] = finite(kept.pair[i - 1]);
        match [may[i - 1], may[i]] {
            [true, true] => {
                let [lower, upper] = mixed(i - 1);
                (pair[1][0], pair[0][1], pair[1][1]) = (finite(lower), finite(upper), finite(stepped.pair[i - 1]));
            }
            [true, false] => pair[1][0] = finite(stepped.pair[i - 1]),
            [false, true] => pair[0][1] = finite(stepped.pair[i - 1]),
            [false, false] => {}
        }
        let reached = [0, 1].map(|to| [0, 1].map(|at| best[at] + pair[at][to]));
        from[i] = reached.map(|[as_it_is, with_step]| with_step < as_it_is);
        let own = own(i);
        best = [0, 1].map(|to| reached[to][0].min(reached[to][1]) + own[to]);
    }
    let (mut steps, mut values) = (vec![false; n], kept.clone());
    let mut at = best[1] < best[0];
    for i in (0..n).rev() {
        steps[i] = at;
        if at {
            values.own[i] = stepped.own[i];
        }
        let before = from[i][usize::from(at)];
        if i > 0 {
            values.pair[i - 1] = shared[i - 1][usize::from(before)][usize::from(at)];
        }
        at = before;
    }
    (steps, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slice_loses_its_own_and_half_of_what_it_shares() {
        let before = Values { own: vec![1.0, 2.0, f64::INFINITY], pair: vec![0.5, 0.25] };
        let after = Values { own: vec![1.5, 1.0, f64::INFINITY], pair: vec![1.0, 0.25] };
        assert_eq!([0, 1, 2].map(|i| after.loss_of(i, &before)), [0.75, 0.0, f64::INFINITY]);
        assert_eq!((Values::new(0).sum(), after.sum()), (0.0, f64::INFINITY));
    }

    proptest! {
        #[test]
        fn the_choice_is_the_best_of_all(
            own in prop::collection::vec((0.0_f64..1.0, 0.0_f64..1.2), 1..7),
            shared in prop::collection::vec(prop::array::uniform4(0.0_f64..1.0), 6),
            may in prop::collection::vec(prop::bool::weighted(0.8), 6),
            broken in prop::option::of(0_usize..6)
        ) {
            let n = own.len();
            let may = [&may[..], &[true]].concat()[..n].to_vec();
            let shared: Vec<[[f64; 2]; 2]> = shared.iter().map(|[a, b, c, d]| [[*a, *b], [*c, *d]]).collect();
            let stepped_own = |i: usize| if broken == Some(i) { f64::NAN } else { own[i].1 };
            let state = |i: usize| usize::from(may[i]);
            let kept = Values { own: own.iter().map(|own| own.0).collect(), pair: (1..n).map(|i| shared[i - 1][0][0]).collect() };
            let stepped = Values {
                own: (0..n).map(|i| if may[i] { stepped_own(i) } else { own[i].0 }).collect(),
                pair: (1..n).map(|i| shared[i - 1][state(i - 1)][state(i)]).collect(),
            };
            let (steps, values) = choose(&kept, &stepped, &may, |i| [shared[i][1][0], shared[i][0][1]]);
            let value = |steps: &dyn Fn(usize) -> bool| {
                let own: f64 = (0..n).map(|i| if steps(i) { stepped_own(i) } else { own[i].0 }).sum();
                finite(own + (1..n).map(|i| shared[i - 1][usize::from(steps(i - 1))][usize::from(steps(i))]).sum::<f64>())
            };
            prop_assert!((0..n).all(|i| may[i] || !steps[i]));
            prop_assert!((value(&|i| steps[i]) - values.sum()).abs() < 1e-12);
            let least = (0..1_usize << n)
                .filter(|all| (0..n).all(|i| may[i] || all >> i & 1 == 0))
                .map(|all| value(&|i| all >> i & 1 == 1))
                .fold(f64::INFINITY, f64::min);
            prop_assert!((values.sum() - least).abs() < 1e-12, "{} {least}", values.sum());
        }
    }
}
