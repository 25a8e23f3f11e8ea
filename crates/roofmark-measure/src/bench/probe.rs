//! What a bench observes beside the engine: roofs, state, energy, other work.

use crate::roof::RoofProbe;
use crate::state::{EnergyMeter, StateMeter, busy_processors};
use roofmark_facts::records::{Host, Roof, State};
use roofmark_facts::units::Joules;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One roof measurement.
const BURST: Duration = Duration::from_millis(250);
/// How long other work is watched for.
const WATCH: Duration = Duration::from_millis(500);

/// The surroundings of an engine; a test scripts them.
pub trait Probe {
    /// Read bandwidth with `threads`, now.
    fn roof(&mut self, threads: u32) -> Roof;

    /// Processors that are busy while this process rests; `None` where unknown.
    fn busy(&mut self) -> Option<f64>;

    /// Begins an interval of state and energy.
    fn begin(&mut self);

    /// Ends it.
    fn end(&mut self) -> (State, Option<Joules>);

    /// Rests before the next look at a busy machine.
    fn rest(&mut self, time: Duration);
}

/// The real surroundings.
#[derive(Debug)]
pub struct MachineProbe {
    root: PathBuf,
    cpus: u32,
    roof: RoofProbe,
    state: StateMeter,
    energy: EnergyMeter,
}

impl MachineProbe {
    /// Probes `host`, whose system files lie below `root`.
    ///
    /// # Errors
    /// When there is no memory for the probe's buffer.
    pub fn new(host: &Host, root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: root.to_owned(),
            cpus: host.cpus,
            roof: RoofProbe::new(host.cache, host.available)?,
            state: StateMeter::new(root),
            energy: EnergyMeter::start(root),
        })
    }
}

impl Probe for MachineProbe {
    fn roof(&mut self, threads: u32) -> Roof {
        self.roof.measure(threads, BURST)
    }

    fn busy(&mut self) -> Option<f64> {
        busy_processors(&self.root, WATCH, self.cpus)
    }

    fn begin(&mut self) {
        self.state = StateMeter::new(&self.root);
        self.energy = EnergyMeter::start(&self.root);
    }

    fn end(&mut self) -> (State, Option<Joules>) {
        let energy = self.energy.stop();
        (self.state.read(), energy)
    }

    fn rest(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
