//! What keeps eSSVI slices free of arbitrage, as numbers that must be above zero, with their slopes: in θ and the slopes of the wings.

/// θ, p and q of a slice: its level, and the slopes of its left and right wing.
pub(super) type Wings = [f64; 3];

/// Bound on the slope of a wing (Lee).
const MOST_SLOPE: f64 = 2.0;
/// ψ²·(α + β|ρ| + γρ²) and ψ²·(δ|ρ| − ε)²: the greater is at least ψ²/s(ρ), and by at most a twentieth; see [`alone`].
const FORM: [f64; 3] = [0.0506, 0.07, 0.0785];
const LINE: [f64; 2] = [0.5215, 0.0214];
/// What share of θ a squared slope of the steeper wing takes.
const STEEP: f64 = 0.2;
/// Where the steeper wing is no steeper than this, every slice that theorem 4.2 lets pass has room.
pub(super) const MODERATE_SLOPE: f64 = 1.5;

/// Conditions on one slice.
pub(super) const ALONE: usize = 6;
/// Conditions on two neighbours.
pub(super) const JOINED: usize = 7;

/// What keeps one slice free of butterfly arbitrage: m ≤ 2 and ψ² ≤ θ s(ρ)(1 − m²/5), m = ψ(1 + |ρ|)/2 being the slope of its steeper wing.
///
/// With N(x) the slice of θ = φ = 1 at tilt ρ, Durrleman's g is A − (ψ²/θ) B − ψ² C, A = (1 − xN′/2N)², B = N′²/4N − N″/2, C = N′²/16: at
/// each x a half-plane of (ψ²/θ, ψ²). Their intersection is convex, holds (s, 0) with s(ρ) = inf A/B over B > 0, and, by theorem 4.2 of
/// Gatheral and Jacquier (2014), (4, 16/(1 + |ρ|))/(1 + |ρ|); so all between, where ψ²/θ ≤ s (1 − m²/4) + m²/(1 + |ρ|), and 4/(1 + |ρ|) is a
/// fifth of s at least. That theorem itself has 4/(1 + |ρ|) for s, which is two (|ρ| → 1) to five (ρ = 0) times less. (The exact domain is
/// in Martini and Mingone 2021, Explicit no arbitrage domain for sub-SVIs.)
///
/// s(ρ) has no closed form; 1/s is bounded from above by the squares of norms of (p, q), so that the conditions are convex in (θ, p, q) and
/// hold on a straight line of slices where they hold at its ends.
pub(super) fn alone([theta, left, right]: Wings) -> [(f64, Wings); ALONE] {
    let mut all = [
        (MOST_SLOPE - left, [0.0, -1.0, 0.0]),
        (MOST_SLOPE - right, [0.0, 0.0, -1.0]),
        (0.0, [0.0; 3]),
        (0.0, [0.0; 3]),
        (0.0, [0.0; 3]),
        (0.0, [0.0; 3]),
    ];
    let psi = left + right;
    let [alpha, beta, gamma] = FORM;
    let [delta, epsilon] = LINE;
    for (side, (steep, other)) in [(left, right), (right, left)].into_iter().enumerate() {
        let tilt = steep - other;
        let share = 1.0 - STEEP * steep * steep;
        let room = theta * share;
        let room_by_steep = -2.0 * STEEP * theta * steep;
        let order = |theta: f64, steep: f64, other: f64| {
            if side == 0 { [theta, steep, other] } else { [theta, other, steep] }
        };
        let by_psi = 2.0 * alpha * psi + beta * tilt;
        let by_tilt = beta * psi + 2.0 * gamma * tilt;
        let form = alpha * psi * psi + beta * psi * tilt + gamma * tilt * tilt;
        all[2 + side] = (room - form, order(share, room_by_steep - by_psi - by_tilt, by_tilt - by_psi));
        let root = room.max(0.0).sqrt();
        let half = 0.5 / root;
        all[4 + side] = (
            root - (delta * tilt - epsilon * psi),
            order(half * share, half * room_by_steep - delta + epsilon, delta + epsilon),
        );
    }
    all
}

