//! One thread reads, rayon's threads work, one thread writes in order; a bounded number of chunks is between them.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use anyhow::Context;
use zomma_pricing::valuation::Results;

use super::{
    Verb,
    args::Plan,
    arrow_cells::ArrowCells,
    csv_cells::CsvCells,
    evaluate,
    fields::Layout,
    late_bar::LateBar,
    query,
    request::{Cells, Request},
    sink::{self, Encoded, Sink},
    source::{Chunk, Source},
    tally::Tally,
};

/// A chunk, done: what is written, and what is counted.
type Done = anyhow::Result<(Encoded, Tally)>;

/// Runs the table through; `name` is the input's, for messages.
pub fn run(
    mut source: Source,
    name: &str,
    sink: Sink,
    layout: &Layout,
    plan: &Plan,
    progress: bool,
) -> anyhow::Result<Tally> {
    let in_flight = 2 * rayon::current_num_threads() + 1;
    let schema = source.schema().cloned();
    // Each chunk's result comes through a channel of its own; these channels queue in the input's order.
    let (queue, queued) = sync_channel::<Receiver<Done>>(in_flight);
    thread::scope(|threads| {
        let writer = threads.spawn(move || write_in_order(&queued, sink));
        let read = rayon::in_place_scope(|workers| -> anyhow::Result<()> {
            let mut bar = LateBar::new(progress, source.progress.1);
            while let Some(chunk) = source.next_chunk().with_context(|| name.to_string())? {
                let (done, receiver): (SyncSender<Done>, _) = sync_channel(1);
                if queue.send(receiver).is_err() {
                    break;
                }
                let schema = schema.as_ref();
                workers.spawn(move |_| {
                    let done_chunk = process(chunk, schema.map(AsRef::as_ref), layout, plan);
                    // The writer is gone only where it failed, and says so itself.
                    let _ = done.send(done_chunk.with_context(|| name.to_string()));
                });
                bar.at(source.progress.0);
            }
            bar.end();
            Ok(())
        });
        if let Err(error) = read {
            // The output stays uncommitted: its writer must not take the end of the queue for the end of the table.
            let (fail, receiver) = sync_channel(1);
            let _ = fail.send(Err(error));
            let _ = queue.send(receiver);
        }
        drop(queue);
        match writer.join() {
            Ok(tally) => tally,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn write_in_order(queued: &Receiver<Receiver<Done>>, mut sink: Sink) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    for receiver in queued {
        // A worker that panicked sends nothing; its panic goes on where the workers are joined.
        let Ok(done) = receiver.recv() else { anyhow::bail!("a worker stopped") };
        let (encoded, counted) = done?;
        sink.write(encoded)?;
        tally.append(counted);
    }
    if tally.is_usable() {
        sink.finish()?;
    }
    Ok(tally)
}

fn process(chunk: Chunk, schema: Option<&arrow_schema::Schema>, layout: &Layout, plan: &Plan) -> Done {
    match chunk {
        Chunk::Csv(bytes) => {
            let cells = CsvCells::split(bytes, layout.names.len());
            let (results, tally) = compute(&cells, layout, plan)?;
            Ok((sink::encode_csv_cells(&cells, &results, layout, plan)?, tally))
        }
        Chunk::Arrow(batch) => {
            let batch_schema = batch.schema();
            let cells = ArrowCells::new(batch, layout)?;
            let (results, tally) = compute(&cells, layout, plan)?;
            let schema = schema.unwrap_or(&batch_schema);
            Ok((sink::encode_arrow_cells(&cells, schema, &results, layout, plan)?, tally))
        }
    }
}

fn compute(cells: &dyn Cells, layout: &Layout, plan: &Plan) -> anyhow::Result<(Results, Tally)> {
    let results = match &plan.surface {
        Some(surface) => query::evaluate(surface, &query::Points::read(cells, layout, &plan.defaults)),
        None => {
            let request = Request::read(cells, layout, &plan.defaults, plan.verb == Verb::ImpliedVolatility);
            evaluate::evaluate(&request, plan)?
        }
    };
    let tally = Tally::of(&results.status, cells, layout, plan);
    Ok((results, tally))
}
