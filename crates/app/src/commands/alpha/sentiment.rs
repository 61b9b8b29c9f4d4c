//! `zomma alpha sentiment`: what news say.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    alpha::{Joined, SentimentJob, run_sentiment},
    commands,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Scores headlines by a list of words of finance (negations, and words of degree, count) and writes a row for each: its score from -1 to 1, the words
counted, and the sentiment of its instrument: what its headlines up to then say, each half as much after --half-life. News are CSV with the columns
time, instrument, headline, or JSON lines with these keys; a time is nanoseconds since the Unix epoch or a date-time with its offset.

--join adds the sentiment of one instrument to the rows of a table that `zomma features` wrote, as of each row's time, so that
`zomma alpha report` can say what it told. --lexicon reads another list: lines of positive:, negative:, uncertain:, litigious:, intensifier:,
diminisher: or negation: with words behind.

Example:
  $ cat news.csv
  time,instrument,headline
  2012-06-21T14:05:00Z,AMZN,Amazon wins approval for warehouse
  2012-06-21T15:40:00Z,AMZN,Analysts warn of weaker margins
  $ zomma alpha sentiment news.csv -o scores.csv
  $ zomma alpha sentiment news.csv --join amzn.parquet --instrument AMZN -o with-news.parquet";

/// Arguments of `zomma alpha sentiment`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SentimentArgs {
    /// The news: CSV or JSON lines; `-` is standard input.
    #[arg(value_name = "NEWS")]
    news: PathBuf,
    /// The time after which a headline says half as much.
    #[arg(long, value_name = "TIME", value_parser = commands::features::parse_pace, default_value = "1h")]
    half_life: u64,
    /// Another list of words.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// The table that the sentiment is added to.
    #[arg(long, value_name = "FILE", requires = "instrument")]
    join: Option<PathBuf>,
    /// Whose sentiment is added.
    #[arg(long, value_name = "SYMBOL", requires = "join")]
    instrument: Option<String>,
    /// Where the rows go: .csv, or - for standard output; .parquet as well with --join.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Runs it.
pub fn run(args: &SentimentArgs) -> anyhow::Result<()> {
    let joined = args.join.as_deref().zip(args.instrument.as_deref());
    let said = run_sentiment(&SentimentJob {
        news: &args.news,
        lexicon: args.lexicon.as_deref(),
        half_life_ns: i64::try_from(args.half_life).unwrap_or(i64::MAX),
        joined: joined.map(|(table, instrument)| Joined { table, instrument }),
        output: &args.output,
    })?;
    if args.output == Path::new("-") {
        eprint!("{said}");
        Ok(())
    } else {
        commands::print(&said)
    }
}
