//! How many of ascending expiries lie before a time, by a table of its leading bits: a handful of operations, and no branch that is as good
//! as random.

/// Cells are parts of 32 of octaves: the exponent and the first five bits of the mantissa, which rise with the number.
const CELL_SHIFT: u32 = 47;
/// No more cells than these, from the first expiry on.
const MOST_CELLS: u64 = 1600;
/// Expiries of one cell up to which each is compared; more are searched through.
const MOST_COMPARED: u32 = 4;

fn cell(years: f64) -> u64 {
    years.to_bits() >> CELL_SHIFT
}

/// A table over expiries, ascending and above zero.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::surface) struct ExpiryTable {
    /// The expiries, and infinity after the last.
    years: Vec<f64>,
    first_cell: u64,
    /// By cell, how many expiries lie in cells before it; the last cell has all that lies beyond, too.
    before: Vec<u32>,
    /// Most expiries of one cell.
    crowd: u32,
}

impl ExpiryTable {
    pub(in crate::surface) fn new(years: &[f64]) -> Self {
        let first_cell = years.first().map_or(0, |first| cell(*first));
        let cells = years.last().map_or(0, |last| cell(*last).saturating_sub(first_cell).min(MOST_CELLS)) as usize;
        let mut before = Vec::with_capacity(cells + 2);
        let mut count = 0;
        for at in 0..=cells {
            while count < years.len() && cell(years[count]) < first_cell + at as u64 {
                count += 1;
            }
            before.push(count as u32);
        }
        before.push(years.len() as u32);
        let crowd = before.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        Self { years: years.iter().copied().chain([f64::INFINITY]).collect(), first_cell, before, crowd }
    }

    /// Expiries before `years`, which is above zero.
    #[inline]
    pub(in crate::surface) fn count_before(&self, years: f64) -> usize {
        let at = (cell(years).saturating_sub(self.first_cell) as usize).min(self.before.len() - 2);
        let mut count = self.before[at] as usize;
        if self.crowd > MOST_COMPARED {
            let of_cell = &self.years[count..self.before[at + 1] as usize];
            return count + of_cell.partition_point(|expiry| *expiry < years);
        }
        // What is past the cell is not before: it may be compared, too.
        for _ in 0..self.crowd {
            count += usize::from(self.years[count] < years);
        }
        count
    }

    /// How many there are.
    pub(in crate::surface) fn len(&self) -> usize {
        self.years.len() - 1
    }

    /// The expiries.
    pub(in crate::surface) fn years(&self) -> &[f64] {
        &self.years[..self.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_is_a_search(years: &[f64]) {
        let table = ExpiryTable::new(years);
        let near = years.iter().flat_map(|t| [t.next_down(), *t, t.next_up(), 1.3 * t, 0.7 * t]);
        for t in near.chain([f64::MIN_POSITIVE, 1e-12, 1e4, 1e300, f64::MAX]) {
            assert_eq!(table.count_before(t), years.partition_point(|years| *years < t), "{t} of {years:?}");
        }
        assert_eq!((table.years(), table.len()), (years, years.len()));
    }

    #[test]
    fn it_is_a_search_however_expiries_crowd() {
        assert_is_a_search(&[]);
        assert_is_a_search(&[0.3]);
        for n in 2..20_usize {
            assert_is_a_search(&(1..=n).map(|i| i as f64).collect::<Vec<f64>>());
        }
        let sparse: Vec<f64> = (0..60).map(|i| 1e-9 * 1.6_f64.powi(i)).take_while(|t| *t < 1e3).collect();
        assert_is_a_search(&sparse);
        let mut crowded = sparse;
        crowded.extend((0..40).map(|i| 0.5 + 1e-3 * f64::from(i)));
        crowded.extend([1e-9 * (1.0 + 1e-9), 0.5 * (1.0 + 1e-9), 1e3]);
        crowded.sort_by(f64::total_cmp);
        assert_is_a_search(&crowded);
        // A range of more octaves than there are cells for.
        assert_is_a_search(&[1e-200, 1e-100, 0.1, 0.2, 0.3, 0.4, 0.5, 1e100]);
    }
}
