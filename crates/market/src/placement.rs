//! On which memory node (NUMA) a thread runs and takes its memory.
//!
//! Linux places memory on the node of the thread that first writes it, if there is room there, else on another without a word; and it may move a thread to
//! another node later. [`Node::bind`] settles both for the calling thread and those that it starts afterwards: it runs on the node's processors, and its memory is
//! asked of that node first (`set_mempolicy` with `MPOL_PREFERRED`: of others only where that node has none left). Tables that
//! grow later are placed by the same rule. What was written before stays where it is. Nodes are read from `/sys/devices/system/node`.

use std::{fs, io, path::Path};

/// Where Linux tells its nodes.
const NODES: &str = "/sys/devices/system/node";

/// A node: processors, and the memory near them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub number: u32,
    /// The numbers of its processors, ascending.
    pub processors: Vec<usize>,
}

/// The nodes of this machine that have processors, by number; one with all processors that can be told where the system does not say.
///
/// # Errors
///
/// Where what the system says of them makes no sense; the message names the file.
pub fn nodes() -> io::Result<Vec<Node>> {
    nodes_in(Path::new(NODES))
}

fn nodes_in(folder: &Path) -> io::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![only_node()]),
        Err(error) => return Err(named(folder, &error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| named(folder, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(number) = name.strip_prefix("node").and_then(|digits| digits.parse().ok()) else { continue };
        let list = path.join("cpulist");
        let text = fs::read_to_string(&list).map_err(|error| named(&list, &error))?;
        let processors = parse_list(text.trim()).ok_or_else(|| {
            let problem = format!("{}: {text:?}; allowed: ranges such as 0-3,8", list.display());
            io::Error::new(io::ErrorKind::InvalidData, problem)
        })?;
        // A node of memory alone is none to run on.
        if !processors.is_empty() {
            nodes.push(Node { number, processors });
        }
    }
    nodes.sort_by_key(|node| node.number);
    Ok(if nodes.is_empty() { vec![only_node()] } else { nodes })
}

fn only_node() -> Node {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    Node { number: 0, processors: (0..count).collect() }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Ranges such as `0-3,8`; `None` where they are none, or name more processors than Linux has.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    const MOST: usize = 1 << 13;
    let mut all = Vec::new();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        all.extend(first..=last);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

impl Node {
    /// The node of this number.
    ///
    /// # Errors
    ///
    /// Where there is none, with those there are; and those of [`nodes`].
    pub fn find(number: u32) -> io::Result<Self> {
        let nodes = nodes()?;
        let known: Vec<String> = nodes.iter().map(|node| node.number.to_string()).collect();
        nodes.into_iter().find(|node| node.number == number).ok_or_else(|| {
            let problem = format!("memory node {number}; allowed: {}", known.join(", "));
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })
    }

    /// The calling thread runs on this node from now on, and takes its memory there first; threads that it starts do as it does.
    ///
    /// # Errors
    ///
    /// Where the system refuses (it may allow this process other processors alone, or forbid policies of memory in a container); the message says which
    /// of the two. Always on other systems than Linux.
    #[cfg(target_os = "linux")]
    pub fn bind(&self) -> io::Result<()> {
        let mut set = rustix::thread::CpuSet::new();
        self.processors
            .iter()
            .filter(|number| **number < rustix::thread::CpuSet::MAX_CPU)
            .for_each(|number| set.set(*number));
        let on_processors = rustix::thread::sched_setaffinity(None, &set).map_err(io::Error::from);
        on_processors.map_err(|error| self.refused("its processors", &error))?;
        prefer_memory_of(self.number).map_err(|error| self.refused("its memory", &error))
    }

    /// The calling thread runs on this node from now on.
    ///
    /// # Errors
    ///
    /// Always: only Linux is asked.
    #[cfg(not(target_os = "linux"))]
    pub fn bind(&self) -> io::Result<()> {
        Err(self.refused("its processors", &io::ErrorKind::Unsupported.into()))
    }

    fn refused(&self, what: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("memory node {}: {what} are not given: {error}", self.number))
    }
}

/// Bits of the widest mask of nodes that Linux is built with.
#[cfg(target_os = "linux")]
const MASK_BITS: usize = 1_024;

#[cfg(target_os = "linux")]
fn prefer_memory_of(node: u32) -> io::Result<()> {
    let mut mask = [0 as libc::c_ulong; MASK_BITS / libc::c_ulong::BITS as usize];
    let Some(word) = mask.get_mut((node / libc::c_ulong::BITS) as usize) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("allowed: a number below {MASK_BITS}")));
    };
    *word = 1 << (node % libc::c_ulong::BITS);
    // SAFETY: the mask has the bits that the call is told, one less than its count as the system's interface has it, and outlives the call.
    let outcome = unsafe {
        libc::syscall(libc::SYS_set_mempolicy, libc::c_long::from(libc::MPOL_PREFERRED), mask.as_ptr(), MASK_BITS)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(nodes: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, list) in nodes {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("cpulist"), list).unwrap();
        }
        folder
    }

    #[test]
    fn nodes_are_read_by_number_and_those_without_processors_are_left_out() {
        let two = folder(&[("node1", "4-6,12\n"), ("node0", "0-3,8-11\n"), ("node2", "\n"), ("power", "x")]);
        let node = |number, processors: &[usize]| Node { number, processors: processors.to_vec() };
        let expected = [node(0, &[0, 1, 2, 3, 8, 9, 10, 11]), node(1, &[4, 5, 6, 12])];
        assert_eq!(nodes_in(two.path()).unwrap(), expected);
        assert_eq!(nodes_in(&two.path().join("none")).unwrap(), [only_node()]);
    }

    #[test]
    fn nonsense_is_named() {
        for list in ["3-1", "a", "0-99999999", "1-"] {
            let one = folder(&[("node0", list)]);
            let error = nodes_in(one.path()).unwrap_err().to_string();
            assert!(error.contains("cpulist") && error.contains("allowed: ranges"), "{error}");
        }
        let error = Node::find(4_000).unwrap_err().to_string();
        assert!(error.starts_with("memory node 4000; allowed: "), "{error}");
    }

    /// On whichever nodes there are: a thread that is bound runs there, and its memory lies there.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_bound_thread_runs_on_its_node_and_has_its_memory_there() {
        for node in nodes().unwrap() {
            std::thread::spawn(move || {
                if let Err(error) = node.bind() {
                    zomma_testkit::skip(&error.to_string());
                    return;
                }
                let (mut processor, mut runs_on) = (0_u32, 0_u32);
                let none = std::ptr::null_mut::<libc::c_void>();
                // SAFETY: the call writes two integers to where it is told, which are ours.
                let outcome = unsafe { libc::syscall(libc::SYS_getcpu, &raw mut processor, &raw mut runs_on, none) };
                assert_eq!((outcome, runs_on), (0, node.number));
                assert!(node.processors.contains(&(processor as usize)));
                let memory = vec![1_u8; 8 << 20];
                let mut lies_on = -1_i32;
                let place = memory.as_ptr().wrapping_add(4 << 20);
                // MPOL_F_NODE and MPOL_F_ADDR of linux/mempolicy.h.
                let flags: libc::c_long = 1 | 2;
                // SAFETY: the call writes an integer to where it is told, which is ours, and reads no memory of the address it is asked of.
                let outcome =
                    unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut lies_on, none, 0_usize, place, flags) };
                assert_eq!((outcome, lies_on), (0, node.number as i32));
            })
            .join()
            .unwrap();
        }
    }
}
