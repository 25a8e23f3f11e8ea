//! Every adapter of this machine is measured; without one there is nothing to measure, and it says so.

use roofmark_facts::probe_record::GpuKind;
use roofmark_facts::units::BytesPerSecond;
use std::time::Duration;

#[test]
fn every_adapter_gives_rates_that_can_be() {
    let adapters = roofmark_gpu::adapters();
    if adapters.is_empty() {
        assert!(std::env::var_os("ROOFMARK_NEEDS_GPU").is_none(), "the gate installs a software driver");
        eprintln!("not run: no adapter (Debian: mesa-vulkan-drivers has one in software)");
    }
    for (index, adapter) in adapters.iter().enumerate() {
        let roof =
            roofmark_gpu::measure(index, Duration::from_millis(100), &|_| BytesPerSecond::from_gb(1.0))
                .unwrap();
        assert_eq!(roof.name, adapter.name);
        let read = roof.read.unwrap().gb();
        let copy = roof.copy.unwrap().gb();
        assert!((0.01..20_000.0).contains(&read), "read {read} GB/s");
        assert!((0.01..20_000.0).contains(&copy), "copy {copy} GB/s");
        let f32 = roof.f32.unwrap().tera();
        assert!((1e-4..1e4).contains(&f32), "f32 {f32} T/s");
        let launch = roof.launch.unwrap().get();
        assert!((1e-7..1.0).contains(&launch), "launch {launch} s");
        assert!(roof.upload.is_some() && roof.download.is_some());
        if adapter.name.contains("llvmpipe") {
            assert_eq!(roof.kind, GpuKind::Software);
        }
    }
}

#[test]
fn an_adapter_that_is_not_there_is_an_error() {
    let found = roofmark_gpu::adapters().len();
    let error =
        roofmark_gpu::measure(found + 7, Duration::ZERO, &|_| BytesPerSecond::from_gb(1.0)).unwrap_err();
    assert_eq!(error.to_string(), format!("find GPU {}: there are {found}", found + 7));
}
