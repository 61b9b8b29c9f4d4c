//! Puts over calls, by volume and by open interest.

use zomma_base::OptionType;

/// Sums of puts and calls and their ratios.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct PutCall {
    /// Contracts of puts.
    pub puts: f64,
    /// Contracts of calls.
    pub calls: f64,
    /// Puts over calls; `None` where there are no calls.
    pub ratio: Option<f64>,
}

/// Sums a column of contracts (volume, open interest). What is absent, not finite or below zero counts as none.
pub fn put_call(option_type: &[OptionType], contracts: &[f64]) -> PutCall {
    let mut sums = PutCall::default();
    for (option_type, contracts) in
        option_type.iter().zip(contracts).filter(|(_, count)| count.is_finite() && **count > 0.0)
    {
        match option_type {
            OptionType::Call => sums.calls += contracts,
            OptionType::Put => sums.puts += contracts,
        }
    }
    sums.ratio = (sums.calls > 0.0).then(|| sums.puts / sums.calls);
    sums
}

#[cfg(test)]
mod tests {
    use OptionType::{Call, Put};

    use super::*;

    #[test]
    fn what_is_not_there_is_not_counted() {
        let found = put_call(&[Call, Put, Put, Call, Put], &[10.0, 5.0, 20.0, f64::NAN, -3.0]);
        assert_eq!(found, PutCall { puts: 25.0, calls: 10.0, ratio: Some(2.5) });
        assert_eq!(put_call(&[Put], &[3.0]).ratio, None);
    }
}
