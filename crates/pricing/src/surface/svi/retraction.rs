//! Steps along the valley of a slice: what a step promises at some strikes, it keeps.
//!
//! Level, slopes, shift and width stand in for each other over the quotes, so that the objective has a narrow valley, which is curved in
//! these coordinates: a straight step leaves it unless it is short. Here shift and width go where the step takes them, and coordinates in
//! which w is linear then meet the total variances to which the step leads to first order.

use super::{
    target::Target,
    wings::{Curve, Wings},
};

/// What a step keeps of its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Nothing: it is straight.
    Nothing,
    /// Total variance in the middle of the quotes, by the level. The wings' slopes stay where the step takes them, which is what neighbours
    /// and far strikes ask for.
    Level,
    /// Total variance at three strikes, by the level and both slopes.
    Shape,
}

/// Shares of the quotes' weight below the strikes at which a promise is kept.
const SHARES: [f64; 3] = [1.0 / 6.0, 0.5, 5.0 / 6.0];

/// Where steps keep what they promise.
pub(super) fn nodes(target: &Target) -> [f64; 3] {
    let total: f64 = target.inverse_half.iter().sum();
    let (mut nodes, mut sum, mut at) = ([0.0; 3], 0.0, 0);
    for (k, weight) in target.k.iter().zip(&target.inverse_half) {
        sum += weight;
        while at < 3 && sum >= SHARES[at] * total {
            nodes[at] = *k;
            at += 1;
        }
    }
    nodes
}

/// `x` less `step`, kept within `low` and `high`. A slope that the step leaves alone (it is held at its bound) stays. Where the valley leads
/// over a bound the step is straight.
pub(super) fn moved(x: &Wings, step: &[f64; 5], keeps: Keeps, nodes: &[f64; 3], [low, high]: [&Wings; 2]) -> Wings {
    let straight: Wings = std::array::from_fn(|i| (x[i] - step[i]).clamp(low[i], high[i]));
    if keeps == Keeps::Nothing {
        return straight;
    }
    let (here, there) = (Curve::new(x), Curve::new(&straight));
    // What is missing of the promise at a strike, and what a unit of each slope adds.
    let at = |k: f64| {
        let ((w, by), (reached, by_there)) = (here.gradient(k), there.gradient(k));
        let promised = w + (0..5).map(|j| by[j] * (straight[j] - x[j])).sum::<f64>();
        [promised - reached, by_there[1], by_there[2]]
    };
    let middle = at(nodes[1]);
    let [left, right] =
        if keeps == Keeps::Shape { slopes([at(nodes[0]), middle, at(nodes[2])], step) } else { [0.0; 2] };
    let level = middle[0] - left * middle[1] - right * middle[2];
    let mut curved = straight;
    for (i, more) in [level, left, right].into_iter().enumerate() {
        curved[i] += more;
    }
    if (0..3).all(|i| (low[i]..=high[i]).contains(&curved[i])) { curved } else { straight }
}

/// By how much the slopes that `step` moves must change for the three strikes to miss the same.
fn slopes(at: [[f64; 3]; 3], step: &[f64; 5]) -> [f64; 2] {
    // From the first strike to the middle, and from there to the last.
    let [first, last] = [0, 1].map(|i| std::array::from_fn::<f64, 3, _>(|j| at[i + 1][j] - at[i][j]));
    let along = |j: usize| (first[0] + last[0]) / (first[j] + last[j]);
    match [step[1] != 0.0, step[2] != 0.0] {
        [true, true] => {
            let determinant = first[1] * last[2] - last[1] * first[2];
            let left = (first[0] * last[2] - last[0] * first[2]) / determinant;
            [left, (first[1] * last[0] - last[1] * first[0]) / determinant]
        }
        [true, false] => [along(1), 0.0],
        [false, true] => [0.0, along(2)],
        [false, false] => [0.0; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Wings = [0.01, 0.12, 0.05, 0.02, -3.0];
    const LOW: Wings = [-1.0, 0.0, 0.0, -1.0, -6.0];
    const HIGH: Wings = [1.0, 2.0, 2.0, 1.0, 1.0];
    const NODES: [f64; 3] = [-0.3, -0.05, 0.1];

    fn promised(k: f64, step: &[f64; 5]) -> f64 {
        let (w, by) = Curve::new(&X).gradient(k);
        w - (0..5).map(|i| by[i] * step[i]).sum::<f64>()
    }

    #[test]
    fn total_variances_at_the_strikes_are_those_promised() {
        for step in [[0.001, 0.01, -0.004, 0.05, -0.3], [0.001, 0.0, -0.004, 0.05, -0.3], [0.0, 0.0, 0.0, -0.02, 0.4]] {
            let straight = moved(&X, &step, Keeps::Nothing, &NODES, [&LOW, &HIGH]);
            assert_eq!(straight, std::array::from_fn(|i| X[i] - step[i]));
            let miss = |x: &Wings, i: usize| (Curve::new(x).total_variance(NODES[i]) - promised(NODES[i], &step)).abs();
            let level = moved(&X, &step, Keeps::Level, &NODES, [&LOW, &HIGH]);
            assert!(miss(&level, 1) < 1e-15 && miss(&straight, 1) > 1e-5 && level[1..] == straight[1..]);
            let shape = moved(&X, &step, Keeps::Shape, &NODES, [&LOW, &HIGH]);
            assert!(miss(&shape, 1) < 1e-14 && shape[3..] == straight[3..]);
            let is_met = |i: usize| miss(&shape, i) < 1e-14;
            assert_eq!([is_met(0), is_met(2)], [step[1] != 0.0; 2], "{step:?}");
            assert!(step[1] != 0.0 || shape[1] == X[1]);
            assert!(step[2] != 0.0 || shape[2] == X[2]);
        }
    }

    #[test]
    fn where_the_valley_leads_over_a_bound_the_step_is_straight() {
        let step = [0.0, 0.01, 0.01, -0.3, -1.0];
        let straight = moved(&X, &step, Keeps::Nothing, &NODES, [&LOW, &HIGH]);
        let wide = moved(&X, &step, Keeps::Level, &NODES, [&LOW, &HIGH]);
        let high = Wings::from([wide[0] - 1e-6, 2.0, 2.0, 1.0, 1.0]);
        let low = Wings::from([wide[0] + 1e-6, 0.0, 0.0, -1.0, -6.0]);
        let within = if wide[0] > straight[0] { [&LOW, &high] } else { [&low, &HIGH] };
        assert_eq!(moved(&X, &step, Keeps::Level, &NODES, within), straight);
    }

    #[test]
    fn nodes_share_the_weight_of_the_quotes() {
        let k: Vec<f64> = (0..60).map(f64::from).collect();
        let target = Target { inverse_half: vec![2.0; 60], k, ..Target::default() };
        assert_eq!(nodes(&target), [9.0, 29.0, 49.0]);
        assert_eq!(nodes(&Target::default()), [0.0; 3]);
    }
}
