//! Where the ledger of this user is, and how a run gets into it.

use anyhow::{Context as _, Result};
use etcetera::BaseStrategy;
use roofmark_facts::load_record::LoadRun;
use roofmark_facts::probe_record::ProbeRecord;
use roofmark_facts::records::{Host, Run};
use roofmark_ledger::digest::Digest;
use roofmark_ledger::key::{KnownKeys, Signer};
use roofmark_ledger::ledger::Place as Store;
use roofmark_ledger::privacy::{self, Identity};
use roofmark_ledger::record::{Context, ENTRY, Entry, Measured};
use roofmark_ledger::{Draft, Error, Ledger, Options, spool};
use roofmark_verdict::load;
use roofmark_verdict::rows::rows;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name and version of this program, as records keep it.
pub const TOOL: &str = concat!("roofmark ", env!("CARGO_PKG_VERSION"));

/// Longest wait for another writer, or for a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the arguments say of the ledger.
#[derive(Clone, Debug)]
pub struct Place {
    /// A path or a `postgres://` address.
    pub address: Option<String>,
    /// One sync of the disk per record.
    pub durable: bool,
}

/// The folder of this user's ledger and keys: `ROOFMARK_DATA`, or the system's place for data.
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("ROOFMARK_DATA") {
        return Ok(folder.into());
    }
    let strategy =
        etcetera::choose_base_strategy().context("failed to find the home folder; set ROOFMARK_DATA")?;
    Ok(strategy.data_dir().join("roofmark"))
}

/// The key that signs, made at first use.
pub fn signer() -> Result<Signer> {
    Signer::open(&folder()?.join("key")).map_err(shown)
}

/// Keys that this user knows, the own one among them where there is one: nothing is made here.
pub fn known_keys() -> Result<KnownKeys> {
    let folder = folder()?;
    let known = KnownKeys::read(&folder.join("known_keys")).map_err(shown)?;
    let own = folder.join("key");
    if !own.exists() {
        return Ok(known);
    }
    Ok(known.with(Signer::open(&own).map_err(shown)?.public(), "your own"))
}

/// An error of the ledger as the program shows it.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
pub fn shown(error: Error) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}

/// Opens the ledger and takes in what waits in the spool.
pub fn open(place: &Place) -> Result<Ledger> {
    let mut ledger = connect(place).map_err(shown)?;
    let taken = spool::take_in(&spools(), &mut ledger).map_err(shown)?;
    if !taken.kept.is_empty() {
        eprintln!("took {} waiting records from the spool into {}", taken.kept.len(), ledger.place());
    }
    for (path, reason) in taken.refused {
        eprintln!("warning: {} stays in the spool: failed to {reason}", path.display());
    }
    Ok(ledger)
}

/// The ledger where there is one; none is made.
pub fn open_existing(place: &Place) -> Result<Option<Ledger>> {
    let missing = match &place.address {
        Some(address) if address.contains("://") => false,
        Some(path) => !Path::new(path).exists(),
        None => !folder()?.join("ledger.db").exists(),
    };
    if missing { Ok(None) } else { connect(place).map(Some).map_err(shown) }
}

/// Opens the ledger, and leaves the spool alone.
pub fn connect(place: &Place) -> Result<Ledger, Error> {
    let lost = |reason: String| Error::Store { place: "of this user".into(), reason };
    let folder = folder().map_err(|error| lost(format!("{error:#}")))?;
    let store = match &place.address {
        Some(address) => Store::parse(address),
        None => {
            std::fs::create_dir_all(&folder)
                .map_err(|error| lost(format!("{}: {error}", folder.display())))?;
            Store::File(folder.join("ledger.db"))
        }
    };
    let signer = Signer::open(&folder.join("key"))?;
    let options = Options { place: store, durable: place.durable, patience: PATIENCE, tool: TOOL.to_owned() };
    Ledger::open(options, signer)
}

/// Folders where records wait, the best first.
fn spools() -> Vec<PathBuf> {
    let data = folder().ok().map(|folder| folder.join("spool"));
    let cache = etcetera::choose_base_strategy().ok().map(|found| found.cache_dir().join("roofmark/spool"));
    let last = std::env::temp_dir().join(format!("roofmark-spool-{}", identity().user));
    data.into_iter().chain(cache).chain([last]).collect()
}

