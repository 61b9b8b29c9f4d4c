//! Sums of the barriers over the points of a slice and of a pair of slices, and their derivatives, eight points at a time.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    barrier::{Barrier, BarrierSum},
    constraints::Points,
    lanes::{self, LANES, Lanes},
    moments::Moments,
    wings::{Curve, LaneCurve, Shape},
};
use crate::{
    math::{Kernel, MultiplyAdd},
    surface::linear::Block,
};

/// Total variance must rise from slice to slice by this share of the scale.
const CALENDAR_MARGIN: f64 = 5e-6;
/// Total variance must be at least this share of the scale.
const LEAST_SHARE: f64 = 1e-3;
/// Durrleman's g must be at least this.
const G_MARGIN: f64 = 2e-5;

/// What barriers weigh: in the gradient, and in the Hessian.
#[derive(Clone, Copy)]
pub(super) struct BarrierWeights {
    pub(super) slope: f64,
    pub(super) bend: f64,
}

impl BarrierWeights {
    #[inline(always)]
    fn lanes(self) -> [Lanes; 2] {
        [Lanes::splat(self.slope), Lanes::splat(self.bend)]
    }
}

/// In which eights of points a barrier is felt, where sums were taken: the derivatives there need no others. Bit i is the i-th eight; the last
/// is all that follow, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places(u64);

impl Places {
    pub(super) const ALL: Self = Self(u64::MAX);
    pub(super) const NONE: Self = Self(0);

    #[inline(always)]
    fn add(&mut self, at: usize) {
        self.0 |= 1 << at.min(63);
    }

    #[inline(always)]
    fn has(self, at: usize) -> bool {
        self.0 >> at.min(63) & 1 == 1
    }
}

/// Σ of the barriers on w and g of a slice, and where they are felt.
pub(super) struct OwnValue<'a> {
    pub(super) curve: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) sum: &'a mut f64,
    pub(super) felt: &'a mut Places,
}

impl Kernel for OwnValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        let (mut sum, mut felt) = (BarrierSum::new(self.barrier), Places::NONE);
        let columns = self.points.columns();
        for at in 0..self.points.eights() {
            let [k, inverse_unit, there] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let w = curve.total_variance::<M>(k) * inverse_unit - share;
            let g = curve.durrleman_g::<M>(k) - margin;
            if self.barrier.reaches_any(w.least(g)) {
                sum.add(w.where_there(there));
                sum.add(g.where_there(there));
                felt.add(at);
            }
        }
        (*self.sum, *self.felt) = (sum.finish(), felt);
    }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of [`OwnValue`] to those of the slice.
pub(super) struct OwnDerivatives<'a> {
    pub(super) curve: &'a Curve,
    pub(super) points: &'a Points,
    /// What [`OwnValue`] felt.
    pub(super) places: Places,
    pub(super) barrier: Barrier,
    pub(super) weights: BarrierWeights,
    pub(super) gradient: &'a mut [f64; 5],
    pub(super) diagonal: &'a mut Block,
    pub(super) room: &'a mut OwnRoom,
}

/// Room for the constraints that are felt on a slice, eight at a time.
pub(super) struct OwnRoom([Felt; ROOM]);

impl OwnRoom {
    pub(super) fn new() -> Self {
        Self([Felt::NONE; ROOM])
    }
}

impl Kernel for OwnDerivatives<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let curve = LaneCurve::new(self.curve);
        let (share, margin) = (Lanes::splat(LEAST_SHARE), Lanes::splat(G_MARGIN));
        let [slope_weight, bend_weight] = self.weights.lanes();
        let columns = self.points.columns();
        let felt = &mut self.room.0;
        let (places, mut count) = (self.places, 0);
        for at in (0..self.points.eights()).filter(|at| places.has(*at)) {
            let [k, inverse_unit, there] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let (w, g) = (curve.total_variance::<M>(k), curve.durrleman_g::<M>(k));
            let c = w * inverse_unit - share;
            if !self.barrier.reaches_any(c.least(g - margin)) {
                continue;
            }
            if count + 2 > ROOM {
                add_triangle::<M>(&felt[..count], self.gradient, self.diagonal);
                count = 0;
            }
            let [(w, by_w), (g, by_g)] = curve.both_gradients::<M>(k);
            let [slope, bend] = self.barrier.half_derivatives_of_lanes(c);
            let scale = there * inverse_unit;
            let (slope, bend) = (scale * slope_weight * slope, scale * inverse_unit * bend_weight * bend);
            felt[count] = Felt { by: by_w, slope, bend };
            // There is no g to speak of where there is no variance.
            let mut has_g = there;
            for i in 0..LANES {
                has_g.0[i] = if w.0[i] > 0.0 { there.0[i] } else { 0.0 };
            }
            let [slope, bend] = self.barrier.half_derivatives_of_lanes(g - margin);
            felt[count + 1] = Felt { by: by_g, slope: has_g * slope_weight * slope, bend: has_g * bend_weight * bend };
            count += 2;
        }
        if count > 0 {
            add_triangle::<M>(&felt[..count], self.gradient, self.diagonal);
        }
    }
}

