//! The other ranks of a run that `zomma gpu launch` (or torchrun) started: where they meet, and how often they had to.

use std::{env, time::Duration};

use zomma_gpu::group::{
    collective::{CollectiveError, Membership},
    preflight::Transport,
};
use zomma_learn::parallel::Ring;

use crate::failure::BadArguments;

/// Meets the other ranks, where the environment says that there are some. Signals that come while it waits end the program as ever: nothing is
/// there yet that could be lost.
///
/// # Errors
///
/// A variable of the environment that is wrong; ranks that do not come, or do not take this one.
pub fn meet(limit: Duration, transport: Transport) -> anyhow::Result<Option<Ring>> {
    let Some(membership) = membership(|name| env::var(name).ok(), limit)? else { return Ok(None) };
    Ok(Some(Ring::join(&membership, transport)?))
}

/// Whether the launcher had to start the group anew: then a run goes on from its checkpoint without being told to.
pub fn started_anew() -> bool {
    env::var("TORCHELASTIC_RESTART_COUNT").is_ok_and(|count| count.trim().parse::<u32>().is_ok_and(|count| count > 0))
}

/// Refuses what trains in one process where a launcher started several.
///
/// # Errors
///
/// Where it did.
pub fn refuse(what: &str) -> Result<(), BadArguments> {
    match env::var("WORLD_SIZE") {
        Ok(size) if size.trim() != "1" => {
            Err(BadArguments(format!("WORLD_SIZE: {size}: {what} trains in one process; start it without a launcher")))
        }
        _ => Ok(()),
    }
}

/// This rank among several; none where it is alone.
fn membership(read: impl Fn(&str) -> Option<String>, limit: Duration) -> Result<Option<Membership>, BadArguments> {
    if read("WORLD_SIZE").is_none_or(|size| size.trim() == "1") {
        return Ok(None);
    }
    let refused = |error: CollectiveError| BadArguments(error.to_string());
    let mut membership = Membership::from_variables(&read, limit).map_err(refused)?;
    // A rank that is left of an earlier attempt is a stranger to this one.
    if let Some(count) = read("TORCHELASTIC_RESTART_COUNT") {
        membership.run_id = format!("{}, attempt {}", membership.run_id, count.trim());
    }
    Ok(Some(membership))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Membership>, BadArguments> {
        let read = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        membership(read, Duration::from_secs(1))
    }

    #[test]
    fn a_rank_of_several_knows_its_place_and_its_attempt() {
        assert_eq!((of(&[]).unwrap(), of(&[("WORLD_SIZE", "1")]).unwrap()), (None, None));
        let mut variables = vec![("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "127.0.0.1")];
        let missing = of(&variables).unwrap_err().to_string();
        assert!(missing.contains("MASTER_PORT: not set"), "{missing}");
        variables.extend([
            ("MASTER_PORT", "4000"),
            ("TORCHELASTIC_RUN_ID", "night"),
            ("TORCHELASTIC_RESTART_COUNT", "3"),
        ]);
        let found = of(&variables).unwrap().unwrap();
        assert_eq!((found.rank, found.world_size, found.run_id.as_str()), (1, 2, "night, attempt 3"));
        variables[1] = ("RANK", "2");
        let refused = of(&variables).unwrap_err().to_string();
        assert!(refused.contains("RANK: \"2\""), "{refused}");
    }
}
