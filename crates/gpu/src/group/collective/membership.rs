//! Who this rank is and where the group meets: what the launcher sets and torch's `env://` reads.

use std::str::FromStr;
use std::time::Duration;

use super::CollectiveError;

/// One rank's view of its group before they meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// This rank, from 0 to `world_size` − 1.
    pub rank: usize,
    /// How many ranks there are.
    pub world_size: usize,
    /// Where rank 0 listens: a name or an address.
    pub master_addr: String,
    /// The port there.
    pub master_port: u16,
    /// The same on every rank of a run; a rank of another run is refused.
    pub run_id: String,
    /// The longest that the ranks may take to meet, and after that the longest that a neighbour may be silent.
    pub time_limit: Duration,
}

impl Membership {
    /// Reads `RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT` and, where it is set, `TORCHELASTIC_RUN_ID`.
    ///
    /// # Errors
    ///
    /// [`CollectiveError::Variable`] names the variable that is absent or out of range.
    pub fn from_variables(
        read: impl Fn(&str) -> Option<String>,
        time_limit: Duration,
    ) -> Result<Self, CollectiveError> {
        let membership = Self {
            rank: number(&read, "RANK", "a whole number from 0")?,
            world_size: number(&read, "WORLD_SIZE", "a whole number from 1")?,
            master_addr: read("MASTER_ADDR").filter(|name| !name.is_empty()).ok_or(CollectiveError::Variable {
                name: "MASTER_ADDR",
                got: None,
                allowed: "a host's name or address",
            })?,
            master_port: number(&read, "MASTER_PORT", "a port from 1 to 65535")?,
            run_id: read("TORCHELASTIC_RUN_ID").unwrap_or_else(|| "none".to_string()),
            time_limit,
        };
        membership.check()?;
        Ok(membership)
    }

    /// Whether the numbers make sense together.
    pub(super) fn check(&self) -> Result<(), CollectiveError> {
        let wrong = |name, got: String, allowed| Err(CollectiveError::Variable { name, got: Some(got), allowed });
        if self.world_size == 0 {
            return wrong("WORLD_SIZE", "0".into(), "a whole number from 1");
        }
        if self.rank >= self.world_size {
            return wrong("RANK", self.rank.to_string(), "a whole number from 0 to WORLD_SIZE - 1");
        }
        if self.master_port == 0 {
            return wrong("MASTER_PORT", "0".into(), "a port from 1 to 65535");
        }
        Ok(())
    }
}

fn number<T: FromStr>(
    read: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    allowed: &'static str,
) -> Result<T, CollectiveError> {
    let got = read(name);
    let parsed = got.as_deref().and_then(|text| text.trim().parse().ok());
    parsed.ok_or(CollectiveError::Variable { name, got, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changed: (&'static str, &'static str)) -> Result<Membership, CollectiveError> {
        let good = [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "29500")];
        let look = move |name: &str| {
            let of = |(key, value): &(&str, &str)| (*key == name).then(|| (*value).to_string());
            of(&changed).or_else(|| good.iter().find_map(of)).filter(|value| value != "absent")
        };
        Membership::from_variables(look, Duration::from_secs(1))
    }

    #[test]
    fn what_the_launcher_sets_is_read() {
        let read = read(("TORCHELASTIC_RUN_ID", "night")).unwrap();
        assert_eq!((read.rank, read.world_size, read.master_port), (1, 2, 29500));
        assert_eq!((read.master_addr.as_str(), read.run_id.as_str()), ("127.0.0.1", "night"));
    }

    #[test]
    fn each_variable_is_named_when_it_is_wrong() {
        for (name, value, words) in [
            ("RANK", "2", "RANK: \"2\"; allowed: a whole number from 0 to WORLD_SIZE - 1"),
            ("RANK", "-1", "RANK: \"-1\""),
            ("RANK", "absent", "RANK: not set"),
            ("WORLD_SIZE", "0", "WORLD_SIZE: \"0\""),
            ("MASTER_ADDR", "absent", "MASTER_ADDR: not set"),
            ("MASTER_PORT", "65536", "MASTER_PORT: \"65536\"; allowed: a port from 1 to 65535"),
            ("MASTER_PORT", "0", "MASTER_PORT: \"0\""),
        ] {
            let error = read((name, value)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
