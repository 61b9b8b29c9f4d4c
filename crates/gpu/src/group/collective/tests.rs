//! Ranks as threads over real sockets: sums, refusals, strangers at the door, ranks that die or stand still.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A limit that only a broken group reaches.
const LONG: Duration = Duration::from_secs(60);
/// A limit that a test means to reach.
const SHORT: Duration = Duration::from_millis(300);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn member(rank: usize, world_size: usize, master_port: u16, time_limit: Duration) -> Membership {
    let master_addr = "127.0.0.1".to_string();
    Membership { rank, world_size, master_addr, master_port, run_id: "test".into(), time_limit }
}

/// Runs `work` on each rank and gives what each came back with, in the order of ranks.
fn group<T: Send>(
    size: usize,
    limit: Duration,
    work: impl Fn(usize, Result<Collective, CollectiveError>) -> T + Sync,
) -> Vec<T> {
    let port = free_port();
    thread::scope(|scope| {
        let work = &work;
        let ranks: Vec<_> = (0..size)
            .map(|rank| scope.spawn(move || work(rank, Collective::join(&member(rank, size, port, limit)))))
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// The sum in the ring's own order, one element at a time.
fn serial_sum(inputs: &[Vec<f64>]) -> Vec<f64> {
    let (size, length) = (inputs.len(), inputs[0].len());
    let owner = |i: usize| (0..size).find(|&c| chunk(length, size, c).contains(&i)).unwrap();
    let sum_from =
        |i: usize, first: usize| (1..size).fold(inputs[first][i], |sum, step| sum + inputs[(first + step) % size][i]);
    (0..length).map(|i| sum_from(i, owner(i))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_all_reduce_is_the_serial_sum_on_every_rank(size in 1_usize..7, length in 0_usize..2000, seed in any::<u32>()) {
        // Values of very different sizes, so that the order of a sum shows in its bits.
        let value = |rank: usize, i: usize| {
            let word = (seed as u64 + 1).wrapping_mul(rank as u64 * 7919 + i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((word >> 11) as f64 - (1_u64 << 52) as f64) * 10_f64.powi((word % 13) as i32 - 6)
        };
        let inputs: Vec<Vec<f64>> = (0..size).map(|rank| (0..length).map(|i| value(rank, i)).collect()).collect();
        let sums = group(size, LONG, |rank, collective| {
            let mut data = inputs[rank].clone();
            collective.unwrap().all_reduce_sum(&mut data).unwrap();
            data
        });
        let expected: Vec<u64> = serial_sum(&inputs).into_iter().map(f64::to_bits).collect();
        for sum in sums {
            prop_assert_eq!(sum.into_iter().map(f64::to_bits).collect::<Vec<_>>(), expected.clone());
        }
    }

    #[test]
    fn chunks_cover_everything_once(length in 0_usize..5000, size in 1_usize..64) {
        let chunks: Vec<_> = (0..size).map(|c| chunk(length, size, c)).collect();
        prop_assert_eq!(chunks.iter().cloned().flatten().collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
        let lengths = || chunks.iter().map(|chunk| chunk.len());
        prop_assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1);
    }
}

#[test]
fn data_far_beyond_the_buffers_of_a_socket_does_not_lock_the_ring() {
    let length = 3_000_001;
    let sums = group(3, LONG, |rank, collective| {
        let mut data: Vec<f32> = (0..length).map(|i| ((i + rank) % 1000) as f32).collect();
        collective.unwrap().all_reduce_sum(&mut data).unwrap();
        data
    });
    for sum in sums {
        let wrong = (0..length).find(|&i| sum[i] != (0..3).map(|rank| ((i + rank) % 1000) as f32).sum::<f32>());
        assert_eq!(wrong, None);
    }
}

#[test]
fn gathered_bytes_come_in_the_order_of_ranks_and_a_broadcast_is_the_root_s() {
    let seen = group(4, LONG, |rank, collective| {
        let mut collective = collective.unwrap();
        let gathered = collective.all_gather(&vec![rank as u8; rank]).unwrap();
        let broadcast = collective.broadcast(2, format!("from {rank}").as_bytes()).unwrap();
        collective.barrier().unwrap();
        (gathered, broadcast)
    });
    for (gathered, broadcast) in seen {
        assert_eq!(gathered, [vec![], vec![1], vec![2, 2], vec![3, 3, 3]]);
        assert_eq!(broadcast, b"from 2");
    }
    let none = group(2, LONG, |_, collective| collective.unwrap().broadcast(2, &[]).unwrap_err());
    assert_eq!(none[0].to_string(), "rank 2: the group has ranks 0 to 1");
}

#[test]
fn a_rank_that_dies_is_named_by_its_neighbours_and_the_collective_stays_broken() {
    let errors = group(3, LONG, |rank, collective| {
        let mut collective = collective.unwrap();
        if rank == 1 {
            return None;
        }
        let first = collective.all_reduce_sum(&mut [1.0_f64; 100]).unwrap_err();
        assert_eq!(collective.barrier().unwrap_err(), CollectiveError::FailedBefore);
        Some(first)
    });
    assert_eq!(errors[2], Some(CollectiveError::Left { rank: 1, message: String::new() }));
}

#[test]
fn a_rank_that_stands_still_is_named_by_who_waits_for_it() {
    let (awake, release) = std::sync::mpsc::channel();
    let (awake, release) = (std::sync::Mutex::new(awake), std::sync::Mutex::new(release));
    let errors = group(2, SHORT, |rank, collective| {
        let mut collective = collective.unwrap();
        if rank == 1 {
            // Alive and silent until the other has given up.
            release.lock().unwrap().recv().unwrap();
            return None;
        }
        let error = collective.barrier().unwrap_err();
        awake.lock().unwrap().send(()).unwrap();
        Some(error)
    });
    assert_eq!(errors[0], Some(CollectiveError::Stalled { rank: 1, sending: false, limit: SHORT }));
}

#[test]
fn ranks_that_call_different_things_are_told_so() {
    let errors = group(2, LONG, |rank, collective| {
        collective.unwrap().all_reduce_sum(&mut vec![1.0_f32; 10 + rank]).unwrap_err().to_string()
    });
    let told = "rank 1 is in call 1, an all-reduce of 11 elements of 4 bytes, \
                this rank in call 1, an all-reduce of 10 elements of 4 bytes";
    // Whichever finds out first closes its connections, so the other may see only that.
    assert!(errors.iter().any(|error| error.contains("an all-reduce of 11 elements")), "{errors:?}");
    assert!(errors[0] == told || errors[0].contains("closed its connection"), "{errors:?}");
}

#[test]
fn who_does_not_come_is_named() {
    let port = free_port();
    let error = Collective::join(&member(0, 3, port, SHORT)).unwrap_err();
    assert_eq!(error.to_string(), "ranks 1, 2 did not come within 0.3 s");
    let error = Collective::join(&member(1, 3, port, SHORT)).unwrap_err();
    assert!(error.to_string().contains(&format!("rank 0 does not answer at 127.0.0.1:{port}")), "{error}");
}

#[test]
fn strangers_at_the_door_do_not_harm_the_group() {
    let port = free_port();
    thread::scope(|scope| {
        let master = scope.spawn(move || Collective::join(&member(0, 2, port, LONG)).map(|mut c| c.barrier()));
        let rubbish: [&[u8]; 4] = [b"", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 64], b"\x02\0\0\0{}"];
        for bytes in rubbish {
            let mut stream = loop {
                match TcpStream::connect(("127.0.0.1", port)) {
                    Ok(stream) => break stream,
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            };
            // Rank 0 may have hung up already.
            let _ = stream.write_all(bytes);
        }
        let stranger = Membership { run_id: "another".into(), ..member(1, 2, port, LONG) };
        let refused = Collective::join(&stranger).unwrap_err().to_string();
        assert_eq!(refused, "rank 0 refuses this rank: it belongs to run \"another\", the group is run \"test\"");
        let own = Collective::join(&member(1, 2, port, LONG)).map(|mut c| c.barrier());
        assert_eq!((own, master.join().unwrap()), (Ok(Ok(())), Ok(Ok(()))));
    });
}

#[test]
fn a_master_that_is_no_host_and_a_port_that_is_taken_are_named() {
    let nowhere = Membership { master_addr: "no such host".into(), ..member(0, 2, 1, SHORT) };
    assert!(Collective::join(&nowhere).unwrap_err().to_string().starts_with("MASTER_ADDR: \"no such host\": "));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Collective::join(&member(0, 2, port, SHORT)).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen at 127.0.0.1:{port}: ")), "{error}");
}
