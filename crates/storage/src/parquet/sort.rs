//! Rows in the order of a file: by instrument, then time; rows of the same stay in the order in which they came.

use std::collections::HashMap;

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;

use super::check::{instruments, times};
use crate::error::Result;

/// Rows of a table in the order of a file, and how many instruments they are of.
pub(crate) fn sorted(rows: &RecordBatch) -> Result<(RecordBatch, usize)> {
    let (ranks, count) = ranks(rows);
    let times = times(rows).values();
    let in_order = (1..ranks.len()).all(|row| (ranks[row - 1], times[row - 1]) <= (ranks[row], times[row]));
    if in_order {
        return Ok((rows.clone(), count));
    }
    // Rows go into the section of their instrument, where most feeds then have them in order of time.
    let mut begins = vec![0_u32; count + 1];
    ranks.iter().for_each(|rank| begins[*rank as usize + 1] += 1);
    (1..begins.len()).for_each(|rank| begins[rank] += begins[rank - 1]);
    let mut next = begins.clone();
    let mut order = vec![0_u32; ranks.len()];
    for (row, rank) in ranks.iter().enumerate() {
        let place = &mut next[*rank as usize];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    for section in begins.windows(2) {
        let section = &mut order[section[0] as usize..section[1] as usize];
        if !section.is_sorted_by_key(|row| times[*row as usize]) {
            section.sort_by_key(|row| times[*row as usize]);
        }
    }
    Ok((take_record_batch(rows, &UInt32Array::from(order))?, count))
}

/// For each row the rank of its instrument's name among all of them, and how many there are.
fn ranks(rows: &RecordBatch) -> (Vec<u32>, usize) {
    let names = instruments(rows);
    let mut found: HashMap<&str, u32> = HashMap::new();
    let mut ids = Vec::with_capacity(names.len());
    let mut last = ("", u32::MAX);
    for row in 0..names.len() {
        let name = names.value(row);
        if name != last.0 || last.1 == u32::MAX {
            let next = found.len() as u32;
            last = (name, *found.entry(name).or_insert(next));
        }
        ids.push(last.1);
    }
    let mut by_name: Vec<(&str, u32)> = found.into_iter().collect();
    by_name.sort_unstable();
    let mut rank_of = vec![0; by_name.len()];
    for (rank, (_, id)) in by_name.iter().enumerate() {
        rank_of[*id as usize] = rank as u32;
    }
    if by_name.len() > 1 {
        ids.iter_mut().for_each(|id| *id = rank_of[*id as usize]);
    }
    (ids, by_name.len())
}