/// Who must not be named in a record.
pub fn identity() -> Identity {
    let variable =
        |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    Identity {
        user: variable(&["USER", "USERNAME", "LOGNAME"]),
        host: if host.is_empty() { variable(&["HOSTNAME", "COMPUTERNAME"]) } else { host.to_owned() },
        home: variable(&["HOME", "USERPROFILE"]),
    }
}

/// A measurement of this program, and what is derived from it.
pub trait Measurement: Measured {
    /// The statistics that it publishes, as they are printed and stored.
    fn statistics(&self) -> Result<String>;
    /// The machine that this program ran on.
    fn host(&self) -> &Host;
}

impl Measurement for Run {
    fn statistics(&self) -> Result<String> {
        serde_json::to_string(&rows(self)).context("failed to write the rows")
    }

    fn host(&self) -> &Host {
        &self.machine
    }
}

impl Measurement for LoadRun {
    fn statistics(&self) -> Result<String> {
        let rows = self.cells.iter().map(|cell| load::row(cell, &self.settings, &self.server).0);
        serde_json::to_string(&rows.collect::<Vec<_>>()).context("failed to write the rows")
    }

    fn host(&self) -> &Host {
        &self.client
    }
}

impl Measurement for ProbeRecord {
    /// A probe publishes what it observed: nothing is derived from it.
    fn statistics(&self) -> Result<String> {
        Ok("[]".to_owned())
    }

    fn host(&self) -> &Host {
        &self.machine
    }
}

/// Puts a finished measurement into the ledger: every command that measures ends with this. What the ledger does
/// not take waits in the spool; the measurement itself has not failed. `context` says what is known of the model.
/// Says where it is.
pub fn keep_run<R: Measurement>(place: &Place, run: &R, context: Context) -> String {
    let kept = draft(run, context).and_then(|draft| keep(place, &draft));
    let text = kept.unwrap_or_else(|error| format!("warning: the run is not in the ledger: {error:#}"));
    eprintln!("{text}");
    text
}

fn draft<R: Measurement>(run: &R, context: Context) -> Result<Draft> {
    let context = Context { fingerprint: Some(fingerprint(run.host())), ..facts(context) };
    let (run, context): (R, Context) = (scrubbed(run)?, scrubbed(&context)?);
    let rows = RawValue::from_string(run.statistics()?)?;
    Draft::entry(&Entry { format: ENTRY.to_owned(), context, run, rows }).map_err(shown)
}

/// A copy of `value` without what is private.
pub fn scrubbed<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<T> {
    let mut json = serde_json::to_value(value)?;
    privacy::scrub(&mut json, &identity());
    Ok(serde_json::from_value(json)?)
}

/// `context` with what the system says.
fn facts(context: Context) -> Context {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let flags = std::env::args().skip(1).filter(|word| word.starts_with("--"));
    Context {
        driver: read("/sys/module/nvidia/version").map(|version| format!("nvidia {version}")),
        power_mode: read("/sys/firmware/acpi/platform_profile"),
        flags: flags.map(|flag| flag.split('=').next().unwrap_or(&flag).to_owned()).collect(),
        ..context
    }
}

/// Tells machines apart without naming them.
pub fn fingerprint(host: &Host) -> Digest {
    let text = format!("{} {:?} {} {:?} {:?}", host.cpu, host.cores, host.cpus, host.memory, host.hypervisor);
    Digest::of(text.as_bytes())
}

fn keep(place: &Place, draft: &Draft) -> Result<String> {
    let stored = connect(place).and_then(|mut ledger| {
        spool::take_in(&spools(), &mut ledger)?;
        Ok((ledger.append(draft)?, ledger.place()))
    });
    match stored {
        Ok((appended, place)) => {
            Ok(format!("kept as {} (#{}) in {place}", appended.content.short(), appended.sequence))
        }
        // A record that the store refuses stays refused; everything else may work at the next start.
        Err(error) if error.is_store() || matches!(error, Error::File { .. } | Error::Key { .. }) => {
            let path = spool::keep(&spools(), draft).map_err(shown)?;
            Ok(format!("warning: failed to {error}\nthe run waits in {} for the next start", path.display()))
        }
        Err(error) => Err(shown(error)),
    }
}

/// Reads a file of at most `most` bytes; `-` is standard input.
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let what = || format!("failed to read {}", path.display());
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(most + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).with_context(what)?.take(most + 1).read_to_end(&mut bytes)
    };
    read.with_context(what)?;
    anyhow::ensure!(bytes.len() as u64 <= most, "{}: it is larger than {most} bytes", what());
    Ok(bytes)
}
