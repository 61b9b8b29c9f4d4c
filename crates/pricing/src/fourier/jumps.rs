//! The exponents of Merton, Bates and Kou: a diffusion and jumps.
//!
//! Diffusion  Λ = −σ²T s(1 − s)/2
//! Normal     Λ = λT (J(s) − 1 − s k), J(s) = e^(sm + s²δ²/2), k = J(1) − 1
//! Kou        Λ = λT s (p/(η₁ − s) − (1 − p)/(η₂ + s) − ζ), ζ = p/(η₁ − 1) − (1 − p)/(η₂ + 1)
//! Source     R. Merton (1976); D. Bates (1996); S. Kou (2002)

use super::complex::{Complex, complex};
use super::elementary::{Elementary, Std};
use super::exponent::{Exponent, Gradient};
use super::heston::HestonExponent;
use super::model::{Bates, Kou, Merton};

/// Expected jumps up to which e^(λT(J − 1)) stays over e^−20 where J wanders around 0.
const MOST_DIRECT: f64 = 10.0;

/// ln of what is nothing: what returns at most so large does not count.
const GONE: f64 = -45.0;
/// What no intensity counts as, when the number of jumps is given: its square is 0.
const LEAST_INTENSITY: f64 = 1e-250;

/// Normal jumps of the logarithm, until one expiry.
#[derive(Clone, Copy)]
struct NormalJumps {
    intensity: f64,
    mean: f64,
    std: f64,
    expiry: f64,
    /// J(1) − 1.
    growth: f64,
}

impl NormalJumps {
    fn new(intensity: f64, mean: f64, std: f64, expiry: f64) -> Self {
        Self { intensity, mean, std, expiry, growth: (mean + 0.5 * std * std).exp_m1() }
    }

    /// sm + s²δ²/2.
    #[inline(always)]
    fn power(&self, s: Complex) -> Complex {
        s.scale(self.mean) + s.square().scale(0.5 * self.std * self.std)
    }

    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        (self.power(s).exp_m1::<E>() - s.scale(self.growth)).scale(self.intensity * self.expiry)
    }

    /// Derivatives by expiry, and by intensity, mean and deviation.
    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> (Complex, [Complex; 3]) {
        let jumped = self.power(s).exp_m1::<E>();
        let per_jump = jumped - s.scale(self.growth);
        let events = self.intensity * self.expiry;
        // J(s) − J(1) and s J(s) − J(1), without their ones.
        let by_mean = s * (jumped - complex(self.growth, 0.0));
        let by_std = s * (s * (jumped + Complex::ONE) - complex(self.growth + 1.0, 0.0));
        (
            per_jump.scale(self.intensity),
            [per_jump.scale(self.expiry), by_mean.scale(events), by_std.scale(events * self.std)],
        )
    }

    /// On the real line e^(λT(J − 1)) first vanishes and returns beyond this u.
    fn half_cycle(&self) -> f64 {
        std::f64::consts::PI / self.mean.abs().max(1e-6)
    }

    /// Where the logarithm is without the diffusion, given so many jumps of the mean size.
    fn shift(&self, jumps: Option<u32>) -> f64 {
        f64::from(jumps.unwrap_or(0)) * self.mean - self.intensity * self.expiry * self.growth
    }

    /// The part of the exponent that so many jumps and the compensator make.
    fn given(&self, s: Complex, jumps: u32) -> Complex {
        self.power(s).scale(f64::from(jumps)) - s.scale(self.intensity * self.expiry * self.growth)
    }

    /// Whether e^(λT(J − 1)) has no gaps: few jumps, and |J| along u = r e^(i turn) under e^(1/2) times what it is near 0. (The largest of
    /// −m r sin − δ²r² cos(2 turn)/2 is meant.)
    fn may_turn(&self, turn: f64) -> bool {
        let pull = self.mean * turn.sin();
        let level = pull >= 0.0 || pull * pull <= self.std * self.std * (2.0 * turn).cos();
        let events = self.intensity * self.expiry * self.power(complex(0.5, 0.0)).re.exp();
        events <= MOST_DIRECT && level
    }

    fn moment(&self, s: f64) -> f64 {
        // Were there no jumps, an infinite moment of theirs would not count.
        if self.intensity > 0.0 { self.value::<Std>(complex(s, 0.0)).re } else { 0.0 }
    }

    /// ln(1 + T (1 + λ)(1 + s²)(J(s) + J(1))): what a derivative has more in its tails.
    fn excess(&self, s: f64) -> f64 {
        let one = self.power(complex(s, 0.0)).re.exp() + self.growth + 1.0;
        (self.expiry * (1.0 + self.intensity) * (1.0 + s * s) * one).ln_1p()
    }

    /// Derivatives of ln(λT)^n − λT + n ln J(s) − λT s k, by expiry, intensity, mean and deviation.
    fn gradient_given(&self, s: Complex, jumps: u32) -> (Complex, [Complex; 3]) {
        let n = f64::from(jumps);
        let events = self.intensity * self.expiry;
        let compensated = Complex::ONE + s.scale(self.growth);
        // The probability is then as small: the quotient is exact.
        let intensity = self.intensity.max(LEAST_INTENSITY);
        let pull = s.scale(-events * (1.0 + self.growth));
        (
            complex(n / self.expiry, 0.0) - compensated.scale(self.intensity),
            [
                complex(n / intensity, 0.0) - compensated.scale(self.expiry),
                s.scale(n) + pull,
                (s.square().scale(n) + pull).scale(self.std),
            ],
        )
    }

    /// λT(|J(c + iu)| − 1 − ck), c being `at`.
    fn envelope(&self, at: f64, u: f64) -> f64 {
        let size = at * self.mean + 0.5 * self.std * self.std * (at * at - u * u);
        self.intensity * self.expiry * (size.exp_m1() - at * self.growth)
    }
}

