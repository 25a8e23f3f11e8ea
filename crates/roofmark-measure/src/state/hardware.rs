//! Display and compute hardware on the bus, whether or not a driver shows it.

use super::linux::{children, read};
use super::power::MISSING;
use roofmark_facts::probe_record::Reading;
use std::path::Path;

/// Makers of display controllers and accelerators on the PCI bus. Integrated parts of phones and of Apple's
/// processors are not on it.
#[must_use]
pub fn gpu_makers(root: &Path) -> Reading<Vec<String>> {
    let devices = children(root, "sys/bus/pci/devices", "");
    if devices.is_empty() {
        return Reading::Unavailable(MISSING);
    }
    let mut makers: Vec<String> = devices.iter().filter_map(|device| maker(root, device)).collect();
    makers.dedup();
    Reading::Value(makers)
}

/// The maker of a device of class 03 (display) or 12 (processing accelerator).
fn maker(root: &Path, device: &str) -> Option<String> {
    let class = read(root, &format!("{device}/class"))?;
    if !class.starts_with("0x03") && !class.starts_with("0x12") {
        return None;
    }
    let vendor = read(root, &format!("{device}/vendor"))?;
    Some(match vendor.as_str() {
        "0x10de" => "NVIDIA".into(),
        "0x1002" => "AMD".into(),
        "0x8086" => "Intel".into(),
        other => format!("vendor {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roofmark_facts::probe_record::Why;

    #[test]
    fn cards_are_told_from_other_devices() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(gpu_makers(root.path()), Reading::Unavailable(Why::Absent), "no bus is not no card");
        for (device, class, vendor) in
            [("0000:00:01.0", "0x010802", "0x144d"), ("0000:01:00.0", "0x030000", "0x10de")]
        {
            let folder = root.path().join("sys/bus/pci/devices").join(device);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("class"), format!("{class}\n")).unwrap();
            std::fs::write(folder.join("vendor"), format!("{vendor}\n")).unwrap();
        }
        assert_eq!(gpu_makers(root.path()), Reading::Value(vec!["NVIDIA".into()]));
    }
}
