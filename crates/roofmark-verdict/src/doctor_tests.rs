//! Every rule of the doctor on invented records: silent on a sound machine, speaking on a sick one, and
//! "unavailable" where nothing can be read.

use super::*;
use roofmark_facts::machine::{Basis, Machine, Source, Sourced};
use roofmark_facts::probe_record::{GpuState, ProbeRecord, Why};
use roofmark_facts::units::{Bytes, Celsius};

/// A sound machine with everything readable.
fn sound() -> Checkup {
    let mut probe: ProbeRecord =
        serde_json::from_str(include_str!("../../roofmark/tests/data/probe.json")).unwrap();
    probe.machine.hypervisor = None;
    probe.doubts.clear();
    for row in &mut probe.memory.rows {
        row.median = row.best * 0.95;
    }
    for row in &mut probe.kernels {
        row.steadiness = 0.97;
    }
    let settings = &mut probe.state.settings;
    settings.governor = Reading::Value("performance".into());
    settings.driver = Reading::Value("acpi-cpufreq".into());
    settings.preference = Reading::Value("performance".into());
    settings.mode = Reading::Value("performance".into());
    settings.on_battery = Reading::Value(false);
    settings.highest = Reading::Value(Hertz(5e9));
    settings.huge_pages = Reading::Value("madvise".into());
    settings.modules = Reading::Value(2);
    probe.state.throttled = Reading::Value(0);
    for sample in &mut probe.state.during {
        sample.frequency = Reading::Value(Hertz(4.8e9));
        sample.steal = Reading::Value(0.0);
        sample.temperature = Reading::Value(Celsius(70.0));
    }
    probe.state.after.steal = Reading::Value(0.0);
    let cpu = EngineDevice { name: "CPU".into(), backend: "CPU".into(), kind: "cpu".into() };
    let now = Present {
        host: probe.machine.clone(),
        state: probe.state.clone(),
        busy: Reading::Value(0.05),
        adapters: Reading::Value(Vec::new()),
        hardware: Reading::Value(Vec::new()),
        engine: Reading::Value(vec![cpu]),
    };
    Checkup { machine: Some(machine(&probe, 1.2)), probe: Some(probe), now }
}

/// A machine whose datasheet promises `over` times what was read.
fn machine(probe: &ProbeRecord, over: f64) -> Machine {
    let mut machine = roofmark_facts::catalog::Catalog::builtin().machines[0].clone();
    machine.kind = MachineKind::Cpu;
    machine.slug = "invented".into();
    let source = Source { title: "invented".into(), url: String::new(), date: "2026".into() };
    let value = probe.read_roof().unwrap() * over;
    machine.bandwidth = Some(Sourced { value, basis: Basis::Datasheet, source });
    machine
}

fn gpu(name: &str, kind: GpuKind, read: Option<f64>) -> GpuRoof {
    GpuRoof {
        name: name.into(),
        interface: "vulkan".into(),
        driver: "invented".into(),
        kind,
        memory: Reading::Unavailable(Why::NotRun),
        unified: Reading::Unavailable(Why::NotRun),
        read: read.map(BytesPerSecond::from_gb),
        copy: None,
        f32: None,
        f16: None,
        launch: None,
        upload: None,
        download: None,
        contention: None,
    }
}

fn outcome(checkup: &Checkup, subject: Subject) -> Outcome {
    examine(checkup).checks.into_iter().find(|check| check.subject == subject).unwrap().outcome
}

/// `subject` speaks, and no other rule does, once `sicken` has worked on a sound machine.
#[track_caller]
fn speaks(subject: Subject, sicken: impl FnOnce(&mut Checkup), expected: &Finding) {
    let mut checkup = sound();
    sicken(&mut checkup);
    let diagnosis = examine(&checkup);
    assert_eq!(outcome(&checkup, subject), Outcome::Found(vec![expected.clone()]));
    assert_eq!(diagnosis.findings().count(), 1, "{diagnosis:#?}");
}

