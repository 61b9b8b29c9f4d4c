//! Does what joins the ranks work, and how fast: one all-reduce of known numbers by processes of their own before the real ones start.
//!
//! Each rank contributes whole numbers small enough that any order of summing gives the exact sum, so one wrong bit is found. The
//! bandwidth is nccl-tests' bus bandwidth: bytes · 2 (n − 1) / n a second, which does not depend on the number of ranks n.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::collective::{Collective, CollectiveError, Membership};
use super::nccl::{NcclFault, NcclRank};
use super::status::RankEnd;

/// All-reduces that are timed, after one that is not.
const TIMED: usize = 5;
/// Contributions repeat after so many elements.
const PATTERN: usize = 251;
/// Ranks' weights repeat after so many, so that sums of any group stay below 2²⁴, where f32 is exact.
const WEIGHTS: usize = 16;

/// What carries the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// NCCL on the ranks' GPUs.
    Nccl,
    /// TCP sockets between the ranks' CPUs.
    Tcp,
}

/// A sum that is not what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WrongSum {
    /// Which element.
    pub element: usize,
    /// What came.
    pub got: f32,
    /// What had to come.
    pub expected: f32,
    /// How many elements are wrong.
    pub count: usize,
    /// The rank whose contribution is missing, where the error looks as if one were.
    pub missing_rank: Option<usize>,
}

/// What one rank found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankReport {
    /// Which rank.
    pub rank: usize,
    /// Bytes that it summed.
    pub bytes: usize,
    /// Median time of an all-reduce, in seconds.
    pub seconds: f64,
    /// The first wrong sum.
    pub wrong: Option<WrongSum>,
    /// NCCL's version, where it was used.
    pub library_version: Option<String>,
}

/// What a rank's process says on its standard output, in one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RankAnswer {
    /// It got through.
    Report(RankReport),
    /// It did not.
    Failed(String),
}

/// Why a rank did not get through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// The TCP collective failed.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
    /// NCCL failed.
    #[error(transparent)]
    Nccl(#[from] NcclFault),
}

/// One rank's part, in a process of its own.
///
/// # Errors
///
/// The ranks did not meet, or the transport failed under way.
pub fn check(membership: &Membership, transport: Transport, bytes: usize) -> Result<RankReport, PreflightError> {
    let mut collective = Collective::join(membership)?;
    let (rank, size) = (membership.rank, membership.world_size);
    let length = bytes / size_of::<f32>();
    let own: Vec<f32> = (0..length).map(|i| contribution(rank, i)).collect();
    let mut seconds = Vec::with_capacity(TIMED);
    let (sums, library_version) = match transport {
        Transport::Tcp => {
            let mut sums = Vec::new();
            for _ in 0..=TIMED {
                sums.clone_from(&own);
                collective.barrier()?;
                let start = Instant::now();
                collective.all_reduce_sum(&mut sums)?;
                seconds.push(start.elapsed().as_secs_f64());
            }
            (sums, None)
        }
        Transport::Nccl => {
            let nccl = NcclRank::join(&mut collective)?;
            let own = nccl.upload(&own)?;
            let mut sums = nccl.upload(&vec![f32::NAN; length])?;
            for _ in 0..=TIMED {
                collective.barrier()?;
                let start = Instant::now();
                nccl.all_reduce_sum(&own, &mut sums)?;
                seconds.push(start.elapsed().as_secs_f64());
            }
            let version = NcclRank::version()?;
            let sums = nccl.download(&sums)?;
            // No rank takes its communicator down while another still uses it.
            collective.barrier()?;
            (sums, Some(version))
        }
    };
    let timed = &mut seconds[1..];
    timed.sort_by(f64::total_cmp);
    Ok(RankReport {
        rank,
        bytes: length * size_of::<f32>(),
        seconds: timed[TIMED / 2],
        wrong: wrong_sum(&sums, size),
        library_version,
    })
}

fn weight(rank: usize) -> usize {
    rank % WEIGHTS + 1
}

fn contribution(rank: usize, element: usize) -> f32 {
    (weight(rank) * (element % PATTERN + 1)) as f32
}

/// The first sum that is not exactly what it must be.
fn wrong_sum(sums: &[f32], size: usize) -> Option<WrongSum> {
    let weights: usize = (0..size).map(weight).sum();
    let expected = |element: usize| (weights * (element % PATTERN + 1)) as f32;
    let mut wrong = (0..sums.len()).filter(|&element| sums[element].to_bits() != expected(element).to_bits());
    let element = wrong.next()?;
    let (got, expected) = (sums[element], expected(element));
    let lost = f64::from(expected - got) / (element % PATTERN + 1) as f64;
    // Beyond so many ranks several have the same weight.
    let missing_rank = (0..size.min(WEIGHTS)).find(|&rank| lost == weight(rank) as f64).filter(|_| size <= WEIGHTS);
    Some(WrongSum { element, got, expected, count: 1 + wrong.count(), missing_rank })
}