/// A constraint that is felt at some of eight points: its derivatives by the parameters, and half those of what its barrier weighs.
#[derive(Clone, Copy)]
struct Felt {
    by: [Lanes; 5],
    slope: Lanes,
    bend: Lanes,
}

/// Constraints that are collected before they are added up: the accumulators have the registers for themselves then.
const ROOM: usize = 8;

impl Felt {
    const NONE: Self = Self { by: [Lanes::ZERO; 5], slope: Lanes::ZERO, bend: Lanes::ZERO };
}

/// gradient += Σ slope·by, diagonal += Σ bend·by·byᵀ (lower triangle).
#[inline(always)]
fn add_triangle<M: MultiplyAdd>(felt: &[Felt], gradient: &mut [f64; 5], diagonal: &mut Block) {
    let mut first = [Lanes::ZERO; 5];
    let mut second = [[Lanes::ZERO; 5]; 5];
    for Felt { by, slope, bend } in felt {
        for r in 0..5 {
            first[r] = slope.times_plus::<M>(by[r], first[r]);
            let bent = *bend * by[r];
            for c in 0..=r {
                second[r][c] = bent.times_plus::<M>(by[c], second[r][c]);
            }
        }
    }
    let mut all = [Lanes::ZERO; 20];
    let mut at = 0;
    for r in 0..5 {
        all[at] = first[r];
        at += 1;
        for c in 0..=r {
            all[at] = second[r][c];
            at += 1;
        }
    }
    let summed = lanes::sums(&all);
    at = 0;
    for r in 0..5 {
        gradient[r] += summed[at];
        at += 1;
        for c in 0..=r {
            diagonal[r][c] += summed[at];
            at += 1;
        }
    }
}

/// Σ of the barriers on the rise of w from a slice to the next, and where they are felt.
pub(super) struct PairValue<'a> {
    pub(super) low: &'a Curve,
    pub(super) high: &'a Curve,
    pub(super) points: &'a Points,
    pub(super) barrier: Barrier,
    pub(super) sum: &'a mut f64,
    pub(super) felt: &'a mut Places,
}

impl Kernel for PairValue<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let (mut sum, mut felt) = (BarrierSum::new(self.barrier), Places::NONE);
        let columns = self.points.columns();
        for at in 0..self.points.eights() {
            let [k, inverse_unit, there] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if self.barrier.reaches_any(rise) {
                sum.add(rise.where_there(there));
                felt.add(at);
            }
        }
        (*self.sum, *self.felt) = (sum.finish(), felt);
    }
}

/// Adds half the gradient and half the Gauss–Newton Hessian of [`PairValue`] to those of the two slices.
pub(super) struct PairDerivatives<'a> {
    pub(super) low: &'a Curve,
    pub(super) high: &'a Curve,
    pub(super) points: &'a Points,
    /// What [`PairValue`] felt.
    pub(super) places: Places,
    pub(super) barrier: Barrier,
    pub(super) weights: BarrierWeights,
    pub(super) gradient: [&'a mut [f64; 5]; 2],
    pub(super) diagonal: [&'a mut Block; 2],
    pub(super) coupling: &'a mut Block,
    pub(super) room: &'a mut PairRoom,
}

/// Room for the constraints that are felt between two slices, eight at a time.
pub(super) struct PairRoom([FeltRise; ROOM]);

impl PairRoom {
    pub(super) fn new() -> Self {
        Self([FeltRise { shapes: [Shape::NONE; 2], slope: Lanes::ZERO, bend: Lanes::ZERO }; ROOM])
    }
}

/// A rise that is felt at some of eight points: what its derivatives by the parameters of both slices are made of, and half those of what its
/// barrier weighs.
#[derive(Clone, Copy)]
struct FeltRise {
    shapes: [Shape; 2],
    slope: Lanes,
    bend: Lanes,
}

impl Kernel for PairDerivatives<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(mut self) {
        let (low, high) = (LaneCurve::new(self.low), LaneCurve::new(self.high));
        let margin = Lanes::splat(CALENDAR_MARGIN);
        let [slope_weight, bend_weight] = self.weights.lanes();
        let columns = self.points.columns();
        let (places, mut count) = (self.places, 0);
        for at in (0..self.points.eights()).filter(|at| places.has(*at)) {
            let [k, inverse_unit, there] = [columns[0].block(at), columns[1].block(at), columns[2].block(at)];
            let rise = (high.total_variance::<M>(k) - low.total_variance::<M>(k)) * inverse_unit - margin;
            if !self.barrier.reaches_any(rise) {
                continue;
            }
            if count == ROOM {
                self.add::<M>(count);
                count = 0;
            }
            let [slope, bend] = self.barrier.half_derivatives_of_lanes(rise);
            let scale = there * inverse_unit;
            let (slope, bend) = (scale * slope_weight * slope, scale * inverse_unit * bend_weight * bend);
            self.room.0[count] = FeltRise { shapes: [low.shape::<M>(k), high.shape::<M>(k)], slope, bend };
            count += 1;
        }
        if count > 0 {
            self.add::<M>(count);
        }
    }
}

