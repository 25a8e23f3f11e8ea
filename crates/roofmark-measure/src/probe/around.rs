//! What goes on around the measurements: work of other programs, and a memory roof that moves meanwhile.

use crate::roof::RoofProbe;
use crate::state::busy_processors;
use roofmark_facts::doubt::DRIFT_FLAG;
use roofmark_facts::probe_record::ProbeDoubt;
use roofmark_facts::records::Host;
use roofmark_facts::units::BytesPerSecond;
use std::path::Path;
use std::time::Duration;

/// How long other work is watched for.
const WATCH: Duration = Duration::from_millis(500);
/// Share of the processors that other work may take.
const BUSY: f64 = 0.1;
/// One reading of the roof.
const READING: Duration = Duration::from_millis(250);

/// Other programs are at work, seen while this one rests.
pub(super) fn busy(root: &Path, cpus: u32) -> Option<ProbeDoubt> {
    busy_doubt(busy_processors(root, WATCH, cpus)?, cpus)
}

fn busy_doubt(busy: f64, cpus: u32) -> Option<ProbeDoubt> {
    (busy > BUSY * f64::from(cpus)).then_some(ProbeDoubt::Busy { busy, cpus })
}

/// Read bandwidth right now; `None` where there is no memory for it.
pub(super) fn roof(host: &Host, threads: u32) -> Option<BytesPerSecond> {
    let probe = RoofProbe::new(host.cache, host.available).ok()?;
    Some(probe.measure(threads, READING).median)
}

/// The roof at the end is not what it was at the start.
pub(super) fn drift(before: BytesPerSecond, after: BytesPerSecond) -> Option<ProbeDoubt> {
    let drift = (after - before).get().abs() / before.max(after).get();
    (drift > DRIFT_FLAG).then_some(ProbeDoubt::Drift { drift, before, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_work_is_a_doubt_from_a_tenth_of_the_processors_on() {
        assert_eq!(busy_doubt(0.19, 2), None);
        assert_eq!(busy_doubt(0.21, 2), Some(ProbeDoubt::Busy { busy: 0.21, cpus: 2 }));
        assert_eq!(busy_doubt(0.21, 8), None);
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(busy(nothing.path(), 2), None, "unknown is no doubt");
    }

    #[test]
    fn a_roof_that_moves_either_way_is_a_doubt() {
        let between = |before, after| {
            let found = drift(BytesPerSecond::from_gb(before), BytesPerSecond::from_gb(after))?;
            let ProbeDoubt::Drift { drift, .. } = found else { return None };
            Some((drift * 1e3).round() / 1e3)
        };
        assert_eq!(between(40.0, 39.0), None);
        assert_eq!(between(40.0, 38.0), Some(0.05));
        assert_eq!(between(36.0, 65.0), Some(0.446));
    }

    #[test]
    fn a_roof_is_read_in_little_memory() {
        let host = Host { available: Some(roofmark_facts::units::Bytes::from_gib(0.03)), ..Host::default() };
        assert!(roof(&host, 1).unwrap().get() > 1e6);
    }
}