#[track_caller]
fn is_unavailable(subject: Subject, blind: impl FnOnce(&mut Checkup)) {
    let mut checkup = sound();
    blind(&mut checkup);
    let found = outcome(&checkup, subject);
    assert!(matches!(found, Outcome::Unavailable(_)), "{found:?}");
}

fn probe(checkup: &mut Checkup) -> &mut ProbeRecord {
    checkup.probe.as_mut().unwrap()
}

#[test]
fn a_sound_machine_is_left_alone() {
    for check in examine(&sound()).checks {
        assert_eq!(check.outcome, Outcome::Fine, "{:?}", check.subject);
    }
}

#[test]
fn without_probe_and_readings_nothing_is_found() {
    let mut checkup = Checkup { probe: None, machine: None, ..sound() };
    let settings = &mut checkup.now.state.settings;
    let absent = || Reading::Unavailable(Why::Absent);
    (settings.governor, settings.preference, settings.mode) = (absent(), absent(), absent());
    settings.huge_pages = absent();
    settings.modules = Reading::Unavailable(Why::Denied);
    checkup.now.state.after.steal = Reading::Unavailable(Why::Absent);
    checkup.now.busy = Reading::Unavailable(Why::Absent);
    checkup.now.adapters = Reading::Unavailable(Why::NotRun);
    checkup.now.hardware = Reading::Unavailable(Why::Absent);
    checkup.now.engine = Reading::Unavailable(Why::NotRun);
    let diagnosis = examine(&checkup);
    assert_eq!(diagnosis.findings().count(), 0);
    for check in diagnosis.checks.iter().filter(|check| check.subject != Subject::Limits) {
        assert!(matches!(check.outcome, Outcome::Unavailable(_)), "{check:?}");
    }
}

#[test]
fn one_module_is_one_channel_unless_its_bandwidth_denies_it() {
    let slow = BytesPerSecond::from_gb(38.0);
    let sicken = |checkup: &mut Checkup| {
        checkup.now.state.settings.modules = Reading::Value(1);
        for row in &mut probe(checkup).memory.rows {
            (row.best, row.median) = (slow, slow);
        }
        checkup.machine = Some(machine(probe(checkup), 1.2));
    };
    speaks(Subject::Channels, sicken, &Finding::OneModule { read: slow });
    let mut soldered = sound();
    soldered.now.state.settings.modules = Reading::Value(1);
    assert_eq!(outcome(&soldered, Subject::Channels), Outcome::Fine, "it reads more than a channel can");
    is_unavailable(Subject::Channels, |checkup| checkup.now.host.hypervisor = Some("kvm".into()));
}

#[test]
fn a_rate_far_under_the_datasheet_is_found() {
    let read = sound().probe.unwrap().read_roof().unwrap();
    let expected = Finding::UnderDatasheet {
        machine: "invented".into(),
        read,
        by: "processor".into(),
        datasheet: read * 2.0,
    };
    speaks(Subject::Datasheet, |checkup| checkup.machine = Some(machine(probe(checkup), 2.0)), &expected);
    // The datasheet of a card is about the card.
    is_unavailable(Subject::Datasheet, |checkup| {
        checkup.machine.as_mut().unwrap().kind = MachineKind::Discrete;
    });
    let card = |gb: f64| {
        let mut checkup = sound();
        checkup.machine.as_mut().unwrap().kind = MachineKind::Discrete;
        probe(&mut checkup).gpus = vec![gpu("card", GpuKind::Discrete, Some(gb))];
        outcome(&checkup, Subject::Datasheet)
    };
    assert_eq!(card(1000.0), Outcome::Fine);
    assert!(matches!(card(10.0), Outcome::Found(_)));
}

#[test]
fn a_software_driver_never_stands_for_a_card() {
    is_unavailable(Subject::Datasheet, |checkup| {
        checkup.machine.as_mut().unwrap().kind = MachineKind::Discrete;
        probe(checkup).gpus = vec![gpu("llvmpipe", GpuKind::Software, Some(3.0))];
    });
}

