//! How many trials a study takes in a second, each answered after its commit: `study_rate sqlite:///tmp/studies.db 64 20000`.

use std::{env::args, error::Error, sync::Arc, time::Instant};

use jiff::Zoned;
use tokio::task::JoinSet;
use zomma_storage::studies::{Direction, Distribution, Finish, Parameter, Studies, TrialState};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: study_rate ADDRESS WORKERS TRIALS";
    let [address, workers, trials] = &args().skip(1).collect::<Vec<_>>()[..] else { return Err(usage.into()) };
    let (workers, trials): (usize, usize) = (workers.parse()?, trials.parse()?);
    let studies = Arc::new(Studies::open(address, 4).await?);
    let study = studies.create("rate", Direction::Minimize).await?;
    let now = Zoned::now().datetime();
    let rate = Distribution::Float { step: None, low: 1e-4, high: 0.1, log: true };
    let parameters = [Parameter { name: "rate".to_owned(), kept: 0.01, distribution: rate }];
    let begun = Instant::now();
    let mut asked = Vec::with_capacity(trials);
    for _ in 0..trials {
        asked.push(studies.ask(study, &parameters, now).await?.0);
    }
    println!("asked {:.0} trials/s, one after the other", trials as f64 / begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for share in asked.chunks(trials.div_ceil(workers)) {
        let (studies, share) = (Arc::clone(&studies), share.to_vec());
        all.spawn(async move {
            for trial in share {
                let finish = Finish { trial, state: TrialState::Complete, value: Some(0.5) };
                studies.tell(finish, now).await?;
            }
            Ok::<_, zomma_storage::studies::StudyError>(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    println!("told {:.0} trials/s from {workers} workers", trials as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}
