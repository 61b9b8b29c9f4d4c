//! What a failure of the server means for what to do next.

use sqlx::Error;

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The server is away, is not ready or has no room: the same may work later.
    Gone,
    /// It collided with another transaction: the same may work at once.
    Again,
    /// A row of the same key is there.
    Duplicate,
    /// A partition is missing.
    NoPartition,
    /// It will not work by trying again.
    Lasting,
}

/// By SQLSTATE ("PostgreSQL Error Codes", appendix A of its manual) and by what the driver says without one.
pub(super) fn class(error: &Error) -> Class {
    match error {
        Error::Database(said) => said.code().as_deref().map_or(Class::Lasting, of_code),
        // The driver speaks of its protocol where a server died in the middle of a message.
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed | Error::Protocol(_) => {
            Class::Gone
        }
        _ => Class::Lasting,
    }
}

fn of_code(code: &str) -> Class {
    match code {
        "40001" | "40P01" | "55P03" => Class::Again,
        "23505" | "21000" => Class::Duplicate,
        "23514" => Class::NoPartition,
        // Shut down, crashed, starting; a standby; no room for connections, on the disk, in memory.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "53000" | "53100" | "53200" | "53300" | "58030" => {
            Class::Gone
        }
        _ if code.starts_with("08") => Class::Gone,
        _ => Class::Lasting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_to_do() {
        for (code, expected) in [
            ("40001", Class::Again),
            ("40P01", Class::Again),
            ("23505", Class::Duplicate),
            ("57P01", Class::Gone),
            ("08006", Class::Gone),
            ("53100", Class::Gone),
            ("42P01", Class::Lasting),
            ("42501", Class::Lasting),
            ("22021", Class::Lasting),
        ] {
            assert_eq!(of_code(code), expected, "{code}");
        }
        assert_eq!(class(&Error::Io(std::io::Error::other("x"))), Class::Gone);
        assert_eq!(class(&Error::RowNotFound), Class::Lasting);
    }
}
