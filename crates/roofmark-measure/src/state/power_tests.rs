//! Trees as the kernel lays them out: RAPL, hwmon, amdgpu, throttling counters, settings of a notebook, and nothing.

use super::*;
use crate::state::fixtures::root;
use proptest::prelude::*;
use roofmark_facts::units::Seconds;

const ABSENT: Why = Why::Absent;

#[test]
fn packages_of_rapl_are_counted_and_their_zones_left_out() {
    let root = root(&[
        ("sys/class/powercap/intel-rapl/enabled", "1\n"),
        ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
        ("sys/class/powercap/intel-rapl:0/energy_uj", "216103958321\n"),
        ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n"),
        ("sys/class/powercap/intel-rapl:0:0/name", "core\n"),
        ("sys/class/powercap/intel-rapl:0:0/energy_uj", "5\n"),
        ("sys/class/powercap/intel-rapl:0:0/max_energy_range_uj", "262143328850\n"),
        ("sys/class/powercap/intel-rapl:1/name", "psys\n"),
        ("sys/class/powercap/intel-rapl:1/energy_uj", "9\n"),
        ("sys/class/powercap/intel-rapl:1/max_energy_range_uj", "262143328850\n"),
        // Counters of hwmon count the same energy once more.
        ("sys/class/hwmon/hwmon3/name", "amd_energy\n"),
        ("sys/class/hwmon/hwmon3/energy1_label", "Esocket0\n"),
        ("sys/class/hwmon/hwmon3/energy1_input", "7\n"),
    ]);
    let found = counters(root.path());
    let scopes: Vec<&str> = found.iter().map(|counter| counter.scope.as_str()).collect();
    assert_eq!(scopes, ["package-0", "psys"]);
    assert_eq!(found[0].wraps_at, 262_143_328_850.0);
    assert_eq!(microjoules(root.path(), &found[0]), Reading::Value(216_103_958_321.0));
}

#[test]
fn sockets_of_hwmon_are_counted_where_rapl_is_not() {
    let root = root(&[
        ("sys/class/hwmon/hwmon0/name", "k10temp\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "63500\n"),
        ("sys/class/hwmon/hwmon3/name", "amd_energy\n"),
        ("sys/class/hwmon/hwmon3/energy1_label", "Ecore000\n"),
        ("sys/class/hwmon/hwmon3/energy1_input", "11\n"),
        ("sys/class/hwmon/hwmon3/energy65_label", "Esocket0\n"),
        ("sys/class/hwmon/hwmon3/energy65_input", "160452000000\n"),
    ]);
    let found = counters(root.path());
    assert_eq!(found.len(), 1, "cores are part of their socket: {found:?}");
    assert_eq!(found[0].scope, "Esocket0");
    assert_eq!(microjoules(root.path(), &found[0]), Reading::Value(160_452_000_000.0));
}

#[test]
fn power_is_the_sum_of_packages_and_never_zero_for_unknown() {
    let counter = |scope: &str| Counter { scope: scope.into(), path: "p".into(), wraps_at: 1e9 };
    let counters = [counter("package-0"), counter("package-1"), counter("psys")];
    let check = |before: [f64; 3], after: [f64; 3], expected| {
        let found = power(&counters, &before.map(Reading::Value), &after.map(Reading::Value), Seconds(0.5));
        assert_eq!(found, expected);
    };
    check([0.0, 0.0, 0.0], [10e6, 5e6, 80e6], Reading::Value(Watts(30.0)));
    check([999e6, 0.0, 0.0], [9e6, 5e6, 0.0], Reading::Value(Watts(30.0)));
    check([7e6, 0.0, 0.0], [7e6, 5e6, 0.0], Reading::Unavailable(Why::Frozen));
    let denied = [Reading::Unavailable(Why::Denied), Reading::Value(1.0), Reading::Value(1.0)];
    let after = [2.0; 3].map(Reading::Value);
    assert_eq!(power(&counters, &denied, &after, Seconds(0.5)), Reading::Unavailable(Why::Denied));
    assert_eq!(power(&[], &[], &[], Seconds(0.5)), Reading::Unavailable(MISSING));
    assert_eq!(power(&counters[2..], &after[2..], &after[2..], Seconds(0.5)), Reading::Unavailable(ABSENT));
}

#[test]
fn the_update_period_is_the_median_gap_between_changes() {
    let check = |values: &[f64], expected: Option<f64>| {
        let readings: Vec<(Seconds, f64)> =
            values.iter().enumerate().map(|(tick, value)| (Seconds(tick as f64), *value)).collect();
        assert_eq!(update_period(&readings).map(Seconds::get), expected, "{values:?}");
    };
    check(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0], Some(2.0));
    check(&[1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 5.0], Some(1.0));
    check(&[1.0, 1.0, 1.0, 1.0], None);
    check(&[1.0, 1.0, 2.0, 2.0], None);
    check(&[], None);
}

