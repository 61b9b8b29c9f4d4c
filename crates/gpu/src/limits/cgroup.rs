//! Where control groups can be made: version 2 where its controllers reach us, version 1 where that is what there is, or both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// Which control groups there are for us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CgroupFacts {
    /// Places in the version 2 hierarchy where a group can be made, our own group first, then its ancestors.
    pub v2: Vec<V2Place>,
    /// Why there is no place, or none with more controllers.
    pub v2_obstacle: Option<String>,
    /// Our own group in version 1's memory hierarchy.
    pub v1_memory: Option<PathBuf>,
    /// Our own group in version 1's freezer hierarchy.
    pub v1_freezer: Option<PathBuf>,
    /// Why version 1 is no way.
    pub v1_obstacle: Option<String>,
    /// The lowest limit of memory that our own group or one around it has: the command cannot have more, whatever its own limit.
    pub memory_bound: Option<MemoryBound>,
    /// Regions of device memory that the kernel accounts, by name, such as `drm/0000:03:00.0/vram0`.
    pub dmem_regions: Vec<String>,
}

/// A limit of memory that a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// How much.
    pub bytes: u64,
    /// The group.
    pub group: PathBuf,
}

/// A place in the version 2 hierarchy.
#[derive(Clone, Debug, PartialEq)]
pub struct V2Place {
    /// The group that will hold ours.
    pub path: PathBuf,
    /// Controllers that it gives to its children already.
    pub enabled: BTreeSet<String>,
    /// Controllers that can be enabled for its children besides.
    pub can_enable: BTreeSet<String>,
}

impl V2Place {
    /// Whether a group here can have this controller.
    pub fn offers(&self, controller: &str) -> bool {
        self.enabled.contains(controller) || self.can_enable.contains(controller)
    }
}

/// A mounted hierarchy.
struct Mount {
    /// The group that is mounted.
    group: String,
    /// Where.
    point: PathBuf,
}

impl CgroupFacts {
    /// Reads `/proc/self/cgroup`, `/proc/self/mountinfo` and the hierarchies below `root`.
    pub fn gather(root: &Path) -> Self {
        let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        let mut facts = Self::default();
        let v2 = own_group(root, &own, &mounts, None);
        let bounds = [
            v2.as_ref().ok().and_then(|(mount_point, group)| memory_bound(mount_point, group, "memory.max")),
            own_group(root, &own, &mounts, Some("memory"))
                .ok()
                .and_then(|(mount_point, group)| memory_bound(&mount_point, &group, "memory.limit_in_bytes")),
        ];
        facts.memory_bound = bounds.into_iter().flatten().min_by_key(|bound| bound.bytes);
        match v2 {
            Ok((mount_point, path)) => facts.look_at_v2(&mount_point, &path),
            Err(why) => facts.v2_obstacle = Some(why),
        }
        facts.v1_memory = facts.look_at_v1(root, &own, &mounts, "memory");
        facts.v1_freezer = facts.look_at_v1(root, &own, &mounts, "freezer");
        facts
    }

    fn look_at_v1(&mut self, root: &Path, own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
        let found = own_group(root, own, mounts, Some(controller)).and_then(|(_, path)| {
            if writable(&path) { Ok(path) } else { Err(format!("{} is not writable", shown(root, &path))) }
        });
        // Freezing is a help and no need: only what is missed of the memory controller is said.
        if let (Err(why), "memory") = (&found, controller) {
            self.v1_obstacle = Some(why.clone());
        }
        found.ok()
    }

    fn look_at_v2(&mut self, mount_point: &Path, own: &Path) {
        let capacity = fs::read_to_string(mount_point.join("dmem.capacity")).unwrap_or_default();
        self.dmem_regions =
            capacity.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
        let mut place = own;
        loop {
            let name = place.strip_prefix(mount_point).unwrap_or(place).display().to_string();
            let name = if name.is_empty() { "the root group".to_owned() } else { name };
            if writable(place) && writable(&place.join("cgroup.procs")) {
                let enabled = words(&place.join("cgroup.subtree_control"));
                // No process may be in a group that gives controllers to its children, save for the machine's root group.
                let is_root = !place.join("cgroup.type").exists();
                let empty = is_root || words(&place.join("cgroup.procs")).is_empty();
                let can_enable = if empty { words(&place.join("cgroup.controllers")) } else { BTreeSet::new() };
                if !enabled.contains("memory") && !can_enable.contains("memory") {
                    let why = if empty { "its controllers do not reach it" } else { "it holds processes of its own" };
                    self.v2_obstacle.get_or_insert_with(|| format!("{name} gives no memory controller: {why}"));
                }
                self.v2.push(V2Place { path: place.to_owned(), enabled, can_enable });
            } else {
                self.v2_obstacle = Some(format!(
                    "{name} is not writable: try systemd-run --user --scope -- zomma gpu run …, or delegate a group"
                ));
            }
            // Above a group that has limits of its own we would leave those limits.
            if let Some(file) = own_limit(place) {
                self.v2_obstacle =
                    Some(format!("{name} has a limit of its own ({file}), which a group beside it would evade"));
                return;
            }
            match place.parent() {
                Some(parent) if place != mount_point => place = parent,
                _ => return,
            }
        }
    }
}

