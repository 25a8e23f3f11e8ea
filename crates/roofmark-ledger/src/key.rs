//! The signing key of this user, and the keys of others that are known.
//!
//! The secret key is one line of hexadecimal digits in a file that only its owner may read. It is made at first use.

use crate::digest::{Digest, from_hex, to_hex};
use crate::error::Error;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// A public key: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The first sixteen digits of its SHA-256, for people.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.0).to_string()[..16].to_owned()
    }

    /// Whether `signature` is this key's over `message`. Malleable and weak forms are refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        from_hex(&text)
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is not a public key of 64 hexadecimal digits"))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A secret key.
pub struct Signer(SigningKey);

impl Signer {
    /// A key from 32 secret bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key in `path`, made when the file does not exist.
    ///
    /// # Errors
    /// The file cannot be read or made, is not a key, or may be read by others.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(path)?;
                let text = fs::read_to_string(path).map_err(|source| file("read", path, source))?;
                Self::parse(path, &text)
            }
            Err(source) => Err(file("read", path, source)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        refuse_open_file(path)?;
        let seed = from_hex(text.trim_end()).ok_or_else(|| Error::Key {
            path: path.to_owned(),
            reason: "it is not one line of 64 hexadecimal digits".into(),
        })?;
        Ok(Self::from_seed(&seed))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

fn file(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

/// Makes a key file. Of several processes that do so at once one wins, and all read its key.
fn create(path: &Path) -> Result<(), Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Error::Key { path: path.to_owned(), reason: error.to_string() })?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| file("create", folder, source))?;
    }
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_private(&draft, &format!("{}\n", to_hex(&seed)))
        // A link fails where the file exists, so that a key in use is never replaced.
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = fs::remove_file(&draft);
    written.map_err(|source| file("create", path, source))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_open_file(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(|source| file("read", path, source))?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::Key {
        path: path.to_owned(),
        reason: format!("others may read it (mode {mode:o}): chmod 600 it"),
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix form can fail")]
fn refuse_open_file(_path: &Path) -> Result<(), Error> {
    Ok(())
}

/// Public keys that the user trusts, each with a name.
#[derive(Clone, Debug, Default)]
pub struct KnownKeys(Vec<(PublicKey, String)>);

impl KnownKeys {
    /// Reads lines of `key name`; an absent file knows none.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no key with a name.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(|source| file("read", path, source))?,
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(at, line)| known_line(path, at + 1, line)).collect::<Result<_, _>>().map(Self)
    }

    /// Adds `key` to the file at `path`; a key that is there keeps its line.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn trust(path: &Path, key: PublicKey, name: &str) -> Result<(), Error> {
        let mut known = Self::read(path)?;
        if known.name(&key).is_some() {
            return Ok(());
        }
        let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ");
        known.0.push((key, name));
        let text: String = known.0.iter().map(|(key, name)| format!("{key} {name}\n")).collect();
        fs::write(path, text).map_err(|source| file("write", path, source))
    }

    /// Counts `key` as known under `name`, without writing it anywhere.
    #[must_use]
    pub fn with(mut self, key: PublicKey, name: &str) -> Self {
        self.0.push((key, name.to_owned()));
        self
    }

    /// Name of a known key.
    #[must_use]
    pub fn name(&self, key: &PublicKey) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, name)| name.as_str())
    }

    /// All keys with their names.
    #[must_use]
    pub fn all(&self) -> &[(PublicKey, String)] {
        &self.0
    }
}

fn known_line(path: &Path, line_number: usize, line: &str) -> Result<(PublicKey, String), Error> {
    let (key, name) = line.split_once(' ').unwrap_or((line, ""));
    let key = PublicKey::try_from(key.to_owned()).map_err(|reason| Error::Key {
        path: path.to_owned(),
        reason: format!("line {line_number}: {reason}"),
    })?;
    Ok((key, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/key");
        let first = Signer::open(&path).unwrap().public();
        assert_eq!(Signer::open(&path).unwrap().public(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let refusal = Signer::open(&path).err().unwrap().to_string();
            assert!(refusal.contains("mode 644"), "{refusal}");
        }
    }

    #[test]
    fn known_keys_are_lines_with_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_keys");
        let key = Signer::from_seed(&[7; 32]).public();
        assert_eq!(KnownKeys::read(&path).unwrap().name(&key), None);
        KnownKeys::trust(&path, key, "lab\nbench").unwrap();
        KnownKeys::trust(&path, key, "again").unwrap();
        let known = KnownKeys::read(&path).unwrap();
        assert_eq!((known.name(&key), known.all().len()), (Some("lab bench"), 1));
        fs::write(&path, "nonsense name\n").unwrap();
        assert!(KnownKeys::read(&path).unwrap_err().to_string().contains("line 1"));
    }
}
