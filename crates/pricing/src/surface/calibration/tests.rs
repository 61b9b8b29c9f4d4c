use super::*;
use crate::surface::SliceQuotes;

fn smile(k: f64) -> f64 {
    0.2 - 0.15 * k + 0.3 * k * k
}

fn quotes(half: f64) -> SliceQuotes {
    let k: Vec<f64> = (-10..=6).map(|i| 0.03 * f64::from(i)).collect();
    let mid: Vec<f64> = k.iter().map(|&k| smile(k)).collect();
    SliceQuotes {
        expiry_years: 0.5,
        forward: 100.0,
        bid_volatility: mid.iter().map(|v| v - half).collect(),
        ask_volatility: mid.iter().map(|v| v + half).collect(),
        open_interest: k.iter().map(|k| (1000.0 * (1.0 - k.abs())).max(0.0)).collect(),
        log_moneyness: k,
        mid_volatility: mid,
    }
}

/// Fits vol = a + bk + ck² to the objective.
fn parabola(objective: &Objective, estimator: Estimator) -> Solution<3> {
    let bounds = Bounds { low: [-5.0; 3], high: [5.0; 3] };
    let t = objective.expiry_years;
    minimise([0.5, 0.0, 0.0], &bounds, estimator, 60, |x, normal| {
        for (i, point) in objective.points.iter().enumerate() {
            let by = [1.0, point.k, point.k * point.k];
            let volatility = x[0] * by[0] + x[1] * by[1] + x[2] * by[2];
            let [miss, slope] = objective.miss(i, volatility * volatility * t);
            normal.add(miss, &by.map(|by| slope * 2.0 * volatility * t * by));
        }
        true
    })
}

#[test]
fn every_residual_weight_and_estimator_finds_the_smile_that_made_the_quotes() {
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for weights in [Weights::BidAsk, Weights::Vega, Weights::OpenInterest, Weights::Uniform] {
            for estimator in [Estimator::LeastSquares, Estimator::MaximumLikelihood] {
                let settings = Settings { residual, weights, estimator, ..Settings::default() };
                let found = parabola(&Objective::new(&quotes(0.004), &settings), estimator);
                for (ours, theirs) in found.parameters.into_iter().zip([0.2, -0.15, 0.3]) {
                    assert!((ours - theirs).abs() < 1e-6, "{ours} and {theirs} under {settings:?}");
                }
                assert!(found.converged);
            }
        }
    }
}

#[test]
fn all_rows_together_are_as_row_by_row() {
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        for forward in [100.0, f64::NAN] {
            let quotes = SliceQuotes { forward, ..quotes(0.004) };
            let objective = Objective::new(&quotes, &Settings { residual, ..Settings::default() });
            let values: Vec<(f64, [f64; 2])> =
                objective.points.iter().map(|point| (1.01 * point.total_variance[1], [1.0, point.k])).collect();
            let rows = objective.rows(values.iter().copied());
            assert_eq!(rows.len(), values.len());
            for (i, (row, (w, by))) in rows.iter().zip(&values).enumerate() {
                let alone = objective.row(i, *w, by);
                assert_eq!((row.miss, row.by), (alone.miss, alone.by));
                match (row.tick, alone.tick) {
                    (Some(ours), Some(alone)) => assert!((ours / alone - 1.0).abs() < 1e-12, "{ours} {alone}"),
                    (None, None) => assert!(forward.is_nan()),
                    apart => panic!("{apart:?} at {forward}"),
                }
            }
        }
    }
}

#[test]
fn a_miss_of_half_a_spread_counts_one() {
    let quotes = quotes(0.004);
    let objective = Objective::new(&quotes, &Settings::default());
    for (i, point) in objective.points.iter().enumerate() {
        let [low, mid, high] = point.total_variance;
        let misses = [low, mid, high].map(|w| objective.miss(i, w)[0]);
        for (miss, expected) in misses.into_iter().zip([-1.0, 0.0, 1.0]) {
            assert!((miss - expected).abs() < 1e-9, "{miss}");
        }
    }
}

#[test]
fn slopes_of_the_miss_agree_with_differences() {
    for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
        let objective = Objective::new(&quotes(0.004), &Settings { residual, ..Settings::default() });
        for i in 0..objective.points.len() {
            let w = 1.1 * objective.points[i].total_variance[1];
            let step = 1e-5 * w;
            let numeric = (objective.miss(i, w + step)[0] - objective.miss(i, w - step)[0]) / (2.0 * step);
            let slope = objective.miss(i, w)[1];
            assert!((numeric / slope - 1.0).abs() < 1e-6, "{numeric} and {slope}");
        }
    }
}

#[test]
fn a_wild_quote_moves_least_squares_and_hardly_the_likelihood() {
    let mut wild = quotes(0.004);
    for side in [&mut wild.bid_volatility, &mut wild.mid_volatility, &mut wild.ask_volatility] {
        side[2] += 0.2;
    }
    // A little noise, so that its scale is not zero.
    for i in 0..wild.len() {
        wild.mid_volatility[i] += if i % 2 == 0 { 4e-4 } else { -4e-4 };
    }
    let objective = Objective::new(&wild, &Settings::default());
    let error = |estimator| {
        let [a, b, c] = parabola(&objective, estimator).parameters;
        wild.log_moneyness.iter().map(|k| (a + b * k + c * k * k - smile(*k)).abs()).fold(0.0, f64::max)
    };
    let (squares, likelihood) = (error(Estimator::LeastSquares), error(Estimator::MaximumLikelihood));
    assert!(likelihood < 1e-3 && squares > 30.0 * likelihood, "{squares} and {likelihood}");
}

