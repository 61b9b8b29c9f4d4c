//! What keeps eSSVI slices free of arbitrage, as numbers that must be above zero, with their slopes: in θ and the slopes of the wings.

/// θ, p and q of a slice: its level, and the slopes of its left and right wing.
pub(super) type Wings = [f64; 3];

/// Bound on the slope of a wing (Lee).
const MOST_SLOPE: f64 = 2.0;

/// Conditions on one slice.
pub(super) const ALONE: usize = 4;
/// Conditions on two neighbours.
pub(super) const JOINED: usize = 7;

/// p ≤ 2, q ≤ 2, (p + q)p ≤ 2θ and (p + q)q ≤ 2θ: ψ(1 + |ρ|) ≤ 4 and ψ²(1 + |ρ|) ≤ 4θ.
pub(super) fn alone([theta, left, right]: Wings) -> [(f64, Wings); ALONE] {
    let both = left + right;
    [
        (MOST_SLOPE - left, [0.0, -1.0, 0.0]),
        (MOST_SLOPE - right, [0.0, 0.0, -1.0]),
        (2.0 * theta - both * left, [2.0, -(left + both), -left]),
        (2.0 * theta - both * right, [2.0, -right, -(right + both)]),
    ]
}

/// The rises of θ, p and q, and √Δp ≤ √Δq + √m and the same with Δp and Δq exchanged, squared, for m = φΔθ at either slice's φ. Slopes
/// by the earlier slice, then by the later.
pub(super) fn joined(low: Wings, high: Wings) -> [(f64, [Wings; 2]); JOINED] {
    let rise: Wings = std::array::from_fn(|i| high[i] - low[i]);
    let along = |by: Wings| [by.map(|slope| -slope), by];
    let mut all = [
        (rise[0], along([1.0, 0.0, 0.0])),
        (rise[1], along([0.0, 1.0, 0.0])),
        (rise[2], along([0.0, 0.0, 1.0])),
        (0.0, [[0.0; 3]; 2]),
        (0.0, [[0.0; 3]; 2]),
        (0.0, [[0.0; 3]; 2]),
        (0.0, [[0.0; 3]; 2]),
    ];
    for (end, slice) in [low, high].into_iter().enumerate() {
        let inverse = 1.0 / slice[0];
        let phi = (slice[1] + slice[2]) * inverse;
        let room = phi * rise[0];
        // Slopes of the room by both slices.
        let mut by = along([phi, 0.0, 0.0]);
        by[end][0] -= room * inverse;
        by[end][1] += rise[0] * inverse;
        by[end][2] += rise[0] * inverse;
        for (turn, (less, more)) in [(1, 2), (2, 1)].into_iter().enumerate() {
            let (rising, slower) = (rise[less], rise[more]);
            let root = (slower * room).max(0.0).sqrt();
            let value = slower + room + 2.0 * root - rising;
            let (by_slower, by_room) = (1.0 + root / slower, 1.0 + root / room);
            let slopes = [0, 1].map(|side| {
                let sign = if side == 0 { -1.0 } else { 1.0 };
                let mut slope = by[side].map(|slope| by_room * slope);
                slope[more] += sign * by_slower;
                slope[less] -= sign;
                slope
            });
            all[3 + 2 * end + turn] = (value, slopes);
        }
    }
    all
}