#[test]
fn a_bandwidth_that_moves_is_found() {
    let sicken = |checkup: &mut Checkup| {
        let row = probe(checkup).memory.rows.iter_mut().find(|row| row.threads == 2).unwrap();
        row.median = row.best * 0.5;
    };
    let expected = Finding::Unsteady { what: "read with 2 threads".into(), steadiness: 0.5, guest: false };
    speaks(Subject::Steadiness, sicken, &expected);
}

#[test]
fn missing_huge_pages_are_found() {
    let off = |checkup: &mut Checkup| {
        checkup.now.state.settings.huge_pages = Reading::Value("never".into());
        probe(checkup).memory.huge_pages = Reading::Value(0.0);
    };
    speaks(Subject::HugePages, off, &Finding::HugePagesOff { share: Some(0.0) });
    let few = |checkup: &mut Checkup| probe(checkup).memory.huge_pages = Reading::Value(0.25);
    speaks(Subject::HugePages, few, &Finding::FewHugePages { share: 0.25 });
}

#[test]
fn power_saving_is_found() {
    let highest = Some(Hertz(5e9));
    speaks(
        Subject::PowerMode,
        |checkup| checkup.now.state.settings.mode = Reading::Value("low-power".into()),
        &Finding::SlowMode { mode: "low-power".into(), highest, mac: false },
    );
    speaks(
        Subject::PowerMode,
        |checkup| checkup.now.state.settings.preference = Reading::Value("power".into()),
        &Finding::SavingPreference { preference: "power".into(), highest },
    );
    speaks(
        Subject::PowerMode,
        |checkup| checkup.now.state.settings.on_battery = Reading::Value(true),
        &Finding::OnBattery,
    );
}

#[test]
fn a_slow_governor_is_found_where_it_rules() {
    let powersave =
        |checkup: &mut Checkup| checkup.now.state.settings.governor = Reading::Value("powersave".into());
    let expected = Finding::SlowGovernor {
        governor: "powersave".into(),
        clock: Some(Hertz(4.8e9)),
        highest: Some(Hertz(5e9)),
    };
    speaks(Subject::Governor, powersave, &expected);
    let mut by_itself = sound();
    powersave(&mut by_itself);
    by_itself.now.state.settings.driver = Reading::Value("intel_pstate".into());
    assert_eq!(outcome(&by_itself, Subject::Governor), Outcome::Fine, "the usual one of that driver");
}

#[test]
fn a_low_clock_is_found() {
    let sicken = |checkup: &mut Checkup| {
        for sample in &mut probe(checkup).state.during {
            sample.frequency = Reading::Value(Hertz(2e9));
        }
    };
    speaks(Subject::Clock, sicken, &Finding::LowClock { clock: Hertz(2e9), highest: Hertz(5e9) });
    is_unavailable(Subject::Clock, |checkup| {
        probe(checkup).state.settings.highest = Reading::Unavailable(Why::Absent);
    });
}

#[test]
fn throttling_is_found() {
    speaks(
        Subject::Throttling,
        |checkup| probe(checkup).state.throttled = Reading::Value(7),
        &Finding::Throttled { count: 7, hottest: Some(70.0) },
    );
    let held = |checkup: &mut Checkup| {
        for sample in &mut probe(checkup).state.during {
            sample.gpus =
                vec![GpuState { throttled: Reading::Value(vec!["power cap".into()]), ..silent_gpu() }];
        }
    };
    let expected =
        Finding::GpuThrottled { gpu: "card".into(), reasons: vec!["power cap".into()], share: 1.0 };
    speaks(Subject::Throttling, held, &expected);
    is_unavailable(Subject::Throttling, |checkup| {
        probe(checkup).state.throttled = Reading::Unavailable(Why::Absent);
        probe(checkup).state.during[0].gpus = vec![silent_gpu()];
    });
}

fn silent_gpu() -> GpuState {
    GpuState {
        name: "card".into(),
        clock: Reading::Unavailable(Why::Absent),
        memory_clock: Reading::Unavailable(Why::Absent),
        temperature: Reading::Unavailable(Why::Absent),
        power: Reading::Unavailable(Why::Absent),
        throttled: Reading::Unavailable(Why::Absent),
        memory: Reading::Unavailable(Why::Absent),
        memory_used: Reading::Unavailable(Why::Absent),
    }
}

