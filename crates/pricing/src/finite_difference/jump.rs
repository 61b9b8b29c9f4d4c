//! The values just before a cash dividend: V(S) = V⁺(max(S − D, 0)).
//!
//! Method    Cubic through the four nodes around S − D, not outside the values at the two next to it: fourth order where V is smooth, and
//!           no new extremes where it is not. Where the floor bends V, the mean over the node's cell.

/// Fills `out` from the values just after. `beyond` gives V⁺ below the first node.
pub(super) fn before_dividend(nodes: &[f64], after: &[f64], amount: f64, beyond: impl Fn(f64) -> f64, out: &mut [f64]) {
    let n = nodes.len();
    let mut right = 1;
    for (&spot, out) in nodes.iter().zip(out.iter_mut()) {
        let fallen = (spot - amount).max(0.0);
        if fallen < nodes[0] {
            *out = beyond(fallen);
            continue;
        }
        while right < n - 1 && nodes[right] < fallen {
            right += 1;
        }
        *out = cubic(nodes, after, right, fallen);
    }
    if nodes[0] == 0.0 {
        floored_cell(nodes, after, amount, out);
    }
}

/// The mean over the cell in which the spot falls to zero.
fn floored_cell(nodes: &[f64], after: &[f64], amount: f64, out: &mut [f64]) {
    let edge = |i: usize| 0.5 * (nodes[i] + nodes[i + 1]);
    let Some(i) = (1..nodes.len() - 1).find(|&i| edge(i) > amount) else { return };
    let (from, to) = (edge(i - 1), edge(i));
    if amount > from {
        let middle = 0.5 * (to - amount);
        let right = nodes.partition_point(|&s| s < middle).clamp(1, nodes.len() - 1);
        let above = cubic(nodes, after, right, middle);
        out[i] = ((amount - from) * after[0] + (to - amount) * above) / (to - from);
    }
}

/// The value at `x` in the cell that ends at node `right`.
pub(super) fn cubic(nodes: &[f64], values: &[f64], right: usize, x: f64) -> f64 {
    let n = nodes.len();
    let (a, b) = (values[right - 1], values[right]);
    let share = (x - nodes[right - 1]) / (nodes[right] - nodes[right - 1]);
    if n < 4 {
        return a + share * (b - a);
    }
    let first = right.saturating_sub(2).min(n - 4);
    let (s, v) = (&nodes[first..first + 4], &values[first..first + 4]);
    let mut sum = 0.0;
    for i in 0..4 {
        let mut weight = 1.0;
        for j in 0..4 {
            if i != j {
                weight *= (x - s[j]) / (s[i] - s[j]);
            }
        }
        sum += weight * v[i];
    }
    sum.max(a.min(b)).min(a.max(b))
}
