//! Correlation matrices: by hand, against Ledoit's own program, streaming against batch.

use proptest::prelude::*;

use super::super::matrix::symmetric_eigen;
use super::*;

/// Eight rows of four columns.
const ROWS: [[f64; 4]; 8] = [
    [0.1, 0.5, -0.3, 0.2],
    [0.4, 0.1, 0.2, -0.6],
    [-0.2, -0.4, 0.3, 0.1],
    [0.3, 0.2, -0.1, -0.2],
    [-0.5, -0.1, 0.6, 0.4],
    [0.0, 0.3, -0.2, -0.3],
    [0.2, -0.3, 0.1, 0.5],
    [-0.1, 0.4, -0.5, -0.1],
];

fn columns(rows: &[[f64; 4]]) -> Vec<Vec<f64>> {
    (0..4).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

fn slices(columns: &[Vec<f64>]) -> Vec<&[f64]> {
    columns.iter().map(Vec::as_slice).collect()
}

#[test]
fn shrinkage_is_that_of_ledoits_covcor() {
    // What covCor.m (Ledoit's site) makes of these rows, followed line by line in double precision.
    let columns = columns(&ROWS);
    let found = shrunk_correlation(&slices(&columns)).unwrap();
    assert!((found.shrinkage - 0.531_573_919_729_465).abs() < 1e-12, "{found:?}");
    assert!((found.correlation[4] - -0.023_313_144_667_168).abs() < 1e-12, "{found:?}");
    let plain = correlation(&slices(&columns)).unwrap();
    for (place, wanted) in [(4, 0.243_459_353_683_417), (8, -0.374_729_787_568_609), (14, 0.292_306_411_107_734)] {
        assert!((plain[place] - wanted).abs() < 1e-12, "{place}: {plain:?}");
    }
}

#[test]
fn units_of_a_column_change_no_correlation() {
    let mut scaled = columns(&ROWS);
    scaled[1].iter_mut().for_each(|x| *x = *x * 1e3 + 7.0);
    let (found, plain) = (shrunk_correlation(&slices(&scaled)).unwrap().correlation, columns(&ROWS));
    let before = correlation(&slices(&plain)).unwrap();
    let after = correlation(&slices(&scaled)).unwrap();
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-12), "{before:?} {after:?}");
    assert!(found.iter().all(|r| r.abs() <= 1.0));
}

#[test]
fn fewer_rows_than_columns_are_made_invertible() {
    let rows = &ROWS[..4];
    let columns = columns(rows);
    let least = |matrix: &[f64]| symmetric_eigen(matrix, 4).0[3];
    let plain = correlation(&slices(&columns)).unwrap();
    let shrunk = shrunk_correlation(&slices(&columns)).unwrap();
    assert!(least(&plain).abs() < 1e-12, "four rows about their mean span three dimensions");
    assert!(shrunk.shrinkage > 0.0 && least(&shrunk.correlation) > 0.01, "{shrunk:?}");
}

#[test]
fn what_cannot_be_is_told() {
    let message = |columns: &[&[f64]]| correlation(columns).unwrap_err().to_string();
    assert_eq!(message(&[&[1.0, 2.0, 3.0]]), "columns 1; allowed: 2 to 256");
    assert_eq!(message(&[&[1.0, 2.0, 3.0], &[1.0]]), "column: 1 values; allowed: 3, one for each of the others");
    assert_eq!(message(&[&[1.0, 2.0, 3.0], &[0.1; 3]]), "correlation: a column is the same in every row");
    assert_eq!(message(&[&[1.0, 2.0, 3.0], &[1.0, f64::NAN, 1.0]]), "row: row 1: NaN; allowed: finite numbers");
    assert_eq!(RollingCorrelation::new(3, 10).unwrap().shrunk(), Ok(None));
}

proptest! {
    #[test]
    fn streaming_is_the_batch_of_its_window(rows in prop::collection::vec(prop::array::uniform4(-1.0f64..1.0), 5..60), window in 5usize..15) {
        let mut rolling = RollingCorrelation::new(4, window).unwrap();
        for row in 0..rows.len() {
            rolling.push(&rows[row]).unwrap();
            let Some(first) = (row + 1).checked_sub(window) else {
                prop_assert_eq!(rolling.correlation(), Ok(None));
                continue;
            };
            let columns = columns(&rows[first..=row]);
            let (found, whole) = (rolling.shrunk().unwrap().unwrap(), shrunk_correlation(&slices(&columns)).unwrap());
            prop_assert!((found.shrinkage - whole.shrinkage).abs() < 1e-9);
            prop_assert!(found.correlation.iter().zip(&whole.correlation).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }
}
