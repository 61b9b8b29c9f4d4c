//! `quotes.parquet`: every row of the chain with its volatilities, Greeks and statuses.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray,
    UInt32Array, builder::StringDictionaryBuilder, types::Int32Type,
};
use arrow_schema::{Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use zomma_base::Status;
use zomma_market::chain::Chain;
use zomma_pricing::black::Greek;
use zomma_strategy::analysis::{Analysis, ExpirySummary};

use super::summary::{new_york, rate};

/// Columns of floats that are the same for all rows of an expiry.
const FEW: [&str; 5] = ["underlying_last", "spot", "risk_free_rate", "dividend_yield", "discount_factor"];

/// The file's content.
pub fn encode(chain: &Chain, analysis: &Analysis) -> anyhow::Result<Vec<u8>> {
    let columns = columns(chain, analysis);
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, array)| array).collect())?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Floats hardly repeat: a dictionary of them costs time and gives nothing.
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let few = |field: &Field| !field.data_type().is_floating() || FEW.contains(&field.name().as_str());
    for field in schema.fields().iter().filter(|field| few(field)) {
        let path = ColumnPath::from(field.name().as_str());
        properties = if field.name() == "source_row" || field.name() == "symbol" {
            properties.set_column_encoding(path, Encoding::PLAIN)
        } else {
            properties.set_column_dictionary_enabled(path, true)
        };
    }
    let mut writer = ArrowWriter::try_new(Vec::with_capacity(1 << 22), schema, Some(properties.build()))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

/// Numbers; NaN is null.
fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(values.iter().map(|&value| Some(value).filter(|value| value.is_finite())).collect::<Float64Array>())
}

/// Few words, many rows.
fn words<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    values.for_each(|value| builder.append_value(value));
    Arc::new(builder.finish())
}

fn statuses(values: &[Status]) -> ArrayRef {
    words(values.iter().map(|status| status.as_str()))
}

/// A number of each row's expiry; null where the row has none.
fn by_expiry(analysis: &Analysis, number: impl Fn(&ExpirySummary) -> f64) -> ArrayRef {
    let numbers: Vec<f64> = analysis.expiries.iter().map(number).collect();
    let of_row = |&expiry: &u32| numbers.get(expiry as usize).copied().unwrap_or(f64::NAN);
    floats(&analysis.quotes.expiry.iter().map(of_row).collect::<Vec<_>>())
}

/// The yield q of F = S e^{(r−q)T}.
fn dividend_yield(expiry: &ExpirySummary, spot: f64) -> f64 {
    rate(expiry) - (expiry.forward / spot).ln() / expiry.expiry_years
}

/// One word for all rows.
fn constant(word: &str, rows: usize) -> ArrayRef {
    let keys = Int32Array::from(vec![0; rows]);
    let values = Arc::new(StringArray::from(vec![word]));
    // Key 0 is inside a dictionary of one.
    Arc::new(DictionaryArray::new(keys, values))
}

fn columns(chain: &Chain, analysis: &Analysis) -> Vec<(&'static str, ArrayRef)> {
    let source = &chain.quotes;
    let result = &analysis.quotes;
    let rows = source.len();
    let instants = result
        .expiry
        .iter()
        .map(|&expiry| analysis.expiries.get(expiry as usize).map(|expiry| expiry.expiry.as_millisecond()));
    let symbols = (0..rows).map(|row| Some(source.symbol.get(row)).filter(|symbol| !symbol.is_empty()));
    let mut columns: Vec<(&'static str, ArrayRef)> = vec![
        ("source_row", Arc::new(UInt32Array::from(source.source_row.clone()))),
        ("quote_date", constant(&chain.quote_date.to_string(), rows)),
        ("quote_time", constant(&new_york(analysis.quote_instant)[11..16], rows)),
        ("underlying", constant(&chain.underlying, rows)),
        ("symbol", Arc::new(symbols.collect::<StringArray>())),
        ("root", words((0..rows).map(|row| source.root_of(row)))),
        ("option_type", words(source.option_type.iter().map(|kind| kind.as_str()))),
        ("exercise_style", words(result.exercise_style.iter().map(|style| style.as_str()))),
        ("settlement", words(source.settlement.iter().map(|settlement| settlement.as_str()))),
        ("expiry", Arc::new(instants.collect::<TimestampMillisecondArray>().with_timezone("UTC"))),
        ("expiry_date", expiry_dates(chain)),
        ("expiry_years", floats(&result.expiry_years)),
        ("strike", floats(&source.strike)),
        ("bid", floats(&source.bid)),
        ("ask", floats(&source.ask)),
        ("last", floats(&source.last)),
        ("volume", floats(&source.volume)),
        ("open_interest", floats(&source.open_interest)),
        ("vendor_implied_volatility", floats(&source.vendor_implied_volatility)),
        ("underlying_last", floats(&vec![chain.underlying_last.unwrap_or(f64::NAN); rows])),
        ("spot", floats(&vec![analysis.spot; rows])),
        ("forward", floats(&result.forward)),
        ("risk_free_rate", by_expiry(analysis, rate)),
        ("dividend_yield", by_expiry(analysis, |expiry| dividend_yield(expiry, analysis.spot))),
        ("discount_factor", by_expiry(analysis, |expiry| expiry.discount_factor)),
        ("bid_implied_volatility", floats(&result.bid_volatility)),
        ("bid_implied_volatility_status", statuses(&result.bid_volatility_status)),
        ("implied_volatility", floats(&result.mid_volatility)),
        ("implied_volatility_status", statuses(&result.mid_volatility_status)),
        ("ask_implied_volatility", floats(&result.ask_volatility)),
        ("ask_implied_volatility_status", statuses(&result.ask_volatility_status)),
        ("volatility", floats(&result.surface_volatility)),
    ];
    columns.extend(Greek::ALL.map(|greek| (greek.as_str(), floats(result.greeks.column(greek)))));
    columns.push(("greeks_status", statuses(&result.greeks_status)));
    columns.push(("status", statuses(&result.status)));
    columns
}

/// The expiry date as the file has it.
fn expiry_dates(chain: &Chain) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    let mut last = None;
    let mut text = String::new();
    for expiry in &chain.quotes.expiry {
        if last != Some(expiry.date()) {
            last = Some(expiry.date());
            text = expiry.date().to_string();
        }
        builder.append_value(&text);
    }
    Arc::new(builder.finish())
}
