//! The order in which rows are summed: by model, then by group, then as they came.

use std::ops::Range;

use super::PositionColumns;
use crate::black::Model;

/// Neighbouring places of the order that have one model and one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub model: Model,
    pub group: u32,
    /// First place.
    pub start: u32,
    /// Place after the last.
    pub end: u32,
}

/// Rows by place.
#[derive(Debug)]
pub(super) struct Order {
    /// Row at each place; None where every row is at its own.
    rows: Option<Vec<u32>>,
    /// In the order of their places, none of them empty.
    pub segments: Vec<Segment>,
}

impl Order {
    /// Sorts by counting: the time goes with rows and groups. `rows` are whole.
    pub fn of(rows: &PositionColumns<'_>, groups: usize) -> Self {
        let key = |i: usize| {
            let model = usize::from(rows.model[i] == Model::Black76);
            model * groups + rows.group[i] as usize
        };
        let mut starts = vec![0u32; 2 * groups + 1];
        let mut sorted = true;
        let mut last = 0;
        for i in 0..rows.len() {
            let key = key(i);
            sorted &= last <= key;
            last = key;
            starts[key + 1] += 1;
        }
        for k in 0..2 * groups {
            starts[k + 1] += starts[k];
        }
        let segments = (0..2 * groups)
            .filter(|&k| starts[k] < starts[k + 1])
            .map(|k| Segment {
                model: if k < groups { Model::Bsm } else { Model::Black76 },
                group: (k % groups.max(1)) as u32,
                start: starts[k],
                end: starts[k + 1],
            })
            .collect();
        let places = (!sorted).then(|| {
            let mut next = starts;
            let mut places = vec![0u32; rows.len()];
            for i in 0..rows.len() {
                let place = &mut next[key(i)];
                places[*place as usize] = i as u32;
                *place += 1;
            }
            places
        });
        Self { rows: places, segments }
    }

    /// The row at a place.
    #[inline]
    pub fn row(&self, place: usize) -> usize {
        self.rows.as_ref().map_or(place, |rows| rows[place] as usize)
    }

    /// A column by place, appended.
    pub fn gather<T: Copy>(&self, column: &[T], places: Range<usize>, out: &mut Vec<T>) {
        match &self.rows {
            None => out.extend_from_slice(&column[places]),
            Some(rows) => out.extend(rows[places].iter().map(|&row| column[row as usize])),
        }
    }
}
