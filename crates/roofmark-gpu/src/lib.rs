//! Measures GPUs by wgpu: bandwidth, arithmetic, launches and links of each adapter.
//!
//! Runs in a process of its own, because a driver may crash. Run on Mesa's software driver only; on
//! hardware (Vulkan, Metal, DX12) by nobody yet.

mod kernels;
mod memory;

use kernels::{Kernels, Work};
use roofmark_facts::probe_record::{Contention, GpuKind, GpuRoof, Reading};
use roofmark_facts::units::BytesPerSecond;
use std::time::{Duration, Instant};
use wgpu::{Adapter, Backend, Backends, DeviceType, Features, Instance, InstanceDescriptor};

/// Why an adapter gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// There is no such adapter.
    #[error("find GPU {wanted}: there are {found}")]
    NoAdapter {
        /// Position that was asked for.
        wanted: usize,
        /// Adapters that there are.
        found: usize,
    },
    /// The driver does not open the device.
    #[error("open {name}: {reason}")]
    Open {
        /// The adapter.
        name: String,
        /// The driver's words.
        reason: String,
    },
    /// The driver gave up while it worked.
    #[error("run {kernel} on the GPU: {reason}")]
    Run {
        /// What was running.
        kernel: &'static str,
        /// The driver's words.
        reason: String,
    },
    /// The GPU answered and the answer is wrong: no rate of it counts.
    #[error("run {kernel} on the GPU: it answered {found}, and {expected} is right")]
    Wrong {
        /// What was running.
        kernel: &'static str,
        /// The answer.
        found: f64,
        /// The right one.
        expected: f64,
    },
}

/// The adapters of this machine without any rate, in the order of [`measure`].
#[must_use]
pub fn adapters() -> Vec<GpuRoof> {
    enumerate().iter().map(describe).collect()
}

/// Reads memory by the processor for some time and gives its median rate.
pub type ReadByCpu<'a> = &'a (dyn Fn(Duration) -> BytesPerSecond + Sync);

/// Measures the adapter at `index`, giving about `row` to each rate. Where it shares the processor's memory,
/// `cpu` reads beside it.
///
/// # Errors
/// The adapter is missing, does not open, fails, or computes wrongly.
pub fn measure(index: usize, row: Duration, cpu: ReadByCpu<'_>) -> Result<GpuRoof, GpuError> {
    let adapter = open(index)?;
    let mut roof = describe(&adapter);
    let kernels = Kernels::new(&adapter)?;
    roof.launch = Some(kernels.launch()?);
    roof.read = Some(kernels.bandwidth(Work::Read, row)?);
    roof.copy = Some(kernels.bandwidth(Work::Copy, row)?);
    roof.f32 = Some(kernels.arithmetic(Work::F32, row)?);
    if kernels.has_f16() {
        roof.f16 = Some(kernels.arithmetic(Work::F16, row)?);
    }
    roof.upload = Some(kernels.upload(row)?);
    roof.download = Some(kernels.download(row)?);
    if roof.unified == Reading::Value(true) {
        roof.contention = Some(contention(&kernels, row, cpu)?);
    }
    Ok(roof)
}

/// Each alone, then both at once: the GPU reads for as long as the processor does.
fn contention(kernels: &Kernels, row: Duration, cpu: ReadByCpu<'_>) -> Result<Contention, GpuError> {
    let cpu_alone = cpu(row);
    let start = Instant::now();
    let gpu_alone = kernels.steady_read(&|| start.elapsed() >= row)?;
    let (cpu, gpu) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| cpu(row));
        let gpu = kernels.steady_read(&|| reader.is_finished());
        (reader.join().unwrap_or_default(), gpu)
    });
    Ok(Contention { cpu, gpu: gpu?, cpu_alone, gpu_alone })
}

fn open(index: usize) -> Result<Adapter, GpuError> {
    let mut all = enumerate();
    let found = all.len();
    if index < found { Ok(all.swap_remove(index)) } else { Err(GpuError::NoAdapter { wanted: index, found }) }
}

/// OpenGL is left out: it shows the same cards a second time, more slowly.
fn enumerate() -> Vec<Adapter> {
    let wanted = Backends::VULKAN | Backends::METAL | Backends::DX12;
    let descriptor =
        InstanceDescriptor { backends: wanted, ..InstanceDescriptor::new_without_display_handle() };
    let instance = Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wanted))
}

fn describe(adapter: &Adapter) -> GpuRoof {
    let info = adapter.get_info();
    let (memory, unified) = memory::of(adapter, &info);
    GpuRoof {
        name: info.name.clone(),
        interface: interface(info.backend).into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
        kind: kind(info.device_type),
        memory,
        unified,
        read: None,
        copy: None,
        f32: None,
        f16: None,
        launch: None,
        upload: None,
        download: None,
        contention: None,
    }
}

fn interface(backend: Backend) -> &'static str {
    match backend {
        Backend::Vulkan => "vulkan",
        Backend::Metal => "metal",
        Backend::Dx12 => "dx12",
        Backend::Gl => "opengl",
        Backend::BrowserWebGpu | Backend::Noop => "other",
    }
}

fn kind(device: DeviceType) -> GpuKind {
    match device {
        DeviceType::DiscreteGpu => GpuKind::Discrete,
        DeviceType::IntegratedGpu => GpuKind::Integrated,
        DeviceType::VirtualGpu => GpuKind::Virtual,
        DeviceType::Cpu => GpuKind::Software,
        DeviceType::Other => GpuKind::Unknown,
    }
}

/// Half precision in shaders.
const HALF: Features = Features::SHADER_F16;
