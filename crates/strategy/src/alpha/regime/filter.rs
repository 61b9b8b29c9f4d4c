//! The forward recursion: filtered probabilities and the likelihood of rows.

use super::super::{AlphaError, error::finite_where_present};
use super::HiddenMarkov;

/// What the forward recursion has at each row.
pub(super) struct Forward {
    /// Filtered probabilities, a row of states for each row.
    pub filtered: Vec<Vec<f64>>,
    /// Densities over their greatest, of each row and state.
    pub scaled_densities: Vec<Vec<f64>>,
    /// Sums that the recursion was scaled by.
    pub scales: Vec<f64>,
    /// ln P(rows).
    pub log_likelihood: f64,
}

impl HiddenMarkov {
    /// P(state | rows up to and with it), a row of states for each row.
    ///
    /// # Errors
    ///
    /// A value that is not finite.
    pub fn filtered(&self, values: &[Option<f64>]) -> Result<Vec<Vec<f64>>, AlphaError> {
        finite_where_present("the series", values)?;
        Ok(self.forward(values).filtered)
    }

    /// ln P(rows).
    ///
    /// # Errors
    ///
    /// A value that is not finite.
    pub fn log_likelihood(&self, values: &[Option<f64>]) -> Result<f64, AlphaError> {
        finite_where_present("the series", values)?;
        Ok(self.forward(values).log_likelihood)
    }

    pub(super) fn forward(&self, values: &[Option<f64>]) -> Forward {
        let states = self.states();
        let mut forward = Forward {
            filtered: Vec::with_capacity(values.len()),
            scaled_densities: Vec::with_capacity(values.len()),
            scales: Vec::with_capacity(values.len()),
            log_likelihood: 0.0,
        };
        for value in values {
            let predicted: Vec<f64> = match forward.filtered.last() {
                None => self.initial.clone(),
                Some(before) => (0..states)
                    .map(|to| before.iter().zip(&self.transition).map(|(from, row)| from * row[to]).sum())
                    .collect(),
            };
            let logs = self.log_densities(*value);
            // A row far from all states has densities below the least number: the greatest among the states that can be is taken out. The others'
            // vanish, as they should.
            let possible = logs.iter().zip(&predicted).filter(|(_, share)| **share > 0.0);
            let greatest = possible.map(|(log, _)| *log).fold(f64::NEG_INFINITY, f64::max);
            let densities: Vec<f64> = logs.iter().map(|log| (log - greatest).min(700.0).exp()).collect();
            let joint: Vec<f64> = predicted.iter().zip(&densities).map(|(share, density)| share * density).collect();
            let scale: f64 = joint.iter().sum();
            forward.filtered.push(joint.iter().map(|share| share / scale).collect());
            forward.scaled_densities.push(densities);
            forward.scales.push(scale);
            forward.log_likelihood += greatest + scale.ln();
        }
        forward
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn model() -> HiddenMarkov {
        HiddenMarkov {
            initial: vec![0.6, 0.4],
            transition: vec![vec![0.97, 0.03], vec![0.05, 0.95]],
            means: vec![0.2, -0.1],
            variances: vec![0.25, 4.0],
        }
    }

    /// Every path of states, with the log of its joint density with the rows: the definition.
    pub fn paths(model: &HiddenMarkov, values: &[Option<f64>]) -> Vec<(Vec<usize>, f64)> {
        let states = model.states();
        (0..states.pow(values.len() as u32))
            .map(|code| {
                let path: Vec<usize> = (0..values.len()).map(|row| code / states.pow(row as u32) % states).collect();
                let steps: f64 = path.windows(2).map(|pair| model.transition[pair[0]][pair[1]].ln()).sum();
                let seen: f64 = path.iter().zip(values).map(|(state, value)| model.log_densities(*value)[*state]).sum();
                let log = model.initial[path[0]].ln() + steps + seen;
                (path, log)
            })
            .collect()
    }

    pub const ROWS: [Option<f64>; 7] = [Some(0.3), Some(-4.0), None, Some(2.5), Some(0.1), Some(0.2), Some(0.15)];

    #[test]
    fn likelihood_and_filter_are_sums_over_all_paths() {
        let model = model();
        for rows in 1..=ROWS.len() {
            let values = &ROWS[..rows];
            let all = paths(&model, values);
            let total: f64 = all.iter().map(|(_, log)| log.exp()).sum();
            let wild: f64 = all.iter().filter(|(path, _)| path[rows - 1] == 1).map(|(_, log)| log.exp()).sum();
            assert!((model.log_likelihood(values).unwrap() - total.ln()).abs() < 1e-12);
            let filtered = model.filtered(values).unwrap();
            assert!((filtered[rows - 1][1] - wild / total).abs() < 1e-12);
        }
    }

    #[test]
    fn no_row_depends_on_later_ones_and_far_rows_are_no_trouble() {
        let model = model();
        let all = model.filtered(&ROWS).unwrap();
        for rows in 1..ROWS.len() {
            assert_eq!(model.filtered(&ROWS[..rows]).unwrap()[..], all[..rows]);
        }
        let far = model.filtered(&[Some(1e6), Some(0.0)]).unwrap();
        assert!((far[0][1] - 1.0).abs() < 1e-12 && far[1].iter().sum::<f64>() == 1.0, "{far:?}");
        assert!(matches!(model.filtered(&[Some(f64::NAN)]), Err(AlphaError::BadValue { row: 1, .. })));
    }
}
