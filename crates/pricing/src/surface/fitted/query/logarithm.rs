//! ln x for one x at a time, to an absolute error of rounding: a table by the leading bits and a short series, without a division and with
//! half the steps one after the other of [`crate::math::ln`], which is made for many side by side.

/// Leading bits of the mantissa that choose a head.
const HEAD_BITS: u32 = 8;
const HEADS: usize = 1 << HEAD_BITS;
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const BIAS: i64 = 1023;
const LEAST_NORMAL: u64 = 1 << MANTISSA_BITS;
const INFINITE: u64 = 0x7ff << MANTISSA_BITS;

/// The middle c of each of 256 parts of [1, 2), inverted, and ln c.
static HEAD: [[f64; 2]; HEADS] = {
    let mut heads = [[0.0; 2]; HEADS];
    let mut j = 0;
    while j < HEADS {
        let middle = 1.0 + (j as f64 + 0.5) / HEADS as f64;
        heads[j] = [1.0 / middle, ln_between_1_and_2(middle)];
        j += 1;
    }
    heads
};

/// ln c = 2 atanh s by its series, s = (c − 1)/(c + 1) up to 1/3: smallest terms first.
const fn ln_between_1_and_2(c: f64) -> f64 {
    let s = (c - 1.0) / (c + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    let mut n = 20;
    while n > 0 {
        sum = sum * square + 1.0 / (2 * n + 1) as f64;
        n -= 1;
    }
    2.0 * (s + s * square * sum)
}

/// Whether x is a number above zero that [`ln_of_normal`] is made for.
#[inline(always)]
pub(super) fn is_positive_normal(x: f64) -> bool {
    x.to_bits().wrapping_sub(LEAST_NORMAL) < INFINITE - LEAST_NORMAL
}

/// ln x + `offset` of a normal number x above zero, the logarithm within 4e-16 and two units in the last place.
#[inline(always)]
pub(super) fn ln_of_normal(x: f64, offset: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> MANTISSA_BITS) as i64 - BIAS) as f64;
    let [inverse, head] = HEAD[(bits >> (MANTISSA_BITS - HEAD_BITS)) as usize % HEADS];
    // |r| ≤ 1/512: the first term left out is below 1e-17.
    let r = f64::from_bits((bits & MANTISSA) | 1.0_f64.to_bits()) * inverse - 1.0;
    let square = r * r;
    let series = (r * (1.0 / 3.0) - 0.5) + square * (r * 0.2 - 0.25);
    (exponent * std::f64::consts::LN_2 + (head + offset)) + (r + square * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_logarithm_to_rounding() {
        let mut x = 1e-307;
        while x < 1e307 {
            let (ours, exact) = (ln_of_normal(x, 0.0), x.ln());
            assert!((ours - exact).abs() <= 4e-16 + 2.0 * f64::EPSILON * exact.abs(), "{ours} {exact} at {x}");
            x *= 1.0137;
        }
        for i in 0..4000 {
            let x = 0.5 + f64::from(i) / 2000.0;
            for x in [x.next_down(), x, x.next_up()] {
                assert!((ln_of_normal(x, 0.0) - x.ln()).abs() <= 4e-16, "{x}");
            }
        }
        for x in [f64::MIN_POSITIVE, f64::MAX] {
            assert!((ln_of_normal(x, 0.0) / x.ln() - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn what_has_no_such_logarithm_is_told() {
        assert!([f64::MIN_POSITIVE, 1e-300, 1.0, f64::MAX].into_iter().all(is_positive_normal));
        let others = [0.0, -0.0, -1.0, 1e-310, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN];
        assert!(!others.into_iter().any(is_positive_normal));
    }
}