/// What a preflight found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What carried the numbers.
    pub transport: Transport,
    /// `ring` over TCP; NCCL chooses by itself.
    pub algorithm: &'static str,
    /// NCCL's version, where it was used.
    pub library_version: Option<String>,
    /// Ranks in the group.
    pub ranks: usize,
    /// Bytes that each summed.
    pub bytes: usize,
    /// Median time of an all-reduce, of the slowest rank, in seconds; absent where not all got through.
    pub seconds: Option<f64>,
    /// Bus bandwidth in bytes a second; absent where not all got through.
    pub bus_bytes_per_second: Option<f64>,
    /// Whether every rank has every sum right.
    pub correct: bool,
    /// What is wrong, each naming its rank.
    pub faults: Vec<String>,
}

/// What the launcher saw of one rank of this node.
#[derive(Debug, Clone)]
pub struct RankObservation {
    /// How its process ended.
    pub end: RankEnd,
    /// What it said, where it said something.
    pub answer: Option<RankAnswer>,
}

/// Judges what the ranks of this node said; `asked_bytes` is told where none got through.
///
/// One fault at a rank makes its neighbours fail too. So ranks that died by themselves are named alone, then ranks that hung, and only
/// where there are neither those that failed in words.
#[must_use]
pub fn judge(transport: Transport, ranks: usize, asked_bytes: usize, seen: &[RankObservation]) -> Verdict {
    let mut reports: Vec<&RankReport> = Vec::new();
    let (mut died, mut hung, mut failed, mut wrong) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for RankObservation { end, answer } in seen {
        let rank = end.rank;
        match answer {
            Some(RankAnswer::Report(report)) => {
                reports.push(report);
                wrong.extend(report.wrong.map(|sum| wrong_in_words(rank, &sum)));
            }
            Some(RankAnswer::Failed(message)) => failed.push(format!("rank {rank}: {message}")),
            None if end.ended_by_launcher => hung.push(format!("rank {rank} hung and was ended")),
            None => died.push(end.in_words()),
        }
    }
    let faults = [died, hung, failed, wrong].into_iter().find(|faults| !faults.is_empty()).unwrap_or_default();
    let slowest = reports.iter().map(|report| report.seconds).fold(0.0, f64::max);
    let all_through = !seen.is_empty() && reports.len() == seen.len();
    let bytes = reports.first().map_or(asked_bytes, |report| report.bytes);
    let bus_bytes = bytes as f64 * 2.0 * (ranks as f64 - 1.0) / ranks as f64;
    Verdict {
        transport,
        algorithm: match transport {
            Transport::Tcp => "ring",
            Transport::Nccl => "NCCL's choice",
        },
        library_version: reports.first().and_then(|report| report.library_version.clone()),
        ranks,
        bytes,
        seconds: all_through.then_some(slowest),
        bus_bytes_per_second: (all_through && slowest > 0.0 && ranks > 1).then(|| bus_bytes / slowest),
        correct: all_through && faults.is_empty(),
        faults,
    }
}

fn wrong_in_words(rank: usize, sum: &WrongSum) -> String {
    let missing = sum.missing_rank.map(|rank| format!(", as if rank {rank}'s share were missing")).unwrap_or_default();
    format!(
        "rank {rank} has {} wrong sum{}: element {} is {}, must be {}{missing}",
        sum.count,
        if sum.count == 1 { "" } else { "s" },
        sum.element,
        sum.got,
        sum.expected
    )
}

