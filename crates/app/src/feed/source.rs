//! The file of a recorded feed: what wraps it is taken off, and what it holds is recognised.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use jiff::civil::Date;
use zomma_market::{
    container::{Source, is_zip, unwrapped, zip_members},
    format::Format,
};

/// Greatest size of what a zip holds, decompressed.
const ZIP_BYTES: u64 = 4 << 30;
/// Bytes of what a zip holds that tell its format.
const ZIP_HEAD_BYTES: usize = 4_096;

/// A feed to read.
pub struct Opened {
    /// Its format.
    pub format: Format,
    /// Its bytes.
    pub bytes: Source,
    /// How many there are, where that is known.
    pub length: Option<u64>,
    /// The symbol and the date that the name of a LOBSTER file tells.
    pub lobster: Option<LobsterName>,
    /// The orderbook file that belongs to a LOBSTER message file.
    pub orderbook: Option<Orderbook>,
}

/// The file of rows that LOBSTER gives beside the messages.
pub enum Orderbook {
    /// In the same zip.
    Inside(Vec<u8>),
    /// Beside the messages.
    Beside(PathBuf),
}

impl Orderbook {
    /// What is in it.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Inside(bytes) => Ok(bytes.clone()),
            Self::Beside(path) => {
                let shown = || path.display().to_string();
                let (_, mut source) = unwrapped(Box::new(File::open(path).with_context(shown)?)).with_context(shown)?;
                let mut bytes = Vec::new();
                source.read_to_end(&mut bytes).with_context(shown)?;
                Ok(bytes)
            }
        }
    }
}

/// What the name of a LOBSTER file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobsterName {
    /// The stock.
    pub symbol: String,
    /// The day.
    pub date: Option<Date>,
}

/// Opens a feed; `-` is standard input. `format` is the one that the user named.
pub fn open(path: &Path, format: Option<Format>) -> anyhow::Result<Opened> {
    let shown = shown(path);
    let (source, length): (Source, _) = if path == Path::new("-") {
        (crate::stdin::reader(), None)
    } else {
        let file = File::open(path).with_context(|| shown.clone())?;
        let metadata = file.metadata().with_context(|| shown.clone())?;
        if metadata.is_dir() {
            bail!("{shown}: is a directory; needed: one file of a recorded feed");
        }
        (Box::new(BufReader::with_capacity(1 << 18, file)), metadata.is_file().then_some(metadata.len()))
    };
    let (head, bytes) = unwrapped(source).with_context(|| shown.clone())?;
    if head.is_empty() {
        bail!("{shown}: the file is empty; needed: a recorded feed ({})", formats());
    }
    if is_zip(&head) {
        return open_zip(&shown, bytes, format);
    }
    let Some(format) = format.or_else(|| Format::recognise(&head)) else {
        bail!("{shown}: not a feed that I know; name it with --format ({})", formats());
    };
    let is_compressed = length.is_some_and(|_| !is_plain(path, &head));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_lobster = format == Format::Lobster;
    Ok(Opened {
        format,
        bytes,
        length: length.filter(|_| !is_compressed),
        lobster: is_lobster.then(|| lobster_name(&name)),
        orderbook: is_lobster.then(|| beside(path, &name)).flatten(),
    })
}

/// How a path is called in messages.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// Whether the file begins with these bytes: nothing was taken off.
fn is_plain(path: &Path, head: &[u8]) -> bool {
    let mut first = vec![0; head.len().min(64)];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && head.starts_with(&first)
}

fn open_zip(shown: &str, mut bytes: Source, format: Option<Format>) -> anyhow::Result<Opened> {
    let mut packed = Vec::new();
    bytes.by_ref().take(ZIP_BYTES).read_to_end(&mut packed).with_context(|| shown.to_owned())?;
    let mut members = zip_members(&packed, ZIP_BYTES).with_context(|| shown.to_owned())?;
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let of = |part: &str| names.iter().position(|name| name.contains(part));
    let place = match (of("_message_"), names.len()) {
        (Some(place), _) => place,
        (None, 1) => 0,
        _ => bail!("{shown}: {} in it; needed: one file, or LOBSTER's message and orderbook files", list(&names)),
    };
    let orderbook = of("_orderbook_").map(|place| std::mem::take(&mut members[place].bytes)).map(Orderbook::Inside);
    let feed = std::mem::take(&mut members[place].bytes);
    let Some(format) = format.or_else(|| Format::recognise(&feed[..feed.len().min(ZIP_HEAD_BYTES)])) else {
        bail!("{shown}: {}: not a feed that I know; name it with --format ({})", names[place], formats());
    };
    let is_lobster = format == Format::Lobster;
    Ok(Opened {
        format,
        length: Some(feed.len() as u64),
        bytes: Box::new(io::Cursor::new(feed)),
        lobster: is_lobster.then(|| lobster_name(&names[place])),
        orderbook: orderbook.filter(|_| is_lobster),
    })
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no file".to_owned() } else { names.join(", ") }
}

fn formats() -> String {
    Format::ALL.map(Format::as_str).join(", ")
}

/// The orderbook file beside a message file, where it is there.
fn beside(path: &Path, name: &str) -> Option<Orderbook> {
    let other = path.with_file_name(name.contains("_message_").then(|| name.replace("_message_", "_orderbook_"))?);
    other.is_file().then_some(Orderbook::Beside(other))
}

/// `AAPL_2012-06-21_34200000_57600000_message_1.csv`: the stock and its day.
fn lobster_name(name: &str) -> LobsterName {
    let name = name.rsplit('/').next().unwrap_or(name);
    let mut parts = name.split('_');
    let symbol = parts.next().unwrap_or_default();
    let date = parts.next().and_then(|date| date.parse().ok());
    let symbol = if date.is_some() { symbol } else { name.split('.').next().unwrap_or(name) };
    LobsterName { symbol: symbol.to_owned(), date }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lobster_name_tells_stock_and_day() {
        let name = lobster_name("folder/AAPL_2012-06-21_34200000_57600000_message_1.csv");
        assert_eq!((name.symbol.as_str(), name.date), ("AAPL", Some(jiff::civil::date(2012, 6, 21))));
        assert_eq!(lobster_name("day.csv"), LobsterName { symbol: "day".into(), date: None });
    }
}