impl PairDerivatives<'_> {
    /// Adds what the first `count` in the room come to.
    #[inline(always)]
    fn add<M: MultiplyAdd>(&mut self, count: usize) {
        let felt = &self.room.0[..count];
        for (side, curve) in [self.low, self.high].into_iter().enumerate() {
            let mut moments = Moments::NONE;
            for FeltRise { shapes, slope, bend } in felt {
                moments.add::<M>(&shapes[side], *bend, if side == 0 { -*slope } else { *slope });
            }
            let (totals, _) = moments.finish(Lanes::ZERO);
            let mut curvature = [[0.0; 5]; 5];
            totals.add_to(curve, self.gradient[side], self.diagonal[side], &mut curvature);
        }
        let mut cross = [[Lanes::ZERO; 5]; 5];
        for FeltRise { shapes: [low, high], bend, .. } in felt {
            let (low, high) = ([low.d, low.e, low.u, low.v], [high.d, high.e, high.u, high.v]);
            cross[0][0] = cross[0][0] + *bend;
            for c in 0..4 {
                cross[0][c + 1] = bend.times_plus::<M>(high[c], cross[0][c + 1]);
            }
            for r in 0..4 {
                let bent = *bend * low[r];
                cross[r + 1][0] = cross[r + 1][0] + bent;
                for c in 0..4 {
                    cross[r + 1][c + 1] = bent.times_plus::<M>(high[c], cross[r + 1][c + 1]);
                }
            }
        }
        let mut all = [Lanes::ZERO; 25];
        for r in 0..5 {
            for c in 0..5 {
                all[5 * r + c] = cross[r][c];
            }
        }
        let summed = lanes::sums(&all);
        // By the parameters of the upper slice, then of the lower one.
        let by_high: [[f64; 5]; 5] =
            std::array::from_fn(|r| self.high.mixed(std::array::from_fn(|c| summed[5 * r + c])));
        for c in 0..5 {
            let by_low = self.low.mixed(std::array::from_fn(|r| by_high[r][c]));
            for r in 0..5 {
                self.coupling[r][c] -= by_low[r];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        math::{Target, dispatch},
        surface::svi::wings::Wings,
    };

    #[test]
    fn derivatives_between_two_slices_are_those_of_the_points_one_by_one() {
        let (low, high): (Wings, Wings) = ([0.01, 0.12, 0.05, 0.02, -3.0], [0.0104, 0.125, 0.055, 0.01, -2.9]);
        // More than there is room for, and a last block that is not full.
        let k: Vec<f64> = (0..107).map(|i| -0.5 + 0.01 * f64::from(i)).collect();
        let mut points = Points::default();
        let scale = Curve::new(&[0.1, 0.05, 0.05, 0.0, -1.0]);
        points.set(&k, &scale);
        let (barrier, weights) = (Barrier::new(0.05, 1e-3), BarrierWeights { slope: 0.7, bend: 1.3 });
        let (mut of_low, mut of_high) = ([0.0; 5], [0.0; 5]);
        let [mut low_low, mut high_high, mut low_high] = [[[0.0; 5]; 5]; 3];
        let derivatives = PairDerivatives {
            low: &Curve::new(&low),
            high: &Curve::new(&high),
            points: &points,
            places: Places::ALL,
            barrier,
            weights,
            gradient: [&mut of_low, &mut of_high],
            diagonal: [&mut low_low, &mut high_high],
            coupling: &mut low_high,
            room: &mut PairRoom::new(),
        };
        dispatch(Target::best(), derivatives);
        let (mut gradient, mut hessian) = ([[0.0; 5]; 2], [[[0.0; 5]; 5]; 3]);
        let mut felt = 0;
        for &k in &k {
            let unit = 1.0 / scale.total_variance(k);
            let ((w, by_low), (w_high, by_high)) = (Curve::new(&low).gradient(k), Curve::new(&high).gradient(k));
            let rise = (w_high - w) * unit - CALENDAR_MARGIN;
            let (slope, bend) = barrier.half_derivatives(rise);
            let (slope, bend) = (0.7 * unit * slope, 1.3 * unit * unit * bend);
            felt += usize::from(barrier.reaches(rise));
            for r in 0..5 {
                gradient[0][r] -= slope * by_low[r];
                gradient[1][r] += slope * by_high[r];
                for c in 0..5 {
                    hessian[0][r][c] += bend * by_low[r] * by_low[c];
                    hessian[1][r][c] += bend * by_high[r] * by_high[c];
                    hessian[2][r][c] -= bend * by_low[r] * by_high[c];
                }
            }
        }
        assert!(felt > 8 * ROOM, "{felt}");
        let near = |one: f64, other: f64| assert!((one - other).abs() < 1e-10 * (1.0 + other.abs()), "{one} {other}");
        for r in 0..5 {
            near(of_low[r], gradient[0][r]);
            near(of_high[r], gradient[1][r]);
            for c in 0..5 {
                near(low_high[r][c], hessian[2][r][c]);
                if c <= r {
                    near(low_low[r][c], hessian[0][r][c]);
                    near(high_high[r][c], hessian[1][r][c]);
                }
            }
        }
    }

    #[test]
    fn where_the_value_feels_nothing_there_is_nothing_to_derive() {
        let [low, high] = [[0.01, 0.12, 0.05, 0.02, -3.0], [0.0104, 0.125, 0.055, 0.01, -2.9]].map(|x| Curve::new(&x));
        let k: Vec<f64> = (0..107).map(|i| -0.5 + 0.01 * f64::from(i)).collect();
        let mut points = Points::default();
        points.set(&k, &Curve::new(&[0.1, 0.05, 0.05, 0.0, -1.0]));
        let (barrier, weights) = (Barrier::new(0.012, 1e-3), BarrierWeights { slope: 0.7, bend: 1.3 });
        let (mut sum, mut felt) = (0.0, Places::NONE);
        let value = PairValue { low: &low, high: &high, points: &points, barrier, sum: &mut sum, felt: &mut felt };
        dispatch(Target::best(), value);
        let eights = (0..points.eights()).filter(|at| felt.has(*at)).count();
        assert!(eights > 0 && eights < points.eights(), "{eights} of {}", points.eights());
        let derived = |places: Places| {
            let (mut of_low, mut of_high) = ([0.0; 5], [0.0; 5]);
            let [mut low_low, mut high_high, mut low_high] = [[[0.0; 5]; 5]; 3];
            let derivatives = PairDerivatives {
                low: &low,
                high: &high,
                points: &points,
                places,
                barrier,
                weights,
                gradient: [&mut of_low, &mut of_high],
                diagonal: [&mut low_low, &mut high_high],
                coupling: &mut low_high,
                room: &mut PairRoom::new(),
            };
            dispatch(Target::best(), derivatives);
            ([of_low, of_high], [low_low, high_high, low_high])
        };
        assert_eq!(derived(felt), derived(Places::ALL));
        assert_ne!(derived(Places::NONE), derived(Places::ALL));
    }

    #[test]
    fn where_the_value_of_a_slice_feels_nothing_there_is_nothing_to_derive() {
        let curve = Curve::new(&[0.01, 0.12, 0.05, 0.02, -3.0]);
        let k: Vec<f64> = (0..107).map(|i| -0.5 + 0.01 * f64::from(i)).collect();
        let mut points = Points::default();
        points.set(&k, &Curve::new(&[0.1, 0.05, 0.05, 0.0, -1.0]));
        // Of fourteen eights the least of g and w come to 0.116 at the vertex, and to 0.15 and more two away on each side.
        let (barrier, weights) = (Barrier::new(0.15, 1e-3), BarrierWeights { slope: 0.7, bend: 1.3 });
        let (mut sum, mut felt) = (0.0, Places::NONE);
        dispatch(Target::best(), OwnValue { curve: &curve, points: &points, barrier, sum: &mut sum, felt: &mut felt });
        let eights = (0..points.eights()).filter(|at| felt.has(*at)).count();
        assert!(eights > 0 && eights < points.eights(), "{eights} of {}", points.eights());
        let derived = |places: Places| {
            let (mut gradient, mut diagonal) = ([0.0; 5], [[0.0; 5]; 5]);
            let derivatives = OwnDerivatives {
                curve: &curve,
                points: &points,
                places,
                barrier,
                weights,
                gradient: &mut gradient,
                diagonal: &mut diagonal,
                room: &mut OwnRoom::new(),
            };
            dispatch(Target::best(), derivatives);
            (gradient, diagonal)
        };
        assert_eq!(derived(felt), derived(Places::ALL));
        assert_ne!(derived(Places::NONE), derived(Places::ALL));
    }
}