/// Whether every condition on `slice` and on its join to the one before holds with some room: `share` of what `sound` slices in their
/// place have.
pub(super) fn has_room(before: Option<[Wings; 2]>, slice: Wings, sound: Wings, share: f64) -> bool {
    let alone_holds = alone(slice).iter().zip(alone(sound)).all(|(here, there)| here.0 > share * there.0.max(0.0));
    let least = slice.iter().all(|x| *x > 0.0 && x.is_finite());
    let joined_holds = before.is_none_or(|[before, sound_before]| {
        let there = joined(sound_before, sound);
        joined(before, slice).iter().zip(there).all(|(here, there)| here.0 > share * there.0.max(0.0))
    });
    alone_holds && least && joined_holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        Smile,
        ssvi_surface::{phi::Phi, smile::SsviSmile},
    };

    #[test]
    fn slopes_agree_with_differences() {
        let (low, high) = ([0.01, 0.04, 0.012], [0.014, 0.047, 0.0125]);
        let h = 1e-8;
        for (i, (_, by)) in alone(low).into_iter().enumerate() {
            for j in 0..3 {
                let moved = |h: f64| {
                    let mut x = low;
                    x[j] += h;
                    alone(x)[i].0
                };
                assert!(((moved(h) - moved(-h)) / (2.0 * h) - by[j]).abs() < 1e-6);
            }
        }
        for (i, (_, by)) in joined(low, high).into_iter().enumerate() {
            for side in 0..2 {
                for j in 0..3 {
                    let moved = |h: f64| {
                        let mut x = [low, high];
                        x[side][j] += h;
                        joined(x[0], x[1])[i].0
                    };
                    let numeric = (moved(h) - moved(-h)) / (2.0 * h);
                    assert!((numeric - by[side][j]).abs() < 1e-5, "{i} {side} {j}: {numeric} {:?}", by[side]);
                }
            }
        }
    }

    /// Slices between which the conditions hold or not, from a fixed sequence.
    fn pairs() -> impl Iterator<Item = (Wings, Wings)> {
        let mut seed = 1_u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..20_000).map(move |_| {
            let theta = 0.05 * next();
            let low = [theta, 0.3 * next(), 0.3 * next()];
            (low, [theta + 0.006 * next(), low[1] + 0.1 * next().powi(3), low[2] + 0.1 * next().powi(3)])
        })
    }

    fn rises_between(low: Wings, high: Wings) -> bool {
        let at = |share: f64, k: f64| {
            let x: Wings = std::array::from_fn(|i| low[i] + share * (high[i] - low[i]));
            SsviSmile::from_wings(x[0], [x[1], x[2]]).total_variance(k)
        };
        (0..8).all(|i| {
            let (share, after) = (0.125 * f64::from(i), 0.125 * f64::from(i + 1));
            (-120_i32..=120).all(|j| {
                let k = 1e-3 * f64::from(j) * (0.05 * f64::from(j.abs())).exp();
                at(after, k) >= at(share, k) * (1.0 - 1e-13)
            })
        })
    }

    #[test]
    fn the_conditions_are_those_of_a_path_on_which_variance_never_falls() {
        let (mut sound, mut steeper, mut broken) = (0, 0, 0);
        for (low, high) in pairs() {
            let holds = joined(low, high).iter().all(|it| it.0 >= 0.0);
            if holds {
                sound += 1;
                steeper += usize::from((high[1] + high[2]) / high[0] > (low[1] + low[2]) / low[0]);
                assert!(rises_between(low, high), "{low:?} {high:?}");
            } else {
                broken += 1;
            }
        }
        // The conditions let φ rise too, where the published sufficient condition does not.
        assert!(sound > 3000 && broken > 3000 && steeper > 100, "{sound} {steeper} {broken}");
        // And they are sharp: well beyond them variance falls somewhere.
        let sharp = pairs()
            .filter(|(low, high)| joined(*low, *high)[3..].iter().any(|it| it.0 < -0.02))
            .filter(|(low, high)| !rises_between(*low, *high))
            .count();
        let all = pairs().filter(|(low, high)| joined(*low, *high)[3..].iter().any(|it| it.0 < -0.02)).count();
        assert!(sharp == all && all > 20, "{sharp} of {all}");
    }

    #[test]
    fn the_published_sufficient_condition_implies_them() {
        for (low, high) in pairs() {
            let (psi, psi_next) = (low[1] + low[2], high[1] + high[2]);
            if psi_next / high[0] <= psi / low[0] {
                assert!(joined(low, high).iter().all(|it| it.0 >= -1e-15), "{low:?} {high:?}");
            }
        }
    }

    #[test]
    fn ssvi_slices_of_rising_level_have_room() {
        let phi = Phi::PowerLaw { eta: 1.2, gamma: 0.45 };
        let slice = |theta: f64| {
            let smile = SsviSmile { theta, rho: -0.7, psi: phi.psi(theta) };
            let [left, right] = smile.wings();
            [theta, left, right]
        };
        for step in 0..40 {
            let theta = 1e-5 * 1.4_f64.powi(step);
            let (low, high) = (slice(theta), slice(1.001 * theta));
            assert!(has_room(Some([low, high]), high, high, 0.0) || joined(low, high).iter().all(|it| it.0 > 0.0));
            assert!(alone(high).iter().all(|it| it.0 > 0.0));
        }
    }
}
