//! Every function in every target against the standard library and libm, over its domain and at its edges.

use super::*;
use crate::tolerance;

/// Applies one function to a column in whatever target it is dispatched to.
struct Map<'a, F> {
    function: F,
    x: &'a [f64],
    y: &'a [f64],
    out: &'a mut [f64],
}

/// A function of two numbers, generic over the multiply-add.
trait Function: Copy {
    fn call<M: MultiplyAdd>(self, x: f64, y: f64) -> f64;
}

impl<F: Function> Kernel for Map<'_, F> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        for ((out, x), y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            *out = self.function.call::<M>(*x, *y);
        }
    }
}

fn map<F: Function>(target: Target, function: F, x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    dispatch(target, Map { function, x, y, out: &mut out });
    out
}

#[derive(Clone, Copy)]
struct Exp;
impl Function for Exp {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, _: f64) -> f64 {
        exp::<M>(x)
    }
}

#[derive(Clone, Copy)]
struct ExpModerate;
impl Function for ExpModerate {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, _: f64) -> f64 {
        exp_moderate::<M>(x)
    }
}

#[derive(Clone, Copy)]
struct LnRatio;
impl Function for LnRatio {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, y: f64) -> f64 {
        ln_ratio::<M>(x, y)
    }
}

#[derive(Clone, Copy)]
struct Cdf;
impl Function for Cdf {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, _: f64) -> f64 {
        normal_cdf::<M>(x)
    }
}

#[derive(Clone, Copy)]
struct MillsRatio;
impl Function for MillsRatio {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, _: f64) -> f64 {
        mills::<M>(x)
    }
}

#[derive(Clone, Copy)]
struct Erfcx;
impl Function for Erfcx {
    #[inline(always)]
    fn call<M: MultiplyAdd>(self, x: f64, _: f64) -> f64 {
        erfcx::<M>(x)
    }
}

fn available() -> impl Iterator<Item = Target> {
    Target::ALL.into_iter().filter(|target| target.is_available())
}

/// Distance in units of the last place of `want`.
fn ulps(got: f64, want: f64) -> f64 {
    if got == want || (got.is_nan() && want.is_nan()) {
        return 0.0;
    }
    (got - want).abs() / (want.abs().next_up() - want.abs())
}

/// Evenly spaced numbers with an irrational step, so that no grid is favoured.
fn spread(low: f64, high: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| low + (high - low) * ((i as f64 * 0.618_033_988_749_894_9).fract())).collect()
}

#[test]
fn exp_agrees_with_std_in_every_target() {
    let mut x = spread(-745.2, 709.7, 20_001);
    x.extend(spread(-1.0, 1.0, 20_001));
    x.extend([0.0, -0.0, 1e-300, -1e-17, 709.782_712_893_384, -708.4, -745.1, -746.0, -1e9, 710.0, 1e300]);
    x.extend([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    for target in available() {
        for (x, got) in x.iter().zip(map(target, Exp, &x, &x)) {
            let error = ulps(got, x.exp());
            assert!(error <= 1.0, "{target:?}: exp({x:e}) = {got:e}, {error} ulp from {:e}", x.exp());
        }
        let moderate: Vec<f64> = x.iter().copied().filter(|x| x.abs() <= 708.0).collect();
        for (x, got) in moderate.iter().zip(map(target, ExpModerate, &moderate, &moderate)) {
            assert!(ulps(got, x.exp()) <= 1.0, "{target:?}: exp_moderate({x:e})");
        }
    }
}

#[test]
fn every_function_meets_its_50_digit_values_in_every_target() {
    const GOLDEN: &str = include_str!("../../../../golden/math.csv");
    let columns = |name: &str| -> [Vec<f64>; 3] {
        let mut columns = [vec![], vec![], vec![]];
        for line in GOLDEN.lines().skip(1).filter_map(|line| line.strip_prefix(name)?.strip_prefix(',')) {
            for (column, text) in columns.iter_mut().zip(line.split(',')) {
                column.push(text.parse().expect("a number in golden/math.csv"));
            }
        }
        assert!(columns[0].len() > 200, "{name}: {} rows", columns[0].len());
        columns
    };
    for target in available() {
        let check = |name: &str, allowed: f64, got: fn(Target, &[f64], &[f64]) -> Vec<f64>| {
            let [x, y, want] = columns(name);
            let mut worst = (0.0, 0.0, 0.0);
            for (i, got) in got(target, &x, &y).into_iter().enumerate() {
                let error = ulps(got, want[i]);
                if error > worst.0 {
                    worst = (error, x[i], y[i]);
                }
            }
            println!("{target:?} {name}: {worst:?}");
            assert!(worst.0 <= allowed, "{target:?}: {name}({}, {}) is {} ulp off", worst.1, worst.2, worst.0);
        };
        check("exp", tolerance::EXP_ULP, |t, x, y| map(t, Exp, x, y));
        check("ln_ratio", tolerance::LN_RATIO_ULP, |t, x, y| map(t, LnRatio, x, y));
        check("normal_cdf", tolerance::NORMAL_CDF_ULP, |t, x, y| map(t, Cdf, x, y));
        check("mills", tolerance::MILLS_ULP, |t, x, y| map(t, MillsRatio, x, y));
    }
}

#[test]
fn functions_hold_at_their_edges_in_every_target() {
    for target in available() {
        assert_eq!(map(target, LnRatio, &[3.7, 1.0], &[3.7, 1.0]), [0.0, 0.0]);
        let extreme = map(target, LnRatio, &[1e307, 1e-307], &[1e-307, 1e307]);
        assert!(
            (extreme[0] - 614.0 * std::f64::consts::LN_10).abs() < 1e-12 * 1413.0 && extreme[0] == -extreme[1],
            "{extreme:?}"
        );
        let cdf = map(target, Cdf, &[0.0, -1e300, 1e300], &[0.0; 3]);
        assert!(ulps(cdf[0], 0.5) <= 1.0 && cdf[1..] == [0.0, 1.0], "{cdf:?}");
    }
}

#[test]
fn erfcx_meets_its_series_at_infinity_and_its_value_at_zero() {
    for target in available() {
        let got = map(target, Erfcx, &[0.0, 1e3, 1e6, 1e13], &[0.0; 4]);
        let series = |x: f64| (1.0 - 0.5 / (x * x)) / (x * std::f64::consts::PI.sqrt());
        assert!(ulps(got[0], 1.0) <= 2.0, "{target:?}: {}", got[0]);
        for (x, got) in [1e3, 1e6, 1e13].into_iter().zip(&got[1..]) {
            assert!((got / series(x) - 1.0).abs() < 2e-12_f64.min(4.0 / (x * x * x) + 1e-15), "{target:?}: erfcx({x})");
        }
    }
}
