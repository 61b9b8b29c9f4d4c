//! What there is to say of the rows of a table of volatilities: which took no part, and which share a strike.

use std::collections::BTreeMap;

use zomma_base::Status;

use super::{
    calibration::{Note, Reason},
    rows::VolatilityRows,
};

/// Rows, and strikes of several rows, that a note lists.
const LISTED: usize = 10;

/// One note for each column that keeps rows out, and one for each expiry with strikes that stand in several rows. `status` is what
/// [`slices_of`](super::slices_of) gave; rows are counted from `first_row` (1 where a user counts lines, 0 where rows have an index).
pub fn row_notes(rows: &VolatilityRows<'_>, status: &[Status], first_row: usize) -> Vec<Note> {
    let mut notes = left_out(rows, status, first_row);
    notes.extend(repeated(rows, status, first_row));
    notes
}

/// The column at fault, the number that stands there, and what is allowed.
fn fault(rows: &VolatilityRows<'_>, row: usize, status: Status) -> Option<(&'static str, f64, &'static str)> {
    let cell = |column: &[f64]| VolatilityRows::cell(column, row);
    Some(match status {
        Status::Ok => return None,
        Status::BadExpiry => ("expiry_years", cell(rows.expiry_years), "a number of years from 3e-8 to 100"),
        Status::BadForward => ("forward", cell(rows.forward), "a finite number above zero"),
        Status::BadStrike if !cell(rows.log_moneyness).is_nan() => {
            ("log_moneyness", cell(rows.log_moneyness), "a number within -20 and 20")
        }
        Status::BadStrike => (
            "strike",
            cell(rows.strike),
            "a finite number above zero whose ln(strike/forward) is within -20 and 20, or such a log_moneyness",
        ),
        _ => ("implied_volatility", cell(rows.implied_volatility), "a decimal above zero and below 10 (0.2 is 20 %)"),
    })
}

fn left_out(rows: &VolatilityRows<'_>, status: &[Status], first_row: usize) -> Vec<Note> {
    let mut by_field: BTreeMap<&str, Reason> = BTreeMap::new();
    for (row, &of_row) in status.iter().enumerate() {
        let Some((field, found, allowed)) = fault(rows, row, of_row) else { continue };
        let reason = by_field.entry(field).or_insert_with(|| Reason::RowsLeftOut {
            count: 0,
            of: status.len(),
            rows: Vec::new(),
            field: field.into(),
            value: found.is_finite().then_some(found),
            allowed: allowed.into(),
        });
        if let Reason::RowsLeftOut { count, rows, .. } = reason {
            *count += 1;
            if rows.len() < LISTED {
                rows.push(row + first_row);
            }
        }
    }
    by_field.into_values().map(|reason| Note { expiry_years: None, reason }).collect()
}

fn repeated(rows: &VolatilityRows<'_>, status: &[Status], first_row: usize) -> Vec<Note> {
    // Ascending bits of expiries are ascending expiries; of strikes any order will do, since the rows tell theirs.
    let mut by_strike: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    for row in (0..status.len()).filter(|&row| status[row].is_ok()) {
        // Minus zero is zero.
        let k = rows.log_moneyness_of(row) + 0.0;
        by_strike.entry((rows.expiry_years[row].to_bits(), k.to_bits())).or_default().push(row + first_row);
    }
    let mut by_expiry: BTreeMap<u64, Vec<Vec<usize>>> = BTreeMap::new();
    for ((expiry, _), rows) in by_strike.into_iter().filter(|(_, rows)| rows.len() > 1) {
        by_expiry.entry(expiry).or_default().push(rows);
    }
    let note = |(expiry, mut groups): (u64, Vec<Vec<usize>>)| {
        groups.sort_unstable();
        let strikes = groups.len();
        groups.truncate(LISTED);
        let mut unlisted: Vec<usize> =
            groups.iter_mut().map(|rows| rows.split_off(rows.len().min(LISTED)).len()).collect();
        if unlisted.iter().all(|more| *more == 0) {
            unlisted.clear();
        }
        Note {
            expiry_years: Some(f64::from_bits(expiry)),
            reason: Reason::RepeatedStrikes { strikes, rows: groups, unlisted },
        }
    };
    by_expiry.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::slices_of;

    #[test]
    fn rows_without_a_quote_are_counted_and_listed_by_what_is_wrong() {
        let n = 14;
        let mut strike = vec![-2.0; n];
        strike[0] = 100.0;
        let mut volatility = vec![0.2; n];
        volatility[0] = f64::INFINITY;
        let rows = VolatilityRows {
            strike: &strike,
            expiry_years: &vec![0.5; n],
            forward: &vec![100.0; n],
            implied_volatility: &volatility,
            ..VolatilityRows::default()
        };
        let (_, status) = slices_of(&rows);
        let notes = row_notes(&rows, &status, 1);
        let said: Vec<String> = notes.iter().map(Note::to_string).collect();
        assert_eq!(
            said,
            [
                "1 of 14 rows take no part: row 1, implied_volatility = empty or no finite number; \
                 allowed: a decimal above zero and below 10 (0.2 is 20 %)",
                "13 of 14 rows take no part: row 2, strike = -2; allowed: a finite number above zero whose ln(strike/forward) is \
                 within -20 and 20, or such a log_moneyness; likewise 3, 4, 5, 6, 7, 8, 9, 10 and 11 and 3 more",
            ]
        );
        let text = serde_json::to_string(&notes).expect("it is words and numbers");
        assert_eq!(serde_json::from_str::<Vec<Note>>(&text).expect("it was written so"), notes);
    }

    #[test]
    fn strikes_of_several_rows_are_told_by_expiry_with_their_rows() {
        let rows = VolatilityRows {
            strike: &[110.0, 90.0, 110.0, 110.0, 90.0, 90.0, 100.0],
            expiry_years: &[0.5, 0.5, 0.5, 1.0, 0.5, 0.0, 1.0],
            forward: &[100.0; 7],
            implied_volatility: &[0.2, 0.3, 0.21, 0.2, 0.3, 0.3, 0.2],
            ..VolatilityRows::default()
        };
        let (slices, status) = slices_of(&rows);
        assert_eq!(slices[0].len(), 4, "all take part");
        let said: Vec<String> = row_notes(&rows, &status, 0).iter().map(Note::to_string).collect();
        assert_eq!(
            said[1..],
            ["expiry_years 0.500000: 2 strikes stand in several rows, all of which take part: rows 0 and 2; 1 and 4"]
        );
        assert!(said[0].contains("row 5, expiry_years = 0;"), "{said:?}");
    }

    #[test]
    fn rows_of_a_strike_that_are_not_listed_are_counted() {
        let said = |n: usize| {
            let (one, many) = (vec![0.5; n], vec![100.0; n]);
            let rows = VolatilityRows {
                strike: &many,
                expiry_years: &one,
                forward: &many,
                implied_volatility: &one,
                ..VolatilityRows::default()
            };
            let notes = row_notes(&rows, &slices_of(&rows).1, 1);
            let text = serde_json::to_string(&notes).expect("it is words and numbers");
            assert_eq!(serde_json::from_str::<Vec<Note>>(&text).expect("it was written so"), notes);
            notes.iter().map(Note::to_string).collect::<Vec<_>>()
        };
        let one = "expiry_years 0.500000: 1 strike stands in several rows, all of which take part: rows";
        assert_eq!(said(3), [format!("{one} 1, 2 and 3")]);
        assert_eq!(said(10), [format!("{one} 1, 2, 3, 4, 5, 6, 7, 8, 9 and 10")]);
        assert_eq!(said(14), [format!("{one} 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more")]);
    }
}
