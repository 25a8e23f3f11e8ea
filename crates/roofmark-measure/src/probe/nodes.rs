//! Memory nodes: what the processors of each node get from the memory of each.
//!
//! A thread chooses its processors and touches its memory first, which is where the system then puts it.
//! Where memory is uniform, the rows of the bandwidth table say it all already.

use super::cache::latency;
use crate::simd;
use crate::state::processors;
use roofmark_facts::probe_record::{NodeRoof, Reading, Why};
use roofmark_facts::units::{Bytes, BytesPerSecond, Seconds};
use std::path::Path;
use std::time::Duration;

/// Memory that one thread reads on a node: 256 MiB.
const BUFFER: usize = 256 << 20;
/// Most nodes that are looked at: a machine split into more is measured in part.
const MOST: usize = 8;

/// A node as the system lists it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    number: u32,
    cpus: Vec<u32>,
    memory: Reading<Bytes>,
}

/// Nodes with processors or memory, in order.
pub(super) fn nodes(root: &Path) -> Vec<Node> {
    (0..1024).filter_map(|number| node(root, number)).take(MOST).collect()
}

fn node(root: &Path, number: u32) -> Option<Node> {
    let folder = root.join(format!("sys/devices/system/node/node{number}"));
    let list = std::fs::read_to_string(folder.join("cpulist")).ok()?;
    let memory = std::fs::read_to_string(folder.join("meminfo")).ok().and_then(|text| total(&text));
    Some(Node {
        number,
        cpus: processors(list.trim()).unwrap_or_default(),
        memory: memory.map_or(Reading::Unavailable(Why::Absent), Reading::Value),
    })
}

/// `Node 0 MemTotal:  1024 kB`.
fn total(meminfo: &str) -> Option<Bytes> {
    let line = meminfo.lines().find_map(|line| line.split_once("MemTotal:"))?.1;
    Some(Bytes(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0))
}

/// One node: the whole machine, whose rates were measured without choosing processors.
pub(super) fn uniform(
    node: Option<Node>,
    cpus: u32,
    read: Option<BytesPerSecond>,
    latency: Option<Seconds>,
) -> NodeRoof {
    NodeRoof {
        from: 0,
        to: 0,
        cpus,
        memory: node.map_or(Reading::Unavailable(Why::Absent), |node| node.memory),
        read: read.map_or(Reading::Unavailable(Why::NotRun), Reading::Value),
        latency: latency.map_or(Reading::Unavailable(Why::NotRun), Reading::Value),
    }
}

/// Every pair of nodes. Not run by the authors on a machine that has several.
pub(super) fn pairs(nodes: &[Node], time: Duration) -> Vec<NodeRoof> {
    let with_processors = nodes.iter().filter(|node| !node.cpus.is_empty());
    with_processors.flat_map(|from| nodes.iter().map(move |to| pair(from, to, time))).collect()
}

fn pair(from: &Node, to: &Node, time: Duration) -> NodeRoof {
    let empty = |why| NodeRoof {
        from: from.number,
        to: to.number,
        cpus: from.cpus.len() as u32,
        memory: to.memory.clone(),
        read: Reading::Unavailable(why),
        latency: Reading::Unavailable(why),
    };
    // Memory without processors is put there only by a policy that this program does not set.
    if to.cpus.is_empty() {
        return empty(Why::Unsupported);
    }
    match rates(from, to, time) {
        Some((read, latency)) => {
            NodeRoof { read: Reading::Value(read), latency: Reading::Value(latency), ..empty(Why::NotRun) }
        }
        None => empty(Why::Denied),
    }
}

/// All processors of `from` read memory of `to`; `None` where processors cannot be chosen.
fn rates(from: &Node, to: &Node, time: Duration) -> Option<(BytesPerSecond, Seconds)> {
    let mut buffers: Vec<memmap2::MmapMut> = on_node(to, || {
        from.cpus.iter().filter_map(|_| touched(BUFFER / from.cpus.len().max(1)).ok()).collect::<Vec<_>>()
    })?;
    let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let passes = on_node(from, || {
        let read = simd::loops().read;
        let parts: Vec<&[u8]> = buffers.iter().map(|buffer| &buffer[..]).collect();
        super::threads::bursts(parts, time, |part| {
            std::hint::black_box((read[0].run)(part));
        })
    })?;
    let best = passes.into_iter().reduce(Seconds::min)?;
    let latency = on_node(from, || buffers.first_mut().map(|buffer| latency(buffer, time / 4)))??;
    Some((Bytes(bytes as f64) / best, latency))
}

fn touched(length: usize) -> std::io::Result<memmap2::MmapMut> {
    let mut buffer = memmap2::MmapMut::map_anon(length.next_multiple_of(simd::BLOCK))?;
    #[cfg(target_os = "linux")]
    let _ = buffer.advise(memmap2::Advice::HugePage);
    buffer.fill(1);
    Ok(buffer)
}

/// Runs `work` on a thread that stays on the processors of `node`; threads that it starts inherit them.
#[cfg(target_os = "linux")]
fn on_node<T: Send>(node: &Node, work: impl FnOnce() -> T + Send) -> Option<T> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in node.cpus.iter().filter(|cpu| **cpu < rustix::thread::CpuSet::MAX_CPU as u32) {
        set.set(*cpu as usize);
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| rustix::thread::sched_setaffinity(None, &set).ok().map(|()| work()));
        thread.join().ok().flatten()
    })
}

/// This system does not let a thread choose.
#[cfg(not(target_os = "linux"))]
fn on_node<T: Send>(_: &Node, _: impl FnOnce() -> T + Send) -> Option<T> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_as_listed() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(nodes(root.path()), [], "a system without the folder");
        for (number, list) in [(0, "0-1\n"), (1, "2,3\n"), (2, "\n")] {
            let folder = root.path().join(format!("sys/devices/system/node/node{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("cpulist"), list).unwrap();
            std::fs::write(folder.join("meminfo"), format!("Node {number} MemTotal:  1024 kB\n")).unwrap();
        }
        let found = nodes(root.path());
        assert_eq!(found.iter().map(|node| node.cpus.len()).collect::<Vec<_>>(), [2, 2, 0]);
        assert_eq!(found[1].memory, Reading::Value(Bytes(1_048_576.0)));
    }

    #[test]
    fn memory_without_processors_is_unsupported_and_this_node_has_a_rate() {
        let here = Node { number: 0, cpus: vec![0], memory: Reading::Unavailable(Why::Absent) };
        let far = Node { number: 1, cpus: vec![], memory: Reading::Unavailable(Why::Absent) };
        assert_eq!(pair(&here, &far, Duration::ZERO).read, Reading::Unavailable(Why::Unsupported));
        let found = pair(&here, &here, Duration::from_millis(1));
        if cfg!(target_os = "linux") {
            assert!(found.read.value().is_some_and(|read| read.gb() > 0.01), "{found:?}");
        }
    }
}