proptest! {
    #[test]
    fn a_counter_that_wraps_moved_as_far_as_one_that_does_not(
        before in 0.0..1e9f64, step in 1.0..0.9e9f64,
    ) {
        let counter = Counter { scope: "package-0".into(), path: "p".into(), wraps_at: 1e9 };
        let found = moved(&counter, before, (before + step) % 1e9).unwrap();
        prop_assert!((found - step).abs() < 1e-3);
    }

    #[test]
    fn a_table_of_the_firmware_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(fitted_modules(&bytes) <= 300);
    }
}

#[test]
fn throttling_is_counted_once_a_package_and_once_a_core() {
    let file = |cpu: u32, kind: &str| {
        format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/{kind}_throttle_count")
    };
    let names = [file(0, "core"), file(0, "package"), file(1, "core"), file(1, "package")];
    let texts = ["3\n", "40\n", "4\n", "40\n"];
    let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts).collect();
    assert_eq!(throttle_count(root(&files).path()), Reading::Value(47));
    assert_eq!(throttle_count(root(&[(&names[0], "0\n")]).path()), Reading::Value(0), "counted, and none");
    assert_eq!(throttle_count(root(&[]).path()), Reading::Unavailable(MISSING));
    assert_eq!(throttle_count(root(&[(&names[0], "many\n")]).path()), Reading::Unavailable(MISSING));
}

#[test]
fn a_card_of_amd_says_what_it_can() {
    let card = "sys/class/drm/card1/device";
    let files: Vec<(String, &str)> = [
        ("vendor", "0x1002\n"),
        ("product_name", "Radeon PRO W7900\n"),
        ("hwmon/hwmon5/freq1_input", "2495000000\n"),
        ("hwmon/hwmon5/freq2_input", "1124000000\n"),
        ("hwmon/hwmon5/temp1_input", "54000\n"),
        ("hwmon/hwmon5/power1_average", "231000000\n"),
        ("hwmon/hwmon5/power1_input", "1000000\n"),
        ("mem_info_vram_total", "48301604864\n"),
        ("mem_info_vram_used", "27811840\n"),
        ("mem_info_gtt_total", "0\n"),
        ("mem_info_gtt_used", "0\n"),
    ]
    .map(|(file, text)| (format!("{card}/{file}"), text))
    .to_vec();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    files.extend([
        // A connector, a card of somebody else, and one without sensors.
        ("sys/class/drm/card1-DP-1/device/vendor", "0x1002\n"),
        ("sys/class/drm/card0/device/vendor", "0x10de\n"),
        ("sys/class/drm/card2/device/vendor", "0x1002\n"),
    ]);
    let found = amd_gpus(root(&files).path());
    assert_eq!(
        found,
        [GpuState {
            name: "Radeon PRO W7900".into(),
            clock: Reading::Value(Hertz(2.495e9)),
            memory_clock: Reading::Value(Hertz(1.124e9)),
            temperature: Reading::Value(Celsius(54.0)),
            power: Reading::Value(Watts(231.0)),
            throttled: Reading::Unavailable(Why::Unsupported),
            memory: Reading::Value(Bytes(48_301_604_864.0)),
            memory_used: Reading::Value(Bytes(27_811_840.0)),
        }]
    );
}

