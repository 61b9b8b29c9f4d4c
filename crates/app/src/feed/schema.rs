//! The schema by which captured packets of MDP 3.0 are read.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use zomma_market::{
    format::Format,
    sbe::{
        Schema,
        mdp3::{self, CaptureDecoder, Settings},
    },
};

use crate::failure::BadArguments;

/// The schema that a feed of this format is read by: the user's file, or our own description of the venue's templates. None for formats that need
/// none.
///
/// # Errors
///
/// Where a file is named for a format that has no schema, cannot be read, or is no schema of MDP 3.0.
pub fn schema_of(format: Format, path: Option<&Path>) -> anyhow::Result<Option<Arc<Schema>>> {
    let Some(path) = path else {
        return Ok((format == Format::Mdp3Capture).then(mdp3::schema).transpose()?.map(Arc::new));
    };
    if format != Format::Mdp3Capture {
        let problem = format!("--schema: of format mdp3-pcap alone; the feed is {format}");
        return Err(BadArguments(problem).into());
    }
    let shown = || format!("--schema {}", path.display());
    let xml = std::fs::read_to_string(path).with_context(shown)?;
    let schema = Arc::new(Schema::read(&xml).with_context(shown)?);
    // Whether it has what is read of it is found now, and not at the first packet.
    CaptureDecoder::new(Arc::clone(&schema), Settings::default()).with_context(shown)?;
    Ok(Some(schema))
}