/// How far within [`alone`]'s conditions a slice is, as a share of each bound: the least of them, negative where one is broken.
pub(super) fn butterfly_room(slice: Wings) -> f64 {
    let [theta, left, right] = slice;
    let steeper = left.max(right);
    let most = theta * (1.0 - STEEP * steeper * steeper);
    let shares = alone(slice);
    (1.0 - steeper / MOST_SLOPE)
        .min(shares[2].0.min(shares[3].0) / most)
        .min(shares[4].0.min(shares[5].0) / most.max(0.0).sqrt())
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

    /// inf A/B, from x = √(1 − ρ²) sinh u − ρ.
    fn widest(rho: f64) -> f64 {
        let rest = (1.0 - rho * rho).sqrt();
        let ratio = |u: f64| {
            let (x, root) = (rest * u.sinh() - rho, rest * u.cosh());
            let (n, slope, bend) =
                (0.5 * (1.0 + rho * x + root), 0.5 * (rho + (x + rho) / root), 0.5 * rest * rest / root.powi(3));
            let (a, b) = ((1.0 - 0.5 * x * slope / n).powi(2), 0.25 * slope * slope / n - 0.5 * bend);
            if b > 0.0 { a / b } else { f64::INFINITY }
        };
        (-4000..=4000).map(|i| ratio(4e-3 * f64::from(i))).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_norms_bound_the_widest_smile_closely_and_are_convex() {
        let ([alpha, beta, gamma], [delta, epsilon]) = (FORM, LINE);
        assert!(4.0 * alpha * gamma >= beta * beta, "the form is the square of a norm");
        for i in 0..=999 {
            let rho = 1e-3 * f64::from(i);
            let exact = 1.0 / widest(-rho);
            let form = alpha + beta * rho + gamma * rho * rho;
            let line = (delta * rho - epsilon).max(0.0).powi(2);
            let bound = form.max(line);
            assert!(bound >= exact && bound <= 1.06 * exact, "{rho}: {bound} and {exact}");
            // A fifth, and theorem 4.2 within moderate slopes.
            let published = 0.25 * (1.0 + rho);
            assert!(bound >= 0.2 * published);
            assert!(bound < published * (1.0 - STEEP * MODERATE_SLOPE * MODERATE_SLOPE));
        }
    }

    #[test]
    fn slices_at_the_bound_have_no_negative_density() {
        let mut least = f64::INFINITY;
        for rho in [-0.99, -0.9, -0.7, -0.4, 0.0, 0.3, 0.8_f64] {
            for steeper in [0.01, 0.1, 0.5, 1.0, 1.5, 1.99] {
                let psi = 2.0 * steeper / (1.0 + rho.abs());
                let [left, right] = [0.5 * psi * (1.0 - rho), 0.5 * psi * (1.0 + rho)];
                // The least θ with room.
                let (mut low, mut high) = (0.0, 100.0);
                for _ in 0..100 {
                    let middle = 0.5 * (low + high);
                    if butterfly_room([middle, left, right]) >= 0.0 { high = middle } else { low = middle }
                }
                let smile = SsviSmile { theta: high, rho, psi };
                for i in -3000..=3000 {
                    let k = high / psi * (5e-3 * f64::from(i)).sinh();
                    let g = smile.durrleman_g(k);
                    least = least.min(g);
                    assert!(g >= 0.0, "{smile:?} {k}: {g}");
                }
            }
        }
        assert!(least < 0.02, "the bound is close: {least}");
    }

    #[test]
    fn slopes_agree_with_differences() {
        let (low, high) = ([0.01, 0.04, 0.012], [0.014, 0.047, 0.0125]);
        let steep = [0.3, 0.2, 0.7];
        let h = 1e-8;
        for slice in [low, steep] {
            for (i, (_, by)) in alone(slice).into_iter().enumerate() {
                for j in 0..3 {
                    let moved = |h: f64| {
                        let mut x = slice;
                        x[j] += h;
                        alone(x)[i].0
                    };
                    assert!(((moved(h) - moved(-h)) / (2.0 * h) - by[j]).abs() < 1e-6, "{i} {j}");
                }
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