/// −σ²T s(1 − s)/2, its derivative by T and by σ.
#[inline(always)]
fn diffusion(volatility: f64, expiry: f64, s: Complex) -> [Complex; 3] {
    let a = s * (Complex::ONE - s);
    let variance = volatility * volatility;
    [a.scale(-0.5 * variance * expiry), a.scale(-0.5 * variance), a.scale(-volatility * expiry)]
}

fn diffusion_envelope(volatility: f64, expiry: f64, at: f64, u: f64) -> f64 {
    -0.5 * volatility * volatility * expiry * (u * u + at * (1.0 - at))
}

/// Merton's model at one expiry.
#[derive(Clone, Copy)]
pub(super) struct MertonExponent {
    volatility: f64,
    jumps: NormalJumps,
}

impl MertonExponent {
    pub fn new(model: &Merton, expiry: f64) -> Self {
        let jumps = NormalJumps::new(model.jump_intensity, model.jump_mean, model.jump_std, expiry);
        Self { volatility: model.volatility, jumps }
    }
}

impl Exponent<4> for MertonExponent {
    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        diffusion(self.volatility, self.jumps.expiry, s)[0] + self.jumps.value::<E>(s)
    }

    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<4> {
        let [_, by_expiry, by_volatility] = diffusion(self.volatility, self.jumps.expiry, s);
        let (jumps_by_expiry, [intensity, mean, std]) = self.jumps.gradient::<E>(s);
        let expiry = by_expiry + jumps_by_expiry;
        // The exponent is proportional to T.
        Gradient {
            value: expiry.scale(self.jumps.expiry),
            expiry,
            expiry_twice: Complex::ZERO,
            parameters: [by_volatility, intensity, mean, std],
        }
    }

    fn moment(&self, s: f64) -> f64 {
        diffusion(self.volatility, self.jumps.expiry, complex(s, 0.0))[0].re + self.jumps.moment(s)
    }

    fn envelope(&self, at: f64, u: f64) -> f64 {
        diffusion_envelope(self.volatility, self.jumps.expiry, at, u) + self.jumps.envelope(at, u)
    }

    fn shift(&self, jumps: Option<u32>) -> f64 {
        self.jumps.shift(jumps)
    }

    fn normal_jumps(&self) -> Option<f64> {
        Some(self.jumps.intensity.max(LEAST_INTENSITY) * self.jumps.expiry)
    }

    fn may_turn(&self, turn: f64) -> bool {
        self.jumps.may_turn(turn) || turn == 0.0 && self.envelope(0.5, self.jumps.half_cycle()) < GONE
    }

    fn excess(&self, s: f64) -> f64 {
        self.jumps.excess(s)
    }

    fn gradient_given_jumps(&self, s: Complex, jumps: u32) -> Gradient<4> {
        let [value, by_expiry, by_volatility] = diffusion(self.volatility, self.jumps.expiry, s);
        let (jumps_by_expiry, [intensity, mean, std]) = self.jumps.gradient_given(s, jumps);
        Gradient {
            value,
            expiry: by_expiry + jumps_by_expiry,
            expiry_twice: complex(-f64::from(jumps) / (self.jumps.expiry * self.jumps.expiry), 0.0),
            parameters: [by_volatility, intensity, mean, std],
        }
    }

    fn given_jumps(&self, s: Complex, jumps: u32) -> Complex {
        diffusion(self.volatility, self.jumps.expiry, s)[0] + self.jumps.given(s, jumps)
    }
}

