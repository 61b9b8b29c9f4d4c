//! The real ITCH file, where there is one.

use std::path::PathBuf;

/// The real ITCH file of three stocks, where `ZOMMA_DATA` names the folder that has it.
pub fn real() -> Option<Vec<u8>> {
    let path = PathBuf::from(std::env::var_os("ZOMMA_DATA")?);
    let path = path.join("books/itch/lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz");
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut bytes).ok()?;
    Some(bytes)
}