/// The lowest limit in this file of a group and of those around it.
fn memory_bound(mount_point: &Path, own: &Path, file: &str) -> Option<MemoryBound> {
    let groups = own.ancestors().take_while(|group| group.starts_with(mount_point));
    let bound = |group: &Path| {
        // Version 2 writes `max` where there is no limit, version 1 a number of bytes that no machine has.
        let bytes: u64 = fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()?;
        (bytes < 1 << 62).then(|| MemoryBound { bytes, group: group.to_owned() })
    };
    groups.filter_map(bound).min_by_key(|bound| bound.bytes)
}

/// The mount point and our own group in the hierarchy of `controller`, or in version 2 where there is none.
fn own_group(root: &Path, own: &str, mounts: &str, controller: Option<&str>) -> Result<(PathBuf, PathBuf), String> {
    let label = controller.map_or("cgroup v2".to_owned(), |controller| format!("cgroup v1 {controller}"));
    let path = own
        .lines()
        .find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let ours = match controller {
                None => id == "0" && controllers.is_empty(),
                Some(controller) => controllers.split(',').any(|found| found == controller),
            };
            ours.then_some(path)
        })
        .ok_or_else(|| format!("no {label}"))?;
    let mount =
        mounts.lines().find_map(|line| mount_of(line, controller)).ok_or_else(|| format!("{label} is not mounted"))?;
    // In a container the mounted group may lie below the one that the path begins at.
    let below = Path::new(path)
        .strip_prefix(&mount.group)
        .map_err(|_| format!("{label}: our group {path} is outside what is mounted at {}", mount.point.display()))?;
    let mount_point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
    let group = if below.as_os_str().is_empty() { mount_point.clone() } else { mount_point.join(below) };
    if group.is_dir() { Ok((mount_point, group)) } else { Err(format!("{label}: our group {path} is not to be seen")) }
}

/// One line of mountinfo, if it is the hierarchy in question.
fn mount_of(line: &str, controller: Option<&str>) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let fields: Vec<&str> = left.split(' ').collect();
    let (group, point) = (unescaped(fields.get(3)?), unescaped(fields.get(4)?));
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?, right.nth(1).unwrap_or_default());
    let ours = match controller {
        None => kind == "cgroup2",
        Some(controller) => kind == "cgroup" && options.split(',').any(|option| option == controller),
    };
    ours.then(|| Mount { group, point: point.into() })
}

