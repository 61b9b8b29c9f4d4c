//! Which kind of file a header says it is, and where its columns are.

/// What a column holds. The names are those of the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Column {
    Exchange,
    Symbol,
    Timestamp,
    LocalTimestamp,
    IsSnapshot,
    Side,
    Price,
    Amount,
    BidPrice,
    BidAmount,
    AskPrice,
    AskAmount,
}

use Column::*;

/// Every column that is read, with its name.
const NAMES: [(Column, &str); 12] = [
    (Exchange, "exchange"),
    (Symbol, "symbol"),
    (Timestamp, "timestamp"),
    (LocalTimestamp, "local_timestamp"),
    (IsSnapshot, "is_snapshot"),
    (Side, "side"),
    (Price, "price"),
    (Amount, "amount"),
    (BidPrice, "bid_price"),
    (BidAmount, "bid_amount"),
    (AskPrice, "ask_price"),
    (AskAmount, "ask_amount"),
];

/// The most columns that a file may have.
const MOST_COLUMNS: usize = 64;

/// What a file tells, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TardisKind {
    /// `incremental_book_L2`: levels of a book.
    BookL2,
    /// `trades`.
    Trades,
    /// `quotes`: best prices.
    Quotes,
}

impl TardisKind {
    /// The columns that it is known by. `is_snapshot` comes first, since without it a book's file would be one of trades.
    const ALL: [(Self, &[Column]); 3] = [
        (Self::BookL2, &[IsSnapshot, Side, Price, Amount]),
        (Self::Quotes, &[BidPrice, BidAmount, AskPrice, AskAmount]),
        (Self::Trades, &[Side, Price, Amount]),
    ];
}

/// The header of a file.
#[derive(Debug)]
pub(super) struct Columns {
    pub kind: TardisKind,
    /// What each column of the file holds, if it is read.
    order: Vec<Option<Column>>,
}

/// The fields of a row by column; empty where the file has no such column.
pub(super) struct Row<'a>([&'a [u8]; NAMES.len()]);

impl<'a> Row<'a> {
    pub fn get(&self, column: Column) -> &'a [u8] {
        self.0[column as usize]
    }
}

impl Columns {
    /// Reads a header, or says what is wrong with it.
    pub fn of_header(line: &[u8]) -> Result<Self, String> {
        let column = |name: &[u8]| {
            let name = name.trim_ascii();
            NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(column, _)| *column)
        };
        let order: Vec<Option<Column>> = line.split(|&byte| byte == b',').take(MOST_COLUMNS + 1).map(column).collect();
        let has = |wanted: &Column| order.contains(&Some(*wanted));
        let kind = TardisKind::ALL.iter().find(|(_, columns)| columns.iter().all(has));
        let begin = String::from_utf8_lossy(&line[..line.len().min(200)]);
        match kind {
            Some((kind, _)) if order.len() <= MOST_COLUMNS && [Symbol, Timestamp, LocalTimestamp].iter().all(has) => {
                Ok(Self { kind: *kind, order })
            }
            _ => Err(format!(
                "header {begin:?}; allowed: exchange, symbol, timestamp, local_timestamp and the columns of incremental_book_L2 \
                 (is_snapshot, side, price, amount), trades (side, price, amount) or quotes (bid_price, bid_amount, ask_price, ask_amount)"
            )),
        }
    }

    /// Splits a row; `None` where it has another number of fields than the header.
    pub fn split<'a>(&self, line: &'a [u8]) -> Option<Row<'a>> {
        let mut row = Row([&[]; NAMES.len()]);
        let mut fields = line.split(|&byte| byte == b',');
        for column in &self.order {
            let field = fields.next()?;
            if let Some(column) = column {
                row.0[*column as usize] = field;
            }
        }
        if fields.next().is_some() { None } else { Some(row) }
    }
}
