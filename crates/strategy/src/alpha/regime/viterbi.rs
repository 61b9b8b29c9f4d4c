//! Viterbi's algorithm: the likeliest path of states.
//!
//! Source     Viterbi, IEEE Transactions on Information Theory 13 (1967); Rabiner (1989), section III B

use super::super::{AlphaError, error::finite_where_present};
use super::HiddenMarkov;

impl HiddenMarkov {
    /// The state of each row, from 0, on the path that is the likeliest with all rows known; of equals the calmer one.
    ///
    /// # Errors
    ///
    /// A value that is not finite.
    pub fn likeliest_path(&self, values: &[Option<f64>]) -> Result<Vec<usize>, AlphaError> {
        finite_where_present("the series", values)?;
        let Some((first, rest)) = values.split_first() else { return Ok(Vec::new()) };
        let states = self.states();
        let mut logs: Vec<f64> =
            self.initial.iter().zip(self.log_densities(*first)).map(|(share, density)| share.ln() + density).collect();
        let mut came_from = Vec::with_capacity(rest.len());
        for value in rest {
            let best: Vec<(usize, f64)> = (0..states)
                .map(|to| {
                    let routes = (0..states).map(|from| (from, logs[from] + self.transition[from][to].ln()));
                    routes.fold((0, f64::NEG_INFINITY), |best, route| if route.1 > best.1 { route } else { best })
                })
                .collect();
            let densities = self.log_densities(*value);
            logs = best.iter().zip(densities).map(|((_, log), density)| log + density).collect();
            came_from.push(best.into_iter().map(|(from, _)| from).collect::<Vec<_>>());
        }
        let last = (0..states).fold(0, |best, state| if logs[state] > logs[best] { state } else { best });
        let mut path = vec![last];
        for from in came_from.iter().rev() {
            path.push(from[path[path.len() - 1]]);
        }
        path.reverse();
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::{ROWS, model, paths};

    #[test]
    fn the_path_is_the_likeliest_of_all() {
        let model = model();
        for rows in 1..=ROWS.len() {
            let all = paths(&model, &ROWS[..rows]);
            let best = all.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert_eq!(model.likeliest_path(&ROWS[..rows]).unwrap(), best.0);
        }
        assert!(model.likeliest_path(&[]).unwrap().is_empty());
    }
}
