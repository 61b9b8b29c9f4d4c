//! The parameters of a feature as they are written behind its name: `ofi:10s`, `vpin:5000:50`.

use super::{
    FeatureError,
    error::bad,
    units::{Lots, Units, read_step},
};

/// What is written behind the name of one feature, taken one by one; what is not written has its default.
pub(super) struct Arguments<'a> {
    given: std::str::Split<'a, char>,
    units: Units,
}

impl<'a> Arguments<'a> {
    /// The name of a feature, and what is written behind it.
    pub fn split(written: &'a str, units: Units) -> (&'a str, Self) {
        let mut given = written.split(':');
        (given.next().unwrap_or_default().trim(), Self { given, units })
    }

    /// What ticks and lots are worth.
    pub fn units(&self) -> Units {
        self.units
    }

    /// A size.
    pub fn lots(&mut self, field: &'static str, default: Lots) -> Result<Lots, FeatureError> {
        let units = self.units;
        let allowed = "a finite number, with units or value behind it where it is none of lots";
        self.next(field, default, allowed, |text| Lots::read(text, units))
    }

    /// A step of price in ticks; `None` where it is to be found in the prices.
    pub fn step(&mut self) -> Result<Option<i64>, FeatureError> {
        self.given.next().map(str::trim).map_or(Ok(None), |text| read_step(text, self.units))
    }

    fn next<T>(
        &mut self,
        field: &'static str,
        default: T,
        allowed: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, FeatureError> {
        match self.given.next().map(str::trim) {
            None => Ok(default),
            Some(text) => read(text).ok_or_else(|| bad(field, format!("{text:?}"), allowed)),
        }
    }

    /// A count.
    pub fn count(&mut self, field: &'static str, default: usize) -> Result<usize, FeatureError> {
        self.next(field, default, "a whole number", |text| text.parse().ok())
    }

    /// A number of ticks.
    pub fn ticks(&mut self, field: &'static str, default: i64) -> Result<i64, FeatureError> {
        self.next(field, default, "a whole number of ticks", |text| text.parse().ok())
    }

    /// A number.
    pub fn number(&mut self, field: &'static str, default: f64) -> Result<f64, FeatureError> {
        self.next(field, default, "a finite number", |text| text.parse().ok().filter(|number: &f64| number.is_finite()))
    }

    /// A length of time in nanoseconds.
    pub fn duration(&mut self, field: &'static str, default_ns: u64) -> Result<u64, FeatureError> {
        self.next(field, default_ns, "a whole number with ns, us, ms, s, m or h behind it, as 10s", duration_ns)
    }

    /// Says so where more is written than the feature has parameters.
    pub fn finish(mut self) -> Result<(), FeatureError> {
        match self.given.next() {
            None => Ok(()),
            Some(text) => Err(bad("parameter", format!("{text:?}"), "no more parameters than the feature has")),
        }
    }
}

fn duration_ns(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let of_unit = match &text[unit..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    number.checked_mul(of_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let read = |text| duration_ns(text);
        assert_eq!(
            [read("10s"), read("250us"), read("5m"), read("1h")].map(Option::unwrap),
            [10_000_000_000, 250_000, 300_000_000_000, 3_600_000_000_000]
        );
        assert_eq!(
            [read("10"), read("s"), read("10 s"), read("-1s"), read("1d"), read("99999999999h"), read("")],
            [None; 7]
        );
    }
}