/// Bates' model at one expiry.
#[derive(Clone, Copy)]
pub(super) struct BatesExponent {
    heston: HestonExponent,
    jumps: NormalJumps,
}

impl BatesExponent {
    pub fn new(model: &Bates, expiry: f64) -> Self {
        let Bates { heston, jump_intensity, jump_mean, jump_std } = *model;
        let jumps = NormalJumps::new(jump_intensity, jump_mean, jump_std, expiry);
        Self { heston: HestonExponent { model: heston, expiry }, jumps }
    }
}

impl Exponent<8> for BatesExponent {
    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        self.heston.value::<E>(s) + self.jumps.value::<E>(s)
    }

    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<8> {
        let heston = self.heston.gradient::<E>(s);
        let (by_expiry, [intensity, mean, std]) = self.jumps.gradient::<E>(s);
        let [v0, kappa, theta, sigma, rho] = heston.parameters;
        Gradient {
            value: heston.value + by_expiry.scale(self.jumps.expiry),
            expiry: heston.expiry + by_expiry,
            expiry_twice: heston.expiry_twice,
            parameters: [v0, kappa, theta, sigma, rho, intensity, mean, std],
        }
    }

    fn moment(&self, s: f64) -> f64 {
        self.heston.moment(s) + self.jumps.moment(s)
    }

    fn envelope(&self, at: f64, u: f64) -> f64 {
        self.heston.envelope(at, u) + self.jumps.envelope(at, u)
    }

    fn has_gradient(&self) -> bool {
        self.heston.has_gradient()
    }

    fn shift(&self, jumps: Option<u32>) -> f64 {
        self.heston.shift(None) + self.jumps.shift(jumps)
    }

    fn normal_jumps(&self) -> Option<f64> {
        Some(self.jumps.intensity.max(LEAST_INTENSITY) * self.jumps.expiry)
    }

    fn may_turn(&self, turn: f64) -> bool {
        self.jumps.may_turn(turn) || turn == 0.0 && self.envelope(0.5, self.jumps.half_cycle()) < GONE
    }

    fn excess(&self, s: f64) -> f64 {
        self.jumps.excess(s)
    }

    fn gradient_given_jumps(&self, s: Complex, jumps: u32) -> Gradient<8> {
        let heston = self.heston.gradient::<Std>(s);
        let (by_expiry, [intensity, mean, std]) = self.jumps.gradient_given(s, jumps);
        let [v0, kappa, theta, sigma, rho] = heston.parameters;
        Gradient {
            value: heston.value,
            expiry: heston.expiry + by_expiry,
            expiry_twice: heston.expiry_twice
                - complex(f64::from(jumps) / (self.jumps.expiry * self.jumps.expiry), 0.0),
            parameters: [v0, kappa, theta, sigma, rho, intensity, mean, std],
        }
    }

    fn given_jumps(&self, s: Complex, jumps: u32) -> Complex {
        self.heston.value::<Std>(s) + self.jumps.given(s, jumps)
    }
}