impl Verdict {
    /// One line, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let how = match (self.transport, &self.library_version) {
            (Transport::Tcp, _) => "TCP ring on the CPUs".to_string(),
            (Transport::Nccl, Some(version)) => format!("NCCL {version}"),
            (Transport::Nccl, None) => "NCCL".to_string(),
        };
        let mebibytes = self.bytes as f64 / f64::from(1 << 20);
        let time = self.seconds.map(|seconds| format!(" in {:.3} ms", seconds * 1e3)).unwrap_or_default();
        let speed = self.bus_bytes_per_second;
        let speed = speed.map(|speed| format!(", bus bandwidth {:.3} GB/s", speed / 1e9)).unwrap_or_default();
        let verdict = if self.correct { "every sum correct".to_string() } else { self.faults.join("; ") };
        let s = if self.ranks == 1 { "" } else { "s" };
        format!("all-reduce of {mebibytes} MiB over {} rank{s}, {how}{time}{speed}: {verdict}", self.ranks)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::super::status::RankStatus;
    use super::*;

    fn end(rank: usize, status: RankStatus, ended_by_launcher: bool) -> RankEnd {
        RankEnd { rank, status, ended_by_launcher, seconds: 1.0, last_error_line: None }
    }

    fn report(rank: usize, wrong: Option<WrongSum>) -> RankObservation {
        let report = RankReport { rank, bytes: 1000, seconds: 0.001 * (rank + 1) as f64, wrong, library_version: None };
        let answer = Some(RankAnswer::Report(report));
        RankObservation { end: end(rank, RankStatus::Exited(0), false), answer }
    }

    fn failed(rank: usize) -> RankObservation {
        let answer = Some(RankAnswer::Failed("rank 1 closed its connection".into()));
        RankObservation { end: end(rank, RankStatus::Exited(1), false), answer }
    }

    fn sums(size: usize, without: Option<usize>) -> Vec<f32> {
        let sum = |i| (0..size).filter(|rank| Some(*rank) != without).map(|rank| contribution(rank, i)).sum();
        (0..1000).map(sum).collect()
    }

    #[test]
    fn ranks_over_tcp_get_through_and_agree() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let seen: Vec<RankObservation> = thread::scope(|scope| {
            let member = |rank| Membership {
                rank,
                world_size: 3,
                master_addr: "127.0.0.1".into(),
                master_port: port,
                run_id: "test".into(),
                time_limit: Duration::from_secs(60),
            };
            let ranks: Vec<_> =
                (0..3).map(|rank| scope.spawn(move || check(&member(rank), Transport::Tcp, 100_003))).collect();
            let reports = ranks.into_iter().map(|rank| RankAnswer::Report(rank.join().unwrap().unwrap()));
            let seen =
                |(rank, answer)| RankObservation { end: end(rank, RankStatus::Exited(0), false), answer: Some(answer) };
            reports.enumerate().map(seen).collect()
        });
        let verdict = judge(Transport::Tcp, 3, 100_003, &seen);
        assert!(verdict.correct && verdict.faults.is_empty() && verdict.bytes == 100_000, "{verdict:?}");
        assert!(verdict.seconds.unwrap() > 0.0 && verdict.bus_bytes_per_second.unwrap() > 0.0);
    }

    #[test]
    fn sums_are_exact_for_any_group_and_one_wrong_bit_is_found() {
        for size in [1, 2, 16, 17, 1024] {
            assert_eq!(wrong_sum(&sums(size, None), size), None, "{size}");
        }
        let mut one_bit = sums(4, None);
        one_bit[777] = f32::from_bits(one_bit[777].to_bits() ^ 1);
        let wrong = wrong_sum(&one_bit, 4).unwrap();
        assert_eq!((wrong.element, wrong.count, wrong.missing_rank), (777, 1, None));
        let wrong = wrong_sum(&sums(4, Some(2)), 4).unwrap();
        assert_eq!((wrong.element, wrong.count, wrong.missing_rank), (0, 1000, Some(2)));
        assert!(wrong_sum(&[f32::NAN], 1).is_some());
    }

    #[test]
    fn the_bus_bandwidth_is_that_of_the_slowest_rank() {
        let verdict = judge(Transport::Tcp, 4, 0, &(0..4).map(|rank| report(rank, None)).collect::<Vec<_>>());
        assert_eq!(verdict.seconds, Some(0.004));
        assert_eq!(verdict.bus_bytes_per_second, Some(1000.0 * 1.5 / 0.004));
    }

    #[test]
    fn the_rank_at_fault_is_named_and_not_its_victims() {
        let wrong = wrong_sum(&sums(2, Some(1)), 2);
        let fault = |seen: &[RankObservation]| {
            let verdict = judge(Transport::Tcp, 2, 4096, seen);
            assert!(!verdict.correct);
            verdict.faults.join("; ")
        };
        let died = RankObservation { end: end(1, RankStatus::Signaled(9), false), answer: None };
        assert_eq!(fault(&[failed(0), died]), "rank 1: signal 9 (SIGKILL)");
        let hung = RankObservation { end: end(1, RankStatus::Signaled(9), true), answer: None };
        assert_eq!(fault(&[failed(0), hung]), "rank 1 hung and was ended");
        assert_eq!(fault(&[failed(0), report(1, None)]), "rank 0: rank 1 closed its connection");
        assert_eq!(
            fault(&[report(0, wrong), report(1, None)]),
            "rank 0 has 1000 wrong sums: element 0 is 1, must be 3, as if rank 1's share were missing"
        );
        assert!(!judge(Transport::Tcp, 2, 4096, &[]).correct);
    }

    #[test]
    fn an_answer_survives_its_line() {
        let RankObservation { answer, .. } = report(3, wrong_sum(&[1.0], 2));
        let line = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<Option<RankAnswer>>(&line).unwrap(), answer);
    }
}
