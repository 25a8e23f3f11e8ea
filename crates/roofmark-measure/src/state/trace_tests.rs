//! A trace over a tree of files that a test moves while it is read.

use super::*;
use crate::state::fixtures::{root, write};
use roofmark_facts::units::Watts;

const ENERGY: &str = "sys/class/powercap/intel-rapl:0/energy_uj";
const THROTTLED: &str = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";

fn machine() -> tempfile::TempDir {
    root(&[
        ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
        (ENERGY, "1000000\n"),
        ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n"),
        (THROTTLED, "3\n"),
        ("proc/loadavg", "0.25 0.5 0.1 2/100 999\n"),
        ("proc/cpuinfo", "cpu MHz\t\t: 2600.0\n\ncpu MHz\t\t: 3000.0\n"),
        ("sys/class/hwmon/hwmon2/temp1_input", "63500\n"),
    ])
}

#[test]
fn a_counter_that_moves_gives_energy_power_and_throttling() {
    let root = machine();
    let sampler = Sampler::start(root.path(), None);
    sampler.part("memory");
    write(root.path(), ENERGY, "31000000\n");
    write(root.path(), THROTTLED, "5\n");
    let trace = sampler.finish();
    assert_eq!(trace.energy.len(), 1);
    assert_eq!(trace.energy[0].scope, "package-0");
    assert_eq!(trace.energy[0].energy, Reading::Value(Joules(30.0)));
    assert_eq!(trace.throttled, Reading::Value(2));
    assert_eq!(trace.after.part, "");
    assert_eq!(trace.after.frequency.value().map(|clock| clock.get()), Some(2.8e9));
    assert_eq!(trace.after.temperature.value().map(|heat| heat.get()), Some(63.5));
    assert_eq!(trace.after.load, Reading::Value(0.25));
    let power: Vec<&Watts> =
        trace.during.iter().chain([&trace.after]).filter_map(|sample| sample.power.value()).collect();
    assert!(power.iter().any(|watts| watts.get() > 0.0) && power.iter().all(|watts| watts.get() > 0.0));
}

#[test]
fn a_counter_that_stands_still_is_frozen_and_not_zero() {
    let root = machine();
    let trace = Sampler::start(root.path(), None).finish();
    assert_eq!(trace.energy[0].energy, Reading::Unavailable(Why::Frozen));
    assert_eq!(trace.energy[0].period, Reading::Unavailable(Why::Frozen));
    assert_eq!(trace.before.power, Reading::Unavailable(Why::Frozen));
    assert_eq!(trace.after.power, Reading::Unavailable(Why::Frozen));
    assert_eq!(trace.throttled, Reading::Value(0), "a counter of events may stand still");
}

#[test]
fn a_machine_that_says_nothing_has_no_value_anywhere() {
    let root = root(&[]);
    let trace = Sampler::start(root.path(), None).finish();
    assert_eq!(trace.energy, []);
    assert_eq!(trace.throttled, Reading::Unavailable(MISSING));
    for sample in [&trace.before, &trace.after] {
        assert_eq!(sample.power, Reading::Unavailable(MISSING));
        assert_eq!(sample.frequency, Reading::Unavailable(MISSING));
        assert_eq!(sample.temperature, Reading::Unavailable(MISSING));
        assert_eq!(sample.steal, Reading::Unavailable(MISSING));
        assert_eq!(sample.pressure, Reading::Unavailable(MISSING));
        assert_eq!(sample.load, Reading::Unavailable(MISSING));
        assert_eq!(sample.gpus, []);
    }
}

#[test]
fn a_counter_that_vanishes_gives_no_power() {
    let root = machine();
    let sampler = Sampler::start(root.path(), None);
    std::fs::remove_file(root.path().join(ENERGY)).unwrap();
    let trace = sampler.finish();
    assert!(trace.after.power.value().is_none(), "{:?}", trace.after.power);
    assert!(trace.energy[0].energy.value().is_none());
}

#[test]
fn a_counter_that_moves_has_its_period_inferred() {
    let root = machine();
    let path = root.path().to_owned();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = stop.clone();
    // Written beside and renamed: a reader never sees half a number.
    let mover = std::thread::spawn(move || {
        let mut energy = 2_000_000u64;
        while !ended.load(std::sync::atomic::Ordering::Relaxed) {
            energy += 1000;
            std::fs::write(path.join("beside"), format!("{energy}\n")).unwrap();
            std::fs::rename(path.join("beside"), path.join(ENERGY)).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    // On a machine that gives the other thread no time the counter may seem to stand still: look again.
    let found = (0..50).find_map(|_| {
        let counter = power::counters(root.path()).into_iter().next()?;
        watch(root.path(), counter).period
    });
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    mover.join().unwrap();
    let period = found.unwrap().get();
    assert!(period > 1e-5 && period < WATCH.as_secs_f64(), "{period}");
}
