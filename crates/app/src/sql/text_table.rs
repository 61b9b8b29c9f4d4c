//! Rows as a table for people: numbers to the right, text to the left, as wide as it must be.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::batch::cells;

/// Rows that are shown; the others are counted.
const ROWS_SHOWN: usize = 1_000;
/// A cell's characters that are shown.
const CELL_SHOWN: usize = 60;
/// What stands for a value that is not there.
const NULL: &str = "";

/// A table that grows by rows.
#[derive(Debug)]
pub struct TextTable {
    names: Vec<String>,
    is_number: Vec<bool>,
    rows: Vec<Vec<String>>,
    hidden: u64,
}

impl TextTable {
    /// Of these columns.
    pub fn new(columns: &SchemaRef) -> Self {
        let fields = columns.fields();
        Self {
            names: fields.iter().map(|field| field.name().clone()).collect(),
            is_number: fields.iter().map(|field| field.data_type().is_numeric()).collect(),
            rows: Vec::new(),
            hidden: 0,
        }
    }

    /// Adds rows; those past the last that is shown are counted.
    pub fn add(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        let room = ROWS_SHOWN.saturating_sub(self.rows.len()).min(batch.num_rows());
        if room > 0 {
            for row in cells(&batch.slice(0, room))? {
                self.rows.push(row.into_iter().map(|cell| cell.map_or(NULL.into(), |cell| shown(&cell))).collect());
            }
        }
        self.hidden += (batch.num_rows() - room) as u64;
        Ok(())
    }

    /// The table as text.
    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.names.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.chain([self.names[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String]| {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                let between = if column == 0 { "" } else { "  " };
                line += between;
                line += &if self.is_number[column] { gap + cell } else { cell.clone() + &gap };
            }
            line.truncate(line.trim_end().len());
            line + "\n"
        };
        let mut text = line(&self.names);
        text += &line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
        for row in &self.rows {
            text += &line(row);
        }
        if self.hidden > 0 {
            text += &format!("… and {} rows more: -o FILE or --format csv has them all\n", self.hidden);
        }
        text
    }
}

/// A cell on one line, cut where it is long.
fn shown(cell: &str) -> String {
    let mut shown: String = cell.chars().take(CELL_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cell.chars().nth(CELL_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