#[test]
fn a_card_of_a_processor_gives_its_momentary_power_and_no_name() {
    let found = amd_gpus(
        root(&[
            ("sys/class/drm/card0/device/vendor", "0x1002\n"),
            ("sys/class/drm/card0/device/hwmon/hwmon1/power1_input", "15031000\n"),
        ])
        .path(),
    );
    assert_eq!(found[0].name, "amdgpu card0");
    assert_eq!(found[0].power, Reading::Value(Watts(15.031)));
    assert_eq!(found[0].temperature, Reading::Unavailable(MISSING));
    assert_eq!(found[0].clock, Reading::Unavailable(MISSING));
}

#[test]
fn settings_of_a_notebook_on_its_battery() {
    let cpu = |file: &str| format!("sys/devices/system/cpu/cpu0/cpufreq/{file}");
    let names = [
        cpu("scaling_governor"),
        cpu("scaling_driver"),
        cpu("energy_performance_preference"),
        cpu("scaling_max_freq"),
    ];
    let texts = ["powersave\n", "amd-pstate-epp\n", "balance_power\n", "5132000\n"];
    let mut files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts).collect();
    files.extend([
        ("sys/firmware/acpi/platform_profile", "low-power\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "0\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ]);
    let found = settings(root(&files).path());
    assert_eq!(found.governor, Reading::Value("powersave".into()));
    assert_eq!(found.driver, Reading::Value("amd-pstate-epp".into()));
    assert_eq!(found.preference, Reading::Value("balance_power".into()));
    assert_eq!(found.mode, Reading::Value("low-power".into()));
    assert_eq!(found.on_battery, Reading::Value(true));
    assert_eq!(found.highest, Reading::Value(Hertz(5.132e9)));
    assert_eq!(found.huge_pages, Reading::Value("madvise".into()));
    assert_eq!(found.modules, Reading::Unavailable(MISSING));
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_unavailable() {
    let empty = settings(root(&[]).path());
    assert_eq!(empty.governor, Reading::Unavailable(MISSING));
    assert_eq!(empty.on_battery, Reading::Unavailable(MISSING));
    assert_eq!(empty.highest, Reading::Unavailable(MISSING));
    assert_eq!(empty.huge_pages, Reading::Unavailable(MISSING));
    let root = root(&[
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "fast\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always\n"),
    ]);
    let odd = settings(root.path());
    assert_eq!(odd.highest, Reading::Unavailable(Why::Malformed));
    assert_eq!(odd.governor, Reading::Unavailable(Why::Malformed), "an empty file says nothing");
    assert_eq!(odd.huge_pages, Reading::Unavailable(MISSING));
    assert_eq!(text(root.path(), "sys/devices"), Reading::Unavailable(ABSENT), "a folder has no text");
}

#[test]
fn memory_modules_are_counted_by_their_slots() {
    let device = |size: u16| {
        let mut structure = vec![0u8; 0x15];
        structure[0] = 17;
        structure[1] = 0x15;
        structure[0x0c..0x0e].copy_from_slice(&size.to_le_bytes());
        structure.extend(b"DIMM 0\0\0");
        structure
    };
    let processor = [4u8, 4, 0, 0, 0, 0];
    let table = [&processor[..], &device(16_384), &device(0), &device(32_767), &device(0xffff)].concat();
    assert_eq!(fitted_modules(&table), 2, "an empty slot and one of unknown size do not count");
    assert_eq!(fitted_modules(&table[..20]), 0);
}

#[test]
fn a_mac_says_its_power_mode() {
    let check = |text: &str, expected: Option<&str>| assert_eq!(low_power_mode(text).as_deref(), expected);
    check(" lowpowermode         1\n sleep 0\n", Some("low power"));
    check(" powermode            2\n lowpowermode 0\n", Some("high power"));
    check(" sleep 0\n", None);
}