#[test]
fn other_programs_are_found() {
    speaks(
        Subject::Background,
        |checkup| checkup.now.busy = Reading::Value(1.4),
        &Finding::Busy { busy: 1.4, cpus: 2 },
    );
    let mut large = sound();
    large.now.host.cpus = 128;
    large.now.busy = Reading::Value(1.4);
    assert_eq!(outcome(&large, Subject::Background), Outcome::Fine, "one in a hundred does not matter");
}

#[test]
fn time_that_a_hypervisor_takes_is_found() {
    let sicken = |checkup: &mut Checkup| probe(checkup).state.during[0].steal = Reading::Value(0.2);
    speaks(Subject::Hypervisor, sicken, &Finding::Steal { share: 0.2 });
}

#[test]
fn limits_of_a_container_are_found() {
    speaks(
        Subject::Limits,
        |checkup| checkup.now.host.cpu_limit = Some(0.5),
        &Finding::FewProcessors { allowed: 0.5, cpus: 2 },
    );
    let installed = sound().now.host.memory.unwrap();
    speaks(
        Subject::Limits,
        |checkup| checkup.now.host.memory_limit = Some(Bytes(1e9)),
        &Finding::LittleMemory { allowed: Bytes(1e9), installed },
    );
}

#[test]
fn a_gpu_that_the_engine_does_not_use_is_found() {
    let name = "NVIDIA GeForce RTX 5090";
    let sicken = |checkup: &mut Checkup| {
        checkup.now.adapters = Reading::Value(vec![gpu(name, GpuKind::Discrete, None)]);
        probe(checkup).gpus = vec![gpu(name, GpuKind::Discrete, Some(1500.0))];
    };
    let expected = Finding::UnusedGpu {
        gpu: name.into(),
        feature: "cuda".into(),
        gpu_read: Some(BytesPerSecond::from_gb(1500.0)),
        cpu_read: sound().probe.unwrap().read_roof(),
    };
    speaks(Subject::Backend, sicken, &expected);
    let mut used = sound();
    sicken(&mut used);
    let cuda = EngineDevice { name: "CUDA0".into(), backend: "CUDA".into(), kind: "gpu".into() };
    used.now.engine = Reading::Value(vec![cuda]);
    assert_eq!(outcome(&used, Subject::Backend), Outcome::Fine);
}

#[test]
fn hardware_without_a_driver_is_found_by_its_maker() {
    let mut checkup = sound();
    checkup.now.hardware = Reading::Value(vec!["AMD".into()]);
    let Outcome::Found(found) = outcome(&checkup, Subject::Backend) else { panic!("silent") };
    assert!(
        matches!(&found[..], [Finding::UnusedGpu { gpu, feature, .. }] if gpu == "AMD" && feature == "vulkan")
    );
    checkup.now.hardware = Reading::Value(vec!["a virtual display".into()]);
    assert_eq!(outcome(&checkup, Subject::Backend), Outcome::Fine);
}

#[test]
fn a_lone_software_driver_is_found_and_is_a_remark_without_hardware() {
    let sicken = |checkup: &mut Checkup| {
        checkup.now.adapters = Reading::Value(vec![gpu("llvmpipe", GpuKind::Software, None)]);
    };
    let expected = Finding::SoftwareAdapter { adapter: "llvmpipe".into(), read: None, hardware: vec![] };
    speaks(Subject::Adapters, sicken, &expected);
    assert!(expected.is_remark());
    let with =
        Finding::SoftwareAdapter { adapter: "llvmpipe".into(), read: None, hardware: vec!["AMD".into()] };
    assert!(!with.is_remark(), "a driver is missing");
}

#[test]
fn failed_parts_are_found() {
    let reason = "end within 60 s; it was killed".to_owned();
    let doubt = ProbeDoubt::Failed { part: "GPUs".into(), reason: reason.clone() };
    speaks(
        Subject::Parts,
        |checkup| probe(checkup).doubts = vec![doubt],
        &Finding::PartFailed { part: "GPUs".into(), reason },
    );
}
