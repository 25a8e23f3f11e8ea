//! How much memory a GPU may use, and whether it is the processor's own: found out, not assumed.

use roofmark_facts::probe_record::{Reading, Why};
use roofmark_facts::units::Bytes;
use wgpu::{Adapter, AdapterInfo, Backend, DeviceType};

/// Memory that the adapter may use, and whether that is the processor's memory.
pub fn of(adapter: &Adapter, info: &AdapterInfo) -> (Reading<Bytes>, Reading<bool>) {
    match info.backend {
        Backend::Vulkan => vulkan(adapter, inside(info.device_type)),
        Backend::Metal => (wired_limit(), Reading::Value(cfg!(target_arch = "aarch64"))),
        _ => (Reading::Unavailable(Why::Unsupported), Reading::Unavailable(Why::Unsupported)),
    }
}

/// A memory heap as the driver lists it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heap {
    /// Size.
    pub size: f64,
    /// The GPU's own, or as near to it as any.
    pub local: bool,
    /// Some kind of memory in it can be written by the processor too.
    pub shared: bool,
}

/// One memory: every heap is the GPU's own and the processor can write it, or the driver calls the GPU
/// a part of the processor and no heap is out of the processor's reach (AMD's driver lists the translated
/// part, GTT, as the host's). The heaps alone do not do: a card may show its whole memory to the processor.
///
/// Sizes: the local heaps of a card are its dedicated memory. With one memory all heaps count, because
/// drivers split what the GPU may use into a carve-out and the translated part.
pub fn judge(heaps: &[Heap], inside: bool) -> (Reading<Bytes>, Reading<bool>) {
    if heaps.is_empty() {
        return (Reading::Unavailable(Why::Absent), Reading::Unavailable(Why::Absent));
    }
    let unified = heaps.iter().all(|heap| heap.shared && (heap.local || inside));
    let counted = heaps.iter().filter(|heap| unified || heap.local);
    (Reading::Value(Bytes(counted.map(|heap| heap.size).sum())), Reading::Value(unified))
}

/// The GPU sits in the processor, or is the processor.
fn inside(device: DeviceType) -> bool {
    matches!(device, DeviceType::IntegratedGpu | DeviceType::Cpu)
}

/// Heaps from the driver's own list; wgpu does not pass them on.
#[cfg(not(target_vendor = "apple"))]
fn vulkan(adapter: &Adapter, inside: bool) -> (Reading<Bytes>, Reading<bool>) {
    // SAFETY: the handles are only read from, while `adapter` lives.
    let heaps = unsafe {
        adapter.as_hal::<wgpu::hal::api::Vulkan>().map(|adapter| {
            let instance = adapter.shared_instance().raw_instance();
            heaps(&instance.get_physical_device_memory_properties(adapter.raw_physical_device()))
        })
    };
    judge(&heaps.unwrap_or_default(), inside)
}

#[cfg(target_vendor = "apple")]
fn vulkan(_: &Adapter, _: bool) -> (Reading<Bytes>, Reading<bool>) {
    (Reading::Unavailable(Why::Unsupported), Reading::Unavailable(Why::Unsupported))
}

#[cfg(not(target_vendor = "apple"))]
fn heaps(list: &ash::vk::PhysicalDeviceMemoryProperties) -> Vec<Heap> {
    use ash::vk::{MemoryHeapFlags, MemoryPropertyFlags};
    let types = &list.memory_types[..list.memory_type_count as usize];
    list.memory_heaps[..list.memory_heap_count as usize]
        .iter()
        .zip(0_u32..)
        .map(|(heap, index)| Heap {
            size: heap.size as f64,
            local: heap.flags.contains(MemoryHeapFlags::DEVICE_LOCAL),
            shared: types.iter().any(|kind| {
                kind.heap_index == index && kind.property_flags.contains(MemoryPropertyFlags::HOST_VISIBLE)
            }),
        })
        .collect()
}

/// What macOS lets a GPU keep resident: `iogpu.wired_limit_mb`, or the driver's default where that is 0.
/// Never run: there is no Apple machine behind this project.
fn wired_limit() -> Reading<Bytes> {
    let Ok(answer) = std::process::Command::new("sysctl").args(["-n", "iogpu.wired_limit_mb"]).output()
    else {
        return Reading::Unavailable(Why::Absent);
    };
    wired(&String::from_utf8_lossy(&answer.stdout))
}

/// Reads the answer of `sysctl -n iogpu.wired_limit_mb`; 0 means that the driver chooses, which it does not say.
fn wired(answer: &str) -> Reading<Bytes> {
    match answer.trim().parse::<u64>() {
        Ok(0) => Reading::Unavailable(Why::Absent),
        Ok(mebibytes) => Reading::Value(Bytes(mebibytes as f64 * 1024.0 * 1024.0)),
        Err(_) => Reading::Unavailable(Why::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

    fn heap(gib: f64, local: bool, shared: bool) -> Heap {
        Heap { size: gib * GIB, local, shared }
    }

    #[track_caller]
    fn check(heaps: &[Heap], inside: bool, gib: f64, unified: bool) {
        assert_eq!(judge(heaps, inside), (Reading::Value(Bytes(gib * GIB)), Reading::Value(unified)));
    }

    #[test]
    fn heaps_tell_a_card_from_one_memory() {
        // A card with a small window: dedicated memory, host memory, window.
        check(
            &[heap(32.0, true, false), heap(64.0, false, true), heap(0.25, true, true)],
            false,
            32.25,
            false,
        );
        // A card whose whole memory the processor sees is still a card.
        check(&[heap(16.0, true, true), heap(32.0, false, true)], false, 16.0, false);
        // A part of the processor with a carve-out and a translated part.
        check(&[heap(80.0, true, true), heap(40.0, false, true)], true, 120.0, true);
        // One heap for both.
        check(&[heap(24.0, true, true)], true, 24.0, true);
        assert_eq!(judge(&[], true).0, Reading::Unavailable(Why::Absent));
    }

    #[test]
    fn a_wired_limit_is_read_and_zero_is_not_a_limit() {
        assert_eq!(wired("110000\n"), Reading::Value(Bytes(110_000.0 * 1024.0 * 1024.0)));
        assert_eq!(wired("0\n"), Reading::Unavailable(Why::Absent));
        assert_eq!(wired(""), Reading::Unavailable(Why::Malformed));
    }
}
