//! Which engine runs on which machine, from the dated evidence of the catalog.

use crate::cost::facts::first_day;
use roofmark_facts::catalog::{Catalog, Support};
use roofmark_facts::machine::Machine;

/// The class of machines that engine support is recorded by; `None` where none is recorded.
#[must_use]
pub fn support_class(machine: &Machine) -> Option<&'static str> {
    Some(match machine.class.as_str() {
        class if class.starts_with("apple") => "apple",
        class if class.starts_with("geforce") => "nvidia-geforce",
        class if class.starts_with("rdna") => "amd-rdna",
        "nvidia-datacentre" => "nvidia-datacentre",
        "cdna" => "amd-cdna",
        "strix-halo" => "strix-halo",
        "grace-blackwell" => "grace-blackwell",
        "intel-arc" => "intel-arc",
        "jetson" => "jetson",
        "cpu-x86" => "cpu-x86",
        _ => return None,
    })
}

/// The newest evidence on `engine` on `machine`.
#[must_use]
pub fn newest_support<'a>(catalog: &'a Catalog, engine: &str, machine: &Machine) -> Option<&'a Support> {
    let class = support_class(machine)?;
    let rows = catalog.support.iter().filter(|row| row.engine == engine && row.machine_class == class);
    rows.max_by_key(|row| first_day(&row.since))
}

/// Whether the evidence says that it runs.
#[must_use]
pub fn runs(support: &Support) -> bool {
    support.status != "none"
}

/// Evidence from the vendor's own pages that an engine runs natively on this class.
#[must_use]
pub fn vendor_support<'a>(catalog: &'a Catalog, machine: &Machine) -> Option<&'a Support> {
    let class = support_class(machine)?;
    let own: &[&str] = match machine.vendor.to_lowercase().as_str() {
        vendor if vendor.contains("nvidia") => &["nvidia"],
        vendor if vendor.contains("apple") => &["ml-explore", "apple.com"],
        vendor if vendor.contains("amd") => &["/rocm", "amd.com"],
        vendor if vendor.contains("intel") => &["intel"],
        _ => return None,
    };
    catalog.support.iter().find(|row| {
        let url = row.source.url.to_lowercase();
        row.machine_class == class && row.status == "native" && own.iter().any(|part| url.contains(part))
    })
}