#[test]
fn unusable_quotes_take_no_part() {
    let mut bad = quotes(0.004);
    bad.mid_volatility[0] = f64::NAN;
    bad.mid_volatility[1] = 20.0;
    bad.log_moneyness[2] = f64::INFINITY;
    bad.bid_volatility[3] = f64::NAN;
    let objective = Objective::new(&bad, &Settings::default());
    assert_eq!(objective.points.len(), bad.len() - 3);
    assert_eq!(objective.strikes(), bad.len() - 3);
    let [low, mid, high] = objective.points[0].total_variance.map(f64::sqrt);
    assert!((high - mid - (mid - low)).abs() < 1e-12, "the other side stands in");
}

#[test]
fn standard_errors_and_ticks_are_those_of_a_straight_line() {
    // y = a + bx at x = 0..4 with unit misses: (XᵀX)⁻¹ = [[3/5, -1/5], [-1/5, 1/10]] by hand.
    let noise = [0.1, -0.2, 0.1, 0.05, -0.05];
    let bounds = Bounds { low: [-10.0; 2], high: [10.0; 2] };
    let solution = minimise([0.0, 0.0], &bounds, Estimator::LeastSquares, 50, |x, normal| {
        for (i, noise) in noise.iter().enumerate() {
            let at = i as f64;
            normal.add(x[0] + x[1] * at - (1.0 + 0.5 * at + noise), &[1.0, at]);
        }
        true
    });
    let [a, b] = solution.parameters;
    let row = |(i, noise): (usize, &f64)| {
        let at = i as f64;
        Row { miss: a + b * at - (1.0 + 0.5 * at + noise), by: [1.0, at], tick: Some(1.0) }
    };
    let rows = noise.iter().enumerate().map(row).collect();
    let report = stability(["a", "b"], &[a, b], &Evidence::of(rows, Estimator::LeastSquares, 1.0));
    let s2 = solution.normal.squares / 3.0;
    let error = |i: usize| report.standard_errors[i].expect("determined");
    assert!((error(0) - (0.6 * s2).sqrt()).abs() < 1e-9 && (error(1) - (0.1 * s2).sqrt()).abs() < 1e-9);
    // The first point moves a by 3/5, the last moves b by 1/5.
    assert!((report.tick_changes[0].expect("known") - 0.6).abs() < 1e-9);
    assert!((report.tick_changes[1].expect("known") - 0.2).abs() < 1e-9);
    // Scaled to ones the off-diagonal is 10/√150, so the eigenvalues are 1 ± that.
    let off = 10.0 / 150.0_f64.sqrt();
    assert!((report.condition_number.expect("regular") - (1.0 + off) / (1.0 - off)).abs() < 1e-9);
}

#[test]
fn parameters_that_no_quote_tells_apart_have_no_standard_error() {
    let bounds = Bounds { low: [-10.0; 2], high: [10.0; 2] };
    let solution = minimise([0.0, 0.0], &bounds, Estimator::LeastSquares, 50, |x, normal| {
        for y in [1.0, 1.1, 0.9] {
            normal.add(x[0] + x[1] - y, &[1.0, 1.0]);
        }
        true
    });
    let [a, b] = solution.parameters;
    let rows = [1.0, 1.1, 0.9].map(|y| Row { miss: a + b - y, by: [1.0, 1.0], tick: None }).to_vec();
    let report = stability(["a", "b"], &[a, b], &Evidence::of(rows, Estimator::LeastSquares, 1.0));
    assert_eq!(report.standard_errors, [None, None]);
    assert!(report.condition_number.is_none_or(|number| number > 1e12));
    assert!((solution.parameters[0] + solution.parameters[1] - 1.0).abs() < 1e-6);
}

#[test]
fn a_box_is_kept_and_its_edge_found() {
    let bounds = Bounds { low: [0.0, 0.0], high: [1.0, 10.0] };
    let solution = minimise([0.5, 0.5], &bounds, Estimator::LeastSquares, 50, |x, normal| {
        normal.add(x[0] - 3.0, &[1.0, 0.0]);
        normal.add(x[1] - 2.0 + 0.1 * x[0], &[0.1, 1.0]);
        true
    });
    assert!((solution.parameters[0] - 1.0).abs() < 1e-12 && (solution.parameters[1] - 1.9).abs() < 1e-6);
}

#[test]
fn notes_read_as_sentences() {
    let note = Note {
        expiry_years: Some(0.25),
        reason: Reason::TooFewQuotes { quotes: 2, needed: 5, instead: "the backbone's shape".into() },
    };
    assert_eq!(note.to_string(), "expiry_years 0.250000: 2 usable strikes, 5 needed; the backbone's shape instead");
    let json = serde_json::to_string(&note).expect("it has no map keys that are not strings");
    assert_eq!(serde_json::from_str::<Note>(&json).expect("what was written reads"), note);
}