/// Kou's model at one expiry.
#[derive(Clone, Copy)]
pub(super) struct KouExponent {
    pub model: Kou,
    pub expiry: f64,
}

impl Exponent<5> for KouExponent {
    #[inline(always)]
    fn value<E: Elementary>(&self, s: Complex) -> Complex {
        self.gradient::<E>(s).value
    }

    #[inline(always)]
    fn gradient<E: Elementary>(&self, s: Complex) -> Gradient<5> {
        let Kou { volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate } = self.model;
        let [_, diffused, by_volatility] = diffusion(volatility, self.expiry, s);
        let down_probability = 1.0 - jump_up_probability;
        let up = Complex::ONE / (complex(jump_up_rate, 0.0) - s);
        let down = Complex::ONE / (complex(jump_down_rate, 0.0) + s);
        let (up_one, down_one) = (1.0 / (jump_up_rate - 1.0), 1.0 / (jump_down_rate + 1.0));
        let real = |x: f64| complex(x, 0.0);
        let by_up = up - real(up_one);
        let by_down = down - real(down_one);
        let per_jump = s * (by_up.scale(jump_up_probability) - by_down.scale(down_probability));
        let events = s.scale(jump_intensity * self.expiry);
        let expiry = diffused + per_jump.scale(jump_intensity);
        Gradient {
            value: expiry.scale(self.expiry),
            expiry,
            expiry_twice: Complex::ZERO,
            parameters: [
                by_volatility,
                per_jump.scale(self.expiry),
                events * (by_up + by_down),
                events * (real(up_one * up_one) - up.square()).scale(jump_up_probability),
                events * (down.square() - real(down_one * down_one)).scale(down_probability),
            ],
        }
    }

    fn moment(&self, s: f64) -> f64 {
        let model = &self.model;
        let jumps = model.jump_intensity > 0.0;
        let up = jumps && model.jump_up_probability > 0.0 && s >= model.jump_up_rate;
        let down = jumps && model.jump_up_probability < 1.0 && s <= -model.jump_down_rate;
        if up || down { f64::INFINITY } else { self.value::<Std>(complex(s, 0.0)).re }
    }

    fn excess(&self, s: f64) -> f64 {
        let Kou { jump_intensity, jump_up_rate: up, jump_down_rate: down, .. } = self.model;
        if s >= up || s <= -down {
            return f64::INFINITY;
        }
        // The derivative by a rate has a double pole.
        let one = up / (up - s) + down / (down + s) + (1.0 + s.abs()) * up / (up - 1.0);
        2.0 * (self.expiry * (1.0 + jump_intensity) * one).ln_1p()
    }

    fn envelope(&self, at: f64, u: f64) -> f64 {
        let Kou { volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate } = self.model;
        let down_probability = 1.0 - jump_up_probability;
        // |η/(η − s)| of the two sides falls in u.
        let size = jump_up_probability * jump_up_rate / (jump_up_rate - at).hypot(u)
            + down_probability * jump_down_rate / (jump_down_rate + at).hypot(u);
        let growth = jump_up_probability / (jump_up_rate - 1.0) - down_probability / (jump_down_rate + 1.0);
        diffusion_envelope(volatility, self.expiry, at, u) + jump_intensity * self.expiry * (size - 1.0 - at * growth)
    }

    fn shift(&self, _jumps: Option<u32>) -> f64 {
        let Kou { jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate, .. } = self.model;
        let growth = jump_up_probability / (jump_up_rate - 1.0) - (1.0 - jump_up_probability) / (jump_down_rate + 1.0);
        -jump_intensity * self.expiry * growth
    }
}