/// Mountinfo writes a space as `\040`, and so on.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// The words of a file of one line; none where it cannot be read.
fn words(path: &Path) -> BTreeSet<String> {
    fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// The first limit that a group has itself.
fn own_limit(group: &Path) -> Option<&'static str> {
    ["memory.max", "memory.high", "memory.swap.max", "cpu.max", "dmem.max"].into_iter().find(|file| {
        let text = fs::read_to_string(group.join(file)).unwrap_or_default();
        // `max`; for cpu.max `max 100000`; for dmem.max a line `region max` each.
        text.lines().any(|line| !line.split_whitespace().any(|word| word == "max"))
    })
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).map_or_else(|_| path.display().to_string(), |path| format!("/{}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorded tree: files by path with their content.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn a_session_of_systemd_offers_the_ancestor_that_gives_memory() {
        let base = "sys/fs/cgroup/user.slice/user-0.slice";
        let root = tree(&[
            ("proc/self/cgroup", "0::/user.slice/user-0.slice/session-1.scope\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/cgroup.procs", "1\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids dmem\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "memory pids\n"),
            ("sys/fs/cgroup/dmem.capacity", "drm/0000:03:00.0/vram0 8514437120\ndrm/0000:03:00.0/stolen 67108864\n"),
            ("sys/fs/cgroup/user.slice/cgroup.type", "domain\n"),
            ("sys/fs/cgroup/user.slice/cgroup.procs", ""),
            ("sys/fs/cgroup/user.slice/cgroup.controllers", "memory pids\n"),
            ("sys/fs/cgroup/user.slice/cgroup.subtree_control", "memory pids\n"),
            (&format!("{base}/cgroup.type"), "domain\n"),
            (&format!("{base}/cgroup.procs"), ""),
            (&format!("{base}/cgroup.controllers"), "memory pids\n"),
            (&format!("{base}/cgroup.subtree_control"), "memory pids\n"),
            (&format!("{base}/memory.max"), "max\n"),
            (&format!("{base}/session-1.scope/cgroup.type"), "domain\n"),
            (&format!("{base}/session-1.scope/cgroup.procs"), "4711\n"),
            (&format!("{base}/session-1.scope/cgroup.controllers"), "memory pids\n"),
            (&format!("{base}/session-1.scope/cgroup.subtree_control"), "\n"),
            (&format!("{base}/session-1.scope/memory.max"), "max\n"),
            (&format!("{base}/session-1.scope/cpu.max"), "max 100000\n"),
        ]);
        let facts = CgroupFacts::gather(root.path());
        assert_eq!(facts.memory_bound, None);
        let offers: Vec<bool> = facts.v2.iter().map(|place| place.offers("memory")).collect();
        assert_eq!(offers, [false, true, true, true]);
        assert!(facts.v2[1].path.ends_with("user-0.slice"));
        assert!(facts.v2[3].offers("dmem") && !facts.v2[3].enabled.contains("dmem"), "the root group can enable it");
        assert_eq!(facts.dmem_regions, ["drm/0000:03:00.0/vram0", "drm/0000:03:00.0/stolen"]);
        assert!(facts.v2_obstacle.unwrap().contains("session-1.scope gives no memory controller: it holds processes"));
        assert_eq!((facts.v1_memory, facts.v1_obstacle.unwrap().as_str()), (None, "no cgroup v1 memory"));
    }

    #[test]
    fn a_group_with_limits_of_its_own_is_not_left() {
        let root = tree(&[
            ("proc/self/cgroup", "0::/desk.service\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/cgroup.procs", ""),
            ("sys/fs/cgroup/cgroup.controllers", "memory\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "memory\n"),
            ("sys/fs/cgroup/desk.service/cgroup.type", "domain\n"),
            ("sys/fs/cgroup/desk.service/cgroup.procs", "7\n"),
            ("sys/fs/cgroup/desk.service/cgroup.controllers", "memory\n"),
            ("sys/fs/cgroup/desk.service/memory.max", "1073741824\n"),
        ]);
        let facts = CgroupFacts::gather(root.path());
        assert_eq!(facts.v2.len(), 1);
        assert!(!facts.v2[0].offers("memory"));
        assert!(facts.v2_obstacle.unwrap().contains("desk.service has a limit of its own (memory.max)"));
        let bound = facts.memory_bound.unwrap();
        assert_eq!((bound.bytes, bound.group.file_name().unwrap().to_str()), (1 << 30, Some("desk.service")));
    }

    #[test]
    fn hybrid_gives_version_1_for_memory_and_version_2_for_the_group() {
        let root = tree(&[
            ("proc/self/cgroup", "6:freezer:/\n4:cpuset,memory:/box/a\n0::/\n"),
            (
                "proc/self/mountinfo",
                "33 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,cpuset,memory\n\
                 34 31 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
                 41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            ),
            ("sys/fs/cgroup/memory/box/a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "67108864\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"),
            ("sys/fs/cgroup/freezer/tasks", ""),
            ("sys/fs/cgroup/unified/cgroup.procs", "1\n"),
            ("sys/fs/cgroup/unified/cgroup.controllers", "\n"),
            ("sys/fs/cgroup/unified/cgroup.subtree_control", "\n"),
        ]);
        let facts = CgroupFacts::gather(root.path());
        assert!(facts.v1_memory.unwrap().ends_with("memory/box/a"));
        assert!(facts.v1_freezer.unwrap().ends_with("freezer"));
        assert_eq!(facts.v2.len(), 1);
        assert!(!facts.v2[0].offers("memory"));
        assert_eq!(facts.v1_obstacle, None);
        let bound = facts.memory_bound.unwrap();
        assert_eq!(bound.bytes, 64 << 20, "the lowest of those around, and no limit is none");
        assert!(bound.group.ends_with("memory/box"));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point_and_nothing_is_no_failure() {
        let root = tree(&[
            ("proc/self/cgroup", "4:memory:/docker/abc\n"),
            ("proc/self/mountinfo", "33 31 0:31 /docker/abc /sys/fs/cgroup/mem\\040ory ro - cgroup cgroup rw,memory\n"),
            ("sys/fs/cgroup/mem ory/tasks", ""),
        ]);
        let facts = CgroupFacts::gather(root.path());
        assert!(facts.v1_memory.unwrap().ends_with("mem ory"));
        assert_eq!(facts.v2_obstacle.unwrap(), "no cgroup v2");
        let empty = CgroupFacts::gather(&root.path().join("nowhere"));
        assert_eq!(empty.v1_obstacle.unwrap(), "no cgroup v1 memory");
        let rubbish =
            tree(&[("proc/self/cgroup", "::::\n0\n4:memory"), ("proc/self/mountinfo", "- - -\n\n - cgroup2")]);
        assert_eq!(CgroupFacts::gather(rubbish.path()).v2, []);
    }
}
